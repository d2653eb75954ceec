"""The threads beside requests: one does what they leave behind, one what may take hours.

What takes hours is done one after another: words that are analysed anew, generations, calibrations,
golden sets, uploads that are read anew.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic, perf_counter
from typing import TypeAlias

from app.db import queries
from app.db.database import Duty
from app.errors import WorkCancelled
from app.runtime.reanalysis import reanalyse_some
from app.runtime.resources import Resources
from app.services.access.uses import store_uses
from app.services.articles.erasure import erase_collections
from app.services.articles.files import expire_files
from app.services.articles.jobs import forget_jobs
from app.services.quality.calibration import calibrate_due
from app.services.quality.evaluations import run_next_evaluation
from app.services.quality.feedback import store_queries
from app.services.quality.gaps import embed_wanted
from app.services.quality.generation_builder import keep_generations
from app.services.quality.reparse import reparse_some

logger = logging.getLogger("folio")

# While there are two generations, new articles are to come to both.
_FOLLOW_SECONDS = 1.0
_CALIBRATION_SECONDS = 5.0
# An expired file is hidden at once; its bytes go within this time, and so do jobs that are past
# theirs. So are uses of keys stored.
_LOOK_SECONDS = 60.0

Step: TypeAlias = Callable[[Resources, Callable[[], bool]], float | None]
"""Does what there is to do until it is told to stop; returns the seconds to its next turn, None
where a signal tells of it."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """What a thread does again and again, and once more at the end."""

    name: str
    arrived: Event
    steps: Sequence[Step]
    last: Step


@contextmanager
def run_background(resources: Resources, *, only_notes: bool = False) -> Iterator[None]:
    """Work in threads while the block runs; what is cut off goes on at the next start.

    With `only_notes` they do what this process's requests ask for, and others do the work.
    """
    signals, stopping = resources.signals, Event()
    quick = _NOTES if only_notes else (*_NOTES, _erase_collections, _tidy)
    loops = [_Loop("folio-notes", signals.notes_arrived, quick, _store_notes)]
    if not only_notes:
        loops.append(_Loop("folio-background", signals.tasks_arrived, [_lead], _finish))
    # Daemons, so that a long forward pass does not hold up the end of the process.
    threads = [
        Thread(target=_repeat, args=(resources, stopping, loop), name=loop.name, daemon=True)
        for loop in loops
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        ends = monotonic() + resources.settings.stop_seconds
        for loop in loops:
            loop.arrived.set()
        for thread in threads:
            thread.join(max(0.0, ends - monotonic()))


def _repeat(resources: Resources, stopping: Event, loop: _Loop) -> None:
    while True:
        loop.arrived.clear()
        # Asked after the clearing, which may have taken away the signal to stop.
        if stopping.is_set():
            _do([loop.last], resources, lambda: False)
            return
        loop.arrived.wait(timeout=_do(loop.steps, resources, stopping.is_set))


def _do(
    steps: Sequence[Step], resources: Resources, is_stopping: Callable[[], bool]
) -> float | None:
    """Do one step after another, also after one that fails; returns the least pause."""
    pauses: list[float] = []
    for step in steps:
        if is_stopping():
            break
        try:
            pause = step(resources, is_stopping)
        # A full or failing disk, a model that is away: it goes on when that is well again.
        except Exception as error:  # noqa: BLE001
            logger.error("background work waits after %s", type(error).__name__)
            pause = _FOLLOW_SECONDS
        if pause is not None:
            pauses.append(pause)
    return min(pauses, default=None)


def _store_notes(resources: Resources, _is_stopping: Callable[[], bool]) -> float | None:
    store_queries(resources)
    store_uses(resources)
    if resources.settings.query_log_days:
        return _FOLLOW_SECONDS
    return _LOOK_SECONDS if resources.signals.key_uses else None


def _embed_wanted(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    embed_wanted(resources, is_stopping)


def _erase(resources: Resources, _is_stopping: Callable[[], bool]) -> float | None:
    if resources.database.owes_erasure:
        resources.database.erase_deleted()
    return _FOLLOW_SECONDS if resources.database.owes_erasure else None


def _erase_collections(resources: Resources, is_stopping: Callable[[], bool]) -> float | None:
    """Erase what a request left of a collection, or a process that has ended."""
    ends = monotonic() + _FOLLOW_SECONDS
    if resources.database.leads(Duty.BACKGROUND) and not erase_collections(
        resources, lambda: is_stopping() or monotonic() > ends
    ):
        return 0.0
    # Another process may leave some.
    return _FOLLOW_SECONDS if resources.database.is_shared else None


_NOTES: tuple[Step, ...] = (_store_notes, _embed_wanted, _erase)


def _tidy(resources: Resources, is_stopping: Callable[[], bool]) -> float:
    """Do what one process does for all that share the database."""
    if resources.database.leads(Duty.BACKGROUND):
        expire_files(resources)
        forget_jobs(resources, is_stopping)
        if resources.database.is_shared:
            with resources.database.write(alone=False) as session:
                queries.trim_changes(session)
    return _LOOK_SECONDS


def _lead(resources: Resources, is_stopping: Callable[[], bool]) -> float | None:
    """Do what one process does for all that share the database, and takes long."""
    pause = (
        _do(_LONG, resources, is_stopping) if resources.database.leads(Duty.BACKGROUND) else None
    )
    # Another process may leave work, or no leader.
    return _FOLLOW_SECONDS if pause is None and resources.database.is_shared else pause


def _reanalyse(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    complete_at = resources.signals.analysed_at
    # All that this process writes is analysed by the present rules; of others it is not known.
    if complete_at is not None and (
        not resources.database.is_shared or monotonic() < complete_at + _LOOK_SECONDS
    ):
        return
    while not is_stopping():
        if not reanalyse_some(resources.database):
            resources.signals.analysed_at = monotonic()
            return


def _keep_generations(resources: Resources, is_stopping: Callable[[], bool]) -> float | None:
    return _FOLLOW_SECONDS if keep_generations(resources, is_stopping) else None


def _calibrate(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    calibrate_due(resources, is_stopping)


def _evaluate(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    with suppress(WorkCancelled):
        while not is_stopping() and run_next_evaluation(resources, is_stopping):
            pass


def _reparse(resources: Resources, is_stopping: Callable[[], bool]) -> float | None:
    # After a slice, so that a reparse of hours keeps nothing else from its turn.
    return 0.0 if reparse_some(resources, is_stopping) else None


_LONG: tuple[Step, ...] = (_reanalyse, _keep_generations, _calibrate, _evaluate, _reparse)


def _finish(resources: Resources, _is_stopping: Callable[[], bool]) -> None:
    """Do what the next start could not: a command that only adds articles ends with this."""
    ends = perf_counter() + _CALIBRATION_SECONDS
    if resources.database.leads(Duty.BACKGROUND):
        calibrate_due(resources, lambda: perf_counter() > ends)
