"""A document's place in a stage: that of the list which the stage proposes from."""

from collections.abc import Callable

import numpy as np
import pytest

from app.index.analysis import count_terms
from app.index.bm25 import LexicalIndex
from app.index.flat import FlatIndex, Ids, UnitVectors
from app.index.query import parse_query
from app.index.segments import TermDocument, pack_terms
from app.services.search.ranks import Standing, as_columns, stand
from app.services.search.retrievers import LexicalRetriever, Retriever, UnitRetriever

COUNT, DIMENSIONS = 400, 8


def unit_retriever() -> Retriever:
    """Return one of vectors of which many are alike, several of them of one document."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((60, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = FlatIndex(DIMENSIONS)
    index.apply(
        UnitVectors(
            rng.permutation(COUNT).astype(np.int64),
            rng.integers(0, COUNT // 2, COUNT).astype(np.int64),
            np.ones(COUNT, dtype=np.int64),
            vectors[rng.integers(0, len(vectors), COUNT)],
        )
    )
    return UnitRetriever(index, vectors[0])


def lexical_retriever() -> Retriever:
    """Return one of texts of which many hold the words of the question as often as others."""
    index = LexicalIndex()
    texts = ["tea " * (n % 7) + "milk " * (n % 5) + "sugar" for n in range(COUNT)]
    index.apply(
        [TermDocument(n, 1, pack_terms(count_terms(text)).data) for n, text in enumerate(texts)]
    )
    return LexicalRetriever(index, parse_query("tea with milk"))


def stand_in_list(ranked: list[tuple[int, float]], document_id: int, limit: int) -> Standing:
    scores = dict(ranked)
    last = ranked[min(limit, len(ranked)) - 1][1] if ranked else None
    if document_id not in scores:
        return Standing(None, len(ranked), None, last, None)
    own = scores[document_id]
    assert last is not None
    return Standing([*scores].index(document_id) + 1, len(ranked), own, last, own - last)


@pytest.mark.parametrize("make", [unit_retriever, lexical_retriever])
@pytest.mark.parametrize("allowed", [None, np.arange(0, COUNT, 3), np.array([], dtype=np.int64)])
@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_place_is_that_in_the_list_of_all_that_is_proposed(
    make: Callable[[], Retriever], allowed: Ids | None, limit: int
) -> None:
    retriever = make()
    proposed = list(retriever.propose(1, limit=COUNT, allowed=allowed).items())
    ids, scores = retriever.rank(1, allowed=allowed)
    for document_id in range(-1, COUNT):
        assert stand(ids, scores, document_id, limit) == stand_in_list(proposed, document_id, limit)


def test_nothing_is_found_in_a_collection_that_is_not_there() -> None:
    for retriever in (unit_retriever(), lexical_retriever()):
        assert stand(*retriever.rank(7, allowed=None), 1, 10) == Standing(None, 0, None, None, None)


def test_columns_keep_the_order() -> None:
    ranked = [(3, 0.5), (1, 0.5), (2, 0.25)]
    for document_id in (1, 2, 3, 4):
        found = stand(*as_columns(ranked), document_id, 2)
        assert found == stand_in_list(ranked, document_id, 2)
