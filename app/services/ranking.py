"""From a question to ranked candidates: what each stage finds, and one score of all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter, Mode, Vector
from app.errors import CorruptData
from app.index.analysis import TermCounts, count_query_terms
from app.index.flat import Ids
from app.resources import Indexes, Resources
from app.services.fusion import StageScores, score

T = TypeVar("T")

# Documents that each stage proposes; the passages of all of them are scored.
CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the indexes take it."""

    mode: Mode
    vector: Vector | None
    """None where no vector is compared."""
    terms: TermCounts
    """Empty where no word is."""

    @classmethod
    def of(cls, text: str, mode: Mode, vector: Vector | None) -> "Question":
        return cls(mode, vector, {} if mode is Mode.DENSE else count_query_terms(text))


class ScoredPassage(NamedTuple):
    """A passage's inner product with the query, and where the passage is stored."""

    score: float
    unit_id: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document in the race: its scores, and its passages, best first."""

    version: queries.FoundVersion
    score: float
    stages: StageScores
    passages: tuple[ScoredPassage, ...]
    is_damaged: bool
    """Whether its passage vectors fail their checksum; it ranks without them."""


@dataclass(slots=True)
class _Found:
    """What the indexes say of the documents they propose, by document id."""

    units: dict[int, tuple[int, float]]
    """Best unit and its score."""
    lexical: dict[int, float]

    @property
    def document_ids(self) -> list[int]:
        return list(self.units | self.lexical)


def read_current(
    resources: Resources, read: Callable[[Session, Indexes], T | None]
) -> tuple[T, Indexes] | None:
    """Return what `read` makes of the indexes at the last commit, and these indexes.

    It is called again when it returns None, which says that a document was deleted or replaced
    since the indexes looked, and when it met a damaged document, which then is out of every answer.
    None while nothing was ever embedded.
    """
    while True:
        indexes = resources.catch_up()
        if indexes is None:
            return None
        try:
            with resources.database.read() as session:
                answer = read(session, indexes)
        except CorruptData as damage:
            if damage.version_id is None:
                raise
            resources.quarantine(damage.version_id, str(damage))
        else:
            if answer is not None:
                return answer, indexes


def rank_candidates(
    session: Session,
    indexes: Indexes,
    question: Question,
    collection_ids: Sequence[int],
    *,
    limit: int,
    filters: Filter | None = None,
) -> list[Candidate] | None:
    """Return at least `limit` candidates, best first, if as many are allowed and found.

    None means that a document changed since the indexes looked: look again.
    """
    found = _Found({}, {})
    for collection_id in collection_ids:
        allowed = None
        if filters is not None:
            allowed = queries.filter_documents(session, collection_id, filters)
        some = _propose(indexes, question, collection_id, max(limit, CANDIDATES), allowed)
        found.units |= some.units
        found.lexical |= some.lexical
    versions = queries.find_live(session, found.document_ids)
    if len(versions) < len(found.document_ids) or not queries.have_units(
        session, [unit_id for unit_id, _ in found.units.values()]
    ):
        return None
    passages, damaged = _score_passages(session, indexes, question, versions)
    candidates = []
    for document_id, version in versions.items():
        best = passages.get(document_id, ())
        _, unit_score = found.units.get(document_id, (None, None))
        # Without its passages a document ranks as if its unit were its best one.
        passage_score = best[0].score if best else unit_score
        stages = StageScores(unit_score, passage_score, found.lexical.get(document_id))
        candidates.append(
            Candidate(version, score(stages, question.mode), stages, best, document_id in damaged)
        )
    return sorted(candidates, key=lambda c: (-c.score, c.version.document_id))


def _propose(
    indexes: Indexes,
    question: Question,
    collection_id: int,
    limit: int,
    allowed: Ids | None,
) -> _Found:
    """Return the documents that either stage puts first, each scored by both."""
    wanted: dict[int, None] = {}
    found = _Found({}, {})
    if question.vector is not None:
        for hit in indexes.vectors.search(
            question.vector, collection_id, limit=limit, allowed=allowed
        ):
            found.units[hit.document_id] = hit.unit_id, hit.score
            wanted[hit.document_id] = None
    if question.mode is not Mode.DENSE:
        lexical = indexes.terms.score(question.terms, collection_id)
        wanted |= dict.fromkeys(document_id for document_id, _ in lexical.best(limit, allowed))
        bound = lexical.bound or 1.0
        found.lexical = {i: value / bound for i, value in lexical.of(list(wanted)).items()}
    if question.vector is not None:
        missing = np.array([i for i in wanted if i not in found.units], dtype=np.int64)
        if len(missing):
            for hit in indexes.vectors.score(question.vector, collection_id, missing):
                found.units[hit.document_id] = hit.unit_id, hit.score
    return found


def _score_passages(
    session: Session,
    indexes: Indexes,
    question: Question,
    versions: dict[int, queries.FoundVersion],
) -> tuple[dict[int, tuple[ScoredPassage, ...]], set[int]]:
    """Return the passages of each document, best first, and the documents that are damaged."""
    if question.vector is None:
        return {}, set()
    of_version = {version.version_id: version.document_id for version in versions.values()}
    rows = queries.list_units(session, list(of_version), indexes.vector_set)
    damaged = {of_version[row[1]] for row in rows if crc32(row[2]) != row[3]}
    kept = [row for row in rows if of_version[row[1]] not in damaged]
    stored = np.frombuffer(b"".join(row[2] for row in kept), dtype="<f2")
    # All at once: a product for each of a few hundred small matrices costs more than the numbers.
    vectors = stored.reshape(-1, indexes.vectors.dimensions).astype(np.float32)
    vectors = vectors[:, : len(question.vector)]
    scores = vectors @ question.vector
    if len(question.vector) < indexes.vectors.dimensions:
        scores = scores / np.linalg.norm(vectors, axis=1)
    values = scores.tolist()
    scored: dict[int, list[ScoredPassage]] = {}
    row_bytes = 2 * indexes.vectors.dimensions
    first = 0
    for unit_id, version_id, blob, _ in kept:
        count = len(blob) // row_bytes
        scored.setdefault(of_version[version_id], []).extend(
            ScoredPassage(value, unit_id, ordinal)
            for ordinal, value in enumerate(values[first : first + count])
        )
        first += count
    return {
        document_id: tuple(sorted(some, key=lambda passage: -passage.score))
        for document_id, some in scored.items()
    }, damaged
