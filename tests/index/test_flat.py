"""The FAISS index against plain NumPy."""

from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Matrix
from app.index.flat import FlatIndex, Ids, UnitHit, UnitVectors

DIMENSIONS = 8


def make_units(
    count: int, *, documents: int, collections: int = 1, seed: int = 0, first_id: int = 1
) -> UnitVectors:
    """Return random unit vectors dealt out to documents, and the documents to collections."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    document_ids = rng.integers(1, documents + 1, size=count)
    return UnitVectors(
        np.arange(first_id, first_id + count, dtype=np.int64),
        document_ids.astype(np.int64),
        (document_ids % collections + 1).astype(np.int64),
        vectors,
    )


def search_with_numpy(
    units: UnitVectors, query: Matrix, collection: int, limit: int, allowed: Ids | None = None
) -> list[tuple[int, float]]:
    """Return (document, score) of the best unit of each document, best first."""
    best: dict[int, float] = {}
    for document, owner, vector in zip(
        units.document_ids.tolist(), units.collection_ids.tolist(), units.vectors, strict=True
    ):
        if owner == collection and (allowed is None or document in allowed):
            best[document] = max(best.get(document, -2.0), float(vector @ query))
    return sorted(best.items(), key=lambda pair: -pair[1])[:limit]


def check_same(hits: list[UnitHit], expected: list[tuple[int, float]]) -> None:
    assert [hit.document_id for hit in hits] == [document for document, _ in expected]
    assert [hit.score for hit in hits] == pytest.approx([s for _, s in expected], abs=1e-5)


def subset(units: UnitVectors, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> UnitVectors:
    return UnitVectors(
        units.unit_ids[rows],
        units.document_ids[rows],
        units.collection_ids[rows],
        units.vectors[rows],
    )


def query_vector(seed: int) -> Matrix:
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


@given(
    count=st.integers(1, 300),
    documents=st.integers(1, 60),
    collections=st.integers(1, 3),
    limit=st.integers(1, 80),
    seed=st.integers(0, 1000),
    removed_share=st.sampled_from([0.0, 0.3, 1.0]),
    allowed_share=st.sampled_from([None, 0.0, 0.02, 0.5]),
)
@settings(max_examples=150, deadline=None)
def test_search_equals_numpy(
    count: int,
    documents: int,
    collections: int,
    limit: int,
    seed: int,
    removed_share: float,
    allowed_share: float | None,
) -> None:
    units = make_units(count, documents=documents, collections=collections, seed=seed)
    rng = np.random.default_rng(seed + 1)
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    gone = rng.random(count) < removed_share
    empty = subset(units, np.zeros(count, dtype=np.bool_))
    index.apply(empty, removed=units.unit_ids[gone].tolist())
    left = subset(units, ~gone)
    allowed = None
    if allowed_share is not None:
        everyone = np.arange(1, documents + 1, dtype=np.int64)
        allowed = everyone[rng.random(documents) < allowed_share]
    assert len(index) == len(left.unit_ids)
    for collection in range(1, collections + 2):
        query = query_vector(seed)
        hits = index.search(query, collection, limit=limit, allowed=allowed)
        check_same(hits, search_with_numpy(left, query, collection, limit, allowed))
        ranked = index.rank(query, collection, allowed)
        assert ranked.hits() == index.search(query, collection, limit=count, allowed=allowed)
        assert ranked.hits(limit) == hits


def test_many_units_of_one_document_do_not_crowd_out_others() -> None:
    """A document with 500 near-identical best units takes one place."""
    query = query_vector(7)
    crowd = np.tile(query, (500, 1))
    others = make_units(50, documents=50, seed=3, first_id=1000)
    units = UnitVectors(
        np.concatenate([np.arange(1, 501), others.unit_ids]),
        np.concatenate([np.full(500, 999), others.document_ids]),
        np.ones(550, dtype=np.int64),
        np.concatenate([crowd, others.vectors]).astype(np.float32),
    )
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    hits = index.search(query, 1, limit=10)
    assert hits[0].document_id == 999
    check_same(hits, search_with_numpy(units, query, 1, 10))


@pytest.mark.parametrize(
    "allowed", [None, np.arange(150, 900, dtype=np.int64)], ids=["all", "some"]
)
def test_equal_scores_come_in_the_order_of_their_units_also_at_the_cut(allowed: Ids | None) -> None:
    """FAISS leaves out any of those that score alike."""
    query = query_vector(7)
    better = make_units(5, documents=1, seed=1)
    ids = np.random.default_rng(0).permutation(np.arange(100, 1100, dtype=np.int64))
    vectors = np.concatenate([np.tile(query, (5, 1)), np.tile(better.vectors[0], (1000, 1))])
    all_ids = np.concatenate([np.arange(1, 6), ids])
    units = UnitVectors(all_ids, all_ids, np.ones(1005, dtype=np.int64), vectors)
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    found = [hit.document_id for hit in index.search(query, 1, limit=12, allowed=allowed)]
    first = [*range(1, 6), *range(100, 107)] if allowed is None else list(range(150, 162))
    assert found == first


def test_filtered_search_still_returns_the_limit() -> None:
    """A filter that keeps 1% of the documents gives the same hits as brute force over them."""
    units = make_units(20_000, documents=10_000, seed=5)
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    allowed = np.unique(units.document_ids)[::100]
    query = query_vector(1)
    hits = index.search(query, 1, limit=10, allowed=allowed)
    assert len(hits) == 10
    check_same(hits, search_with_numpy(units, query, 1, 10, allowed))


def test_replacing_and_removing_many_units_keeps_results_right() -> None:
    """Enough changes to make the shard compact itself several times."""
    units = make_units(3000, documents=500, seed=2)
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    for generation in range(1, 5):
        units = UnitVectors(
            units.unit_ids,
            units.document_ids,
            units.collection_ids,
            make_units(3000, documents=500, seed=generation + 10).vectors,
        )
        index.apply(units)
        query = query_vector(generation)
        check_same(index.search(query, 1, limit=20), search_with_numpy(units, query, 1, 20))
    index.apply(subset(units, np.zeros(3000, dtype=np.bool_)), removed=units.unit_ids.tolist())
    assert index.search(query_vector(0), 1, limit=20) == []
    assert index.unit_ids() == set()


def test_unit_that_moves_to_another_collection_leaves_the_first() -> None:
    units = make_units(10, documents=10)
    index = FlatIndex(DIMENSIONS)
    index.apply(units)
    moved = UnitVectors(units.unit_ids, units.document_ids, units.collection_ids + 1, units.vectors)
    index.apply(moved)
    assert index.search(query_vector(0), 1, limit=5) == []
    assert len(index.search(query_vector(0), 2, limit=50)) == len(np.unique(units.document_ids))


def test_searches_and_changes_in_threads_agree_in_the_end() -> None:
    units = make_units(2000, documents=200, seed=9)
    index = FlatIndex(DIMENSIONS)
    failures: list[Exception] = []

    def change(part: int) -> None:
        rows = np.arange(2000) % 4 == part
        for _ in range(20):
            index.apply(subset(units, rows))

    def search() -> None:
        try:
            for seed in range(200):
                scores = [hit.score for hit in index.search(query_vector(seed), 1, limit=10)]
                assert scores == sorted(scores, reverse=True)
        except Exception as error:  # noqa: BLE001  # reported by the test's own thread
            failures.append(error)

    threads = [Thread(target=change, args=(part,)) for part in range(4)]
    threads += [Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    query = query_vector(4)
    check_same(index.search(query, 1, limit=25), search_with_numpy(units, query, 1, 25))
