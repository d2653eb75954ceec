"""The BM25 index against the formula written out."""

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.index.analysis import count_terms
from app.index.bm25 import K1, B, LexicalIndex
from app.index.lookup import find_words
from app.index.postings import DELTA, WordRows
from app.index.query import QueryWord, Spelling, WordQuery, count_query_terms, parse_query
from app.index.segments import (
    Segment,
    TermDocument,
    build_segment,
    merge_segments,
    pack_terms,
)

WORDS = [f"word{letter}" for letter in "abcdefghij"]
Texts = dict[int, tuple[int, str]]
"""Collection and text by document id."""


def documents_of(texts: Texts) -> list[TermDocument]:
    return [
        TermDocument(document_id, collection_id, pack_terms(count_terms(text)).data)
        for document_id, (collection_id, text) in texts.items()
    ]


def score_by_formula(texts: Texts, query: str, collection_id: int) -> dict[int, float]:
    counts = {d: count_terms(text) for d, (c, text) in texts.items() if c == collection_id}
    lengths = {d: sum(some.values()) for d, some in counts.items()}
    mean = sum(lengths.values()) / max(len(lengths), 1) or 1.0
    scores = dict.fromkeys(counts, 0.0)
    for term, repeats in count_query_terms(query).items():
        df = sum(term in some for some in counts.values())
        idf = log(1 + (len(counts) - df + 0.5) / (df + 0.5))
        for document_id, some in counts.items():
            tf = some[term]
            norm = K1 * (1 - B + B * lengths[document_id] / mean)
            if tf:
                scores[document_id] += repeats * idf * (tf / (tf + norm) + DELTA) / (1 + DELTA)
    return scores


def check(index: LexicalIndex, texts: Texts, query: str, collection_id: int) -> None:
    expected = score_by_formula(texts, query, collection_id)
    found = index.score(parse_query(query), collection_id)
    assert dict(zip(found.document_ids.tolist(), found.scores.tolist(), strict=True)) == (
        pytest.approx(expected, abs=1e-4)
    )
    assert all(score < found.max_score for score in found.scores)


texts_of_words = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@given(
    first=st.lists(st.tuples(st.integers(1, 2), texts_of_words), min_size=1, max_size=30),
    second=st.dictionaries(
        st.integers(1, 40), st.tuples(st.integers(1, 2), texts_of_words), max_size=15
    ),
    removed=st.sets(st.integers(1, 40), max_size=25),
    query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join),
    merges=st.sets(st.integers(0, 3)),
)
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_the_formula_after_any_changes(
    first: list[tuple[int, str]], second: Texts, removed: set[int], query: str, merges: set[int]
) -> None:
    texts: Texts = dict(enumerate(first, start=1))
    index = LexicalIndex(corrects_spelling=False)
    for document in documents_of(texts):
        index.apply([document])
        if 0 in merges:
            index.merge()
    changes: list[tuple[Texts, set[int]]] = [
        (second, set()),
        ({}, removed),
        ({41: (2, query)}, set()),
    ]
    for step, (added, gone) in enumerate(changes, start=1):
        index.apply(documents_of(added), removed=gone)
        if step in merges:
            index.merge()
    texts = {d: text for d, text in (texts | second).items() if d not in removed}
    texts[41] = (2, query)
    assert index.document_ids() == set(texts)
    for collection_id in (1, 2, 3):
        check(index, texts, query, collection_id)


def test_parts_are_merged_while_searches_and_removals_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts: Texts = {d: (1, " ".join(WORDS[d % 7 :])) for d in range(1, 9)}
    index = LexicalIndex(corrects_spelling=False)
    for document in documents_of(texts):
        index.apply([document])
    found: list[int] = []

    def merge_slowly(segments: Sequence[Segment]) -> Segment:
        # Otherwise what follows would wait for ever.
        assert not index._lock.locked()
        merged = merge_segments(segments)
        if not found:
            found.append(len(index.score(parse_query("worda wordj"), 1).best(10)))
            index.apply(documents_of({2: (1, "wordj"), 9: (1, "wordj")}), removed=[5])
        return merged

    monkeypatch.setattr("app.index.bm25.merge_segments", merge_slowly)
    index.merge()
    assert found == [8]
    texts |= {2: (1, "wordj"), 9: (1, "wordj")}
    del texts[5]
    assert index.document_ids() == set(texts)
    check(index, texts, "worda wordj wordc", 1)


@pytest.mark.parametrize("after", [{}, {11: (1, "worda")}])
def test_collection_may_be_emptied_while_its_parts_are_merged(
    monkeypatch: pytest.MonkeyPatch, after: Texts
) -> None:
    index = LexicalIndex(corrects_spelling=False)
    for document_id in range(1, 9):
        index.apply(documents_of({document_id: (1, "worda")}))

    def merge_slowly(segments: Sequence[Segment]) -> Segment:
        index.apply([], removed=range(1, 9))
        index.apply(documents_of(after))
        return merge_segments(segments)

    monkeypatch.setattr("app.index.bm25.merge_segments", merge_slowly)
    index.merge()
    assert index.document_ids() == set(after)
    check(index, after, "worda", 1)


def test_search_reads_what_stood_there_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change waits for no search, and no search for a change or for another search."""
    index = LexicalIndex(corrects_spelling=False)
    index.apply(documents_of({1: (1, "worda"), 2: (1, "worda wordb")}))
    later: list[int] = []

    def change_first(
        segments: Sequence[Segment], rules: Sequence[str], query: WordQuery, *, corrects: bool
    ) -> list[tuple[QueryWord, tuple[Spelling, ...], int, list[WordRows]]]:
        monkeypatch.undo()
        index.apply(documents_of({3: (1, "worda")}), removed=[1])
        later.extend(index.score(query, 1).document_ids.tolist())
        return find_words(segments, rules, query, corrects=corrects)

    monkeypatch.setattr("app.index.bm25.find_words", change_first)
    assert index.score(parse_query("worda"), 1).document_ids.tolist() == [1, 2]
    assert later == [2, 3]


def test_what_was_removed_takes_no_memory_once_it_is_merged() -> None:
    index = LexicalIndex(corrects_spelling=False)
    index.apply(documents_of(dict.fromkeys(range(1, 101), (1, "worda wordb"))))
    index.apply([], removed=range(1, 100))
    index.merge()
    (segment,) = index._shards[1].segments
    assert segment.document_ids.tolist() == [100]
    assert len(segment.rows) == 2


def test_filter_that_keeps_one_in_a_hundred_gives_the_best_of_those() -> None:
    rng = np.random.default_rng(0)
    texts: Texts = {
        document_id: (1, " ".join(rng.choice(WORDS, size=rng.integers(3, 40))))
        for document_id in range(1, 2001)
    }
    index = LexicalIndex(corrects_spelling=False)
    index.apply(documents_of(texts))
    allowed = np.arange(7, 2001, 100, dtype=np.int64)
    query = "worda wordb wordc"
    expected = score_by_formula(texts, query, 1)
    best = sorted(allowed.tolist(), key=lambda d: (-np.float32(expected[d]), d))[:10]
    scores = index.score(parse_query(query), 1)
    found = scores.best(10, allowed)
    assert [score for _, score in found] == pytest.approx(
        [sqrt(expected[d] / scores.max_score) for d in best], abs=1e-4
    )
    assert len(found) == 10
    assert {document_id for document_id, _ in found} <= set(allowed.tolist())


def test_document_without_a_word_of_the_query_is_not_found() -> None:
    index = LexicalIndex(corrects_spelling=False)
    index.apply(documents_of({1: (1, "worda"), 2: (1, "wordb"), 3: (1, "")}))
    assert [d for d, _ in index.score(parse_query("worda"), 1).best(10)] == [1]
    assert index.score(parse_query("wordc"), 1).best(10) == []
    assert index.score(parse_query(""), 1).best(10) == []


def test_damaged_terms_are_told() -> None:
    stored = pack_terms(count_terms("worda wordb"))
    assert stored.is_intact
    assert not type(stored)(stored.data[::-1], stored.crc32).is_intact


def test_of_a_very_long_question_the_longest_words_are_looked_up() -> None:
    asked = ["tea", *(f"word{number:05}" for number in range(2_000))]
    words = parse_query(" ".join(asked + asked)).words
    repeats = {word.part.text: word.repeats for word in words}
    assert len(words) == 1024
    assert repeats["word00001"] == 2
    assert "tea" not in repeats
    unspaced = "".join(map(chr, range(0x4E00, 0x5E00)))
    assert len(parse_query(unspaced).words) == 1024


def test_length_of_many_articles_does_not_depend_on_their_order() -> None:
    # Together more than the whole numbers that float32 has.
    lengths = [60_001 + 2 * n for n in range(301)]
    documents = [
        TermDocument(n, 1, pack_terms(Counter({1: length})).data)
        for n, length in enumerate(lengths)
    ]
    for some in (documents, documents[::-1]):
        assert build_segment(some).living_length == sum(lengths) > 2**24
