"""The thread that analyses words, builds generations, asks golden sets, reads uploads anew."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter

from sqlalchemy import select

from app.db import queries
from app.db.models import Generation
from app.runtime.reanalysis import reanalyse_some
from app.runtime.resources import Resources
from app.services.access.uses import store_uses
from app.services.articles.files import expire_files
from app.services.quality.calibration import calibrate_due
from app.services.quality.evaluations import run_next_evaluation
from app.services.quality.feedback import store_queries
from app.services.quality.gaps import embed_wanted
from app.services.quality.generations import keep_generations
from app.services.quality.reparse import reparse_some

logger = logging.getLogger("folio")

# While there are two generations, new articles are to come to both.
_FOLLOW_SECONDS = 1.0
_CALIBRATION_SECONDS = 5.0
# An expired file is hidden at once; its bytes go within this time. So are uses of keys stored.
_LOOK_SECONDS = 60.0


@contextmanager
def run_background(resources: Resources, *, only_notes: bool = False) -> Iterator[None]:
    """Work in a thread while the block runs; what is cut off goes on at the next start.

    With `only_notes` it does what this process's requests ask for, and others do the work.
    """
    stopping = Event()
    work = _keep_notes if only_notes else _work
    # A daemon, so that a long forward pass does not hold up the end of the process.
    thread = Thread(target=work, args=(resources, stopping), name="folio-background", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        resources.signals.tasks_arrived.set()
        thread.join(resources.settings.stop_seconds)


def _work(resources: Resources, stopping: Event) -> None:
    while True:
        resources.signals.tasks_arrived.clear()
        # Asked after the clearing, which may have taken away the signal to stop.
        if stopping.is_set():
            _finish(resources)
            return
        pause: float | None = _FOLLOW_SECONDS
        try:
            _store_notes(resources)
            embed_wanted(resources, stopping.is_set)
            files_expire = reads_on = False
            if resources.database.leads():
                files_expire = _do_due(resources, stopping)
                reads_on = reparse_some(resources, stopping.is_set)
            with resources.database.read() as session:
                others = session.scalar(select(Generation.id).where(~Generation.is_live))
            if resources.database.owes_erasure:
                resources.database.erase_deleted()
            is_waited_for = (
                others is not None
                or resources.settings.query_log_days
                # Another process may leave work, or no leader.
                or resources.database.is_shared
            )
            if not is_waited_for and not resources.database.owes_erasure:
                pause = _LOOK_SECONDS if files_expire or resources.signals.key_uses else None
            if reads_on:
                # After a slice, so that a reparse of hours keeps nothing else from its turn.
                pause = 0.0
        # A full or failing disk: the thread goes on when it is well again.
        except Exception as error:  # noqa: BLE001
            logger.error("background work waits after %s", type(error).__name__)
        resources.signals.tasks_arrived.wait(timeout=pause)


def _keep_notes(resources: Resources, stopping: Event) -> None:
    """Store what requests noted, and embed what a page waits for, until the end."""
    pause = _FOLLOW_SECONDS if resources.settings.query_log_days else _LOOK_SECONDS
    while True:
        resources.signals.tasks_arrived.clear()
        ends = stopping.is_set()
        try:
            _store_notes(resources)
            embed_wanted(resources, stopping.is_set)
        except Exception as error:  # noqa: BLE001
            logger.error("notes of requests wait after %s", type(error).__name__)
        if ends:
            return
        resources.signals.tasks_arrived.wait(timeout=pause)


def _store_notes(resources: Resources) -> None:
    store_queries(resources)
    store_uses(resources)


def _do_due(resources: Resources, stopping: Event) -> bool:
    """Do what one process does for all that share the database; returns whether files expire."""
    while not stopping.is_set() and reanalyse_some(resources.database):
        pass
    files_expire = expire_files(resources)
    keep_generations(resources, stopping.is_set)
    calibrate_due(resources, stopping.is_set)
    while not stopping.is_set() and run_next_evaluation(resources):
        pass
    if resources.database.is_shared:
        with resources.database.write(alone=False) as session:
            queries.trim_changes(session)
    return files_expire


def _finish(resources: Resources) -> None:
    """Do what the next start could not: a command that only adds articles ends with this."""
    try:
        _store_notes(resources)
        ends = perf_counter() + _CALIBRATION_SECONDS
        if resources.database.leads():
            calibrate_due(resources, lambda: perf_counter() > ends)
    except Exception as error:  # noqa: BLE001
        logger.error("background work ends after %s", type(error).__name__)
