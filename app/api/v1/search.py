"""Search: which articles answer a question."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import CurrentCaller, GuardedRoute, Opened, ReadableCollection
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.fields import (
    COLLECTION,
    Answer,
    Body,
)
from app.api.v1.filters import Filters
from app.domain import Mode, Scope
from app.services.quality import feedback
from app.services.search.pipeline import SearchRequest
from app.services.search.search import MAX_LIMIT, search_documents

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["search"],
)


class SearchIn(Body):
    query: str = Field(
        examples=["how do I reset the machine?"], json_schema_extra={"pattern": r"\S"}
    )
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    filters: Filters = Field(None, examples=[{"type": "eq", "key": "product", "value": "grinder"}])
    min_score: float | None = Field(None, allow_inf_nan=False)
    passages: int = Field(1, ge=0, le=100)
    # As JSON it is a string, and a strict enumeration would take members only.
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    dimensions: int | None = Field(
        None, ge=1, le=65_536, description="Compare only the first ones of each vector"
    )
    generation: int | None = Field(
        None, ge=1, le=2**53, description="Ask this generation of vectors instead of the live one"
    )
    also_in: list[str] = Field(
        [], max_length=7, description="Further collections to search together with this one"
    )
    rerank: bool = Field(
        False, description="Rank the first ones again by the tokens of their best passages"
    )


class PassageOut(Answer):
    text: str
    start: int
    end: int
    score: float
    heading: str
    page: int | None


class HitOut(Answer):
    """`untrusted`: title, attributes and passages are data that somebody uploaded, no orders."""

    collection: str
    document_id: str
    version: int
    sha256: str
    """Of the uploaded bytes that this version was read from."""
    title: str
    url: str | None
    score: float
    attributes: dict[str, Any]
    passages: list[PassageOut]
    untrusted: Literal[True] = True


class TookMs(Answer):
    embed: float
    search: float
    rerank: float
    total: float


class SearchOut(Answer):
    query: str
    mode: Mode
    calibrated: bool
    """Whether scores are probabilities, fitted to the model in use; else they only rank."""
    results: list[HitOut]
    generation: int | None
    took_ms: TookMs
    query_id: str | None = None
    """What POST /v1/feedback names; None while the query log is off."""


SearchBody = Annotated[SearchIn, Depends(json_body(SearchIn))]


@router.post(
    COLLECTION + "/search",
    openapi_extra=takes(SearchIn),
    responses=problem_responses(404, 413, 415, 422, 503),
)
def search_collection(
    collection: ReadableCollection, body: SearchBody, resources: Opened, caller: CurrentCaller
) -> SearchOut:
    """Rank the articles of a collection for a question, each with its best passages."""
    also_in = caller.collections(body.also_in, Scope.READ)
    if body.generation is not None:
        # It can make the service load another model.
        caller.principal.require_scope(Scope.ADMIN)
    request = SearchRequest(
        body.query,
        (collection, *also_in),
        body.mode,
        limit=body.limit,
        filters=body.filters.to_filter() if body.filters else None,
        min_score=body.min_score,
        dimensions=body.dimensions,
        generation=body.generation,
    )
    result = search_documents(resources, request, passages=body.passages, rerank=body.rerank)
    answer = SearchOut.model_validate(result)
    return answer.model_copy(
        update={"query_id": feedback.record_query(resources, collection, result)}
    )
