"""A long run of one sign takes a time that grows with it, where it took up to a minute."""

import pytest

from app.index.query import parse_query
from app.index.sentences import split_sentences


@pytest.mark.parametrize("sign", ["!", "?", "!?"])
def test_run_of_signs_is_one_sentence(sign: str) -> None:
    text = sign * 30_000
    assert split_sentences(f"{text} now") == [text, "now"]
    assert split_sentences(text) == [text]


@pytest.mark.parametrize("run", ["。", "．", "。…", "!。"])
def test_run_of_stops_that_a_quotation_goes_on_after_is_tried_once(run: str) -> None:
    text = f"「{run * (30_000 // len(run))}と"
    assert split_sentences(text) == [text]


@pytest.mark.parametrize("digits", ["1", "1."])
def test_run_of_digits_in_a_word_is_looked_through_once(digits: str) -> None:
    assert parse_query(digits * 16_000 + "a").words
