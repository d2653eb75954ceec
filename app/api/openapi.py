"""What FastAPI cannot derive for the OpenAPI document: hand-read bodies, problems, the key."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.access import SCOPE_FIELD
from app.api.compat.embeddings import EmbeddingsIn
from app.api.compat.rerank import RerankIn
from app.api.problems import Problem
from app.api.v1.collections import CollectionIn
from app.api.v1.context import ContextIn
from app.api.v1.document_schemas import DocumentIn, DocumentsIn
from app.api.v1.documents import RollbackIn
from app.api.v1.evaluations import EvaluationIn
from app.api.v1.explain import ExplainIn
from app.api.v1.feedback import FeedbackIn
from app.api.v1.generations import GenerationIn, TuningIn
from app.api.v1.keys import KeyIn
from app.api.v1.preflight import PreflightIn
from app.api.v1.search import SearchIn

_BODIES: tuple[type[BaseModel], ...] = (
    CollectionIn,
    ContextIn,
    DocumentIn,
    DocumentsIn,
    EmbeddingsIn,
    EvaluationIn,
    ExplainIn,
    FeedbackIn,
    GenerationIn,
    KeyIn,
    PreflightIn,
    RerankIn,
    RollbackIn,
    SearchIn,
    TuningIn,
)


def complete_openapi(app: FastAPI, *, requires_keys: bool) -> None:
    """Add the schemas that routes refer to and, where keys are, which routes need one."""
    derive = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = derive()
        _, definitions = models_json_schema(
            [(Problem, "serialization"), *((model, "validation") for model in _BODIES)],
            ref_template="#/components/schemas/{model}",
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(definitions["$defs"])
        if requires_keys:
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for operations in document["paths"].values():
                for operation in operations.values():
                    if SCOPE_FIELD in operation:
                        operation["security"] = [{"key": []}]
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
