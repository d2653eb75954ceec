"""Slips that words of a question may be."""

from app.index.guesses import guess_words


def test_empty_collection_holds_no_slips_of_a_word() -> None:
    (found,) = guess_words([], ["steping"], ["en"])
    assert {len(terms) for terms in found} <= {2}
