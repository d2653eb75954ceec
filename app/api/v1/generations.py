"""Generations of vectors: build, tune, list, roll back, erase."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from app.api.access import Admin, GuardedRoute, Opened
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.api.v1.golden_sets import GoldenQueryIn, read_queries
from app.domain import GenerationState, Scope
from app.services.quality import generations, tuning
from app.services.quality.gate import DEFAULT_MARGIN, GateRequest
from app.services.quality.golden_sets import MAX_QUERIES

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["generations"],
)


class GenerationIn(Body):
    """A model to embed every article with, and what must hold before it answers."""

    model: str | None = Field(None, max_length=1024, description="None: the one that answers now")
    revision: str = Field("", max_length=64)
    """Commit of a Hugging Face checkpoint."""
    dimensions: int | None = Field(None, ge=1, le=65_536)
    """Cut Matryoshka vectors to so many; null keeps all."""
    collection: str | None = Field(None, examples=["help"])
    """Where the gate asks its queries."""
    queries: list[GoldenQueryIn] = Field([], max_length=MAX_QUERIES)
    """The golden set of the gate."""
    margin: float = Field(DEFAULT_MARGIN, ge=0, le=1, allow_inf_nan=False)
    """How much nDCG@10 may fall, at the lower end of its 95% interval."""
    force: bool = False
    """Switch even if the gate fails."""


class TuningIn(Body):
    """What a query adapter is to learn from, and what must hold before it answers."""

    collection: str = Field(examples=["help"])
    """Where the golden set was made."""
    queries: list[GoldenQueryIn] = Field([], max_length=MAX_QUERIES)
    """Questions with the documents that answer them."""
    feedback: bool = Field(True, description="Learn also from what people said of results")
    gate: list[GoldenQueryIn] = Field(
        [], max_length=MAX_QUERIES, description="None: a third of `queries`, which is not learned"
    )
    margin: float = Field(DEFAULT_MARGIN, ge=0, le=1, allow_inf_nan=False)
    """How much nDCG@10 may fall, at the lower end of its 95% interval."""
    force: bool = False
    """Switch even if the gate fails."""


class TrainingOut(Answer):
    done: int
    """Steps done."""
    total: int
    """Steps in all."""
    seconds_left: float | None
    """An estimate; null until there is one."""


class GenerationOut(Answer):
    id: int
    """What the other routes name it by."""
    model: str
    """The model that made its vectors."""
    dimensions: int
    """Length of its vectors."""
    fingerprint: str
    """What made its vectors, as a digest."""
    is_live: bool
    """Whether it answers."""
    state: GenerationState
    """How far it is."""
    message: str | None
    """Why it was refused or failed."""
    documents: int
    """Live articles that it holds."""
    total: int
    """Live articles in all."""
    report: dict[str, Any] | None
    """What its gate measured."""
    vectors_of: int | None = Field(description="Whose vectors a tuned one searches")
    tuning: dict[str, Any] | None = Field(description="What a tuned one learned")
    calibration: dict[str, Any] | None = Field(
        description="What its scores mean in each collection, as it was measured"
    )
    training: TrainingOut | None = Field(description="How far the training is, while it runs")
    created_at: datetime
    """When it was asked for."""


class GenerationsOut(Answer):
    generations: list[GenerationOut]
    """The oldest first."""


class GenerationRemoved(Answer):
    id: int
    """The generation that was erased."""


GenerationId = Annotated[int, Path(ge=1, le=2**53, description="As the list names it")]


GenerationBody = Annotated[GenerationIn, Depends(json_body(GenerationIn, size=BodySize.GOLDEN))]


TuningBody = Annotated[TuningIn, Depends(json_body(TuningIn, size=BodySize.GOLDEN))]


@router.post(
    "/generations",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422, 503),
)
def create_generation(body: GenerationBody, resources: Opened, caller: Admin) -> GenerationOut:
    """Embed every article with another model beside the live one, and switch if it is no worse."""
    collection = caller.collection(body.collection, Scope.ADMIN) if body.collection else None
    gate = GateRequest(collection, read_queries(body.queries), body.margin, body.force)
    made = generations.request_generation(
        resources,
        model=body.model,
        revision=body.revision,
        dimensions=body.dimensions,
        gate=gate,
    )
    return GenerationOut.model_validate(made)


@router.post(
    "/tunings",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422, 503),
)
def create_tuning(body: TuningBody, resources: Opened, caller: Admin) -> GenerationOut:
    """Fine-tune the model's query adapter in the background, and switch to it if it is no worse."""
    collection = caller.collection(body.collection, Scope.ADMIN)
    made = tuning.request_tuning(
        resources,
        tuning.TuningRequest(collection, read_queries(body.queries), body.feedback),
        gate=GateRequest(collection, read_queries(body.gate), body.margin, body.force),
    )
    return GenerationOut.model_validate(made)


@router.get("/generations")
def list_generations(resources: Opened, _: Admin) -> GenerationsOut:
    """List the generations of vectors, the oldest first."""
    listed = generations.list_generations(resources)
    return GenerationsOut(generations=[GenerationOut.model_validate(info) for info in listed])


@router.get(
    "/generations/{generation_id}",
    responses=problem_responses(404, 422),
)
def get_generation(generation_id: GenerationId, resources: Opened, _: Admin) -> GenerationOut:
    """Show a generation: how far it is, and what its gate said."""
    return GenerationOut.model_validate(generations.get_generation(resources, generation_id))


@router.post(
    "/generations/{generation_id}/rollback",
    responses=problem_responses(404, 409, 422, 503),
)
def roll_back_generation(generation_id: GenerationId, resources: Opened, _: Admin) -> GenerationOut:
    """Let a complete generation answer at once, without a measurement."""
    return GenerationOut.model_validate(generations.roll_back(resources, generation_id))


@router.delete(
    "/generations/{generation_id}",
    responses=problem_responses(404, 409, 422),
)
def remove_generation(
    generation_id: GenerationId, resources: Opened, _: Admin
) -> GenerationRemoved:
    """Erase a generation that is not live."""
    generations.remove_generation(resources, generation_id)
    return GenerationRemoved(id=generation_id)
