"""BM25 over terms in memory, by collection, that follows changes.

The formula is BM25+ (Lv and Zhai 2011) with Lucene's idf: for each term of the query that a
document holds, idf · (tf / (tf + k1 · (1 - b + b · length / mean length)) + delta) / (1 + delta),
with idf = ln(1 + (N - df + 0.5) / (df + 0.5)), N and df counted in the collection over the
documents that are there now. Without delta, one word in a very long document would count next to
nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from app.index.lookup import FoundWord, find_words, rules_of, weigh
from app.index.postings import Scores, WordRows, add_up
from app.index.query import QueryWord, Spelling, WordQuery
from app.index.segments import (
    Ids,
    Segment,
    TermDocument,
    build_segment,
    merge_segments,
)

_Found: TypeAlias = tuple[QueryWord, tuple[Spelling, ...], int, list[WordRows]]
"""What find_words returns of a word."""

K1 = 1.2
B = 0.75


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """What every document of a collection scores for one query: both arrays have its length."""

    document_ids: Ids
    scores: Scores
    covered: Scores
    """The idf of those of the query's terms that a document holds, summed."""
    max_score: float
    """The sum of the idf of the query's terms, which no document can reach."""
    words: Sequence[FoundWord]
    """The words of the query as the collection writes them."""

    def best(self, limit: int, allowed: Ids | None = None) -> list[tuple[int, float]]:
        """Return up to `limit` documents that hold a term of the query, best first, scored."""
        eligible = self.scores > 0
        if allowed is not None:
            eligible &= np.isin(self.document_ids, allowed)
        rows = np.flatnonzero(eligible)
        if len(rows) > limit:
            # Of equal scores all stay until they are sorted by id.
            least = np.partition(self.scores[rows], len(rows) - limit)[len(rows) - limit]
            rows = rows[self.scores[rows] >= least]
        return self._with_scores(self._sort(rows)[:limit])

    def rank(self, allowed: Ids | None = None) -> tuple[Ids, Scores]:
        """Return all documents that hold a term of the query, best first, and normalized scores."""
        eligible = self.scores > 0
        if allowed is not None:
            eligible &= np.isin(self.document_ids, allowed)
        rows = self._sort(np.flatnonzero(eligible))
        return self.document_ids[rows], self._normalized(rows)

    def matching(self) -> Ids:
        """Return the ids of the documents that hold a term of the query."""
        return self.document_ids[self.scores > 0]

    def of(self, document_ids: Sequence[int]) -> dict[int, float]:
        """Return the normalized scores of those of these documents that the collection holds."""
        return dict(self._with_scores(np.flatnonzero(np.isin(self.document_ids, document_ids))))

    def max_coverage(self) -> float:
        """Return the greatest share of the query's weight that stands in one document: 0 to 1."""
        return float(self.covered.max(initial=0.0)) / (self.max_score or 1.0)

    def term_coverage(self, document_ids: Sequence[int]) -> dict[int, float]:
        """Return how much of the query's weight stands in these documents: 0 to 1."""
        rows = np.flatnonzero(np.isin(self.document_ids, document_ids))
        coverage = self.covered[rows] / (self.max_score or 1.0)
        return dict(zip(self.document_ids[rows].tolist(), coverage.tolist(), strict=True))

    def _with_scores(self, rows: Ids) -> list[tuple[int, float]]:
        """Return documents with normalized scores: square roots of shares of the maximum, 0 to 1.

        The root, because what a long question reaches of it is small for every document:
        docs/decisions/0017-one-calibrated-score.md.
        """
        ids, scores = self.document_ids[rows], self._normalized(rows)
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def _normalized(self, rows: Ids) -> Scores:
        normalized: Scores = np.sqrt(self.scores[rows] / (self.max_score or 1.0))
        return normalized

    def _sort(self, rows: Ids) -> Ids:
        return rows[np.lexsort((self.document_ids[rows], -self.scores[rows]))]


class LexicalIndex:
    """One BM25 index a collection; every part that is added slows searches until it is merged.

    Thread-safe: a change puts another shard in place of the one that searches go on reading.
    """

    def __init__(self, *, corrects_spelling: bool = True) -> None:
        self._corrects_spelling = corrects_spelling
        self._shards: dict[int, _Shard] = {}
        self._lock = Lock()
        self._merging = Lock()

    def __len__(self) -> int:
        return sum(map(len, list(self._shards.values())))

    def document_ids(self) -> set[int]:
        """Return the ids of all documents that can be found."""
        return {
            document_id
            for shard in list(self._shards.values())
            for segment in shard.segments
            for document_id in segment.document_ids[segment.alive].tolist()
        }

    def size_bytes(self) -> int:
        """Return the memory of its arrays."""
        return sum(s.size_bytes() for shard in list(self._shards.values()) for s in shard.segments)

    def apply(self, added: Sequence[TermDocument], removed: Iterable[int] = ()) -> None:
        """Remove documents and add documents; one that is added replaces one of its id."""
        gone = np.array([*removed, *(document.document_id for document in added)], dtype=np.int64)
        by_collection: dict[int, list[TermDocument]] = {}
        for document in added:
            by_collection.setdefault(document.collection_id, []).append(document)
        with self._lock:
            for collection_id in {*self._shards, *by_collection}:
                shard = self._shard(collection_id).without(gone)
                self._put(collection_id, shard.including(by_collection.get(collection_id, ())))

    def merge(self) -> None:
        """Join what was added in small parts and drop what was removed, while searches go on."""
        with self._merging:
            while due := next(self._list_due(), None):
                collection_id, former = due
                merged = merge_segments(former)
                with self._lock:
                    shard = self._shard(collection_id).joining(former, merged)
                    self._put(collection_id, shard)

    def score(self, query: WordQuery, collection_id: int) -> LexicalScores:
        """Score every document of a collection for the words of a query."""
        return self._shard(collection_id).score(query, corrects=self._corrects_spelling)

    def ids_of(self, collection_id: int) -> Ids:
        """Return the ids of the documents of a collection."""
        segments = self._shard(collection_id).segments
        return np.concatenate([np.empty(0, np.int64), *(s.document_ids[s.alive] for s in segments)])

    def find_holders(self, query: WordQuery, collection_id: int, among: Ids) -> Ids:
        """Return which of some documents hold every word of a query."""
        return np.intersect1d(self._shard(collection_id).find_holders(query), among)

    def weigh(self, query: WordQuery, collection_id: int) -> list[FoundWord]:
        """Return the words of a query as a collection writes them, and what each counts for."""
        return self._shard(collection_id).weigh(query, corrects=self._corrects_spelling)

    def _shard(self, collection_id: int) -> "_Shard":
        return self._shards.get(collection_id, _EMPTY)

    def _put(self, collection_id: int, shard: "_Shard") -> None:
        if len(shard):
            self._shards[collection_id] = shard
        else:
            self._shards.pop(collection_id, None)

    def _list_due(self) -> Iterator[tuple[int, tuple[Segment, ...]]]:
        for collection_id, shard in list(self._shards.items()):
            if due := shard.due():
                yield collection_id, due


@dataclass(frozen=True, slots=True)
class _Shard:
    """Segments that are merged as they grow, so that adding one document costs little on average.

    A document that goes is marked and dropped at the next merge.
    """

    segments: tuple[Segment, ...] = ()

    def __len__(self) -> int:
        return sum(segment.living for segment in self.segments)

    def without(self, document_ids: Ids) -> "_Shard":
        return _Shard(tuple(_mark(segment, document_ids) for segment in self.segments))

    def including(self, documents: Sequence[TermDocument]) -> "_Shard":
        return _Shard((*self.segments, build_segment(documents))) if documents else self

    def due(self) -> tuple[Segment, ...]:
        """Return neighbours that are to become one segment; none when all is well."""
        last = self.segments[-1:]
        for former in reversed(self.segments[:-1]):
            if len(former) > 2 * sum(map(len, last)):
                break
            last = (former, *last)
        if len(last) > 1:
            return last
        return next(((some,) for some in self.segments if 4 * some.living < 3 * len(some)), ())

    def joining(self, former: Sequence[Segment], merged: Segment) -> "_Shard":
        """Put in place of neighbours what was made of them, less what was removed since."""
        # Marked anew, a segment is another one with the same documents.
        first = former[0].document_ids
        at = next((i for i, some in enumerate(self.segments) if some.document_ids is first), None)
        if at is None:
            # All that was in the collection is gone, and what there is came later.
            return self
        living = self.segments[at : at + len(former)]
        still = [now.alive[then.alive] for now, then in zip(living, former, strict=True)]
        alive = np.concatenate(still)
        joined = (replace(merged, alive=alive),) if alive.any() else ()
        return _Shard((*self.segments[:at], *joined, *self.segments[at + len(former) :]))

    def weigh(self, query: WordQuery, *, corrects: bool) -> list[FoundWord]:
        count = len(self)
        return [_weigh_found(found, count) for found in self._find(query, corrects=corrects)]

    def find_holders(self, query: WordQuery) -> Ids:
        holders = [segment.alive.copy() for segment in self.segments]
        for word in self._find(query, corrects=False):
            for rows, held in zip(word[-1], holders, strict=True):
                held &= rows.holders()
        ids = [s.document_ids[held] for s, held in zip(self.segments, holders, strict=True)]
        return np.concatenate([np.empty(0, np.int64), *ids])

    def score(self, query: WordQuery, *, corrects: bool) -> LexicalScores:
        count = len(self)
        found = self._find(query, corrects=corrects)
        words = [_weigh_found(one, count) for one in found]
        weights = [word.weight for word in words]
        # A collection of empty documents has no mean length, and nothing to find.
        mean = sum(segment.living_length for segment in self.segments) / (count or 1) or 1.0
        kept = [(_NO_IDS, _NO_SCORES, _NO_SCORES)]
        for number, segment in enumerate(self.segments):
            norms = K1 * (1 - B + B * segment.lengths / mean)
            scores, covered = add_up([rows[number] for *_, rows in found], weights, norms)
            ids, alive = segment.document_ids, segment.alive
            # Most often all are alive, and a copy of a million numbers saved.
            whole = segment.all_alive
            kept.append(
                (ids, scores, covered) if whole else (ids[alive], scores[alive], covered[alive])
            )
        ids, scores, covered = map(_join, zip(*kept, strict=True))
        return LexicalScores(ids, scores, covered, sum(weights), words)

    def _find(self, query: WordQuery, *, corrects: bool) -> list[_Found]:
        return find_words(self.segments, rules_of(self.segments), query, corrects=corrects)


_EMPTY = _Shard()
_NO_IDS: Ids = np.empty(0, np.int64)
_NO_SCORES: Scores = np.empty(0, np.float32)


def _mark(segment: Segment, gone: Ids) -> Segment:
    alive = segment.alive & ~np.isin(segment.document_ids, gone)
    # What nothing goes from stays the same object: none of its size is held twice.
    return segment if np.array_equal(alive, segment.alive) else replace(segment, alive=alive)


def _weigh_found(found: _Found, documents: int) -> FoundWord:
    word, spellings, frequency, _ = found
    return FoundWord(word.name, weigh(word, documents, frequency), spellings)


def _join(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    # Most often there is one beside the empty first.
    return parts[1] if len(parts) == 2 else np.concatenate(parts)
