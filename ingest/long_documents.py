"""Long texts, which the model reads beside the batches of others, one after another.

Reading megabytes takes minutes, in which no other document would become ready. The calls of both
take turns (app/embedding/scheduler.py).
"""

from collections import deque
from threading import Event

from app.domain import Stage
from app.runtime.resources import Resources
from ingest.batches import Batch, RunningBatch
from ingest.leases import Leases
from ingest.pipeline import Parsed
from ingest.wanted import WantedClaims
from ingest.work import Work

LONG_CHARACTERS = 2**17
"""Some ten units of the longest windows: fewer take turns well enough as parts of a batch."""


def is_long(document: Parsed) -> bool:
    """Return whether a document is not to be read in a batch with others."""
    return len(document.article.text) > LONG_CHARACTERS


class LongDocuments:
    """Those that were parsed and are not ready yet; for use by one thread."""

    def __init__(self, resources: Resources, leases: Leases, stopping: Event) -> None:
        self._resources = resources
        self._leases = leases
        self._stopping = stopping
        self._waiting: deque[Parsed] = deque()
        self._run: _Run | None = None

    @property
    def is_busy(self) -> bool:
        """Whether one is being read or waits."""
        return self._run is not None or bool(self._waiting)

    @property
    def waiting_collections(self) -> frozenset[int]:
        """The collections of those that wait: no more of them should be parsed."""
        return frozenset(document.claim.collection_id for document in self._waiting)

    def add(self, document: Parsed) -> None:
        """Read a document when those before it are ready."""
        self._waiting.append(document)

    def advance(self, timeout_s: float = 0.0) -> None:
        """Begin with the next one when the one before is done, or after so long a wait for it.

        Raises NOT_THE_DOCUMENTS_FAULT.
        """
        if self._run is not None and self._run.work.wait(timeout_s):
            self._run = None
        if self._run is None and self._waiting and not self._stopping.is_set():
            self._run = _Run(self._resources, self._leases, self._waiting.popleft(), self._stopping)

    def finish(self) -> None:
        """Wait until what the model is reading is read; raises NOT_THE_DOCUMENTS_FAULT."""
        if self._run is not None:
            self._run.work.wait()
            self._run = None

    def abandon(self) -> None:
        """Read no more than has been begun; what comes of it is void."""
        self._waiting.clear()
        if self._run is not None:
            self._run.abandon()


class _Run:
    """A long document on its way into the database, in a thread of its own."""

    def __init__(
        self, resources: Resources, leases: Leases, document: Parsed, stopping: Event
    ) -> None:
        self._leases = leases
        self._document = document
        self._stopping = stopping
        self._batch = Batch(resources, resources.generations.live())
        self._running: RunningBatch | None = None
        self._is_abandoned = False
        self.work = Work(self._ingest, "folio-long-document")

    def abandon(self) -> None:
        self._is_abandoned = True
        if self._running is not None:
            self._running.abandon()

    def _ingest(self) -> None:
        batch, claim = self._batch, self._document.claim
        # It may have waited for minutes, and cutting it takes as long.
        if claim not in WantedClaims(batch.resources.database, [claim]):
            self._leases.let_go(claim)
            return
        batch.add(claim, self._document, self._leases)
        if not batch.documents or self._is_abandoned:
            return
        self._leases.note_stage([claim], Stage.EMBED)
        self._running = RunningBatch(batch, self._stopping)
        if self._is_abandoned:
            self._running.abandon()
        self._running.wait()
        if not self._is_abandoned:
            batch.commit(self._running.wanted, self._leases)
