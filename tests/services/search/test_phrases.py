"""Quoted phrases, excluded words, and queries that ask for nothing."""

import pytest

from app.domain import Mode
from app.runtime.resources import Resources
from app.services.search.phrases import holds_phrase
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents
from tests.services.knowledge import search, work

TEXTS = {
    "order": "Press the red button, then open the lid.",
    "other": "The button is not red. Open the lid and press.",
    "milk": "Milk foam needs cold milk, and a red button to press.",
}


@pytest.fixture
def shelf(resources: Resources, sandbox: Sandbox) -> Resources:
    put_documents(resources, "help", [article(key, text) for key, text in TEXTS.items()])
    work(resources, sandbox)
    return resources


@pytest.mark.parametrize("mode", [Mode.LEXICAL, Mode.HYBRID])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"red button"', {"order", "milk"}),
        ("“red button” lid", {"order", "milk"}),
        ('"the red"', {"order"}),
        ('"button red"', set()),
        ("button -milk", {"order", "other"}),
        ('button -"red button"', {"other"}),
        ('"red button" -foam', {"order"}),
        ("-milk", set()),
        ("???", set()),
        ("🫖", set()),
        ("button - milk", TEXTS.keys()),
        ('button" lid', TEXTS.keys()),
    ],
)
def test_phrases_must_be_there_and_excluded_words_must_not(
    shelf: Resources, mode: Mode, query: str, found: set[str]
) -> None:
    hits = search(shelf, query, mode=mode).keys()
    if mode is Mode.LEXICAL and found == TEXTS.keys():
        assert hits
    else:
        assert hits == found


@pytest.mark.parametrize(
    ("text", "phrase", "holds"),
    [
        ("Der Daten\u00adschutz­beauftragte kommt.", "datenschutzbeauftragte kommt", True),
        ("商品可以在七天内退货。", "天内退货", True),
        ("Use C++ for it, not C.", "c++ for", True),
        ("Use C++ for it, not C.", "use c", False),
        ("Reset\nthe   machine", "reset the machine", True),
        ("Presets the machine", "resets the", False),
    ],
)
def test_phrase_is_words_one_after_another(text: str, phrase: str, *, holds: bool) -> None:
    assert holds_phrase(text, phrase) is holds
