"""Cohere's contract: `/v2/rerank` and `/v2/embed`, and `/v1/embed` of its older clients."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

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
from app.api.large_answers import render_list, render_object, respond
from app.api.v1.fields import Answer
from app.domain import Task
from app.runtime.resources import Resources
from app.services.operations.embeddings import MAX_TEXTS, TextEmbedding, embed_texts
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
_OLD_VERSION = {"version": "1"}


class CohereError(Answer):
    message: str
    """One sentence for people."""


def shape_cohere(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as Cohere's clients read it."""
    return without_unprocessable(failure.status), CohereError(message=failure.message)


class CohereRoute(ContractRoute):
    shape = staticmethod(shape_cohere)


router = APIRouter(prefix="/v2", route_class=CohereRoute, tags=["cohere"])
old_router = APIRouter(prefix="/v1", route_class=CohereRoute, tags=["cohere"])

InputType = Literal["search_query", "search_document", "classification", "clustering"]
Encoding = Literal["float", "base64", "int8", "uint8", "binary", "ubinary"]


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
    input_type: InputType
    """What the vectors are for."""
    embedding_types: list[Encoding] = Field(["float"])
    """How vectors are written."""
    output_dimension: int | None = Field(None, ge=1)
    """Cut Matryoshka vectors to so many; null keeps all."""
    truncate: Literal["NONE", "START", "END"] = Field(
        "NONE", description="END cuts what the model cannot read; nothing is cut unless asked for"
    )


class EmbedV1In(EmbedV2In):
    """What may be left out here: the purpose, and how vectors are written."""

    input_type: InputType = "search_document"
    """What the vectors are for."""
    embedding_types: list[Encoding] = Field([])
    """How vectors are written; with none they are lists of numbers."""


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


class EmbedV1Out(Answer):
    id: str
    """What names it."""
    embeddings: list[list[float]] | dict[str, list[Any]]
    """Vectors, in the order of the texts; by their types where types were asked for."""
    texts: list[str]
    """What to read."""
    response_type: Literal["embeddings_floats", "embeddings_by_type"]
    """Which of the two."""
    meta: Meta
    """The version of the contract, and what was read."""


class CheckedKey(Answer):
    valid: Literal[True] = True
    """A key that is not gets 401."""
    organization_id: None = None
    """There is none here."""
    owner_id: None = None
    """There is none here."""


@old_router.post(
    "/check-api-key",
    operation_id="cohere_check_api_key",
    responses=error_responses(CohereError, 401, 403),
)
def check_api_key(_: Reader) -> CheckedKey:
    """Say that a key is one; Cohere's clients ask before they start."""
    return CheckedKey()


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
    response_model=EmbedV2Out,
)
def embed(
    body: Annotated[EmbedV2In, Depends(json_body(EmbedV2In, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Embed texts; `input_type` chooses the adapter."""
    embeddings = _embed(resources, body)
    answer = EmbedV2Out(
        id=str(uuid4()),
        embeddings={},
        texts=body.texts,
        meta=_measure(embeddings, _VERSION),
    )
    by_type = _encode(embeddings, body.embedding_types)
    return respond(answer, embeddings=render_object(**by_type))


@old_router.post(
    "/embed",
    operation_id="cohere_embed_as_before",
    responses=error_responses(CohereError, 400, 401, 403, 404, 413, 415, 429, 503),
    response_model=EmbedV1Out,
)
def embed_as_before(
    body: Annotated[EmbedV1In, Depends(json_body(EmbedV1In, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Embed texts for clients of Cohere's first version; without `input_type` as documents."""
    embeddings = _embed(resources, body)
    by_type = _encode(embeddings, body.embedding_types or ["float"])
    answer = EmbedV1Out(
        id=str(uuid4()),
        embeddings={},
        texts=body.texts,
        response_type="embeddings_by_type" if body.embedding_types else "embeddings_floats",
        meta=_measure(embeddings, _OLD_VERSION),
    )
    rendered = render_object(**by_type) if body.embedding_types else by_type["float"]
    return respond(answer, embeddings=rendered)


def _embed(resources: Resources, body: EmbedV2In) -> list[TextEmbedding]:
    resolve_model(resources, body.model)
    return embed_texts(
        resources,
        body.texts,
        task=_TASKS[body.input_type],
        dimensions=body.output_dimension,
        truncate=body.truncate == "END",
    )


def _encode(embeddings: Sequence[TextEmbedding], encodings: Sequence[Encoding]) -> dict[str, bytes]:
    return {
        encoding: render_list(
            to_json(encode_vector(embedding.vector, encoding)) for embedding in embeddings
        )
        for encoding in encodings
    }


def _measure(embeddings: Sequence[TextEmbedding], version: dict[str, str]) -> Meta:
    tokens = sum(embedding.tokens for embedding in embeddings)
    return Meta(api_version=version, billed_units={"input_tokens": tokens})
