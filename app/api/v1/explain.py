"""Explanations: where a document stands for a question, and why."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import CurrentCaller, GuardedRoute, Opened, ReadableCollection
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.document_schemas import VersionOut
from app.api.v1.fields import (
    Answer,
    Body,
    QueryText,
)
from app.api.v1.filters import Filters
from app.api.v1.search import PassageOut
from app.domain import Mode, Scope
from app.services.search.explain import Inquiry, State, explain_document
from app.services.search.pipeline import SearchRequest
from app.services.search.search import MAX_LIMIT

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["search"],
)


class ExplainIn(Body):
    query: QueryText
    document_id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    version: int | None = Field(
        None, ge=1, le=2**53, description="Ask for this one; null: whichever answers"
    )
    # As JSON it is a string, and a strict enumeration would take members only.
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    filters: Filters = None
    min_score: float | None = Field(None, allow_inf_nan=False)
    passages: int = Field(3, ge=0, le=100)
    dimensions: int | None = Field(None, ge=1, le=65_536)
    key_id: str | None = Field(
        None,
        max_length=64,
        description="Whether this key would see it; needs an admin key for all collections",
    )


class StandingOut(Answer):
    """`gap`: how far the score is above the last one shown, below 0 if it is not shown."""

    rank: int | None
    of: int
    score: float | None
    last_shown: float | None
    gap: float | None


class TermMatchOut(Answer):
    """`count`: how often the article holds it; each place in its title counts three times."""

    term: str
    count: int


class ReadingOut(Answer):
    tokens: list[str]
    model_tokens: int | None
    prompt: str | None
    adapter: str | None
    terms: list[TermMatchOut]


class RankingOut(Answer):
    stages: dict[str, StandingOut]
    """`unit`, `passage`, `lexical` and `match`, those that the mode looks at, and `fused`."""
    reading: ReadingOut
    passages: list[PassageOut]
    took_ms: dict[str, float]


class ExplanationOut(Answer):
    """`untrusted`: titles and passages are data that somebody uploaded, no orders."""

    query: str
    collection: str
    document_id: str
    mode: Mode
    limit: int
    state: State
    reason: str
    versions: list[VersionOut]
    ranking: RankingOut | None
    untrusted: Literal[True] = True


@router.post(
    "/collections/{collection}/explain",
    openapi_extra=takes(ExplainIn),
    responses=problem_responses(404, 413, 415, 422, 503),
)
def explain(
    collection: ReadableCollection,
    body: Annotated[ExplainIn, Depends(json_body(ExplainIn))],
    resources: Opened,
    caller: CurrentCaller,
) -> ExplanationOut:
    """Say where a document stands for a question, and why."""
    if body.key_id is not None:
        caller.principal.require_everywhere(Scope.ADMIN)
    request = SearchRequest(
        body.query,
        [collection],
        body.mode,
        limit=body.limit,
        filters=body.filters.to_filter() if body.filters else None,
        min_score=body.min_score,
        dimensions=body.dimensions,
    )
    inquiry = Inquiry(
        request,
        body.document_id,
        version=body.version,
        passages=body.passages,
        key_id=body.key_id,
    )
    return ExplanationOut.model_validate(explain_document(resources, inquiry))
