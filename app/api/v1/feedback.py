"""The routes of the query log: feedback, golden sets and gaps made of it, and its erasure."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from app.api.access import GuardedRoute, Opened, OwnedCollection, Reader, WritableCollection
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.domain import Scope
from app.services.access.collections import BY_QUERY
from app.services.quality import feedback

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["feedback"],
)


class FeedbackIn(Body):
    """Whether an answer helped, which document would have been right, or both."""

    query_id: str = Field(min_length=1, max_length=32)
    helpful: bool | None = None
    document_id: str | None = Field(None, min_length=1, max_length=256)

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackIn":
        if self.helpful is None and self.document_id is None:
            raise ValueError("give helpful, document_id, or both")
        return self


class FeedbackTaken(Answer):
    query_id: str


class LearnedOut(Answer):
    query: str
    relevant: dict[str, int]


class GoldenOut(Answer):
    queries: list[LearnedOut]


class GapOut(Answer):
    count: int
    examples: list[str]
    nearest: list[str]


class GapsOut(Answer):
    gaps: list[GapOut]


class QueriesErased(Answer):
    erased: int


@router.post(
    "/feedback",
    status_code=201,
    openapi_extra=takes(FeedbackIn),
    responses=problem_responses(404, 413, 415, 422, 507),
)
def give_feedback(
    body: Annotated[FeedbackIn, Depends(json_body(FeedbackIn))], resources: Opened, caller: Reader
) -> FeedbackTaken:
    """Say whether the answer to a search was helpful, or which document was right."""
    # The log is written behind; the question may be a moment old.
    feedback.store_queries(resources)
    collection = caller.collection(body.query_id, Scope.READ, BY_QUERY)
    feedback.give_feedback(
        resources.database,
        collection,
        body.query_id,
        helpful=body.helpful,
        document_id=body.document_id,
    )
    return FeedbackTaken(query_id=body.query_id)


@router.get(
    "/collections/{collection}/golden",
    responses=problem_responses(404),
)
def get_golden(collection: WritableCollection, resources: Opened) -> GoldenOut:
    """Return a golden set made of feedback, for review; values count votes."""
    learned = feedback.learn_golden(resources, collection)
    return GoldenOut(queries=[LearnedOut.model_validate(query) for query in learned])


@router.get(
    "/collections/{collection}/gaps",
    responses=problem_responses(404, 422, 503),
)
def get_gaps(
    collection: WritableCollection,
    resources: Opened,
    below: Annotated[float, Query(ge=0, le=1)] = feedback.LOW_SCORE,
) -> GapsOut:
    """Return the subjects of questions that found nothing good, the most asked first."""
    gaps = feedback.find_gaps(resources, collection, below=below)
    return GapsOut(gaps=[GapOut.model_validate(gap) for gap in gaps])


@router.delete(
    "/collections/{collection}/queries",
    responses=problem_responses(404),
)
def erase_queries(collection: OwnedCollection, resources: Opened) -> QueriesErased:
    """Erase the logged questions of a collection with their feedback."""
    return QueriesErased(erased=feedback.erase_queries(resources, collection))
