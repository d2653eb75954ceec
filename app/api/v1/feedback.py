"""The routes of the query log: feedback, gaps found by it, and its erasure."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field, model_validator

from app.api.access import GuardedRoute, Opened, OwnedCollection, Reader, WritableCollection
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body, require_fields
from app.domain import Mode, Scope
from app.services.access.collections import BY_QUERY
from app.services.quality import feedback, gaps, query_log, questions

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["feedback"],
)


class FeedbackIn(Body):
    """Whether an answer helped, which document would have been right, or both."""

    model_config = ConfigDict(
        json_schema_extra=require_fields("anyOf", helpful="boolean", document_id="string")
    )

    query_id: str = Field(min_length=1, max_length=32)
    """As the search answered it."""
    helpful: bool | None = None
    """Whether the answer helped."""
    document_id: str | None = Field(None, min_length=1, max_length=256)
    """The document that would have been right."""

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackIn":
        if self.helpful is None and self.document_id is None:
            raise ValueError("give helpful, document_id, or both")
        return self


class FeedbackTaken(Answer):
    query_id: str
    """The query that the feedback is about."""


class GapOut(Answer):
    count: int
    """How many questions were about it."""
    examples: list[str]
    """Some of these questions."""
    nearest: list[str]
    """Ids of the articles that came nearest."""


class GapsOut(Answer):
    gaps: list[GapOut]
    """The most asked first."""


class QuestionOut(Answer):
    query: str
    """A question that found the document."""
    asked_at: datetime
    """When it was asked."""
    rank: int
    """Where the document stood, from 1."""
    helpful: int
    """How many called the answer helpful."""
    unhelpful: int
    """How many called it unhelpful."""
    chosen: int
    """How many called this document the right one."""


class QuestionsOut(Answer):
    questions: list[QuestionOut]
    """The latest first."""


class LoggedQuestionOut(Answer):
    id: str
    """What the search answered as `query_id`."""
    query: str
    """What was asked."""
    mode: Mode
    """How articles were found."""
    asked_at: datetime
    """When it was asked."""
    found: list[str]
    """Ids of the first ten documents that it found here, best first."""
    score: float | None
    """Of the first one, before it was reranked; null where nothing was found."""
    calibrated: bool | None
    """Whether the score is a probability; null where that was not noted."""
    helpful: int
    """How many called the answer helpful."""
    unhelpful: int
    """How many called it unhelpful."""
    chosen: dict[str, int]
    """Documents that people called right, with how many did."""


class QueryLogOut(Answer):
    log_days: int
    """For how many days questions are kept; 0: the log is off, and there are none."""
    queries: list[LoggedQuestionOut]
    """The newest first."""
    next_before: str | None
    """`before` for the next page; null on the last one."""


class QueriesErased(Answer):
    erased: int
    """How many questions were erased."""


@router.post(
    "/feedback",
    status_code=201,
    responses=problem_responses(404, 413, 415, 422, 507),
)
def give_feedback(
    body: Annotated[FeedbackIn, Depends(json_body(FeedbackIn))], resources: Opened, caller: Reader
) -> FeedbackTaken:
    """Say whether the answer to a search was helpful, or which document was right.

    A key has one vote for each answer: what it says later takes the place of what it said before.
    """
    # The log is written behind; the question may be a moment old.
    feedback.store_queries(resources)
    collection = caller.collection(body.query_id, Scope.READ, BY_QUERY)
    feedback.give_feedback(
        resources.database,
        collection,
        body.query_id,
        key_id=caller.principal.key_id,
        helpful=body.helpful,
        document_id=body.document_id,
    )
    return FeedbackTaken(query_id=body.query_id)


@router.get(
    "/collections/{collection}/gaps",
    responses=problem_responses(404, 422, 503),
)
def get_gaps(
    collection: WritableCollection,
    resources: Opened,
    below: Annotated[
        float, Query(ge=0, le=1, description="A first hit that scores less is no answer")
    ] = query_log.LOW_SCORE,
) -> GapsOut:
    """Return the subjects of questions that found nothing good, the most asked first."""
    found = gaps.find_gaps(resources, collection, below=below)
    return GapsOut(gaps=[GapOut.model_validate(gap) for gap in found.gaps])


@router.get(
    "/collections/{collection}/questions",
    responses=problem_responses(404, 422),
)
def list_questions(
    collection: WritableCollection,
    resources: Opened,
    document_id: Annotated[
        str, Query(min_length=1, max_length=256, description="The document that they found")
    ],
    limit: Annotated[int, Query(ge=1, le=100, description="Questions at most")] = 20,
) -> QuestionsOut:
    """Return the latest questions of the query log that found a document, with feedback."""
    found = questions.list_questions(resources, collection, document_id, limit=limit)
    return QuestionsOut(questions=[QuestionOut.model_validate(one) for one in found])


@router.get(
    "/collections/{collection}/queries",
    responses=problem_responses(404, 422),
)
def list_queries(
    collection: WritableCollection,
    resources: Opened,
    unanswered: Annotated[
        bool, Query(description="Only those that found nothing good, as the gaps count them")
    ] = False,
    said: Annotated[
        query_log.Said | None,
        Query(description="Only those of whose answer somebody said this, anything or nothing"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Questions a page")] = 100,
    before: Annotated[
        str | None, Query(max_length=64, description="`next_before` of the page before")
    ] = None,
) -> QueryLogOut:
    """List the query log of a collection, newest first, with what people said of the answers."""
    found = query_log.list_log(
        resources, collection, unanswered=unanswered, said=said, limit=limit + 1, before=before
    )
    page = [LoggedQuestionOut.model_validate(one) for one in found[:limit]]
    return QueryLogOut(
        log_days=resources.settings.query_log_days,
        queries=page,
        next_before=page[-1].id if len(found) > limit else None,
    )


@router.delete(
    "/collections/{collection}/queries",
    responses=problem_responses(404),
)
def erase_queries(collection: OwnedCollection, resources: Opened) -> QueriesErased:
    """Erase the logged questions of a collection with their feedback."""
    return QueriesErased(erased=feedback.erase_queries(resources, collection))
