"""What lives as long as the process: database, index, model, sandbox.

Opened and closed in one place, passed as an argument everywhere else.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries, queue
from app.db.models import Generation
from app.db.session import Database, open_database
from app.embedding.checkpoint import Checkpoint, open_checkpoint
from app.embedding.engine import Engine, load_engine
from app.errors import ModelUnavailable, StaleVectors
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.flat import FlatIndex, UnitVectors
from app.index.lexical import LexicalIndex, TermDocument, pack_terms

if TYPE_CHECKING:
    from app.embedding.cross_encoder import CrossEncoder

logger = logging.getLogger("folio")

MAX_ATTEMPTS = 3
_ADVICE = "upload the document again"

_ANALYSED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Indexes:
    """Both indexes at the last commit, and the generation of vectors that one of them holds."""

    vectors: FlatIndex
    terms: LexicalIndex
    generation_id: int


class Resources:
    """The open database, the index over it, and the model once it is needed."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.work_arrived = Event()
        """Set when documents were queued; the worker waits for it."""
        self.model_problem: str | None = None
        """Why the last attempt to load the model failed."""
        self._engine: Engine | None = None
        self._cross_encoder: CrossEncoder | None = None
        self._loading = Lock()
        self._indexes: Indexes | None = None
        self._seen_change = 0
        self._following = Lock()
        self._checkpoint: Checkpoint | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The configured checkpoint; raises ModelUnavailable with the reason there is none."""
        if self._checkpoint is None:
            self._checkpoint = open_checkpoint(self.settings)
        return self._checkpoint

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
    def cross_encoder(self) -> "CrossEncoder | None":
        """The configured reranker, loaded at the first use; None where none is configured."""
        folder = self.settings.rerank_model
        if folder is None:
            return None
        with self._loading:
            if self._cross_encoder is None:
                # torch and transformers take seconds to import.
                from app.embedding.cross_encoder import CrossEncoder

                self._cross_encoder = CrossEncoder(folder, device=self.settings.device)
            return self._cross_encoder

    @property
    def loaded_engine(self) -> Engine | None:
        """The model if it is loaded already."""
        return self._engine

    @property
    def model_fingerprint(self) -> str | None:
        """What makes the vectors, if the model is loaded."""
        return None if self._engine is None else self.checkpoint.fingerprint

    def check_fingerprint(self) -> None:
        """Raise StaleVectors when the stored vectors were made by another model."""
        with self.database.read() as session:
            live = queries.find_live_generation(session)
            if live is None or live.fingerprint == self.checkpoint.fingerprint:
                return
            ours = dict(self.checkpoint.identity)
            theirs = live.identity
            changed = sorted(
                part for part in {*ours, *theirs} if ours.get(part) != theirs.get(part)
            )
            raise StaleVectors(
                f"the stored vectors were made by {live.model} ({live.fingerprint}), the "
                f"configured model is {self.checkpoint.name} ({self.checkpoint.fingerprint}); "
                f"they differ in: {', '.join(changed)}. Run `folio reembed` to embed every article "
                "with the configured model, or configure the former one"
            )

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
        return Generation(
            fingerprint=self.checkpoint.fingerprint,
            identity=dict(self.checkpoint.identity),
            model=self.checkpoint.name,
            dimensions=self.checkpoint.dimensions,
            engine=f"{engine.name} {engine.dtype}",
            is_live=is_live,
        )

    def catch_up(self) -> Indexes | None:
        """Bring the indexes to the last commit; None while nothing was ever embedded.

        Versions with a damaged vector are quarantined on the way.
        """
        while True:
            with self._following, self.database.read() as session:
                damaged = self._follow(session)
                indexes = self._indexes
            if not damaged:
                return indexes
            for version_id, document_id in damaged.items():
                self.quarantine(
                    version_id, f"a vector of {document_id} fails its checksum; {_ADVICE}"
                )

    def quarantine(self, version_id: int, message: str) -> None:
        """Take a damaged version out of every answer and let its document say why."""
        logger.error("quarantined version %d: %s", version_id, message)
        with self.database.write() as session:
            queries.quarantine_version(session, version_id, message)

    def _follow(self, session: Session) -> dict[int, str]:
        """Apply what changed to the indexes; returns the damaged versions and their documents."""
        last = queries.last_change(session)
        known = self._indexes
        if known is not None and last == self._seen_change:
            return {}
        live = queries.find_live_generation(session)
        if live is None:
            return {}
        damaged: dict[int, str] = {}
        if known is None or live.id != known.generation_id:
            known = Indexes(FlatIndex(live.dimensions), LexicalIndex(), live.id)
            known.vectors.apply(_read_vectors(session, live, None, damaged))
            known.terms.apply(_read_terms(session, None))
        else:
            unit_ids = queries.changed_units(session, self._seen_change)
            added = _read_vectors(session, live, unit_ids, damaged)
            known.vectors.apply(added, removed=unit_ids)
            document_ids = queries.changed_documents(session, self._seen_change)
            known.terms.apply(_read_terms(session, document_ids), removed=document_ids)
        self._indexes, self._seen_change = known, last
        return damaged


@contextmanager
def open_resources(settings: Settings, *, holder: str = "folio") -> Iterator[Resources]:
    """Own the data folder and open what stands on it; closes all of it at the end.

    Raises DataFolderHeld. A model that cannot be found, or that did not make the stored vectors, is
    no obstacle here: what is stored stays readable.
    """
    with ExitStack() as stack:
        database = stack.enter_context(open_database(settings.data, holder=holder))
        with database.write() as session:
            queue.requeue_interrupted(session, max_attempts=MAX_ATTEMPTS)
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
    for unit in queries.live_units(session, generation.id, unit_ids):
        if crc32(unit.vector) != unit.vector_crc32:
            damaged[unit.version_id] = unit.external_id
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


def _read_terms(session: Session, document_ids: list[int] | None) -> list[TermDocument]:
    """Read terms from the database, leaving out and naming those that fail their checksum."""
    documents = []
    for row in queries.live_terms(session, document_ids):
        if crc32(row.data) != row.data_crc32:
            logger.error(
                "the terms of document %r fail their checksum and are left out; "
                "upload the document again",
                row.external_id,
            )
            continue
        documents.append(TermDocument(row.document_id, row.collection_id, row.data))
    return documents
