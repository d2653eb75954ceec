"""Is it alive, is it ready, how is it doing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app.api.access import OpenRoute
from app.api.callers import SIDE_ROOM
from app.api.metrics import Metrics
from app.api.probes import Shared
from app.api.problems import problem_responses
from app.api.v1.fields import Answer
from app.db import queries
from app.errors import ModelUnavailable
from app.runtime.resources import Resources

T = TypeVar("T")

# Open to everyone who reaches the port: counts and states, no names and no content.
router = APIRouter(route_class=OpenRoute, tags=["health"])


class Health(Answer):
    status: Literal["ok"] = "ok"
    """Always `ok`."""


class Sync(Answer):
    """The last scheduled sync; `error` is the code of what kept it from being done."""

    finished_at: datetime
    """When it ended."""
    error: str | None
    """Code of what kept it from being done; null if nothing did."""
    added: int
    """Articles that were new."""
    changed: int
    """Articles that had changed."""
    renamed: int
    """Articles with a new name."""
    deleted: int
    """Articles that were gone."""
    failed: int
    """Articles that could not be read."""


class Readiness(Health):
    model: str
    """What answers questions."""
    documents: int
    """In all collections."""
    parser_confinement: str | None
    """What holds the parsing process, in words; null before it was started."""
    sync: Sync | None = None
    """The last scheduled one; null while there was none."""


class Welcome(Answer):
    """What this is, and where to go."""

    name: Literal["Folio"] = "Folio"
    """Always `Folio`."""
    version: str
    """The version of the service."""
    about: str = "Whole-article retrieval for chatbots and agents"
    """What it does, in one line."""
    docs: Literal["/docs"] = "/docs"
    """Page that describes the interface, and calls it."""
    openapi: Literal["/openapi.json"] = "/openapi.json"
    """The same for programs."""
    ready: Literal["/readyz"] = "/readyz"
    """Whether questions can be answered."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What is told to everyone, and has to be looked up."""

    readiness: Shared[Readiness]
    metrics: Shared[tuple[bytes, str]]
    """The text format and its media type."""


def make_probes(resources: Resources, metrics: Metrics) -> Probes:
    """Return the answers of an application: in threads of their own, and none too often."""
    pause_s = resources.settings.probe_seconds

    def share(make: Callable[[], T]) -> Shared[T]:
        return Shared(lambda: to_thread.run_sync(make, limiter=SIDE_ROOM), pause_s)

    return Probes(
        share(lambda: _read_readiness(resources)),
        share(lambda: _render_metrics(resources, metrics)),
    )


@router.get("/")
def welcome() -> Welcome:
    """Say what this is and where to go."""
    return Welcome(version=version("folio-kb"))


@router.get("/healthz")
async def check_health() -> Health:
    """Answer as long as the process lives."""
    return Health()


@router.get("/readyz", responses=problem_responses(503))
async def check_readiness(request: Request) -> Readiness:
    """Answer 200 once questions can be answered, 503 with the reason until then."""
    probes: Probes = request.app.state.probes
    return await probes.readiness.get()


def _read_readiness(resources: Resources) -> Readiness:
    generation = resources.generations.live()
    if generation.loaded_engine is None:
        reason = generation.model_problem or "the model is loading"
        raise ModelUnavailable(reason, code="not_ready")
    if generation.loaded_engine.problem is not None:
        raise ModelUnavailable(generation.loaded_engine.problem, code="not_ready")
    last_sync = resources.signals.last_sync
    with resources.database.read() as session:
        counts = queries.count_by_status(session)
    return Readiness(
        model=generation.checkpoint().name,
        documents=sum(counts.values()),
        parser_confinement=resources.signals.parser_confinement,
        sync=None if last_sync is None else Sync(**asdict(last_sync)),
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def show_metrics(request: Request) -> Response:
    """Show counters and histograms in Prometheus' text format."""
    probes: Probes = request.app.state.probes
    content, media_type = await probes.metrics.get()
    return Response(content, media_type=media_type)


def _render_metrics(resources: Resources, metrics: Metrics) -> tuple[bytes, str]:
    with resources.database.read() as session:
        counts = queries.count_by_status(session)
    engine = resources.generations.live().loaded_engine
    return metrics.render(counts, engine.metrics.registry if engine else None)
