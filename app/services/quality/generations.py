"""Generations beside the live one: asked for, listed, rolled back to, removed."""

import logging
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from app.db import queries
from app.db.models import Generation, Version
from app.db.queries.documents import LIVE
from app.domain import GenerationState
from app.embedding.loader import open_checkpoint
from app.errors import Conflict, InvalidRequest, ModelUnavailable
from app.runtime.deadline import limit_time
from app.runtime.generations import describe_generation
from app.runtime.resources import Resources
from app.runtime.signals import TrainingProgress, TrainingStep
from app.services.quality.gate import GateRequest, check_gate, dump_gate
from app.services.quality.generation_builder import go_live, require_generation
from app.services.quality.reembedding import holds_version

logger = logging.getLogger("folio")


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """A generation: what made it, how much of it is there, and what its gate said."""

    id: int
    model: str
    dimensions: int
    fingerprint: str
    is_live: bool
    state: GenerationState
    message: str | None
    documents: int
    """Live articles that it holds; `total` is how many there are."""
    total: int
    report: dict[str, Any] | None
    vectors_of: int | None
    """The generation whose vectors a tuned one searches."""
    tuning: dict[str, Any] | None
    """What a tuned one learned."""
    calibration: dict[str, Any] | None
    """What its scores mean in each collection."""
    training: TrainingStep | None
    """How far its training is, while it runs."""
    created_at: datetime


def request_generation(
    resources: Resources,
    *,
    model: str | None,
    revision: str = "",
    dimensions: int | None = None,
    gate: GateRequest,
) -> GenerationInfo:
    """Begin a generation beside the live one; the background thread builds and measures it.

    Without a model it is the live one's, with other dimensions. One that was refused is taken up
    again with its vectors. Raises Conflict while another one is built or when it is the live one's,
    InvalidRequest when there is no such model.
    """
    check_gate(gate)
    live_settings = resources.settings
    with resources.database.read() as session:
        live = queries.find_live_generation(session)
        if live is None:
            raise Conflict(
                "nothing was embedded yet: set FOLIO_MODEL instead", code="nothing_embedded"
            )
        if model is None and live.source is not None:
            live_settings = live_settings.model_copy(update=live.source)
    asked: dict[str, Any] = {"dimensions": dimensions}
    if model is not None:
        asked |= {"model": model, "model_revision": revision}
    settings = live_settings.model_copy(update=asked)
    try:
        checkpoint = open_checkpoint(settings)
    except ModelUnavailable as error:
        # What was asked for is at fault, not the service, which goes on with its own model.
        raise InvalidRequest(str(error), code=error.code) from error
    made = describe_generation(checkpoint, settings, engine="", is_live=False)
    made.state, made.gate = GenerationState.BUILDING, dump_gate(gate)
    with resources.database.write() as session:
        require_none_building(session)
        same = session.scalar(
            select(Generation)
            .where(Generation.fingerprint == made.fingerprint)
            .order_by(Generation.is_live.desc())
        )
        if same is not None and same.is_live:
            raise Conflict(
                f"the live vectors are already of this model ({made.fingerprint})",
                code="generation_is_live",
            )
        if same is None:
            session.add(made)
            session.flush()
            # It may have the id of one that was removed, of which the process knows it is complete.
            queries.log_units(session, [0])
            same = made
        same.state, same.gate, same.message = made.state, made.gate, None
        info = describe_row(session, same)
    resources.signals.tasks_arrived.set()
    return info


def require_none_building(session: Session) -> None:
    """Raise Conflict while a generation is being built."""
    building = session.scalar(
        select(Generation.id).where(Generation.state == GenerationState.BUILDING)
    )
    if building is not None:
        raise Conflict(
            f"generation {building} is being built; remove it, or wait",
            code="generation_building",
        )


def list_generations(resources: Resources) -> list[GenerationInfo]:
    """Return all generations, the oldest first."""
    with resources.database.read() as session:
        # With what is read of each otherwise: tens of queries for a base that was tuned often.
        rows = session.scalars(
            select(Generation)
            .options(undefer(Generation.gate), undefer(Generation.tuning))
            .order_by(Generation.id)
        ).all()
        # Tunings of a base share its vectors, and counting them takes longest.
        held = {
            vector_set: _count_held(session, vector_set)
            for vector_set in {row.vector_set for row in rows}
        }
        total, training = _count_live(session), resources.signals.training
        return [_describe(row, training.get(row.id), held[row.vector_set], total) for row in rows]


def get_generation(resources: Resources, generation_id: int) -> GenerationInfo:
    """Return one generation; raises NotFound."""
    with resources.database.read() as session:
        row = require_generation(session, generation_id)
        return describe_row(session, row, resources.signals.training.get(row.id))


def roll_back(resources: Resources, generation_id: int) -> GenerationInfo:
    """Make a generation that is complete live at once, without a gate; searches go on."""
    with resources.database.read() as session:
        generation = require_generation(session, generation_id)
        if generation.is_live:
            return describe_row(session, generation)
        if generation.state not in {GenerationState.READY, GenerationState.REFUSED}:
            raise Conflict(
                f"generation {generation_id} is {generation.state}", code="generation_incomplete"
            )
    logger.warning("generation %d goes live by request", generation_id)
    # A large base takes longer than a request may, and half of this is of no use.
    with limit_time(inf):
        go_live(resources, generation_id, lambda: False, message=None, report=None)
    return get_generation(resources, generation_id)


def remove_generation(resources: Resources, generation_id: int) -> None:
    """Erase a generation with its vectors. Raises Conflict for the live one."""
    with resources.database.write() as session:
        generation = require_generation(session, generation_id)
        if generation.is_live:
            raise Conflict(
                f"generation {generation_id} is live; roll back to another one first",
                code="generation_is_live",
            )
        tuned = session.scalar(
            select(Generation.id).where(Generation.vectors_of == generation_id).limit(1)
        )
        if tuned is not None:
            raise Conflict(
                f"generation {tuned} searches the vectors of generation {generation_id}; "
                "remove it first",
                code="generation_in_use",
            )
        session.delete(generation)
    resources.generations.forget(generation_id, model=True)
    resources.erase_deleted()


def describe_row(
    session: Session, generation: Generation, training: TrainingProgress | None = None
) -> GenerationInfo:
    """Return what is known of a generation; `training` is how far its adapter is."""
    held, total = _count_held(session, generation.vector_set), _count_live(session)
    return _describe(generation, training, held, total)


def _count_live(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Version).where(LIVE)) or 0


def _count_held(session: Session, vector_set: int) -> int:
    held = select(func.count()).select_from(Version).where(LIVE, holds_version(vector_set))
    return session.scalar(held) or 0


def _describe(
    generation: Generation, training: TrainingProgress | None, held: int, total: int
) -> GenerationInfo:
    return GenerationInfo(
        generation.id,
        generation.model,
        generation.dimensions,
        generation.fingerprint,
        generation.is_live,
        GenerationState(generation.state),
        generation.message,
        held,
        total,
        (generation.gate or {}).get("report"),
        generation.vectors_of,
        (generation.tuning or {}).get("report"),
        generation.calibration,
        None if training is None else training.now(),
        generation.created_at,
    )
