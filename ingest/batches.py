"""Documents that the model reads together, and the thread in which it does."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event

from app.db.queue import Claim
from app.domain import Stage
from app.errors import FolioError
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from ingest.leases import Leases
from ingest.pipeline import (
    NOT_THE_DOCUMENTS_FAULT,
    Parsed,
    Prepared,
    attempt,
    commit_document,
    cut_parsed,
    embed_documents,
)
from ingest.wanted import WantedClaims
from ingest.work import Work

logger = logging.getLogger("folio")

# Of a batch's tokens: enough that sorting by length leaves little padding, and that a stop waits
# for few forward passes.
_CALL_BATCHES = 8
_MAX_DOCUMENTS = 64


@dataclass(slots=True)
class Batch:
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

    @property
    def is_full(self) -> bool:
        """Whether it holds as many documents as it may, or tokens for an engine call."""
        tokens = sum(sum(document.cut.tokens) for document in self.documents)
        return self.taken >= _MAX_DOCUMENTS or tokens >= self.call_tokens

    def add(self, claim: Claim, document: Parsed | None, leases: Leases) -> None:
        """Cut what was parsed for the model; None is one that failed."""
        self.taken += 1
        self.is_retry = claim.attempt > 1
        engine = self.generation.engine()
        prepared = None if document is None else cut_parsed(self.resources, engine, document)
        if prepared is None:
            leases.let_go(claim)
            self._settle()
        else:
            self.documents.append(prepared)

    def commit(self, wanted: WantedClaims, leases: Leases) -> None:
        """Store what the model has read; claims of what it has not are given back later."""
        for document in self.documents:
            if document.is_embedded:
                commit_document(self.resources, self.generation, document)
            if document.is_embedded or document.claim not in wanted:
                leases.let_go(document.claim)
        self._settle()

    def _settle(self) -> None:
        # A process that answers follows a shared database by itself, and one that only works would
        # hold the indexes for nobody.
        self.generation.settle(reads=not self.resources.database.is_shared)


class RunningBatch:
    """A batch that the model is reading, in a thread of its own."""

    def __init__(self, batch: Batch, stopping: Event) -> None:
        self.batch = batch
        self._stopping = stopping
        self._abandoned = False
        self.wanted = WantedClaims(
            batch.resources.database, [document.claim for document in batch.documents]
        )
        self._work = Work(self._embed_together_or_each, "folio-embedding")

    @property
    def is_done(self) -> bool:
        return self._work.is_done

    def wait(self) -> None:
        """Return when all documents have been read or have failed; raises what ended the work."""
        self._work.wait()

    def abandon(self) -> None:
        """Read no more than has been begun; what comes of it is void."""
        self._abandoned = True

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
