"""Cohere's second contract: `POST /v2/rerank` and `POST /v2/embed`."""

from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.api.access import Opened, Reader
from app.api.bodies import BodySize, json_body
from app.api.compat.embeddings import encode_vector
from app.api.compat.errors import (
    ContractBody,
    ContractRoute,
    Failure,
    error_responses,
    without_unprocessable,
)
from app.api.v1.fields import Answer
from app.domain import Task
from app.services.operations.embeddings import MAX_TEXTS, embed_texts
from app.services.operations.model_names import resolve_model
from app.services.search.pipeline import check_query
from app.services.search.rerank import rerank_texts

_TASKS = {
    "search_query": Task.QUERY,
    "search_document": Task.PASSAGE,
    "classification": Task.CLASSIFICATION,
    "clustering": Task.SEPARATION,
}
_VERSION = {"version": "2"}


class CohereError(Answer):
    message: str
    """One sentence for people."""


def shape_cohere(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as Cohere's clients read it."""
    return without_unprocessable(failure.status), CohereError(message=failure.message)


class CohereRoute(ContractRoute):
    shape = staticmethod(shape_cohere)


router = APIRouter(prefix="/v2", route_class=CohereRoute, tags=["cohere"])


class RerankV2In(ContractBody):
    """`model` and `max_tokens_per_doc` change nothing: documents are read to their ends."""

    model: str | None = None
    """The served model by its id or an alias."""
    query: str
    """The question."""
    documents: list[str] = Field(min_length=1, max_length=1000)
    """What to rank."""
    top_n: int | None = Field(None, ge=1)
    """How many to answer with; null: all."""


class RankedOut(Answer):
    index: int
    """Its place among those that were given, from 0."""
    relevance_score: float
    """How well it answers: 0 to 1."""


class Meta(Answer):
    api_version: dict[str, str]
    """Of the contract."""
    billed_units: dict[str, float]
    """What was read."""


class RerankV2Out(Answer):
    id: str
    """What names it."""
    results: list[RankedOut]
    """Best first."""
    meta: Meta
    """The version of the contract, and what was read."""


class EmbedV2In(ContractBody):
    model: str = ""
    """The served model by its id or an alias."""
    texts: list[str] = Field(min_length=1, max_length=MAX_TEXTS)
    """What to read."""
    input_type: Literal["search_query", "search_document", "classification", "clustering"]
    """What the vectors are for."""
    embedding_types: list[Literal["float", "base64", "binary", "ubinary"]] = Field(["float"])
    """How vectors are written."""
    output_dimension: int | None = Field(None, ge=1)
    """Cut Matryoshka vectors to so many; null keeps all."""
    truncate: Literal["NONE", "START", "END"] = Field(
        "NONE", description="END cuts what the model cannot read; nothing is cut unless asked for"
    )


class EmbedV2Out(Answer):
    id: str
    """What names it."""
    embeddings: dict[str, list[Any]]
    """Vectors, in the order of the texts."""
    texts: list[str]
    """What to read."""
    response_type: Literal["embeddings_by_type"] = "embeddings_by_type"
    """Always this word."""
    meta: Meta
    """The version of the contract, and what was read."""


@router.post(
    "/rerank",
    operation_id="cohere_rerank",
    responses=error_responses(CohereError, 400, 401, 403, 413, 415, 503),
)
def rerank(
    body: Annotated[RerankV2In, Depends(json_body(RerankV2In, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> RerankV2Out:
    """Rank given texts for a question."""
    check_query(resources.settings, body.query)
    ranked = rerank_texts(resources, body.query, body.documents)
    return RerankV2Out(
        id=str(uuid4()),
        results=[
            RankedOut(index=found.index, relevance_score=found.relevance_score)
            for found in ranked.results[: body.top_n]
        ],
        meta=Meta(api_version=_VERSION, billed_units={"search_units": 1}),
    )


@router.post(
    "/embed",
    operation_id="cohere_embed",
    responses=error_responses(CohereError, 400, 401, 403, 404, 413, 415, 429, 503),
)
def embed(
    body: Annotated[EmbedV2In, Depends(json_body(EmbedV2In, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> EmbedV2Out:
    """Embed texts; `input_type` chooses the adapter."""
    resolve_model(resources, body.model)
    embeddings = embed_texts(
        resources,
        body.texts,
        task=_TASKS[body.input_type],
        dimensions=body.output_dimension,
        truncate=body.truncate == "END",
    )
    return EmbedV2Out(
        id=str(uuid4()),
        embeddings={
            kind: [encode_vector(embedding.vector, kind) for embedding in embeddings]
            for kind in body.embedding_types
        },
        texts=body.texts,
        meta=Meta(
            api_version=_VERSION, billed_units={"input_tokens": sum(e.tokens for e in embeddings)}
        ),
    )
