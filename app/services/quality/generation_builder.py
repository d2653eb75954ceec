"""Building generations in the background: embed what is missing, train, judge, go live."""

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.db.models import Generation, Version
from app.db.queries.documents import LIVE
from app.domain import GenerationState
from app.errors import (
    PASSING,
    CorruptData,
    FolioError,
    NotFound,
    TextTooLong,
    TrainingStopped,
    UnreadableDocument,
)
from app.runtime.resources import Resources
from app.services.access.collections import recall_named
from app.services.quality.fine_tuning import describe_training, train_generation
from app.services.quality.gate import judge
from app.services.quality.reembedding import (
    count_receipt,
    find_missing,
    holds_version,
    reembed_version,
    set_live,
)

logger = logging.getLogger("folio")

_AT_ONCE = 50
# Those that failed are named to the database in every statement, which holds only so many values.
_MAX_FAILED = 1000


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
    """Judge a generation that is complete; make it live if it does not lose."""
    with resources.database.read() as session:
        live = queries.find_live_generation(session)
        live_id = None if live is None else live.id
        made = require_generation(session, generation_id)
        # By a process that leads since this one's connection to the database was lost.
        if made.state != GenerationState.BUILDING:
            return
        gate, training = made.gate or {}, (made.tuning or {}).get("report")
        collection = recall_named(session, gate.get("collection") or "")
    verdict = judge(
        resources,
        live_id,
        generation_id,
        gate=gate,
        collection=collection,
        is_stopping=is_stopping,
    )
    message = verdict.message
    if training is not None and verdict.report is not None:
        message = f"{describe_training(training)}; {message}"
    if not verdict.passes and not gate["force"]:
        logger.warning("generation %d stays out: %s", generation_id, message)
        _settle(
            resources.database,
            generation_id,
            GenerationState.REFUSED,
            message=message,
            report=verdict.report,
        )
        resources.generations.forget(generation_id, model=False)
        return
    if verdict.passes:
        logger.info("generation %d goes live: %s", generation_id, message)
    else:
        logger.warning("generation %d goes live by force: %s", generation_id, message)
        message = f"by force: {message}"
    go_live(
        resources,
        generation_id,
        is_stopping,
        message=message,
        report=verdict.report,
        compared_with=None if gate["force"] else live_id,
    )


def go_live(
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
        vector_set = require_generation(session, generation_id).vector_set
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
            generation = require_generation(session, generation_id)
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


def require_generation(session: Session, generation_id: int) -> Generation:
    generation = session.get(Generation, generation_id)
    if generation is None:
        raise NotFound(f"no such generation: {generation_id}", code="generation_not_found")
    return generation
