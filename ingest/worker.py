"""Takes queued documents in batches, in a thread of the process that owns the data."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread

from app.db import queue
from app.db.database import Database
from app.domain import Stage
from app.errors import FolioError, ParserUnavailable
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from ingest.leases import Leases
from ingest.pipeline import (
    NOT_THE_DOCUMENTS_FAULT,
    Prepared,
    attempt,
    commit_document,
    embed_documents,
    prepare_document,
)
from ingest.sandbox import Sandbox
from ingest.wanted import WantedClaims

logger = logging.getLogger("folio")

_RETRY_SECONDS = 10.0
_LOOK_SECONDS = 1.0
# Of a batch's tokens: enough that sorting by length leaves little padding, and that a stop waits
# for few forward passes.
_CALL_BATCHES = 4
_BATCH_DOCUMENTS = 64
# A unit of 8,192 tokens can take minutes, and a service is expected to be gone in half of one.
_STOP_SECONDS = 15.0


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
        thread.join(_STOP_SECONDS)
        heart.join(_STOP_SECONDS)
        if thread.is_alive():
            leases.give_back_all()


def _work(resources: Resources, leases: Leases, stopping: Event) -> None:
    sandbox = Sandbox(resources.settings)
    try:
        _start_parser(resources, sandbox)
        while True:
            resources.signals.work_arrived.clear()
            # Asked after the clearing, which may have taken away the signal to stop.
            if stopping.is_set():
                return
            pause = drain_queue(resources, sandbox, stopping, leases=leases)
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
    leases: Leases | None = None,
    max_documents: int | None = None,
) -> float | None:
    """Ingest until nothing is due, or `max_documents` are done.

    While the model reads one batch, the next one is parsed and the one before is stored. Returns
    the seconds to pause: until the next document is due, or for a while when the work had to be
    given up. None when the queue is empty.
    """
    leases = leases or Leases(resources.database, resources.settings)
    left = sys.maxsize if max_documents is None else max_documents
    running: _RunningBatch | None = None
    try:
        while True:
            batch = _Batch(resources, resources.generations.live())
            # A second attempt goes alone: what cut the first one off must not take others with it.
            if not (running and running.batch.is_retry) and not stopping.is_set():
                most, only_new = min(left, _BATCH_DOCUMENTS), running is not None
                _prepare(batch, sandbox, leases, stopping, most=most, only_new=only_new)
            left -= batch.taken
            former, running = running, None
            if former is not None:
                former.wait()
            if batch.documents:
                leases.renew(stage=Stage.EMBED)
                running = _RunningBatch(batch, stopping)
            if former is not None:
                _commit(former.batch, former.wanted, leases)
            elif not batch.taken:
                return None if stopping.is_set() or left <= 0 else batch.pause_s
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
        leases.give_back_all()


@dataclass(slots=True)
class _Batch:
    """Documents that the model reads together."""

    resources: Resources
    generation: ActiveGeneration
    """What its model embedded is committed to this generation, or not at all."""
    documents: list[Prepared] = field(default_factory=list)
    taken: int = 0
    """How many were claimed for it; some need no model, or failed."""
    pause_s: float | None = None
    """How long until a document is due, if none was; None when none is queued."""
    is_retry: bool = False

    @property
    def call_tokens(self) -> int:
        return _CALL_BATCHES * self.resources.settings.batch_tokens


class _RunningBatch:
    """A batch that the model is reading, in a thread of its own."""

    def __init__(self, batch: _Batch, stopping: Event) -> None:
        self.batch = batch
        self._stopping = stopping
        self._abandoned = False
        self._error: Exception | None = None
        self.wanted = WantedClaims(
            batch.resources.database, [document.claim for document in batch.documents]
        )
        # A daemon, as the worker is.
        self._thread = Thread(target=self._run, name="folio-embedding", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when all documents have been read or have failed; raises what ended the work."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Read no more than has been begun; what comes of it is void."""
        self._abandoned = True

    def _run(self) -> None:
        try:
            self._embed_together_or_each()
        # Met again by who waits.
        except Exception as error:  # noqa: BLE001
            self._error = error

    def _embed_together_or_each(self) -> None:
        """Embed documents together; when that fails one by one, to find the one at fault."""
        documents, resources = self.batch.documents, self.batch.resources
        if len(documents) > 1:
            try:
                self._embed(documents)
            except NOT_THE_DOCUMENTS_FAULT:
                raise
            except Exception as error:  # noqa: BLE001  # met again by the one that is at fault
                code = error.code if isinstance(error, FolioError) else type(error).__name__
                logger.warning(
                    "%s in a batch of %d documents: now one by one", code, len(documents)
                )
            else:
                return
        for document in documents:
            if not document.is_embedded and not self._is_stopping():
                document.embeddings.clear()
                attempt(resources, document.claim, Stage.EMBED, partial(self._embed, [document]))

    def _embed(self, documents: Sequence[Prepared]) -> bool:
        engine, call_tokens = self.batch.generation.engine(), self.batch.call_tokens
        embed_documents(
            engine,
            documents,
            call_tokens=call_tokens,
            is_stopping=self._is_stopping,
            wanted=self.wanted,
        )
        return True

    def _is_stopping(self) -> bool:
        return self._abandoned or self._stopping.is_set()


def _seconds_until_due(database: Database) -> float | None:
    with database.read() as session:
        return queue.seconds_until_due(session)


def _prepare(
    batch: _Batch,
    sandbox: Sandbox,
    leases: Leases,
    stopping: Event,
    *,
    most: int,
    only_new: bool,
) -> None:
    """Claim, parse and cut at most `most` documents, until their tokens fill an engine call."""
    resources = batch.resources
    if most <= 0:
        return
    batch.pause_s = _seconds_until_due(resources.database)
    if batch.pause_s != 0.0:
        return
    # Before anything is claimed: a process that ends meanwhile costs no document an attempt.
    engine = batch.generation.engine()
    sandbox.start()
    tokens = 0
    while batch.taken < most and tokens < batch.call_tokens and not stopping.is_set():
        claim = leases.take_next(only_new=only_new or batch.taken > 0)
        if claim is None:
            break
        batch.taken += 1
        prepared = prepare_document(resources, engine, sandbox, claim)
        if prepared is None:
            leases.let_go(claim)
            batch.generation.settle()
        else:
            batch.documents.append(prepared)
            tokens += sum(prepared.cut.tokens)
        if claim.attempt > 1:
            batch.is_retry = True
            break


def _commit(batch: _Batch, wanted: WantedClaims, leases: Leases) -> None:
    """Store what the model has read; the claims of what it has not are given back later."""
    for document in batch.documents:
        if document.is_embedded:
            commit_document(batch.resources, batch.generation, document)
        if document.is_embedded or document.claim not in wanted:
            leases.let_go(document.claim)
    batch.generation.settle()
