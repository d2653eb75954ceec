"""Reparses: collections read anew from their uploads, in the background."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from app.api.access import GuardedRoute, Opened, OwnedCollection
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.api.v1.golden_sets import GoldenQueryIn, read_queries
from app.domain import Progress
from app.services.quality import reparse

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)

MAX_QUERIES = 500


class ReparseIn(Body):
    apply: bool = False
    """Make new versions of what reads differently; else only report."""
    queries: list[GoldenQueryIn] = Field([], max_length=MAX_QUERIES)
    """A golden set, asked as it is and as it would be. Not asked when `apply` is set."""


class DifferenceOut(Answer):
    id: str
    """A document that reads differently."""
    title: str
    """The title that it would have."""
    words_before: int | None
    """Null: nothing of it answers yet."""
    words_after: int
    """How many words it would have."""
    similarity: float
    """How much of the wording stays, 0 to 1."""
    headings_before: int
    """How many headings it has."""
    headings_after: int
    """How many it would have."""
    warnings: list[str]
    """Those that its receipt does not have yet."""


class UnreadOut(Answer):
    id: str
    """A document whose upload cannot be read."""
    code: str
    """As an upload of it would fail."""
    message: str
    """What is wrong with it."""
    answers: bool
    """Whether a version of it answers; it goes on to."""


class MovedAnswerOut(Answer):
    query: str
    """The question that was asked."""
    before: str | None
    """The first hit now."""
    after: str | None
    """The first hit with what reads differently."""
    before_is_relevant: bool
    """Whether the golden set names the first hit of now."""
    after_is_relevant: bool
    """Whether it names the new one."""


class PredictedAnswersOut(Answer):
    asked: int
    """How many questions were asked."""
    ndcg_before: float
    """nDCG@10 as it is."""
    ndcg_after: float
    """nDCG@10 as it would be."""
    moved: list[MovedAnswerOut]
    """The questions whose first hit would change."""


class FoundOut(Answer):
    read: int
    """Documents that were read."""
    unchanged: int
    """Those that read as they are stored."""
    changed: int
    """Those that read differently."""
    unreadable: int
    """Those whose upload cannot be read."""
    waiting: int
    """Those that were left alone, because a new version of them was in the queue."""
    changes: list[DifferenceOut] = Field(description="The first 1,000 that read differently")
    failures: list[UnreadOut] = Field(description="The first 1,000 that cannot be read")
    answers: PredictedAnswersOut | None
    """Null: no golden set was given, or it was not asked."""


class ReparseOut(Answer):
    id: str
    """What the status asks for; of a job too, where `applies` is set."""
    collection: str
    """What is read."""
    status: Progress
    """How far it is; one that applies is done when all new versions are queued."""
    applies: bool
    """Whether new versions are made."""
    documents: int
    """How many documents the collection has."""
    found: FoundOut
    """What it has found so far."""
    message: str | None
    """Why it failed, or what it left out."""
    created_at: datetime
    """When it was asked for."""
    finished_at: datetime | None
    """When it ended."""


ReparseBody = Annotated[ReparseIn, Depends(json_body(ReparseIn, size=BodySize.GOLDEN))]


@router.post(
    "/collections/{collection}/reparses",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422),
)
def start_reparse(collection: OwnedCollection, body: ReparseBody, resources: Opened) -> ReparseOut:
    """Read all documents of a collection anew from their uploads, in the background."""
    started = reparse.start_reparse(
        resources, collection, applies=body.apply, golden=read_queries(body.queries)
    )
    return ReparseOut.model_validate(started)


@router.get(
    "/collections/{collection}/reparses/{reparse_id}",
    responses=problem_responses(404),
)
def get_reparse(
    collection: OwnedCollection,
    reparse_id: Annotated[str, Path(description="As the start answered it")],
    resources: Opened,
) -> ReparseOut:
    """Show what a reparse has found so far."""
    return ReparseOut.model_validate(
        reparse.get_reparse(resources.database, collection, reparse_id)
    )
