"""Takes queued documents one after the other, in a thread of the process that owns the data."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from app.db import queries
from app.db.models import Version
from app.domain import Status
from app.errors import ModelUnavailable, StorageFull
from app.resources import Resources
from ingest.pipeline import ingest_document
from ingest.sandbox import Sandbox

logger = logging.getLogger("folio")

_RETRY_SECONDS = 10.0


@contextmanager
def run_worker(resources: Resources) -> Iterator[None]:
    """Work through the queue in a thread while the block runs; the last document is finished."""
    stopping = Event()
    thread = Thread(target=_work, args=(resources, stopping), name="folio-worker")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        resources.work_arrived.set()
        thread.join()


def _work(resources: Resources, stopping: Event) -> None:
    sandbox = Sandbox(resources.settings)
    try:
        while True:
            resources.work_arrived.clear()
            # Asked after the clearing, which may have taken away the signal to stop.
            if stopping.is_set():
                return
            pause = drain_queue(resources, sandbox, stopping)
            resources.work_arrived.wait(timeout=pause)
    finally:
        sandbox.close()


def drain_queue(resources: Resources, sandbox: Sandbox, stopping: Event) -> float | None:
    """Ingest until the queue is empty; returns the seconds to pause when it had to give up."""
    while not stopping.is_set():
        version_id = None
        try:
            with resources.database.write() as session:
                version = queries.claim_next(session)
                version_id = version.id if version else None
            if version_id is None:
                return None
            ingest_document(resources, sandbox, version_id)
        except (ModelUnavailable, StorageFull) as error:
            logger.error("ingestion waits: %s", error)
            _put_back(resources, version_id)
            return _RETRY_SECONDS
        # The worker must outlive anything that the database or the system throws at it.
        except Exception:
            logger.exception("ingestion waits after an unexpected error")
            _put_back(resources, version_id)
            return _RETRY_SECONDS
    return None


def _put_back(resources: Resources, version_id: int | None) -> None:
    """Return a claimed version to the queue: what stopped it was not the document."""
    if version_id is None:
        return
    try:
        with resources.database.write() as session:
            version = session.get(Version, version_id)
            if version is not None and version.status == Status.PROCESSING:
                version.status = Status.QUEUED
                version.attempts -= 1
    # A full or broken disk: it stays `processing`, and the next start puts it back.
    except Exception as error:  # noqa: BLE001
        logger.error("version %d could not be put back: %s", version_id, type(error).__name__)
