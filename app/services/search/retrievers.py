"""What proposes documents for a question: the index of vectors and that of words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.domain import Mode, Vector
from app.index.bm25 import LexicalIndex, LexicalScores
from app.index.flat import FlatIndex, Ids
from app.index.lookup import FoundWord
from app.index.query import WordQuery
from app.index.term_matcher import TermMatcher
from app.runtime.index_follower import Indexes

# Documents that each stage proposes; the passages of all of them are scored.
CANDIDATES = 100
# A filter that keeps no more than this has all of them proposed: no stage could leave out one that
# the others lift.
_ALL_PROPOSED = 400
# Documents that each stage proposes to a page that is further down: as many as can be paged.
MAX_PAGED = 1024
# Of inner products. Later ones depend on where arrays lie in memory and on how many rows are
# compared at once: the same question gets the same answer.
SCORE_DIGITS = 5


RankScores = npt.NDArray[np.floating]


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
        words: WordQuery,
        languages: frozenset[str] = frozenset(),
    ) -> "Question":
        asks_nothing = mode is Mode.HYBRID and not words
        # Of signs alone every vector is as near as another.
        if asks_nothing or not any(map(str.isalnum, text)):
            vector = None
        return cls(mode, vector, words, languages)


class Retriever(Protocol):
    """What proposes documents of a collection for one question, and scores what others propose."""

    stage: str
    """The name of its scores."""
    units: dict[int, int]
    """The unit that it found of each document: a snapshot that lacks it is out of date."""
    coverage: dict[int, float]
    """The share of the query's term weight that documents hold anywhere, where it counts terms."""

    def max_coverage(self, collection_id: int) -> float:
        """Return the greatest share that any document of the collection holds; 0 without terms."""

    def found_words(self, collection_id: int) -> Sequence[FoundWord]:
        """Return the words of the query as the collection writes them; none without terms."""

    def matching(self, collection_id: int) -> Ids:
        """Return the ids of all documents of the collection that it could propose."""

    def propose(
        self, collection_id: int, *, limit: int, allowed: Ids | None
    ) -> Mapping[int, float]:
        """Return up to `limit` documents with their scores, best first."""

    def rank(self, collection_id: int, *, allowed: Ids | None) -> tuple[Ids, RankScores]:
        """Return all documents that it finds and their scores, in the order of `propose`."""

    def score(self, collection_id: int, document_ids: Sequence[int]) -> Mapping[int, float]:
        """Return the scores of those of these documents that the collection holds."""


@dataclass(slots=True)
class UnitRetriever:
    """By the inner product of the query with a document's best unit."""

    index: FlatIndex
    query: Vector
    stage: str = "unit"
    units: dict[int, int] = field(default_factory=dict)
    coverage: dict[int, float] = field(default_factory=dict)

    def max_coverage(self, collection_id: int) -> float:
        return 0.0

    def found_words(self, collection_id: int) -> Sequence[FoundWord]:
        return ()

    def matching(self, collection_id: int) -> Ids:
        return self.index.ids_of(collection_id)

    def propose(self, collection_id: int, *, limit: int, allowed: Ids | None) -> dict[int, float]:
        hits = self.index.search(self.query, collection_id, limit=limit, allowed=allowed)
        self.units |= {hit.document_id: hit.unit_id for hit in hits}
        return {hit.document_id: round(hit.score, SCORE_DIGITS) for hit in hits}

    def rank(self, collection_id: int, *, allowed: Ids | None) -> tuple[Ids, RankScores]:
        ranked = self.index.rank(self.query, collection_id, allowed)
        scores = ranked.scores.astype(np.float64)
        return ranked.document_ids, np.round(scores, SCORE_DIGITS)

    def score(self, collection_id: int, document_ids: Sequence[int]) -> dict[int, float]:
        if not document_ids:
            return {}
        hits = self.index.score(self.query, collection_id, np.array(document_ids, dtype=np.int64))
        self.units |= {hit.document_id: hit.unit_id for hit in hits}
        return {hit.document_id: round(hit.score, SCORE_DIGITS) for hit in hits}


@dataclass(slots=True)
class LexicalRetriever:
    """By BM25 over the words of the query."""

    index: LexicalIndex
    words: WordQuery
    stage: str = "lexical"
    units: dict[int, int] = field(default_factory=dict)
    coverage: dict[int, float] = field(default_factory=dict)
    _scored: dict[int, LexicalScores] = field(default_factory=dict)

    def max_coverage(self, collection_id: int) -> float:
        return self._score_all(collection_id).max_coverage()

    def matching(self, collection_id: int) -> Ids:
        return self._score_all(collection_id).matching()

    def propose(self, collection_id: int, *, limit: int, allowed: Ids | None) -> dict[int, float]:
        lexical = self._score_all(collection_id)
        best = dict(lexical.best(limit, allowed))
        self.coverage |= lexical.term_coverage(list(best))
        return best

    def rank(self, collection_id: int, *, allowed: Ids | None) -> tuple[Ids, RankScores]:
        return self._score_all(collection_id).rank(allowed)

    def score(self, collection_id: int, document_ids: Sequence[int]) -> dict[int, float]:
        lexical = self._score_all(collection_id)
        self.coverage |= lexical.term_coverage(document_ids)
        return lexical.of(document_ids)

    def found_words(self, collection_id: int) -> Sequence[FoundWord]:
        return self._score_all(collection_id).words

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


@dataclass(frozen=True, slots=True)
class Proposals:
    """What the indexes propose for a question, to any depth."""

    retrievers: Sequence[Retriever]
    allowed: Mapping[int, Ids | None]
    """The documents to choose from by id of the collection that is searched; None are all."""
    _matchers: dict[int, TermMatcher] = field(default_factory=dict)

    def matcher(self, collection_id: int) -> TermMatcher:
        """Return what finds the words of the question in texts of a collection."""
        if collection_id not in self._matchers:
            words = [w for one in self.retrievers for w in one.found_words(collection_id)]
            self._matchers[collection_id] = TermMatcher(words)
        return self._matchers[collection_id]

    def find(self, depth: int) -> dict[int, dict[str, float]]:
        """Return the `depth` documents that each stage puts first, scored by all of them."""
        found: dict[int, dict[str, float]] = {}
        for collection_id, allowed in self.allowed.items():
            found |= _propose(self.retrievers, collection_id, depth, allowed)
        return found

    def find_matching(self) -> Ids:
        """Return the ids of all documents that can be proposed, in no order."""
        # Where a question asks nothing, no stage looks.
        matching = [np.empty(0, np.int64)]
        for collection_id, allowed in self.allowed.items():
            ids = [np.empty(0, np.int64), *(r.matching(collection_id) for r in self.retrievers)]
            found = np.unique(np.concatenate(ids))
            matching.append(found if allowed is None else found[np.isin(found, allowed)])
        return np.concatenate(matching)

    def max_coverage(self) -> float:
        """Return the greatest share of the query's term weight that any document holds."""
        shares = (one.max_coverage(i) for one in self.retrievers for i in self.allowed)
        return max(shares, default=0.0)

    def count_words(self) -> int:
        """Return how many words of the query are looked for."""
        words = (one.found_words(i) for one in self.retrievers for i in self.allowed)
        return max(map(len, words), default=0)

    def coverage(self) -> dict[int, float]:
        """Return the share that each of the documents holds that were proposed."""
        return {i: share for one in self.retrievers for i, share in one.coverage.items()}

    def unit_ids(self, document_ids: Iterable[int]) -> set[int]:
        """Return the best units of those of these documents whose vectors were compared."""
        units = [one.units for one in self.retrievers]
        return {some[i] for i in document_ids for some in units if i in some}


def _propose(
    retrievers: Sequence[Retriever], collection_id: int, depth: int, allowed: Ids | None
) -> dict[int, dict[str, float]]:
    is_mixed = any(one.stage != "lexical" for one in retrievers)
    if allowed is not None and len(allowed) <= _ALL_PROPOSED and is_mixed:
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
