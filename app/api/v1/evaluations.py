"""Evaluations: golden sets asked in the background."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from app.api.access import Admin, GuardedRoute, Opened
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.api.v1.golden_sets import LabelledQueryIn, read_queries
from app.domain import Mode, Progress, Scope
from app.errors import InvalidRequest
from app.evaluation.runner import Configuration
from app.services.quality import evaluations
from app.services.quality.golden_sets import MAX_QUERIES, read_golden_set

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["evaluation"],
)


MAX_CONFIGURATIONS = 8


class ConfigurationIn(Body):
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    """How articles are found."""
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    """Compare only the first ones of each vector."""
    generation: int | None = Field(default=None, ge=1, le=2**53, description="None: the live one")


class EvaluationIn(Body):
    collection: str = Field(examples=["help"])
    """Where to ask."""
    queries: list[LabelledQueryIn] | None = Field(
        None,
        min_length=1,
        max_length=MAX_QUERIES,
        description="The golden set, null for that of the collection; queries without an answer "
        "count only for what scores mean",
    )
    configurations: list[ConfigurationIn] = Field(
        [ConfigurationIn()],
        min_length=1,
        max_length=MAX_CONFIGURATIONS,
        description="Each later one is compared with the first",
    )


class EvaluationOut(Answer):
    id: str
    """What GET /v1/evaluations/{evaluation_id} asks for."""
    collection: str
    """Where it asks."""
    status: Progress
    """How far it is."""
    result: dict[str, Any] | None
    """The figures, once it is done."""
    message: str | None
    """Why it failed; null unless it did."""
    created_at: datetime
    """When it was asked for."""
    finished_at: datetime | None
    """When it ended."""


class RunSummaryOut(Answer):
    name: str
    """The mode, with what else was asked for."""
    generation: int | None
    """Which generation of vectors answered; null where that was not noted."""
    ndcg: float
    """nDCG@10, the mean over the queries."""


class EvaluationSummaryOut(Answer):
    id: str
    """What GET /v1/evaluations/{evaluation_id} asks for."""
    collection: str
    """Where it asks."""
    status: Progress
    """How far it is."""
    message: str | None
    """Why it failed; null unless it did."""
    created_at: datetime
    """When it was asked for."""
    finished_at: datetime | None
    """When it ended."""
    queries: int | None
    """How many queries were asked; null until it is done."""
    runs: list[RunSummaryOut]
    """What each configuration came to; none until it is done."""


class EvaluationsOut(Answer):
    evaluations: list[EvaluationSummaryOut]
    """The newest first."""
    next_before: str | None
    """`before` for the next page; null on the last one."""


class EvaluationRemoved(Answer):
    id: str
    """The evaluation that was erased."""


EvaluationId = Annotated[str, Path(description="As the start answered it")]
EvaluationBody = Annotated[EvaluationIn, Depends(json_body(EvaluationIn, size=BodySize.GOLDEN))]


@router.post(
    "/evaluations",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422),
)
def start_evaluation(body: EvaluationBody, resources: Opened, caller: Admin) -> EvaluationOut:
    """Ask a golden set in the background."""
    collection = caller.collection(body.collection, Scope.ADMIN)
    golden = (
        read_golden_set(resources.database, collection)
        if body.queries is None
        else read_queries(body.queries)
    )
    if not any(query.relevant for query in golden):
        raise InvalidRequest("no query has a relevant document", code="no_relevant_document")
    configurations = [
        Configuration(c.mode, c.dimensions, c.generation) for c in body.configurations
    ]
    started = evaluations.start_evaluation(resources, collection, golden, configurations)
    return EvaluationOut.model_validate(started)


@router.get("/evaluations", responses=problem_responses(404, 422))
def list_evaluations(
    resources: Opened,
    caller: Admin,
    collection: Annotated[
        str | None, Query(max_length=64, description="Only of this collection")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Evaluations a page")] = 20,
    before: Annotated[
        str | None, Query(max_length=64, description="`next_before` of the page before")
    ] = None,
) -> EvaluationsOut:
    """List evaluations with their main figures, newest first."""
    of = None if collection is None else [caller.collection(collection, Scope.ADMIN)]
    found = evaluations.list_evaluations(resources.database, of, limit=limit + 1, before=before)
    page = [EvaluationSummaryOut.model_validate(one) for one in found[:limit]]
    return EvaluationsOut(evaluations=page, next_before=page[-1].id if len(found) > limit else None)


@router.get(
    "/evaluations/{evaluation_id}",
    responses=problem_responses(404),
)
def get_evaluation(evaluation_id: EvaluationId, resources: Opened, _: Admin) -> EvaluationOut:
    """Show where an evaluation stands and, once it is done, its figures by query."""
    return EvaluationOut.model_validate(
        evaluations.get_evaluation(resources.database, evaluation_id)
    )


@router.delete(
    "/evaluations/{evaluation_id}",
    responses=problem_responses(404),
)
def remove_evaluation(
    evaluation_id: EvaluationId, resources: Opened, _: Admin
) -> EvaluationRemoved:
    """Erase an evaluation."""
    evaluations.remove_evaluation(resources, evaluation_id)
    return EvaluationRemoved(id=evaluation_id)
