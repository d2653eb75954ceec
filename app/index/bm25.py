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
from zlib import crc32

import numpy as np
import numpy.typing as npt

from app.index.analysis import TermCounts

Ids: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.uint16]
Scores: TypeAlias = npt.NDArray[np.float32]

K1 = 1.2
B = 0.75
DELTA = 0.2

_MAX_COUNT = np.iinfo(np.uint16).max
_ENTRY = np.dtype([("term", "<u8"), ("count", "<u2")])


@dataclass(frozen=True, slots=True)
class StoredTerms:
    """The terms of a document as they lie in the database: 10 bytes a term, little-endian."""

    data: bytes
    crc32: int

    @property
    def is_intact(self) -> bool:
        return crc32(self.data) == self.crc32


def pack_terms(counts: TermCounts) -> StoredTerms:
    """Return the terms of a document for storing, in the order of their hashes."""
    entries = np.empty(len(counts), dtype=_ENTRY)
    entries["term"] = np.fromiter(counts.keys(), dtype=np.uint64, count=len(counts))
    entries["count"] = [min(count, _MAX_COUNT) for count in counts.values()]
    data = np.sort(entries, order="term").tobytes()
    return StoredTerms(data, crc32(data))


@dataclass(frozen=True, slots=True)
class TermDocument:
    """A document to be found by its terms."""

    document_id: int
    collection_id: int
    terms: bytes
    """As pack_terms makes them."""


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """What every document of a collection scores for one query: both arrays have its length."""

    document_ids: Ids
    scores: Scores
    held: Scores
    """The idf of those of the query's terms that a document holds, summed."""
    bound: float
    """What no document can reach: the sum of the idf of the query's terms."""

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
        rows = rows[np.lexsort((self.document_ids[rows], -self.scores[rows]))][:limit]
        return self._with_strengths(rows)

    def of(self, document_ids: Sequence[int]) -> dict[int, float]:
        """Return the strengths of those of these documents that the collection holds."""
        return dict(self._with_strengths(np.flatnonzero(np.isin(self.document_ids, document_ids))))

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
        strengths = np.sqrt(self.scores[rows] / (self.bound or 1.0))
        return list(zip(self.document_ids[rows].tolist(), strengths.tolist(), strict=True))


class LexicalIndex:
    """One BM25 index a collection; every part that is added slows searches until it is merged.

    Thread-safe: a change waits for the search that runs, and the other way round.
    """

    def __init__(self) -> None:
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
                merged = _merge(copies)
                with self._lock:
                    shard.put_in_place(former, copies, merged)

    def score(self, query: TermCounts, collection_id: int) -> LexicalScores:
        """Score every document of a collection for the terms of a query."""
        with self._lock:
            return self._shards.get(collection_id, _Shard()).score(query)

    def weigh(self, query: TermCounts, collection_id: int) -> dict[int, float]:
        """Return what each term of a query counts for: how often it is asked, times its idf."""
        with self._lock:
            return self._shards.get(collection_id, _Shard()).weigh(query)

    def _find_due(self) -> "tuple[_Shard, list[_Segment]]":
        for shard in self._shards.values():
            if due := shard.due():
                return shard, due
        return _Shard(), []


@dataclass(slots=True)
class _Segment:
    """Documents of one collection with postings in the order of terms; only `alive` changes."""

    document_ids: Ids
    lengths: npt.NDArray[np.float32]
    alive: npt.NDArray[np.bool_]
    terms: Hashes
    """Distinct, ascending."""
    starts: Ids
    """Where the postings of each term begin; one more at the end."""
    rows: npt.NDArray[np.int32]
    counts: Counts

    def __len__(self) -> int:
        return len(self.document_ids)

    def find(self, term: int) -> slice:
        """Return the postings of a term."""
        place = int(np.searchsorted(self.terms, np.uint64(term)))
        if place == len(self.terms) or self.terms[place] != term:
            return slice(0, 0)
        return slice(int(self.starts[place]), int(self.starts[place + 1]))


class _Shard:
    """Segments that are merged as they grow, so that adding one document costs little on average.

    A document that goes is marked and dropped at the next merge.
    """

    def __init__(self) -> None:
        self.segments: list[_Segment] = []

    def __len__(self) -> int:
        return sum(int(segment.alive.sum()) for segment in self.segments)

    def remove(self, document_ids: Ids) -> None:
        for segment in self.segments:
            segment.alive &= ~np.isin(segment.document_ids, document_ids)

    def add(self, documents: Sequence[TermDocument]) -> None:
        self.segments.append(_build(documents))

    def due(self) -> list[_Segment]:
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
        self, former: Sequence[_Segment], copies: Sequence[_Segment], merged: _Segment
    ) -> None:
        """Replace neighbours by what was made of their copies, less what was removed since."""
        still = [now.alive[then.alive] for now, then in zip(former, copies, strict=True)]
        merged.alive &= np.concatenate(still)
        at = next(i for i, some in enumerate(self.segments) if some is former[0])
        self.segments[at : at + len(former)] = [merged] if merged.alive.any() else []

    def weigh(self, query: TermCounts) -> dict[int, float]:
        count = len(self)
        weights = {}
        for term, repeats in query.items():
            frequency = sum(
                int(segment.alive[segment.rows[segment.find(term)]].sum())
                for segment in self.segments
            )
            weights[term] = repeats * float(np.log1p((count - frequency + 0.5) / (frequency + 0.5)))
        return weights

    def score(self, query: TermCounts) -> LexicalScores:
        count = len(self)
        total = sum(float(s.lengths[s.alive].sum()) for s in self.segments)
        scores = [np.zeros(len(segment), dtype=np.float32) for segment in self.segments]
        held = [np.zeros(len(segment), dtype=np.float32) for segment in self.segments]
        # A collection of empty documents has no mean length, and nothing to find.
        mean = total / count if total else 1.0
        norms = [K1 * (1 - B + B * segment.lengths / mean) for segment in self.segments]
        bound = 0.0
        for term, weight in self.weigh(query).items():
            bound += weight
            places = [segment.find(term) for segment in self.segments]
            for segment, place, norm, scored, holds in zip(
                self.segments, places, norms, scores, held, strict=True
            ):
                some = segment.rows[place]
                holds[some] += weight
                # A term has one posting a document, so that no row comes twice.
                tf = segment.counts[place].astype(np.float32)
                scored[some] += weight * (tf / (tf + norm[some]) + DELTA) / (1 + DELTA)
        alive = [segment.alive for segment in self.segments]
        ids = [segment.document_ids for segment in self.segments]
        return LexicalScores(
            np.concatenate([np.empty(0, np.int64), *map(_take, ids, alive)]),
            np.concatenate([np.empty(0, np.float32), *map(_take, scores, alive)]),
            np.concatenate([np.empty(0, np.float32), *map(_take, held, alive)]),
            bound,
        )


def _build(documents: Sequence[TermDocument]) -> _Segment:
    entries = [np.frombuffer(document.terms, dtype=_ENTRY) for document in documents]
    sizes = [len(some) for some in entries]
    every = np.concatenate(entries)
    return _arrange(
        np.array([document.document_id for document in documents], dtype=np.int64),
        np.ascontiguousarray(every["term"]).astype(np.uint64),
        np.repeat(np.arange(len(documents), dtype=np.int32), sizes),
        np.ascontiguousarray(every["count"]).astype(np.uint16),
    )


def _merge(segments: Sequence[_Segment]) -> _Segment:
    """Return one segment with the living documents of several."""
    ids, terms, rows, counts = [], [], [], []
    first = 0
    for segment in segments:
        moved = first + np.cumsum(segment.alive, dtype=np.int32) - 1
        kept = segment.alive[segment.rows]
        ids.append(segment.document_ids[segment.alive])
        terms.append(np.repeat(segment.terms, np.diff(segment.starts))[kept])
        rows.append(moved[segment.rows[kept]].astype(np.int32))
        counts.append(segment.counts[kept])
        first += len(ids[-1])
    return _arrange(
        np.concatenate(ids), np.concatenate(terms), np.concatenate(rows), np.concatenate(counts)
    )


def _arrange(
    document_ids: Ids, terms: Hashes, rows: npt.NDArray[np.int32], counts: Counts
) -> _Segment:
    """Return a segment of postings that come in any order."""
    lengths = np.bincount(rows, weights=counts, minlength=len(document_ids)).astype(np.float32)
    order = np.argsort(terms, kind="stable")
    distinct, starts = np.unique(terms[order], return_index=True)
    return _Segment(
        document_ids,
        lengths,
        np.ones(len(document_ids), dtype=np.bool_),
        distinct,
        np.append(starts, len(terms)).astype(np.int64),
        rows[order],
        counts[order],
    )


def _take(values: npt.NDArray[Any], kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    # Most often all are kept, and a copy of a million numbers saved.
    return values if kept.all() else values[kept]
