"""What an embedding server answers: which model it runs, its tokenizer, and embeddings.

No part of the interface of a knowledge base: whoever asks is a process of Folio, with the one key
of the server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.access import JSON, KeyHolder, OpenRoute, SharedKeyRoute
from app.api.bodies import BodySize, json_body
from app.api.disconnects import run_while_wanted
from app.api.health import Health
from app.api.metrics import Metrics
from app.embedding.engine import Engine
from app.embedding.scheduler import Lane, choose_lane
from app.embedding.wire import (
    EMBEDDINGS_PATH,
    ENGINE_PATH,
    TOKENIZER_PATH,
    Description,
    EmbedRequest,
    pack,
)
from app.errors import Conflict

# Each request keeps a thread while it waits for its pass; questions have their own, so that however
# many articles wait, none stands before a question.
_ROOM_FOR_QUESTIONS = CapacityLimiter(64)
_ROOM_FOR_OTHERS = CapacityLimiter(64)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The one model of a server."""

    engine: Engine
    description: Description


async def _served_model(request: Request) -> ServedModel:
    served: ServedModel = request.app.state.served
    return served


Served = Annotated[ServedModel, Depends(_served_model)]

router = APIRouter(route_class=SharedKeyRoute)


@router.get(ENGINE_PATH)
def describe(served: Served, _: KeyHolder) -> Description:
    """Say which model answers."""
    return served.description


@router.get(TOKENIZER_PATH)
def send_tokenizer(served: Served, _: KeyHolder) -> Response:
    """Return the tokenizer.json of the model, as it reads texts."""
    return Response(served.engine.tokenizer.to_str(), media_type=JSON)


@router.post(EMBEDDINGS_PATH)
async def embed(
    body: Annotated[EmbedRequest, Depends(json_body(EmbedRequest, size=BodySize.UPLOAD))],
    served: Served,
    _: KeyHolder,
    request: Request,
) -> Response:
    """Embed items in the lane that they are for. Raises Conflict where another model is wanted."""
    checkpoint = served.description.checkpoint
    if body.fingerprint != checkpoint.fingerprint:
        raise Conflict(
            f"this server runs {checkpoint.name} ({checkpoint.fingerprint})", code="other_model"
        )
    lane = choose_lane(body.items, of_others=body.refuses)
    limiter = _ROOM_FOR_QUESTIONS if lane is Lane.QUERIES else _ROOM_FOR_OTHERS
    content = await run_while_wanted(request, partial(_embed, served.engine, body), limiter=limiter)
    return Response(content, media_type=JSON)


def _embed(engine: Engine, body: EmbedRequest, is_cancelled: Callable[[], bool]) -> str:
    embeddings = engine.embed(
        body.items,
        dimensions=body.dimensions,
        is_cancelled=is_cancelled,
        refuses=body.refuses,
    )
    return pack(embeddings).model_dump_json()


probes = APIRouter(route_class=OpenRoute)


@probes.get("/healthz")
@probes.get("/readyz")
async def check_health() -> Health:
    """Answer: a server listens only once its model is loaded."""
    return Health()


async def show_metrics(request: Request, served: Served, _: KeyHolder) -> Response:
    """Show counters and histograms in Prometheus' text format."""
    metrics: Metrics = request.app.state.metrics
    registry = served.engine.metrics.registry
    content, media_type = await run_in_threadpool(metrics.render, {}, registry)
    return Response(content, media_type=media_type)


def make_metrics_router(*, needs_key: bool) -> APIRouter:
    """Return the route of /metrics, for everyone or for whoever has the key."""
    metrics = APIRouter(route_class=SharedKeyRoute if needs_key else OpenRoute)
    metrics.add_api_route("/metrics", show_metrics)
    return metrics
