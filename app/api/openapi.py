"""What FastAPI cannot derive for the OpenAPI document: hand-read bodies, problems, the key."""

from collections.abc import Iterator
from typing import Any, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.access import SCOPE_FIELD
from app.api.bodies import BodyReader
from app.api.problems import Problem

Json = dict[str, Any]


def operation_id(route: APIRoute) -> str:
    """Return what generated clients call the operation: the name of its function."""
    return route.name


def complete_openapi(app: FastAPI, *, requires_keys: bool) -> None:
    """Add the bodies that routes read and, where keys are, which routes need one."""
    derive = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = derive()
            _drop_validation_errors(document)
            _add_bodies(app, document)
            if requires_keys:
                _add_security(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _drop_validation_errors(document: Json) -> None:
    """Leave out FastAPI's own 422: a route that can refuse its parameters answers a Problem."""
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if schema.get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)


def _add_bodies(app: FastAPI, document: Json) -> None:
    readers = list(_find_readers(app, document))
    contents = [content for _, reader in readers for content in reader.content.values()]
    models = [content for content in contents if isinstance(content, type)]
    _, definitions = models_json_schema(
        [(Problem, "serialization"), *((model, "validation") for model in models)],
        ref_template="#/components/schemas/{model}",
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"])
    for operation, reader in readers:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _refer(of)} for kind, of in reader.content.items()},
        }


def _find_readers(app: FastAPI, document: Json) -> Iterator[tuple[Json, BodyReader[Any]]]:
    """Yield the operations whose routes read a body by hand."""
    for context in iter_route_contexts(app.routes):
        # Of FastAPI's own pages there is no operation.
        route = context.original_route
        if isinstance(route, APIRoute) and context.path_format in document["paths"]:
            for reader in _readers_of(route.dependant):
                for method in route.methods or ():
                    yield document["paths"][context.path_format][method.lower()], reader


def _readers_of(dependant: Dependant) -> Iterator[BodyReader[Any]]:
    if isinstance(dependant.call, BodyReader):
        yield dependant.call
    for dependency in dependant.dependencies:
        yield from _readers_of(dependency)


def _refer(content: type[BaseModel] | Json) -> Json:
    if isinstance(content, type):
        return {"$ref": f"#/components/schemas/{content.__name__}"}
    return content


def _add_security(document: Json) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for operations in document["paths"].values():
        for operation in cast("dict[str, Json]", operations).values():
            if SCOPE_FIELD in operation:
                operation["security"] = [{"key": []}]
