"""Takes queued documents in batches, in a thread of the process that owns the data."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from app.db import queue
from app.db.database import Database
from app.domain import Stage
from app.errors import ParserUnavailable
from app.runtime.resources import Resources
from ingest.batches import Batch, RunningBatch
from ingest.leases import Leases
from ingest.long_documents import LongDocuments, is_long
from ingest.parser_pool import ParserPool
from ingest.pipeline import NOT_THE_DOCUMENTS_FAULT
from ingest.sandbox import Sandbox

logger = logging.getLogger("folio")

_RETRY_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_PARSE_WAIT_SECONDS = 0.1
_LONG_WAIT_SECONDS = 0.25


@contextmanager
def run_worker(resources: Resources) -> Iterator[None]:
    """Work through the queue in a thread while the block runs; the batch in work is finished.

    One that takes too long for that goes back to the queue, and what comes of it later is void.
    """
    stopping = Event()
    leases = Leases(resources.database, resources.settings)
    # A daemon, so that a forward pass of minutes does not hold up the end of the process.
    thread = Thread(
        target=_work, args=(resources, leases, stopping), name="folio-worker", daemon=True
    )
    heart = Thread(target=leases.beat, args=(stopping,), name="folio-heartbeat", daemon=True)
    thread.start()
    heart.start()
    try:
        yield
    finally:
        stopping.set()
        resources.signals.work_arrived.set()
        # A unit of 8,192 tokens can take minutes, and a service is to be gone in half of one.
        thread.join(resources.settings.stop_seconds)
        heart.join(resources.settings.stop_seconds)
        if thread.is_alive():
            leases.give_back_all()


def _work(resources: Resources, leases: Leases, stopping: Event) -> None:
    sandbox, *spare = [Sandbox(resources.settings) for _ in range(resources.settings.parsers)]
    try:
        _start_parser(resources, sandbox)
        while True:
            resources.signals.work_arrived.clear()
            # Asked after the clearing, which may have taken away the signal to stop.
            if stopping.is_set():
                return
            if leases.owes():
                leases.give_back_all()
            pause = drain_queue(resources, sandbox, stopping, spare=spare, leases=leases)
            if leases.owes():
                # Nothing else would say that they can be claimed again.
                pause = _RETRY_SECONDS
            # What changed may have to be measured anew.
            resources.signals.tasks_arrived.set()
            if resources.database.is_shared:
                # Work that another process queued, or left behind, sets no signal here.
                pause = _LOOK_SECONDS if pause is None else min(pause, _LOOK_SECONDS)
            resources.signals.work_arrived.wait(timeout=pause)
    finally:
        sandbox.close()


def _start_parser(resources: Resources, sandbox: Sandbox) -> None:
    """Have a parsing process ready, and say what holds it."""
    try:
        sandbox.start()
    except ParserUnavailable as error:
        # Met again by the first document, which waits then.
        logger.error("documents will wait: %s", error)
    if sandbox.confinement is not None:
        resources.signals.parser_confinement = sandbox.confinement.describe()


def drain_queue(
    resources: Resources,
    sandbox: Sandbox,
    stopping: Event,
    *,
    spare: Sequence[Sandbox] = (),
    leases: Leases | None = None,
    max_documents: int | None = None,
) -> float | None:
    """Ingest until nothing is due, or `max_documents` are done.

    While the model reads one batch, the next one is parsed and the one before is stored. With
    `spare` sandboxes others are parsed while a document takes its time; a long one is read beside
    the batches. Returns the seconds to pause: until the next document is due, or for a while when
    the work had to be given up. None when the queue is empty.
    """
    leases = leases or Leases(resources.database, resources.settings)
    left = sys.maxsize if max_documents is None else max_documents
    running: RunningBatch | None = None
    pool = ParserPool(resources, leases, [sandbox, *spare])
    long = LongDocuments(resources, leases, stopping)
    try:
        while True:
            batch = Batch(resources, resources.generations.live())
            # A second attempt goes alone: what cut the first one off must not take others with it.
            if not (running and running.batch.is_retry) and not stopping.is_set():
                _prepare(batch, pool, long, stopping, most=left, former=running)
            left -= batch.taken
            former, running = running, None
            if former is not None:
                former.wait()
            if batch.documents:
                leases.note_stage([document.claim for document in batch.documents], Stage.EMBED)
                running = RunningBatch(batch, stopping)
            if former is not None:
                former.batch.commit(former.wanted, leases)
            elif not batch.taken:
                if stopping.is_set():
                    long.finish()
                    return None
                if not pool.busy and not long.is_busy:
                    return None if left <= 0 else batch.pause_s
            is_idle = running is None and not batch.taken and not pool.busy
            long.advance(_LONG_WAIT_SECONDS if is_idle else 0.0)
    except NOT_THE_DOCUMENTS_FAULT as error:
        logger.error("ingestion waits: %s", error)
        return _RETRY_SECONDS
    # The worker must outlive anything that the database or the system throws at it. What an
    # unknown exception says may quote a document.
    except Exception as error:  # noqa: BLE001
        logger.error("ingestion waits after an unexpected %s", type(error).__name__)
        return _RETRY_SECONDS
    finally:
        if running is not None:
            running.abandon()
        long.abandon()
        leases.give_back_all()
        pool.close()


def _seconds_until_due(database: Database) -> float | None:
    with database.read() as session:
        return queue.seconds_until_due(session)


def _prepare(
    batch: Batch,
    pool: ParserPool,
    long: LongDocuments,
    stopping: Event,
    *,
    most: int,
    former: RunningBatch | None,
) -> None:
    """Claim, parse and cut at most `most` documents, until their tokens fill an engine call.

    Documents that take their parsers long are left for a later batch once the model is free.
    """
    if most <= 0:
        return
    batch.pause_s = _seconds_until_due(batch.resources.database)
    if batch.pause_s != 0.0 and not pool.busy:
        return
    # Before anything is claimed: a process that ends meanwhile costs no document an attempt.
    batch.generation.engine()
    pool.start()
    while not (batch.is_full or batch.is_retry or stopping.is_set()):
        long.advance()
        only_new = former is not None or batch.taken > 0 or long.is_busy
        most_now = most - batch.taken - pool.busy
        pool.claim(most_now, only_new=only_new, waiting=long.waiting_collections)
        if not pool.busy:
            break
        parsed = pool.take(_PARSE_WAIT_SECONDS)
        for claim, document in parsed:
            if document is not None and claim.attempt == 1 and is_long(document):
                batch.taken += 1
                long.add(document)
            else:
                batch.add(claim, document, pool.leases)
        if not parsed and (batch.documents if former is None else former.is_done):
            break
