"""From a question to ranked candidates: what each stage finds, and one score of all of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter, Mode, Vector
from app.errors import CorruptData
from app.index.analysis import TermCounts, count_query_terms, name_query_terms
from app.index.flat import Ids
from app.runtime.resources import Indexes, Resources
from app.services.search.scoring import StageScores, match, score

T = TypeVar("T")

# Documents that each stage proposes; the passages of all of them are scored.
CANDIDATES = 100
# So few that a filter keeps are all proposed: no stage could leave out one that the others lift.
_ALL_PROPOSED = 400


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the indexes take it."""

    mode: Mode
    vector: Vector | None
    """None where no vector is compared."""
    terms: TermCounts
    """Empty where no word is."""
    words: Mapping[str, int]
    """The same terms by what they are called."""

    @classmethod
    def of(cls, text: str, mode: Mode, vector: Vector | None) -> "Question":
        words = "" if mode is Mode.DENSE else text
        return cls(mode, vector, count_query_terms(words), name_query_terms(words))


@dataclass(frozen=True, slots=True)
class PassageScores:
    """A document's passages in the order of its text; all three arrays have the same length."""

    scores: Vector
    """Inner products with the query."""
    unit_ids: Ids
    ordinals: Ids

    def by_place(self) -> dict[tuple[int, int], float]:
        """Return the scores by unit id and ordinal."""
        places = zip(self.unit_ids.tolist(), self.ordinals.tolist(), strict=True)
        return dict(zip(places, self.scores.tolist(), strict=True))


_NO_PASSAGES = PassageScores(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document in the race: its scores and its passages."""

    version: queries.FoundVersion
    score: float
    stages: StageScores
    passages: PassageScores
    is_damaged: bool
    """Whether its passage vectors fail their checksum; it ranks without them."""
    held: float
    """The share of the query's word weight that it holds anywhere; 0 where words do not count."""


@dataclass(slots=True)
class _Found:
    """What the indexes say of the documents they propose, by document id."""

    units: dict[int, tuple[int, float]]
    """Best unit and its score."""
    lexical: dict[int, float]
    held: dict[int, float]
    """The share of the query's word weight that a document holds anywhere."""

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
            with resources.precedence.taken(), resources.database.read() as session:
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

    Those of a hybrid search have the greatest score that they can have once they are read.

    None means that a document changed since the indexes looked: look again.
    """
    found = _Found({}, {}, {})
    for collection_id in collection_ids:
        allowed = None
        proposed = max(limit, CANDIDATES)
        if filters is not None:
            allowed = queries.filter_documents(session, collection_id, filters)
            if len(allowed) <= _ALL_PROPOSED:
                proposed = max(limit, len(allowed))
        some = _propose(indexes, question, collection_id, proposed, allowed)
        found.units |= some.units
        found.lexical |= some.lexical
        found.held |= some.held
    versions = queries.find_live(session, found.document_ids)
    if len(versions) < len(found.document_ids):
        return None
    passages = _score_passages(session, indexes, question, versions, found)
    if passages is None:
        return None
    candidates = []
    for document_id, version in versions.items():
        _, unit_score = found.units.get(document_id, (None, None))
        # Without its passages a document ranks as if its unit were its best one.
        passage_score = passages.best.get(document_id, unit_score)
        stages = StageScores(unit_score, passage_score, found.lexical.get(document_id))
        if question.mode is Mode.HYBRID:
            most = match(passage_score or 0.0, found.held.get(document_id, 0.0))
            stages = replace(stages, match=most)
        candidates.append(
            Candidate(
                version,
                score(stages, question.mode),
                stages,
                passages.of.get(document_id, _NO_PASSAGES),
                document_id in passages.damaged,
                found.held.get(document_id, 0.0),
            )
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
    found = _Found({}, {}, {})
    if question.vector is not None:
        for hit in indexes.vectors.search(
            question.vector, collection_id, limit=limit, allowed=allowed
        ):
            found.units[hit.document_id] = hit.unit_id, hit.score
            wanted[hit.document_id] = None
    if question.mode is not Mode.DENSE:
        lexical = indexes.terms.score(question.terms, collection_id)
        wanted |= dict.fromkeys(document_id for document_id, _ in lexical.best(limit, allowed))
        found.lexical = lexical.of(list(wanted))
        found.held = lexical.held_shares(list(wanted))
    if question.vector is not None:
        missing = np.array([i for i in wanted if i not in found.units], dtype=np.int64)
        if len(missing):
            for hit in indexes.vectors.score(question.vector, collection_id, missing):
                found.units[hit.document_id] = hit.unit_id, hit.score
    return found


@dataclass(frozen=True, slots=True)
class _Passages:
    """The passages of the documents that are proposed, by document id."""

    of: dict[int, PassageScores]
    best: dict[int, float]
    """The score of the best one."""
    damaged: set[int]
    """Documents whose passage vectors fail their checksum."""


def _score_passages(
    session: Session,
    indexes: Indexes,
    question: Question,
    versions: dict[int, queries.FoundVersion],
    found: _Found,
) -> _Passages | None:
    """Score all passages of these documents; None when a unit that was found is not there."""
    if question.vector is None:
        return _Passages({}, {}, set())
    of_version = {version.version_id: version.document_id for version in versions.values()}
    rows = queries.list_units(session, list(of_version), indexes.vector_set)
    if not {unit_id for unit_id, _ in found.units.values()} <= {row[0] for row in rows}:
        return None
    damaged = {of_version[row[1]] for row in rows if crc32(row[2]) != row[3]}
    # A document's rows come one after another, in the order of its text.
    kept = [row for row in rows if row[2] and of_version[row[1]] not in damaged]
    if not kept:
        return _Passages({}, {}, damaged)
    # All at once: a product for each of a few hundred small matrices costs more than the numbers.
    stored = np.frombuffer(b"".join(row[2] for row in kept), dtype="<f2")
    scores = _compare(stored.reshape(-1, indexes.vectors.dimensions), question.vector)
    counts = np.array([len(row[2]) for row in kept]) // (2 * indexes.vectors.dimensions)
    ends = np.cumsum(counts)
    unit_ids = np.repeat(np.array([row[0] for row in kept], dtype=np.int64), counts)
    ordinals = np.arange(len(scores)) - np.repeat(ends - counts, counts)
    document_ids = np.array([of_version[row[1]] for row in kept])
    firsts = np.flatnonzero(np.diff(document_ids, prepend=-1))
    starts = (ends - counts)[firsts]
    parts = [slice(a, b) for a, b in pairwise([*starts.tolist(), len(scores)])]
    ids = document_ids[firsts].tolist()
    return _Passages(
        {
            document_id: PassageScores(scores[part], unit_ids[part], ordinals[part])
            for document_id, part in zip(ids, parts, strict=True)
        },
        dict(zip(ids, np.maximum.reduceat(scores, starts).tolist(), strict=True)),
        damaged,
    )


def _compare(stored: npt.NDArray[np.float16], query: Vector) -> Vector:
    """Return the inner products of stored vectors, cut to the query's length, with the query."""
    vectors = stored[:, : len(query)].astype(np.float32)
    scores: Vector = vectors @ query
    if len(query) < stored.shape[1]:
        scores = scores / np.linalg.norm(vectors, axis=1)
    return scores
