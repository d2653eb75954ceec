"""What lives as long as the process: database, index, model, sandbox.

Opened and closed in one place, passed as an argument everywhere else.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from queue import SimpleQueue
from threading import Event, Lock
from time import perf_counter
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries, queue
from app.db.models import AdapterRow, Generation, LoggedQuery, Version
from app.db.sqlite import Database, open_database
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loading import load_engine, open_checkpoint
from app.errors import ModelUnavailable, NotFound, StaleVectors
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.bm25 import LexicalIndex, TermDocument, pack_terms
from app.index.flat import FlatIndex, UnitVectors
from app.runtime.priority import Precedence

if TYPE_CHECKING:
    from app.embedding.cross_encoder import CrossEncoder

logger = logging.getLogger("folio")

MAX_ATTEMPTS = 3
MAX_CUT_OFFS = 6
"""How often the end of a process may cut off the work on a document. More than attempts that fail:
who kills a server again and again means no document, and must not make one fail by chance."""
_ADVICE = "upload the document again"

_ANALYSED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What came of a scheduled sync: how many articles it added, and so on."""

    finished_at: datetime
    error: str | None
    """The code of what kept it from being done; None when it was."""
    added: int = 0
    changed: int = 0
    renamed: int = 0
    deleted: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Indexes:
    """Both indexes at the last commit, and the generation of vectors that one of them holds."""

    vectors: FlatIndex
    terms: LexicalIndex
    generation_id: int
    vector_set: int
    """The generation that the units belong to; a tuned one shares those of another."""


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """How far a training is: batches of at most `total`, and the time left if all are needed."""

    done: int
    total: int
    seconds_left: float | None


class TrainingProgress:
    """Lists a training among those that run, for as long as the block does."""

    def __init__(self, running: "dict[int, TrainingProgress]", generation_id: int) -> None:
        self._running = running
        self._generation_id = generation_id
        self._done = self._total = 0
        self._started = perf_counter()

    def __enter__(self) -> None:
        self._running[self._generation_id] = self

    def __exit__(self, *_: object) -> None:
        self._running.pop(self._generation_id, None)

    def report(self, done: int, total: int) -> None:
        """Take note of the batches that are done; the time counts from the first one on."""
        if not self._done:
            self._started = perf_counter()
        self._done, self._total = done, total

    def now(self) -> TrainingStep:
        done, total = self._done, self._total
        if done < 2:
            return TrainingStep(done, total, None)
        seconds = (perf_counter() - self._started) / (done - 1)
        return TrainingStep(done, total, round(seconds * (total - done), 1))


class Serving:
    """One generation in use: the model that asks it and the indexes over its vectors.

    Without a generation it is the configured model before anything was embedded.
    """

    def __init__(
        self, settings: Settings, database: Database, generation_id: int | None = None
    ) -> None:
        self.settings = settings
        self.generation_id = generation_id
        self.model_problem: str | None = None
        """Why the last attempt to load the model failed."""
        self._database = database
        self._engine: Engine | None = None
        self._loading = Lock()
        self._indexes: Indexes | None = None
        self._seen_change = 0
        self._following = Lock()
        self._checkpoint: Checkpoint | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint; raises ModelUnavailable with the reason there is none."""
        if self._checkpoint is None:
            self._checkpoint = self._open_checkpoint()
        return self._checkpoint

    def _open_checkpoint(self) -> Checkpoint:
        checkpoint = open_checkpoint(self.settings)
        if self.generation_id is None:
            return checkpoint
        with self._database.read() as session:
            generation = session.get(Generation, self.generation_id)
            if generation is None or generation.vectors_of is None:
                return checkpoint
            adapter = session.get(AdapterRow, generation.id)
            if adapter is None:
                raise ModelUnavailable(f"generation {generation.id} was not trained yet")
            if crc32(adapter.data) != adapter.data_crc32:
                raise ModelUnavailable(
                    f"the adapter of generation {generation.id} fails its checksum; roll back to "
                    f"generation {generation.vectors_of} or restore a backup"
                )
            return checkpoint.with_query_adapter(adapter.data)

    @property
    def engine(self) -> Engine:
        """The model, loaded at the first use; raises ModelUnavailable, or StaleVectors."""
        with self._loading:
            if self._engine is None:
                try:
                    self.check_fingerprint()
                    engine = load_engine(self.checkpoint, self.settings)
                    engine.warm_up()
                except ModelUnavailable as error:
                    self.model_problem = str(error)
                    raise
                self._engine = engine
            return self._engine

    @property
    def loaded_engine(self) -> Engine | None:
        """The model if it is loaded already."""
        return self._engine

    def check_fingerprint(self) -> None:
        """Raise StaleVectors when the vectors were made by another model."""
        with self._database.read() as session:
            stored = self.find_generation(session)
            if stored is None or stored.fingerprint == self.checkpoint.fingerprint:
                return
            ours = dict(self.checkpoint.identity)
            theirs = stored.identity
            changed = sorted(
                part for part in {*ours, *theirs} if ours.get(part) != theirs.get(part)
            )
            raise StaleVectors(
                f"the stored vectors were made by {stored.model} ({stored.fingerprint}), the "
                f"configured model is {self.checkpoint.name} ({self.checkpoint.fingerprint}); "
                f"they differ in: {', '.join(changed)}. Run `folio reembed` to embed every article "
                "with the configured model, or configure the former one"
            )

    def find_generation(self, session: Session) -> Generation | None:
        """Return its row; the live one while it is of none."""
        if self.generation_id is None:
            return queries.find_live_generation(session)
        return session.get(Generation, self.generation_id)

    def follow(self) -> tuple[Indexes | None, dict[int, str]]:
        """Return the indexes at the last commit, and the damaged versions with what is damaged."""
        with self._following, self._database.read() as session:
            damaged = self._apply_changes(session)
            return self._indexes, damaged

    def forget_indexes(self) -> None:
        """Give up the memory of the indexes until they are asked for again."""
        with self._following:
            self._indexes = None

    def _apply_changes(self, session: Session) -> dict[int, str]:
        last = queries.last_change(session)
        known = self._indexes
        if known is not None and last == self._seen_change:
            return {}
        generation = self.find_generation(session)
        if generation is None:
            return {}
        damaged: dict[int, str] = {}
        if known is None or generation.id != known.generation_id:
            known = read_indexes(session, generation, damaged)
        else:
            unit_ids = queries.changed_units(session, self._seen_change)
            added = _read_vectors(session, generation, unit_ids, damaged)
            known.vectors.apply(added, removed=unit_ids)
            document_ids = queries.changed_documents(session, self._seen_change)
            known.terms.apply(_read_terms(session, document_ids, damaged), removed=document_ids)
        self._indexes, self._seen_change = known, last
        return damaged


class Resources:
    """The open database and, for each generation in use, its indexes and its model.

    What is asked of it is asked of the generation that is live at that moment. A use case that asks
    twice pins it first: vectors of two generations must not meet.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.work_arrived = Event()
        """Set when documents were queued; the worker waits for it."""
        self.tasks_arrived = Event()
        """Set when a generation or an evaluation was asked for, or an erasure is not complete."""
        self.asked_queries: SimpleQueue[LoggedQuery] = SimpleQueue()
        """What the query log has yet to store: a search does not wait for the writers."""
        self.precedence = Precedence()
        """Searches take it, ingestion gives it."""
        self.training: dict[int, TrainingProgress] = {}
        """The generations whose adapter is trained at present."""
        self.parser_confinement: str | None = None
        """What holds the parsing process, in words; None before it was started."""
        self.last_sync: SyncReport | None = None
        """What came of the last scheduled sync; None before the first one."""
        self._configured = Serving(settings, database)
        self._servings: dict[int, Serving] = {}
        self._choosing = Lock()
        self._pinned: Serving | None = None
        # Kept in the function, so that pinned copies share it.
        self._load_cross_encoder = cache(partial(_load_cross_encoder, settings))

    def pin(self, generation_id: int | None = None) -> "Resources":
        """Return these resources held to the generation that is live now, or to another one.

        Raises NotFound for a generation that is none.
        """
        if self._pinned is not None and generation_id is None:
            return self
        pinned = copy(self)
        pinned._pinned = self._find_serving(generation_id)
        return pinned

    @property
    def generation_id(self) -> int | None:
        """The generation that is asked; None before anything was embedded."""
        return self._serving.generation_id

    @property
    def checkpoint(self) -> Checkpoint:
        """Its checkpoint; raises ModelUnavailable with the reason there is none."""
        return self._serving.checkpoint

    @property
    def configured_checkpoint(self) -> Checkpoint:
        """The checkpoint that the settings name."""
        return self._configured.checkpoint

    @property
    def engine(self) -> Engine:
        """Its model, loaded at the first use; raises ModelUnavailable, or StaleVectors."""
        return self._serving.engine

    @property
    def cross_encoder(self) -> "CrossEncoder | None":
        """The configured reranker, loaded at the first use; None where none is configured.

        It reads texts and no vectors, so it is the same for every generation.
        """
        return self._load_cross_encoder()

    @property
    def loaded_engine(self) -> Engine | None:
        """Its model if it is loaded already."""
        return self._serving.loaded_engine

    @property
    def model_problem(self) -> str | None:
        """Why the last attempt to load the model failed."""
        return self._serving.model_problem

    @property
    def model_fingerprint(self) -> str | None:
        """What makes the vectors, if the model is loaded."""
        serving = self._serving
        return None if serving.loaded_engine is None else serving.checkpoint.fingerprint

    def check_fingerprint(self) -> None:
        """Raise StaleVectors when the stored vectors were made by another model."""
        self._serving.check_fingerprint()

    def ensure_generation(self, session: Session) -> Generation:
        """Return the live generation, made now if these are the first vectors."""
        live = queries.find_live_generation(session)
        if live is None:
            live = self.make_generation(self.engine, is_live=True)
            session.add(live)
            session.flush()
        elif live.fingerprint != self.checkpoint.fingerprint:
            raise StaleVectors("the live generation belongs to another model")
        return live

    def make_generation(self, engine: Engine, *, is_live: bool) -> Generation:
        """Return a new row for vectors that `engine` makes of the configured model."""
        return describe_generation(
            self.checkpoint, self.settings, engine=f"{engine.name} {engine.dtype}", is_live=is_live
        )

    def catch_up(self) -> Indexes | None:
        """Bring the indexes to the last commit; None while nothing was ever embedded.

        Versions with a damaged vector, or damaged text and terms, are quarantined on the way.
        """
        serving = self._serving
        while True:
            indexes, damaged = serving.follow()
            if not damaged:
                return indexes
            for version_id, what in damaged.items():
                self.quarantine(version_id, f"{what} fails its checksum; {_ADVICE}")

    def settle(self) -> None:
        """Catch up after a change, and join what small changes leave behind in the word index."""
        indexes = self.catch_up()
        if indexes is not None:
            indexes.terms.merge()

    def erase_deleted(self) -> bool:
        """Let no file hold what was deleted; where that has to wait the background goes on."""
        if not self.database.erase_deleted():
            self.tasks_arrived.set()
        return not self.database.owes_erasure

    def quarantine(self, version_id: int, message: str) -> None:
        """Take a damaged version out of every answer and let its document say why."""
        logger.error("quarantined version %d: %s", version_id, message)
        with self.database.write() as session:
            queries.quarantine_version(session, version_id, message)

    def forget(self, generation_id: int, *, whole: bool) -> None:
        """Give up the indexes of a generation that is not live and, if `whole`, its model."""
        with self._choosing:
            serving = self._servings.get(generation_id)
            if serving is not None:
                serving.forget_indexes()
            if whole:
                self._servings.pop(generation_id, None)

    @property
    def _serving(self) -> Serving:
        return self._pinned or self._find_serving(None)

    def _find_serving(self, generation_id: int | None) -> Serving:
        with self.database.read() as session:
            if generation_id is None:
                generation = queries.find_live_generation(session)
            else:
                generation = session.get(Generation, generation_id)
                if generation is None:
                    raise NotFound(
                        f"there is no generation {generation_id}", code="generation_not_found"
                    )
            if generation is None:
                return self._configured
            with self._choosing:
                serving = self._servings.get(generation.id)
                if serving is None:
                    serving = self._servings[generation.id] = self._open_serving(generation)
                    there = set(session.scalars(select(Generation.id)))
                    for gone in self._servings.keys() - there:
                        del self._servings[gone]
        return serving

    def _open_serving(self, generation: Generation) -> Serving:
        """Return what serves a generation: the configured model if it is of it, else its own.

        One that went live in place of the configured model goes on with its own. A live one of any
        other model must not answer: the configured model refuses then with StaleVectors.
        """
        if self._is_configured(generation):
            if self._configured.generation_id is None:
                self._configured.generation_id = generation.id
            if self._configured.generation_id == generation.id:
                return self._configured
            return Serving(self.settings, self.database, generation.id)
        own = self.settings.model_copy(update=generation.source)
        return Serving(own, self.database, generation.id)

    def _is_configured(self, generation: Generation) -> bool:
        if generation.source is None or (generation.is_live and generation.replaced is None):
            return True
        try:
            configured = self._configured.checkpoint.fingerprint
        except ModelUnavailable:
            return generation.is_live
        if generation.is_live:
            return configured != generation.replaced
        return configured == generation.fingerprint


def _load_cross_encoder(settings: Settings) -> "CrossEncoder | None":
    if settings.rerank_model is None:
        return None
    # torch and transformers take seconds to import.
    from app.embedding.cross_encoder import CrossEncoder

    return CrossEncoder(settings.rerank_model, device=settings.device)


def read_indexes(session: Session, generation: Generation, damaged: dict[int, str]) -> Indexes:
    """Return both indexes as the session sees them; what fails its checksum is noted."""
    indexes = Indexes(
        FlatIndex(generation.dimensions), LexicalIndex(), generation.id, generation.vector_set
    )
    indexes.vectors.apply(_read_vectors(session, generation, None, damaged))
    indexes.terms.apply(_read_terms(session, None, damaged))
    return indexes


def describe_generation(
    checkpoint: Checkpoint, settings: Settings, *, engine: str, is_live: bool
) -> Generation:
    """Return a new row for vectors of a checkpoint that `settings` open."""
    return Generation(
        fingerprint=checkpoint.fingerprint,
        identity=dict(checkpoint.identity),
        model=checkpoint.name,
        dimensions=checkpoint.dimensions,
        engine=engine,
        is_live=is_live,
        source={
            "model": settings.model,
            "model_revision": settings.model_revision,
            "dimensions": settings.dimensions,
        },
    )


@contextmanager
def open_resources(settings: Settings, *, holder: str = "folio") -> Iterator[Resources]:
    """Own the data folder and open what stands on it; closes all of it at the end.

    Raises DataFolderHeld. A model that cannot be found, or that did not make the stored vectors, is
    no obstacle here: what is stored stays readable.
    """
    with ExitStack() as stack:
        database = stack.enter_context(open_database(settings.data, holder=holder))
        with database.write() as session:
            queue.requeue_interrupted(
                session, max_attempts=MAX_CUT_OFFS, pause_seconds=settings.retry_seconds
            )
            # Nobody follows the log yet: the index is read whole.
            queries.clear_changes(session)
        _complete_terms(database)
        yield Resources(settings, database)


def _read_vectors(
    session: Session,
    generation: Generation,
    unit_ids: list[int] | None,
    damaged: dict[int, str],
) -> UnitVectors:
    """Read vectors; the versions of those that fail their checksum are noted in `damaged`."""
    ids: list[tuple[int, int, int]] = []
    vectors: list[bytes] = []
    for unit in queries.live_units(session, generation.vector_set, unit_ids):
        if crc32(unit.vector) != unit.vector_crc32:
            damaged[unit.version_id] = f"a vector of {unit.external_id}"
            continue
        ids.append((unit.unit_id, unit.document_id, unit.collection_id))
        vectors.append(unit.vector)
    columns = np.array(ids, dtype=np.int64).reshape(-1, 3)
    matrix = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(-1, generation.dimensions)
    return UnitVectors(columns[:, 0], columns[:, 1], columns[:, 2], matrix)


def _complete_terms(database: Database) -> None:
    """Make the terms of live versions that have none of the present rules."""
    while True:
        with database.write() as session:
            versions = queries.versions_without_terms(session, ANALYSIS, _ANALYSED_AT_ONCE)
            for version_id, title, text in versions:
                terms = pack_terms(count_article_terms(title, text or ""))
                queries.store_terms(
                    session, version_id, analysis=ANALYSIS, data=terms.data, data_crc32=terms.crc32
                )
        if len(versions) < _ANALYSED_AT_ONCE:
            return


def _read_terms(
    session: Session, document_ids: list[int] | None, damaged: dict[int, str]
) -> list[TermDocument]:
    """Read terms; those that fail their checksum are made again of the text.

    The versions whose text fails it as well are noted in `damaged`.
    """
    documents = []
    for row in queries.live_terms(session, document_ids):
        data = row.data
        if crc32(data) != row.data_crc32:
            logger.error("the terms of %s fail their checksum; %s", row.external_id, _ADVICE)
            version = session.get_one(Version, row.version_id)
            if version.text is None or crc32(version.text.encode()) != version.text_crc32:
                damaged[row.version_id] = f"the text of {row.external_id}"
                continue
            data = pack_terms(count_article_terms(version.title, version.text)).data
        documents.append(TermDocument(row.document_id, row.collection_id, data))
    return documents
