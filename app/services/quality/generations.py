"""Generations beside the live one: built in the background, measured, made live, rolled back."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from app.db import queries
from app.db.database import Database
from app.db.models import Generation, Version
from app.db.queries.documents import LIVE
from app.domain import GenerationState
from app.embedding.loading import open_checkpoint
from app.errors import (
    PASSING,
    Conflict,
    CorruptData,
    FolioError,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    TextTooLong,
    TrainingStopped,
    UnreadableDocument,
)
from app.evaluation.golden import GoldenQuery
from app.evaluation.runner import Configuration, find_main, summarize
from app.runtime.deadline import limit_time
from app.runtime.generations import describe_generation
from app.runtime.resources import Resources
from app.runtime.signals import TrainingProgress, TrainingStep
from app.services.access.collections import CollectionRef, recall_named
from app.services.quality.evaluations import (
    ask_golden,
    dump_golden,
    keep_current,
    load_golden,
)
from app.services.quality.fine_tuning import describe_training, train_generation
from app.services.quality.reembedding import (
    count_receipt,
    find_missing,
    holds_version,
    reembed_version,
    set_live,
)
from app.services.quality.replay import replay_log

logger = logging.getLogger("folio")

DEFAULT_MARGIN = 0.02
"""Largest loss of nDCG@10 that may be taken for none."""
MIN_GATE_QUERIES = 20
"""With fewer, the interval says more about the golden set than about the model."""

_AT_ONCE = 50
# Those that failed are named to the database in every statement, which holds only so many values.
_MAX_FAILED = 1000


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What must hold before a generation goes live.

    The 95% interval of the difference in nDCG@10, new minus live, must lie above -`margin`. `force`
    makes it live whatever is measured, and the log says so.
    """

    collection: CollectionRef | None = None
    golden: Sequence[GoldenQuery] = ()
    margin: float = DEFAULT_MARGIN
    force: bool = False


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
                f"the live vectors are of this model already ({made.fingerprint})",
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


def check_gate(gate: GateRequest) -> None:
    """Raise InvalidRequest for a gate that could let nothing through."""
    if not gate.force and (gate.collection is None or len(gate.golden) < MIN_GATE_QUERIES):
        raise InvalidRequest(
            f"a golden set of at least {MIN_GATE_QUERIES} queries is needed to tell a better model "
            f"from a worse one; {len(gate.golden)} were given (or force it)",
            code="golden_set_too_small",
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
        row = _require(session, generation_id)
        return describe_row(session, row, resources.signals.training.get(row.id))


def roll_back(resources: Resources, generation_id: int) -> GenerationInfo:
    """Make a generation that is complete live at once, without a gate; searches go on."""
    with resources.database.read() as session:
        generation = _require(session, generation_id)
        if generation.is_live:
            return describe_row(session, generation)
        if generation.state not in {GenerationState.READY, GenerationState.REFUSED}:
            raise Conflict(
                f"generation {generation_id} is {generation.state}", code="generation_incomplete"
            )
    logger.warning("generation %d goes live by request", generation_id)
    # A large base takes longer than a request may, and half of this is of no use.
    with limit_time(inf):
        _go_live(resources, generation_id, lambda: False, message=None, report=None)
    return get_generation(resources, generation_id)


def remove_generation(resources: Resources, generation_id: int) -> None:
    """Erase a generation with its vectors. Raises Conflict for the live one."""
    with resources.database.write() as session:
        generation = _require(session, generation_id)
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


def keep_generations(resources: Resources, is_stopping: Callable[[], bool]) -> bool:
    """Bring every other generation to the articles that are live; gate the one that is built.

    Returns whether there are any to keep.
    """
    with resources.database.read() as session:
        statement = select(Generation.id, Generation.state, Generation.vectors_of)
        kept = ~Generation.is_live, Generation.state != GenerationState.FAILED
        others = session.execute(statement.where(*kept)).all()
    for generation_id, state, vectors_of in others:
        # Tunings of a base share its vectors.
        vector_set = generation_id if vectors_of is None else vectors_of
        try:
            _embed_missing(resources, vector_set, is_stopping)
            if state == GenerationState.BUILDING and not is_stopping():
                if vectors_of is not None:
                    train_generation(resources, generation_id, is_stopping)
                _decide(resources, generation_id, is_stopping)
        except (NotFound, TrainingStopped):
            # Removed meanwhile; or the process ends, and the next one trains anew.
            continue
        except PASSING as error:
            logger.warning("generation %d waits after %s", generation_id, error.code)
        except FolioError as error:
            _settle(resources.database, generation_id, GenerationState.FAILED, message=str(error))
        # The thread must outlive it, and its message may quote an article.
        except Exception as error:  # noqa: BLE001
            logger.error("generation %d: unexpected %s", generation_id, type(error).__name__)
            message = f"unexpected {type(error).__name__}; see the log"
            _settle(resources.database, generation_id, GenerationState.FAILED, message=message)
    return bool(others)


def _decide(resources: Resources, generation_id: int, is_stopping: Callable[[], bool]) -> None:
    """Ask golden set and logged questions of both; make the new one live if it does not lose."""
    with resources.database.read() as session:
        live = queries.find_live_generation(session)
        live_id = None if live is None else live.id
        made = _require(session, generation_id)
        # By a process that leads since this one's connection to the database was lost.
        if made.state != GenerationState.BUILDING:
            return
        gate, tuning = made.gate or {}, (made.tuning or {}).get("report")
        collection = recall_named(session, gate.get("collection") or "")
    report: dict[str, Any] | None = None
    passes, message = False, "nothing was measured: no golden set, or its collection is gone"
    golden: list[GoldenQuery] = []
    if collection is not None and gate["queries"]:
        # Of the others two models find the same, nothing, which would count for both.
        golden = keep_current(resources.database, collection, load_golden(gate["queries"]))
        message = f"nothing was measured: no article of the golden set is in {collection.name}"
    if live_id is not None and collection is not None and golden:
        evaluation = ask_golden(
            resources,
            collection,
            golden,
            [Configuration(generation=live_id), Configuration(generation=generation_id)],
            is_stopping,
        )
        replay = replay_log(resources, live_id, generation_id)
        report = {
            **summarize(evaluation),
            "replay": None if replay is None else replay.as_dict(),
        }
        difference = find_main(evaluation.comparisons[0]).difference
        passes = difference.low > -gate["margin"]
        message = (
            f"nDCG@10 changes by {difference.mean:+.3f}, 95% interval [{difference.low:+.3f}, "
            f"{difference.high:+.3f}], which {'excludes' if passes else 'does not exclude'} a loss "
            f"of more than {gate['margin']:g}"
        )
        if replay is not None:
            passes = passes and not replay.failed
            message += (
                f"; of {replay.queries} logged questions {replay.failed} fail, and the first ten "
                f"documents of the others are {replay.overlap:.0%} the same"
            )
        if len(golden) < MIN_GATE_QUERIES:
            passes = False
            message += (
                f"; {len(golden)} of the {len(gate['queries'])} questions name an article that is "
                f"there, and at least {MIN_GATE_QUERIES} are needed"
            )
        if tuning is not None:
            message = f"{describe_training(tuning)}; {message}"
    if not passes and not gate["force"]:
        logger.warning("generation %d stays out: %s", generation_id, message)
        _settle(
            resources.database,
            generation_id,
            GenerationState.REFUSED,
            message=message,
            report=report,
        )
        resources.generations.forget(generation_id, model=False)
        return
    if not passes:
        logger.warning("generation %d goes live by force: %s", generation_id, message)
        message = f"by force: {message}"
    else:
        logger.info("generation %d goes live: %s", generation_id, message)
    compared_with = None if gate["force"] else live_id
    _go_live(
        resources,
        generation_id,
        is_stopping,
        message=message,
        report=report,
        compared_with=compared_with,
    )


def _go_live(
    resources: Resources,
    generation_id: int,
    is_stopping: Callable[[], bool],
    *,
    message: str | None,
    report: dict[str, Any] | None,
    compared_with: int | None = None,
) -> None:
    """Flip to a generation in one transaction, unless the process stops before.

    Nor where another one is live by now than it was compared with: the next turn compares them.
    An article that came since it was built is embedded first: none is out of reach for a moment.
    """
    upcoming = resources.generations.get(generation_id)
    # Warm before the first search needs them.
    engine = upcoming.engine()
    # It may be opened here, which takes long.
    configured = resources.generations.configured_checkpoint().fingerprint
    # Kept between the turns: counting all of them anew takes so long that more articles come.
    receipts: dict[int, dict[str, Any]] = {}
    with resources.database.read() as session:
        vector_set = _require(session, generation_id).vector_set
    while not is_stopping():
        _embed_missing(resources, vector_set, is_stopping)
        upcoming.catch_up()
        with resources.database.read() as session:
            former = queries.find_live_generation(session)
            former_id = None if former is None else former.id
            version_ids = session.scalars(
                select(Version.id).where(LIVE, holds_version(vector_set))
            ).all()
        for version_id in version_ids:
            if version_id not in receipts:
                receipt = count_receipt(resources.database, engine, version_id, vector_set)
                if receipt:
                    receipts[version_id] = receipt
        with resources.database.write() as session:
            generation = _require(session, generation_id)
            live = queries.find_live_generation(session)
            if compared_with is not None and (live is None or live.id != compared_with):
                logger.warning("generation %d is to be compared anew", generation_id)
                return
            if find_missing(session, vector_set, 1):
                # Whatever the log says of it.
                resources.signals.complete_sets.pop(vector_set, None)
                continue
            generation.replaced = None if configured == generation.fingerprint else configured
            generation.state, generation.message = GenerationState.READY, message
            if report is not None:
                generation.gate = {**(generation.gate or {}), "report": report}
            set_live(session, generation_id, receipts)
        resources.generations.refresh()
        if former_id is not None:
            resources.generations.forget(former_id, model=False)
        return


def _embed_missing(resources: Resources, vector_set: int, is_stopping: Callable[[], bool]) -> None:
    """Embed the live articles that a vector set does not hold, one by one.

    Raises UnreadableDocument with the articles that its model cannot read whole; it ends once there
    are _MAX_FAILED of them.
    """
    complete = resources.signals.complete_sets
    failed: dict[int, str] = {}
    while not is_stopping() and len(failed) < _MAX_FAILED:
        with resources.database.read() as session:
            # Before it is looked through: whatever is committed in between has that done again.
            position = queries.log_position(session)
            if complete.get(vector_set) == position:
                break
            missing = find_missing(session, vector_set, _AT_ONCE, failed)
        if not missing:
            if not failed:
                complete[vector_set] = position
            break
        # A tuned generation reads articles as the one does whose vectors it shares.
        engine = resources.generations.get(vector_set).engine()
        for version_id, external_id in missing:
            if is_stopping():
                return
            try:
                reembed_version(resources, engine, external_id, version_id, vector_set)
            except (UnreadableDocument, TextTooLong, CorruptData) as error:
                failed[version_id] = f"{external_id}: {error}"
    if failed:
        first = "; ".join(list(failed.values())[:5])
        count = f"at least {len(failed)}" if len(failed) >= _MAX_FAILED else len(failed)
        raise UnreadableDocument(
            f"{count} articles cannot be embedded by this model ({first})",
            code="reembed_refused",
        )


def _settle(
    database: Database,
    generation_id: int,
    state: GenerationState,
    *,
    message: str,
    report: dict[str, Any] | None = None,
) -> None:
    with database.write() as session:
        generation = session.get(Generation, generation_id)
        if generation is not None:
            generation.state, generation.message = state, message
            if report is not None:
                generation.gate = {**(generation.gate or {}), "report": report}


def dump_gate(gate: GateRequest) -> dict[str, Any]:
    """Return a gate as a generation keeps it."""
    return {
        "collection": gate.collection and gate.collection.name,
        "queries": dump_golden(gate.golden),
        "margin": gate.margin,
        "force": gate.force,
    }


def _require(session: Session, generation_id: int) -> Generation:
    generation = session.get(Generation, generation_id)
    if generation is None:
        raise NotFound(f"there is no generation {generation_id}", code="generation_not_found")
    return generation


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
