"""BM25 over terms in memory, by collection, that follows changes.

The formula is BM25+ (Lv and Zhai 2011) with Lucene's idf: for each term of the query that a
document holds, idf · (tf / (tf + k1 · (1 - b + b · length / mean length)) + delta) / (1 + delta),
with idf = ln(1 + (N - df + 0.5) / (df + 0.5)), N and df counted in the collection over the
documents that are there now. Without delta, one word in a very long document would count next to
nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from app.index.lookup import FoundWord, Scores, WordRows, find_words, rules_of, weigh
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
    held: Scores
    """The idf of those of the query's terms that a document holds, summed."""
    bound: float
    """What no document can reach: the sum of the idf of the query's terms."""
    words: Sequence[FoundWord]
    """The words of the query as the collection writes them."""

    def best(self, limit: int, allowed: Ids | None = None) -> list[tuple[int, float]]:
        """Return up to `limit` documents that hold a term of the query, best first; strengths."""
        eligible = self.scores > 0
        if allowed is not None:
            eligible &= np.isin(self.document_ids, allowed)
        rows = np.flatnonzero(eligible)
        if len(rows) > limit:
            # Of equal scores all stay until they are sorted by id.
            least = np.partition(self.scores[rows], len(rows) - limit)[len(rows) - limit]
            rows = rows[self.scores[rows] >= least]
        return self._with_strengths(self._sort(rows)[:limit])

    def rank(self, allowed: Ids | None = None) -> tuple[Ids, Scores]:
        """Return all documents that hold a term of the query, best first, and their strengths."""
        eligible = self.scores > 0
        if allowed is not None:
            eligible &= np.isin(self.document_ids, allowed)
        rows = self._sort(np.flatnonzero(eligible))
        return self.document_ids[rows], self._strengths(rows)

    def matching(self) -> Ids:
        """Return the ids of the documents that hold a term of the query."""
        return self.document_ids[self.scores > 0]

    def of(self, document_ids: Sequence[int]) -> dict[int, float]:
        """Return the strengths of those of these documents that the collection holds."""
        return dict(self._with_strengths(np.flatnonzero(np.isin(self.document_ids, document_ids))))

    def max_share(self) -> float:
        """Return the greatest share of the query's weight that stands in one document: 0 to 1."""
        return float(self.held.max(initial=0.0)) / (self.bound or 1.0)

    def held_shares(self, document_ids: Sequence[int]) -> dict[int, float]:
        """Return how much of the query's weight stands in these documents: 0 to 1."""
        rows = np.flatnonzero(np.isin(self.document_ids, document_ids))
        shares = self.held[rows] / (self.bound or 1.0)
        return dict(zip(self.document_ids[rows].tolist(), shares.tolist(), strict=True))

    def _with_strengths(self, rows: Ids) -> list[tuple[int, float]]:
        """Return documents with the square roots of their shares of the bound: 0 to 1.

        The root, because what a long question reaches of its bound is small for every document:
        docs/decisions/0017-one-calibrated-score.md.
        """
        ids, strengths = self.document_ids[rows], self._strengths(rows)
        return list(zip(ids.tolist(), strengths.tolist(), strict=True))

    def _strengths(self, rows: Ids) -> Scores:
        strengths: Scores = np.sqrt(self.scores[rows] / (self.bound or 1.0))
        return strengths

    def _sort(self, rows: Ids) -> Ids:
        return rows[np.lexsort((self.document_ids[rows], -self.scores[rows]))]


class LexicalIndex:
    """One BM25 index a collection; every part that is added slows searches until it is merged.

    Thread-safe: a change waits for the search that runs, and the other way round.
    """

    def __init__(self, *, corrects_spelling: bool = True) -> None:
        self._corrects_spelling = corrects_spelling
        self._shards: dict[int, _Shard] = {}
        self._lock = Lock()
        self._merging = Lock()

    def __len__(self) -> int:
        return sum(len(shard) for shard in self._shards.values())

    def document_ids(self) -> set[int]:
        """Return the ids of all documents that can be found."""
        with self._lock:
            return {
                document_id
                for shard in self._shards.values()
                for segment in shard.segments
                for document_id in segment.document_ids[segment.alive].tolist()
            }

    def size_bytes(self) -> int:
        """Return the memory of its arrays."""
        with self._lock:
            return sum(s.size_bytes() for shard in self._shards.values() for s in shard.segments)

    def apply(self, added: Sequence[TermDocument], removed: Iterable[int] = ()) -> None:
        """Remove documents and add documents; one that is added replaces one of its id."""
        gone = np.array([*removed, *(document.document_id for document in added)], dtype=np.int64)
        by_collection: dict[int, list[TermDocument]] = {}
        for document in added:
            by_collection.setdefault(document.collection_id, []).append(document)
        with self._lock:
            for shard in self._shards.values():
                shard.remove(gone)
            for collection_id, documents in by_collection.items():
                self._shards.setdefault(collection_id, _Shard()).add(documents)
            for collection_id in [key for key, shard in self._shards.items() if not len(shard)]:
                del self._shards[collection_id]

    def merge(self) -> None:
        """Join what was added in small parts and drop what was removed, while searches go on."""
        with self._merging:
            while True:
                with self._lock:
                    shard, former = self._find_due()
                    # What is removed while they are joined is alive in these.
                    copies = [replace(segment, alive=segment.alive.copy()) for segment in former]
                if not former:
                    return
                merged = merge_segments(copies)
                with self._lock:
                    shard.put_in_place(former, copies, merged)

    def score(self, query: WordQuery, collection_id: int) -> LexicalScores:
        """Score every document of a collection for the words of a query."""
        with self._lock:
            shard = self._shards.get(collection_id, _Shard())
            return shard.score(query, corrects=self._corrects_spelling)

    def ids_of(self, collection_id: int) -> Ids:
        """Return the ids of the documents of a collection."""
        with self._lock:
            shard = self._shards.get(collection_id, _Shard())
            return np.concatenate(
                [np.empty(0, np.int64), *(s.document_ids[s.alive] for s in shard.segments)]
            )

    def find_holders(self, query: WordQuery, collection_id: int, among: Ids) -> Ids:
        """Return which of some documents hold every word of a query."""
        with self._lock:
            holders = self._shards.get(collection_id, _Shard()).find_holders(query)
        return np.intersect1d(holders, among)

    def weigh(self, query: WordQuery, collection_id: int) -> list[FoundWord]:
        """Return the words of a query as a collection writes them, and what each counts for."""
        with self._lock:
            shard = self._shards.get(collection_id, _Shard())
            return shard.weigh(query, corrects=self._corrects_spelling)

    def _find_due(self) -> "tuple[_Shard, list[Segment]]":
        for shard in self._shards.values():
            if due := shard.due():
                return shard, due
        return _Shard(), []


class _Shard:
    """Segments that are merged as they grow, so that adding one document costs little on average.

    A document that goes is marked and dropped at the next merge.
    """

    def __init__(self) -> None:
        self.segments: list[Segment] = []

    def __len__(self) -> int:
        return sum(int(segment.alive.sum()) for segment in self.segments)

    def remove(self, document_ids: Ids) -> None:
        for segment in self.segments:
            segment.alive &= ~np.isin(segment.document_ids, document_ids)

    def add(self, documents: Sequence[TermDocument]) -> None:
        self.segments.append(build_segment(documents))

    def due(self) -> list[Segment]:
        """Return neighbours that are to become one segment; none when all is well."""
        last = self.segments[-1:]
        for former in reversed(self.segments[:-1]):
            if len(former) > 2 * sum(map(len, last)):
                break
            last.insert(0, former)
        if len(last) > 1:
            return last
        return next(
            ([some] for some in self.segments if 4 * int(some.alive.sum()) < 3 * len(some)), []
        )

    def put_in_place(
        self, former: Sequence[Segment], copies: Sequence[Segment], merged: Segment
    ) -> None:
        """Replace neighbours by what was made of their copies, less what was removed since."""
        still = [now.alive[then.alive] for now, then in zip(former, copies, strict=True)]
        merged.alive &= np.concatenate(still)
        at = next(i for i, some in enumerate(self.segments) if some is former[0])
        self.segments[at : at + len(former)] = [merged] if merged.alive.any() else []

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
        total = sum(float(s.lengths[s.alive].sum()) for s in self.segments)
        scores = [np.zeros(len(segment), dtype=np.float32) for segment in self.segments]
        held = [np.zeros(len(segment), dtype=np.float32) for segment in self.segments]
        # A collection of empty documents has no mean length, and nothing to find.
        mean = total / count if total else 1.0
        norms = [K1 * (1 - B + B * segment.lengths / mean) for segment in self.segments]
        words = []
        for found in self._find(query, corrects=corrects):
            words.append(_weigh_found(found, count))
            for rows, scored, holds, norm in zip(found[-1], scores, held, norms, strict=True):
                rows.add_to(scored, holds, norm, words[-1].weight)
        alive = [segment.alive for segment in self.segments]
        ids = [segment.document_ids for segment in self.segments]
        return LexicalScores(
            np.concatenate([np.empty(0, np.int64), *map(_take, ids, alive)]),
            np.concatenate([np.empty(0, np.float32), *map(_take, scores, alive)]),
            np.concatenate([np.empty(0, np.float32), *map(_take, held, alive)]),
            sum(word.weight for word in words),
            words,
        )

    def _find(self, query: WordQuery, *, corrects: bool) -> list[_Found]:
        return find_words(self.segments, rules_of(self.segments), query, corrects=corrects)


def _weigh_found(found: _Found, documents: int) -> FoundWord:
    word, spellings, frequency, _ = found
    return FoundWord(word.name, weigh(word, documents, frequency), spellings)


def _take(values: npt.NDArray[Any], kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    # Most often all are kept, and a copy of a million numbers saved.
    return values if kept.all() else values[kept]
