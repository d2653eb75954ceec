"""Evaluations: golden sets asked in the background."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import Admin, GuardedRoute, Opened
from app.api.bodies import MAX_GOLDEN_BODY_BYTES, json_body, takes
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.api.v1.golden_sets import MAX_QUERIES, GoldenQueryIn, read_queries
from app.domain import Mode, Progress, Scope
from app.evaluation.runner import Configuration
from app.services.quality import evaluations

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["evaluation"],
)


MAX_CONFIGURATIONS = 8


class ConfigurationIn(Body):
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    generation: int | None = Field(default=None, ge=1, le=2**53, description="None: the live one")


class EvaluationIn(Body):
    collection: str = Field(examples=["help"])
    queries: list[GoldenQueryIn] = Field(min_length=1, max_length=MAX_QUERIES)
    configurations: list[ConfigurationIn] = Field(
        [ConfigurationIn()],
        min_length=1,
        max_length=MAX_CONFIGURATIONS,
        description="Each later one is compared with the first",
    )


class EvaluationOut(Answer):
    id: str
    collection: str
    status: Progress
    result: dict[str, Any] | None
    message: str | None
    created_at: datetime
    finished_at: datetime | None


EvaluationBody = Annotated[
    EvaluationIn, Depends(json_body(EvaluationIn, max_bytes=MAX_GOLDEN_BODY_BYTES))
]


@router.post(
    "/evaluations",
    status_code=202,
    openapi_extra=takes(EvaluationIn),
    responses=problem_responses(404, 413, 415, 422),
)
def start_evaluation(body: EvaluationBody, resources: Opened, caller: Admin) -> EvaluationOut:
    """Ask a golden set in the background."""
    configurations = [
        Configuration(c.mode, c.dimensions, c.generation) for c in body.configurations
    ]
    started = evaluations.start_evaluation(
        resources,
        caller.collection(body.collection, Scope.ADMIN),
        read_queries(body.queries),
        configurations,
    )
    return EvaluationOut.model_validate(started)


@router.get(
    "/evaluations/{evaluation_id}",
    responses=problem_responses(404),
)
def get_evaluation(evaluation_id: str, resources: Opened, _: Admin) -> EvaluationOut:
    """Show where an evaluation stands and, once it is done, its figures by query."""
    return EvaluationOut.model_validate(
        evaluations.get_evaluation(resources.database, evaluation_id)
    )
