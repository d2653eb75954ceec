"""Exact inner-product search in memory with FAISS."""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import faiss
import numpy as np
import numpy.typing as npt

from app.domain import Matrix, Vector

Ids = npt.NDArray[np.int64]

_COMPACT_ABOVE = 1024


@dataclass(frozen=True, slots=True)
class UnitVectors:
    """Vectors and what they belong to, row by row; all four have the same length."""

    unit_ids: Ids
    document_ids: Ids
    collection_ids: Ids
    vectors: Matrix


@dataclass(frozen=True, slots=True)
class UnitHit:
    """A document's best unit for a query, and its inner product with it."""

    document_id: int
    unit_id: int
    score: float


@dataclass(frozen=True, slots=True)
class RankedUnits:
    """Documents, best first, with the best unit of each: all three have the same length."""

    document_ids: Ids
    unit_ids: Ids
    scores: Vector

    def __len__(self) -> int:
        return len(self.document_ids)

    def hits(self, limit: int | None = None) -> list[UnitHit]:
        """Return the first ones."""
        columns = (self.document_ids, self.unit_ids, self.scores)
        return [UnitHit(*row) for row in zip(*(c[:limit].tolist() for c in columns), strict=True)]


_NONE = RankedUnits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


class FlatIndex:
    """One exact index a collection; a document scores as its best unit does.

    Restrictions apply inside the search: what is not allowed takes no place among the hits.
    Thread-safe: a change waits for the search that runs, and the other way round.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._shards: dict[int, _Shard] = {}
        self._collection_of: dict[int, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._collection_of)

    def unit_ids(self) -> set[int]:
        """Return the ids of all units that can be found."""
        with self._lock:
            return set(self._collection_of)

    def count(self, collection_id: int) -> int:
        """Return how many units of a collection can be found."""
        with self._lock:
            shard = self._shards.get(collection_id)
            return 0 if shard is None else len(shard)

    def ids_of(self, collection_id: int) -> Ids:
        """Return the ids of the documents of a collection, one as often as it has units."""
        with self._lock:
            shard = self._shards.get(collection_id)
            return np.empty(0, dtype=np.int64) if shard is None else shard.document_ids()

    def pick_units(self, collection_id: int, limit: int) -> Ids:
        """Return the ids of up to `limit` units of a collection, spread over all of them."""
        with self._lock:
            shard = self._shards.get(collection_id)
            return np.empty(0, dtype=np.int64) if shard is None else shard.pick_units(limit)

    def apply(self, added: UnitVectors, removed: Iterable[int] = ()) -> None:
        """Remove units and add units; one that is added under a known id replaces the old one."""
        with self._lock:
            added_ids = added.unit_ids.tolist()
            for unit_id in {*removed, *added_ids}:
                collection_id = self._collection_of.pop(unit_id, None)
                if collection_id is not None:
                    self._shards[collection_id].remove(unit_id)
            for collection_id in np.unique(added.collection_ids).tolist():
                rows = added.collection_ids == collection_id
                shard = self._shards.setdefault(collection_id, _Shard(self.dimensions))
                shard.add(added.unit_ids[rows], added.document_ids[rows], added.vectors[rows])
            self._collection_of.update(zip(added_ids, added.collection_ids.tolist(), strict=True))
            for collection_id in [key for key, shard in self._shards.items() if not len(shard)]:
                del self._shards[collection_id]

    def search(
        self, query: Vector, collection_id: int, *, limit: int, allowed: Ids | None = None
    ) -> list[UnitHit]:
        """Return up to `limit` documents, best first; `allowed` are the documents to choose from.

        Fewer come back only when the collection holds fewer that are allowed. Documents of equal
        score come in the order of their unit ids. A query that is shorter than `self.dimensions`
        is compared with as many of each vector's first dimensions (Matryoshka).
        """
        with self._lock:
            shard = self._shards.get(collection_id)
            return [] if shard is None else shard.search(query, limit, allowed).hits(limit)

    def rank(self, query: Vector, collection_id: int, allowed: Ids | None = None) -> RankedUnits:
        """Return all documents, in the order of `search`."""
        with self._lock:
            shard = self._shards.get(collection_id)
            return _NONE if shard is None else shard.search(query, len(shard), allowed)

    def score(self, query: Vector, collection_id: int, document_ids: Ids) -> list[UnitHit]:
        """Return the best unit of each of these documents that the collection holds."""
        with self._lock:
            shard = self._shards.get(collection_id)
            return [] if shard is None else shard.score(query, document_ids).hits()


class _Shard:
    """The vectors of one collection: rows are appended, marked dead, and compacted at times."""

    def __init__(self, dimensions: int) -> None:
        self._faiss = faiss.IndexFlatIP(dimensions)
        self._unit_ids: Ids = np.empty(0, dtype=np.int64)
        self._document_ids: Ids = np.empty(0, dtype=np.int64)
        self._alive: npt.NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row_of)

    def add(self, unit_ids: Ids, document_ids: Ids, vectors: Matrix) -> None:
        first = len(self._unit_ids)
        self._faiss.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._unit_ids = np.concatenate([self._unit_ids, unit_ids])
        self._document_ids = np.concatenate([self._document_ids, document_ids])
        self._alive = np.concatenate([self._alive, np.ones(len(unit_ids), dtype=np.bool_)])
        self._row_of.update({unit_id: first + i for i, unit_id in enumerate(unit_ids.tolist())})

    def remove(self, unit_id: int) -> None:
        self._alive[self._row_of.pop(unit_id)] = False
        dead = len(self._alive) - len(self)
        # Moving every later row at each removal would make replacing articles quadratic.
        if dead > _COMPACT_ABOVE and dead > len(self) // 4:
            self._compact()

    def document_ids(self) -> Ids:
        return self._document_ids[self._alive]

    def pick_units(self, limit: int) -> Ids:
        ids = np.sort(self._unit_ids[self._alive])
        count = min(limit, len(ids))
        picked: Ids = ids[np.arange(count) * len(ids) // max(count, 1)]
        return picked

    def search(self, query: Vector, limit: int, allowed: Ids | None) -> RankedUnits:
        """Return at least `limit` documents if as many are allowed."""
        eligible = self._alive
        if allowed is not None:
            eligible = eligible & np.isin(self._document_ids, allowed)
        if len(query) < self._faiss.d:
            return self._rank(query, np.flatnonzero(eligible))
        documents = len(np.unique(self._document_ids[eligible])) if allowed is not None else None
        candidates = int(eligible.sum())
        parameters = None
        if candidates < len(eligible):
            bitmap = np.packbits(eligible, bitorder="little")
            # FAISS's Python layer takes arrays and keywords that its stubs do not know.
            selector = faiss.IDSelectorBitmap(bitmap)  # type: ignore[call-arg,arg-type]
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        wanted = limit if documents is None else min(limit, documents)
        depth = min(candidates, max(2 * limit, 16))
        while True:
            hits, lowest = self._best_units(query, depth, parameters)
            # Of equal scores FAISS leaves out any: documents are complete above the lowest.
            if depth == candidates or int((hits.scores > lowest).sum()) >= wanted:
                return hits
            # Long documents fill the list with several units each: look further down.
            depth = min(candidates, depth * 4)

    def _best_units(
        self, query: Vector, depth: int, parameters: faiss.SearchParameters | None
    ) -> tuple[RankedUnits, float]:
        """Return the documents of the `depth` best units, and the score of the last of these."""
        if depth == 0:
            return _NONE, -np.inf
        # FAISS shares queries among threads, not rows: with one query the others only make it wait
        # for them. The setting is this thread's own.
        faiss.omp_set_num_threads(1)
        scores, rows = self._faiss.search(query.reshape(1, -1), depth, params=parameters)
        # FAISS pads a short result with row -1.
        found = rows[0] != -1
        best = scores[0][found]
        return self._best_by_document(best, rows[0][found]), float(best.min(initial=np.inf))

    def score(self, query: Vector, document_ids: Ids) -> RankedUnits:
        rows = np.flatnonzero(self._alive & np.isin(self._document_ids, document_ids))
        return self._rank(query, rows)

    def _rank(self, query: Vector, rows: Ids) -> RankedUnits:
        """Compare the query with the first dimensions of some rows; returns all documents."""
        if not len(rows):
            return _NONE
        vectors = self._faiss.reconstruct_batch(rows)[:, : len(query)]
        if len(query) < self._faiss.d:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return self._best_by_document(vectors @ query, rows)

    def _best_by_document(self, scores: Vector, rows: Ids) -> RankedUnits:
        order = np.lexsort((self._unit_ids[rows], -scores))
        document_ids = self._document_ids[rows[order]]
        firsts = np.sort(np.unique(document_ids, return_index=True)[1])
        best = order[firsts]
        return RankedUnits(document_ids[firsts], self._unit_ids[rows[best]], scores[best])

    def _compact(self) -> None:
        kept = np.flatnonzero(self._alive)
        vectors = self._faiss.reconstruct_batch(kept)
        unit_ids, document_ids = self._unit_ids[kept], self._document_ids[kept]
        self.__init__(self._faiss.d)  # type: ignore[misc]
        self.add(unit_ids, document_ids, vectors)
