"""Keeps the indexes of one generation at the last commit, by the change log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.db.checksums import is_known
from app.db.database import Database
from app.db.models import Generation, Version
from app.db.queries import Changes, LogPosition
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.bm25 import LexicalIndex
from app.index.byte_cache import ByteCache
from app.index.flat import FlatIndex, UnitVectors
from app.index.samples import PassageSamples
from app.index.segments import TermDocument, pack_terms
from app.runtime.lookups import ArticleRows, LogState, Lookups
from app.runtime.memory import return_freed

logger = logging.getLogger("folio")

_ADVICE = "upload the document again"
# About 15,000 passages of 384 dimensions, and 500 articles of six thousand characters.
_MAX_VECTOR_BYTES = 24 << 20
_MAX_PASSAGE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Indexes:
    """Both indexes, and the generation of vectors that one of them holds."""

    vectors: FlatIndex
    terms: LexicalIndex
    generation_id: int
    vector_set: int
    """The generation that the units belong to; a tuned one shares those of another."""
    samples: PassageSamples = field(default_factory=PassageSamples)
    lookups: Lookups = field(default_factory=Lookups)
    kept_vectors: ByteCache = field(default_factory=lambda: ByteCache(_MAX_VECTOR_BYTES))
    """What searches read of units, by their ids: the vectors of their passages."""
    kept_passages: ByteCache = field(default_factory=lambda: ByteCache(_MAX_PASSAGE_BYTES))
    """The passages of an article, by the id of its first unit."""
    rows: ArticleRows = field(default_factory=ArticleRows)
    """What searches read of articles beside these."""


class IndexFollower:
    """Reads the indexes of a generation at the first use, then only what changed; thread-safe."""

    def __init__(self, *, corrects_spelling: bool) -> None:
        self._corrects_spelling = corrects_spelling
        self._indexes: Indexes | None = None
        self._position = LogPosition()
        self._state = 0
        self._following = Lock()

    @property
    def has_read(self) -> bool:
        """Whether the indexes are in memory."""
        return self._indexes is not None

    def follow(
        self, session: Session, generation: Generation
    ) -> tuple[Indexes, LogState, dict[int, str]]:
        """Return the indexes, which are no older than the session's transaction.

        The second value stands for what the transaction sees of the log. The third names the
        versions that fail a checksum, with what is damaged; they are not in the indexes and have to
        be quarantined.
        """
        damaged: dict[int, str] = {}
        with self._following:
            indexes = self._indexes
            if indexes is None or indexes.generation_id != generation.id:
                indexes = self._read(session, generation, damaged)
                return indexes, self._state, damaged
            changes = queries.read_changes(session, self._position)
            if changes is None:
                indexes = self._read(session, generation, damaged)
                return indexes, self._state, damaged
            if changes.is_behind:
                # Another transaction that sees more was here first. Going back for this one, the
                # next would read again what is in the indexes.
                return indexes, None, damaged
            if changes.unit_ids or changes.document_ids:
                self._apply(session, indexes, generation, changes, damaged)
            if changes.count:
                self._state += 1
                indexes.rows.note(self._state, changes.changed_ids)
            self._position = changes.position
            return indexes, self._state, damaged

    def quarantine(self, database: Database, damaged: dict[int, str]) -> None:
        """Quarantine the versions that `follow` names.

        Where that fails the indexes, which lack them, are read anew at the next use: else nothing
        would ever say that they are missing.
        """
        try:
            for version_id, what in damaged.items():
                quarantine(database, version_id, f"{what} fails its checksum; {_ADVICE}")
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Release the memory of the indexes until they are asked for again."""
        with self._following:
            self._indexes = None

    def _read(self, session: Session, generation: Generation, damaged: dict[int, str]) -> Indexes:
        position = queries.log_position(session)
        indexes = read_indexes(
            session, generation, damaged, corrects_spelling=self._corrects_spelling
        )
        return_freed()
        self._indexes, self._position, self._state = indexes, position, self._state + 1
        return indexes

    def _apply(
        self,
        session: Session,
        indexes: Indexes,
        generation: Generation,
        changes: Changes,
        damaged: dict[int, str],
    ) -> None:
        added = _read_vectors(session, generation, changes.unit_ids, damaged)
        indexes.vectors.apply(added, removed=changes.unit_ids)
        for kept in (indexes.kept_vectors, indexes.kept_passages):
            kept.forget(changes.unit_ids)
        document_ids = changes.document_ids
        indexes.terms.apply(_read_terms(session, document_ids, damaged), removed=document_ids)


def quarantine(database: Database, version_id: int, message: str) -> None:
    """Take a damaged version out of every answer and let its document say why."""
    logger.error("quarantined version %d: %s", version_id, message)
    with database.write() as session:
        queries.quarantine_version(session, version_id, message)


def read_indexes(
    session: Session,
    generation: Generation,
    damaged: dict[int, str],
    *,
    corrects_spelling: bool,
) -> Indexes:
    """Return both indexes as the session sees them; what fails its checksum is noted."""
    indexes = Indexes(
        FlatIndex(generation.dimensions),
        LexicalIndex(corrects_spelling=corrects_spelling),
        generation.id,
        generation.vector_set,
    )
    indexes.vectors.apply(_read_vectors(session, generation, None, damaged))
    indexes.terms.apply(_read_terms(session, None, damaged))
    return indexes


def _read_vectors(
    session: Session,
    generation: Generation,
    unit_ids: Sequence[int] | None,
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


def _read_terms(
    session: Session, document_ids: Sequence[int] | None, damaged: dict[int, str]
) -> list[TermDocument]:
    """Read terms; those that fail their checksum are made again from the text.

    The versions whose text fails it as well are noted in `damaged`, and those that are live beside
    another one of their document: what says whose they are is damaged.
    """
    documents = []
    versions: dict[int, int] = {}
    for row in queries.live_terms(session, ANALYSIS, document_ids):
        first = versions.setdefault(row.document_id, row.version_id)
        if first != row.version_id:
            damaged.update(_find_strangers(session, (first, row.version_id)))
        data = row.data
        if crc32(data) != row.data_crc32:
            logger.error("the terms of %s fail their checksum; %s", row.external_id, _ADVICE)
            version = session.get_one(Version, row.version_id)
            if version.text is None or crc32(version.text.encode()) != version.text_crc32:
                damaged[row.version_id] = f"the text of {row.external_id}"
                continue
            language = (version.receipt or {}).get("language")
            data = pack_terms(count_article_terms(version.title, version.text, language)).data
        documents.append(TermDocument(row.document_id, row.collection_id, data))
    return documents


def _find_strangers(session: Session, version_ids: Sequence[int]) -> dict[int, str]:
    """Return which of some versions are not of the document that they name, with what to say."""
    versions = [session.get_one(Version, version_id) for version_id in version_ids]
    return {
        version.id: f"the record of version {version.id}"
        for version in versions
        if not is_known(session, version)
    }
