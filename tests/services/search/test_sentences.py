"""The sentence or table row of a passage that says most of a question."""

from itertools import pairwise

import pytest

from app.index.lookup import FoundWord
from app.index.query import parse_query, spell_words
from app.index.stemming import PLAIN
from app.index.term_matcher import TermMatcher
from app.services.search.sentences import find_sentence, split_sentences

TABLE = """\
Monthly fees of all plans

| Plan | Fee of the plan |
| --- | --- |
| Basic | 11 euros |
| Pro | 22 euros |
"""


def find(question: str, text: str) -> str | None:
    """Return the sentence that is found, every word of the question counting the same."""
    words = parse_query(question).words
    found = [
        FoundWord(word.name, 1.0, spellings)
        for word, spellings in zip(words, spell_words(words, [PLAIN]), strict=True)
    ]
    span = find_sentence(text, TermMatcher(found), None)
    return None if span is None else text[span.start : span.end]


@pytest.mark.parametrize(
    ("question", "text", "sentence"),
    [
        (
            "reset button",
            "Tea is hot. The button resets it! Milk is cold.",
            "The button resets it!",
        ),
        ("milk", "Tea is hot.\nMilk is cold.\nMilk is white.", "Milk is cold."),
        (
            "milk",
            "The tea of version 2.5 is hot. Milk is no. 5 here, of 7.",
            "Milk is no. 5 here, of 7.",
        ),
        ("fee of Pro", TABLE, "| Pro | 22 euros |"),
        ("descale", "## Descale\n\nUse citric acid. Wait.", "Use citric acid."),
        ("descale", "**How do I descale it?**\nUse citric acid.", "Use citric acid."),
        ("descale", "Do you want to descale? Use citric acid. Wait.", "Use citric acid."),
        ("重置", "茶是热的。按下按钮重置机器。牛奶是冷的。", "按下按钮重置机器。"),
        ("coffee", "Tea is hot. Milk is cold.", None),
        ("tea", "# Tea", None),
    ],
)
def test_the_sentence_with_most_of_the_question_is_found(
    question: str, text: str, sentence: str | None
) -> None:
    assert find(question, text) == sentence


def test_sentences_of_any_text_are_in_order_and_not_empty() -> None:
    text = " \n\n- One. Two!\n\n\n| a | b |\n|---|---|\n| c | d |\n\nÉtait-ce… « oui? — non.\n"
    spans = list(split_sentences(text))
    assert [text[span.start : span.end] for span in spans] == [
        "- One.",
        "Two!",
        "| a | b |",
        "|---|---|",
        "| c | d |",
        "Était-ce…",
        "« oui?",
        "— non.",
    ]
    assert all(a.end <= b.start for a, b in pairwise(spans))
