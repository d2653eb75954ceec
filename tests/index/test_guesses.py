"""Slips that words of a question may be."""

from time import process_time

from app.index.analysis import count_terms
from app.index.guesses import guess_words
from app.index.segments import TermDocument, build_segment, pack_terms


def test_empty_collection_holds_no_slips_of_a_word() -> None:
    (found,) = guess_words([], ["steping"], ["en"])
    assert found == set()


def test_guesses_are_what_segments_hold() -> None:
    texts = ("step by stepping stones", "stop the machine", "the bank ing")
    segments = [
        build_segment([TermDocument(n, 1, pack_terms(count_terms(text)).data)])
        for n, text in enumerate(texts)
    ]
    assert guess_words(segments, ["steping", "machnie", "stop", "unrelated"], [""]) == [
        # Two words need not stand in one segment.
        {("stepping",), ("step", "ing")},
        {("machine",)},
        set(),
        set(),
    ]


def test_very_long_word_is_not_taken_apart() -> None:
    """All halves of 2,000 letters took a second, those of 32 KB four minutes and a gigabyte."""
    segments = [build_segment([TermDocument(1, 1, pack_terms(count_terms("tea")).data)])]
    before = process_time()
    assert guess_words(segments, ["xy" * 4000], [""]) == [set()]
    assert process_time() - before < 1.0
