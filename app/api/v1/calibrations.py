"""What scores mean in a collection: shown, and measured with questions whose answers are known."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import GuardedRoute, Opened, OwnedCollection
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.api.v1.golden_sets import LabelledQueryIn, read_queries
from app.services.quality import calibration
from app.services.quality.golden_sets import MAX_QUERIES, read_golden_set

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["evaluation"],
)


class CalibrationIn(Body):
    queries: list[LabelledQueryIn] | None = Field(
        max_length=MAX_QUERIES,
        description="At least 20 with an answer; null: those of the collection's golden set; an "
        "empty list forgets those that were given before",
    )


class LabelsOut(Answer):
    queries: int
    """Questions with an answer."""
    unanswered: int
    """Questions without."""
    hits: dict[str, float]
    """Shift and slope of the log odds of hits' scores."""
    answers: dict[str, float]
    """The same of `no_answer`."""
    error: float
    """Calibration error of first hits' scores without them."""
    corrected_error: float
    """With them, on the same questions."""


class MeasuredOut(Answer):
    rules: int | None = Field(description="Version of the rules; null: to be measured again")
    documents: int
    """Articles that the collection had."""
    anchors: dict[str, float] | None
    """What it gives to questions without an answer and to its own sentences; null where the model
    tells them not apart, and scores are no probabilities."""
    labels: LabelsOut | None = None
    """What questions whose answers are known changed; null where there are none."""
    measured_at: datetime
    """When."""


class CalibrationOut(Answer):
    collection: str
    """Whose scores these are."""
    generation: int
    """The generation that answers."""
    measured: MeasuredOut | None
    """Null until it was measured."""
    is_due: bool
    """Whether the background is yet to measure it."""


CalibrationBody = Annotated[CalibrationIn, Depends(json_body(CalibrationIn, size=BodySize.GOLDEN))]


@router.get("/collections/{collection}/calibration", responses=problem_responses(404))
def get_calibration(collection: OwnedCollection, resources: Opened) -> CalibrationOut:
    """Show what was measured of a collection's scores."""
    return _show(calibration.get_calibration(resources, collection))


@router.post(
    "/collections/{collection}/calibration",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422, 503),
)
def calibrate(
    collection: OwnedCollection, body: CalibrationBody, resources: Opened
) -> CalibrationOut:
    """Measure in the background what scores mean, with questions whose answers are known."""
    golden = (
        read_golden_set(resources.database, collection)
        if body.queries is None
        else read_queries(body.queries)
    )
    return _show(calibration.request_calibration(resources, collection, golden))


def _show(found: calibration.CollectionCalibration) -> CalibrationOut:
    measured: Any = found.measured
    return CalibrationOut(
        collection=found.collection,
        generation=found.generation,
        measured=None if measured is None else MeasuredOut(**measured),
        is_due=found.is_due,
    )
