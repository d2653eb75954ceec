"""What proposes documents for a question: the index of vectors and that of words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from app.domain import Mode, Vector
from app.index.bm25 import LexicalIndex, LexicalScores
from app.index.flat import FlatIndex, Ids
from app.index.query import WordQuery, parse_query
from app.runtime.index_follower import Indexes

# Documents that each stage proposes; the passages of all of them are scored.
CANDIDATES = 100
# A filter that keeps no more than this has all of them proposed: no stage could leave out one that
# the others lift.
_ALL_PROPOSED = 400
# Where pages are asked for, they are parts of one list: each stage proposes the same to all.
MAX_PAGED = 1024
# Of inner products. Later ones depend on where arrays lie in memory and on how many rows are
# compared at once: the same question gets the same answer.
SCORE_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the indexes take it."""

    mode: Mode
    vector: Vector | None
    """None where no vector is compared."""
    words: WordQuery
    """Empty where no word is compared."""
    languages: frozenset[str] = frozenset()
    """Those that the model knows; empty where its card does not limit them."""

    @classmethod
    def of(
        cls,
        text: str,
        mode: Mode,
        vector: Vector | None,
        languages: frozenset[str] = frozenset(),
    ) -> "Question":
        words = parse_query("" if mode is Mode.DENSE else text)
        asks_nothing = mode is Mode.HYBRID and not words
        # Of signs alone every vector is as near as another.
        if asks_nothing or not any(map(str.isalnum, text)):
            vector = None
        return cls(mode, vector, words, languages)


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

    def matching(self, collection_id: int) -> Ids:
        """Return the ids of all documents of the collection that it could propose."""

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

    def matching(self, collection_id: int) -> Ids:
        return self.index.ids_of(collection_id)

    def propose(self, collection_id: int, *, limit: int, allowed: Ids | None) -> dict[int, float]:
        hits = self.index.search(self.query, collection_id, limit=limit, allowed=allowed)
        self.unit_ids.update(hit.unit_id for hit in hits)
        return {hit.document_id: round(hit.score, SCORE_DIGITS) for hit in hits}

    def score(self, collection_id: int, document_ids: Sequence[int]) -> dict[int, float]:
        if not document_ids:
            return {}
        hits = self.index.score(self.query, collection_id, np.array(document_ids, dtype=np.int64))
        self.unit_ids.update(hit.unit_id for hit in hits)
        return {hit.document_id: round(hit.score, SCORE_DIGITS) for hit in hits}


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

    def matching(self, collection_id: int) -> Ids:
        return self._score_all(collection_id).matching()

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


def find_matching(retrievers: Sequence[Retriever], collection_id: int, allowed: Ids | None) -> Ids:
    # Where a question asks nothing, no stage looks.
    ids = [np.empty(0, np.int64), *(one.matching(collection_id) for one in retrievers)]
    found: Ids = np.unique(np.concatenate(ids))
    return found if allowed is None else found[np.isin(found, allowed)]


def propose(
    retrievers: Sequence[Retriever], collection_id: int, depth: int, allowed: Ids | None
) -> dict[int, dict[str, float]]:
    """Return the `depth` documents that each retriever puts first, scored by all of them."""
    if allowed is not None and len(allowed) <= _ALL_PROPOSED:
        depth = max(depth, len(allowed))
    by_stage = {
        retriever.stage: dict(retriever.propose(collection_id, limit=depth, allowed=allowed))
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
