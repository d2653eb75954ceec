"""From a question to ranked candidates: what each stage finds, and one score of all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol
from zlib import crc32

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter, Mode, Vector
from app.index.bm25 import LexicalIndex, LexicalScores
from app.index.flat import FlatIndex, Ids
from app.index.query import WordQuery, parse_query
from app.runtime.index_follower import Indexes
from app.services.access.collections import CollectionRef
from app.services.search.phrases import restrict
from app.services.search.scales import measure_scale
from app.services.search.scoring import Scale, Stages, evidence, score
from app.services.search.snapshot import OutOfDate, Snapshot

# Documents that each stage proposes; the passages of all of them are scored.
CANDIDATES = 100
# A filter that keeps no more than this has all of them proposed: no stage could leave out one that
# the others lift.
_ALL_PROPOSED = 400
# Of inner products. Later ones depend on where arrays lie in memory and on how many rows are
# compared at once: the same question gets the same answer.
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the indexes take it."""

    mode: Mode
    vector: Vector | None
    """None where no vector is compared."""
    words: WordQuery
    """Empty where no word is compared."""

    @classmethod
    def of(cls, text: str, mode: Mode, vector: Vector | None) -> "Question":
        words = parse_query("" if mode is Mode.DENSE else text)
        asks_nothing = mode is Mode.HYBRID and not words
        # Of signs alone every vector is as near as another.
        if asks_nothing or not any(map(str.isalnum, text)):
            vector = None
        return cls(mode, vector, words)


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
    mode: Mode
    stages: Stages
    scale: Scale
    """What its stage scores mean for this question in what is searched."""
    evidence: float
    """What ranks it."""
    score: float
    """The probability that it answers, which grows with the evidence."""
    passages: PassageScores
    is_damaged: bool
    """Whether its passage vectors fail their checksum; it ranks without them."""
    coverage: float
    """The share of the query's term weight that it holds anywhere; 0 where words do not count."""

    def behind(self, best: float) -> "Candidate":
        """Return it with its score beside a best one of that evidence."""
        scale = replace(self.scale, best=best)
        return replace(self, scale=scale, score=score(self.stages, self.mode, scale))

    def with_stages(self, stages: Stages) -> "Candidate":
        """Return it with other stage scores, and what these make of it."""
        return replace(
            self,
            stages=stages,
            evidence=evidence(stages, self.mode, self.scale),
            score=score(stages, self.mode, self.scale),
        )


class Retriever(Protocol):
    """What proposes documents of a collection for one question, and scores what others propose."""

    stage: str
    """The name of its scores."""
    unit_ids: set[int]
    """Units that it found: a snapshot that lacks one of them is out of date."""
    coverage: dict[int, float]
    """The share of the query's term weight that documents hold anywhere, where it counts terms."""

    def max_coverage(self, collection_id: int) -> float:
        """Return the greatest share that any document of the collection holds; 0 without terms."""

    def propose(
        self, collection_id: int, *, limit: int, allowed: Ids | None
    ) -> Mapping[int, float]:
        """Return up to `limit` documents with their scores, best first."""

    def score(self, collection_id: int, document_ids: Sequence[int]) -> Mapping[int, float]:
        """Return the scores of those of these documents that the collection holds."""


@dataclass(slots=True)
class UnitRetriever:
    """By the inner product of the query with a document's best unit."""

    index: FlatIndex
    query: Vector
    stage: str = "unit"
    unit_ids: set[int] = field(default_factory=set)
    coverage: dict[int, float] = field(default_factory=dict)

    def max_coverage(self, collection_id: int) -> float:
        return 0.0

    def propose(self, collection_id: int, *, limit: int, allowed: Ids | None) -> dict[int, float]:
        hits = self.index.search(self.query, collection_id, limit=limit, allowed=allowed)
        self.unit_ids.update(hit.unit_id for hit in hits)
        return {hit.document_id: round(hit.score, _DIGITS) for hit in hits}

    def score(self, collection_id: int, document_ids: Sequence[int]) -> dict[int, float]:
        if not document_ids:
            return {}
        hits = self.index.score(self.query, collection_id, np.array(document_ids, dtype=np.int64))
        self.unit_ids.update(hit.unit_id for hit in hits)
        return {hit.document_id: round(hit.score, _DIGITS) for hit in hits}


@dataclass(slots=True)
class LexicalRetriever:
    """By BM25 over the words of the query."""

    index: LexicalIndex
    words: WordQuery
    stage: str = "lexical"
    unit_ids: set[int] = field(default_factory=set)
    coverage: dict[int, float] = field(default_factory=dict)
    _scored: dict[int, LexicalScores] = field(default_factory=dict)

    def max_coverage(self, collection_id: int) -> float:
        return self._score_all(collection_id).max_share()

    def propose(self, collection_id: int, *, limit: int, allowed: Ids | None) -> dict[int, float]:
        lexical = self._score_all(collection_id)
        best = dict(lexical.best(limit, allowed))
        self.coverage |= lexical.held_shares(list(best))
        return best

    def score(self, collection_id: int, document_ids: Sequence[int]) -> dict[int, float]:
        lexical = self._score_all(collection_id)
        self.coverage |= lexical.held_shares(document_ids)
        return lexical.of(document_ids)

    def _score_all(self, collection_id: int) -> LexicalScores:
        if collection_id not in self._scored:
            self._scored[collection_id] = self.index.score(self.words, collection_id)
        return self._scored[collection_id]


def make_retrievers(indexes: Indexes, question: Question) -> list[Retriever]:
    """Return what proposes documents for a question, by its mode."""
    made: list[Retriever] = []
    if question.vector is not None:
        made.append(UnitRetriever(indexes.vectors, question.vector))
    if question.mode is not Mode.DENSE:
        made.append(LexicalRetriever(indexes.terms, question.words))
    return made


def rank_candidates(
    snapshot: Snapshot,
    question: Question,
    collections: Sequence[CollectionRef],
    *,
    limit: int,
    filters: Filter | None = None,
) -> list[Candidate]:
    """Return at least `limit` candidates, best first, if as many are allowed and found.

    Those of a hybrid search have the greatest score that they can have once they are read. Raises
    OutOfDate when a document changed since the indexes looked.
    """
    session, indexes = snapshot.session, snapshot.indexes
    retrievers = make_retrievers(indexes, question)
    found: dict[int, dict[str, float]] = {}
    for collection in collections:
        allowed = None
        if filters is not None:
            allowed = queries.filter_documents(session, collection.id, filters)
        allowed = restrict(session, indexes.terms, question.words, collection.id, allowed)
        found |= _propose(retrievers, collection.id, limit, allowed)
    versions = queries.find_live(session, list(found))
    if len(versions) < len(found):
        raise OutOfDate
    unit_ids = {unit_id for retriever in retrievers for unit_id in retriever.unit_ids}
    passages = _score_passages(session, indexes, question, versions, unit_ids)
    ids = [collection.id for collection in collections]
    scale = measure_scale(
        snapshot,
        ids,
        question.vector,
        coverage=max((one.max_coverage(i) for one in retrievers for i in ids), default=0.0),
        nearest=max(passages.best.values(), default=0.0),
    )
    covered = {i: share for retriever in retrievers for i, share in retriever.coverage.items()}
    candidates = []
    for document_id, version in versions.items():
        stages = found[document_id]
        # Without its passages a document ranks as if its unit were its best one.
        best = passages.best.get(document_id, stages.get("unit"))
        coverage = covered.get(document_id, 0.0)
        if best is not None:
            stages["passage"] = best
        if question.mode is Mode.HYBRID:
            stages["match"] = scale.match(best or 0.0, coverage)
        candidates.append(
            Candidate(
                version,
                question.mode,
                stages,
                scale,
                evidence(stages, question.mode, scale),
                score(stages, question.mode, scale),
                passages.of.get(document_id, _NO_PASSAGES),
                document_id in passages.damaged,
                coverage,
            )
        )
    return sorted(candidates, key=order)


def order(candidate: Candidate) -> tuple[float, int]:
    """Return what candidates are sorted by, best first."""
    return -candidate.evidence, candidate.version.document_id


def _propose(
    retrievers: Sequence[Retriever], collection_id: int, limit: int, allowed: Ids | None
) -> dict[int, dict[str, float]]:
    """Return the documents that any retriever puts first, each scored by all of them."""
    proposed = max(limit, CANDIDATES)
    if allowed is not None and len(allowed) <= _ALL_PROPOSED:
        proposed = max(limit, len(allowed))
    by_stage = {
        retriever.stage: dict(retriever.propose(collection_id, limit=proposed, allowed=allowed))
        for retriever in retrievers
    }
    wanted = list({document_id: None for scores in by_stage.values() for document_id in scores})
    for retriever in retrievers:
        scores = by_stage[retriever.stage]
        missing = [document_id for document_id in wanted if document_id not in scores]
        scores |= retriever.score(collection_id, missing)
    return {
        document_id: {
            stage: scores[document_id]
            for stage, scores in by_stage.items()
            if document_id in scores
        }
        for document_id in wanted
    }


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
    unit_ids: set[int],
) -> _Passages:
    """Score all passages of these documents; raises OutOfDate unless all `unit_ids` are there."""
    if question.vector is None:
        return _Passages({}, {}, set())
    of_version = {version.version_id: version.document_id for version in versions.values()}
    rows = queries.list_units(session, list(of_version), indexes.vector_set)
    if not unit_ids <= {row[0] for row in rows}:
        raise OutOfDate
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
    rows_of = np.repeat(np.array([row[0] for row in kept], dtype=np.int64), counts)
    ordinals = np.arange(len(scores)) - np.repeat(ends - counts, counts)
    document_ids = np.array([of_version[row[1]] for row in kept])
    firsts = np.flatnonzero(np.diff(document_ids, prepend=-1))
    starts = (ends - counts)[firsts]
    parts = [slice(a, b) for a, b in pairwise([*starts.tolist(), len(scores)])]
    ids = document_ids[firsts].tolist()
    return _Passages(
        {
            document_id: PassageScores(scores[part], rows_of[part], ordinals[part])
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
    return np.round(scores, _DIGITS)
