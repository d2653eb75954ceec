"""Quoted phrases, excluded words, and queries that ask for nothing."""

import pytest

from app.domain import Mode
from app.errors import OutOfTime
from app.index.query import parse_query
from app.runtime.deadline import limit_time
from app.runtime.resources import Resources
from app.services.search.phrases import compile_phrase, list_held, restrict
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, ref_of
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
        ('"red button" "open the lid"', {"order"}),
        ('button -"red button" -"cold milk"', {"other"}),
        # Pasted, as a log or JSON is.
        (" ".join(f'"tea {n}"' for n in range(17)) + " button", TEXTS.keys()),
        ("button lid milk " + " ".join(f"-red{n}" for n in range(16)) + " -red", TEXTS.keys()),
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
        ("新しいiPhoneの設定。", "iPhoneの設定", True),
        ("使用Python编程的人", "Python编程", True),
        ("使用Python编程的人", "用Python", True),
        ("用machine learning技术", "machine learning", True),
        ("用machine learnings技术", "machine learning", False),
        ("Don't panic now.", "don’t panic", True),
        ("Don’t panic now.", "don't panic", True),
    ],
)
def test_phrase_is_words_one_after_another(text: str, phrase: str, *, holds: bool) -> None:
    assert list_held(text, {phrase: compile_phrase(phrase)}) == ([phrase] if holds else [])


def test_texts_are_read_for_phrases_as_long_as_the_request_has_time(shelf: Resources) -> None:
    indexes = shelf.generations.live().catch_up()
    assert indexes is not None
    words, collection_id = parse_query('-"red lid" -"red foam"'), ref_of(shelf, "help").id
    with shelf.database.read() as session:
        kept = restrict(session, indexes.terms, words, collection_id, None)
        assert kept is not None
        assert len(kept) == len(TEXTS)
        with limit_time(0), pytest.raises(OutOfTime):
            restrict(session, indexes.terms, words, collection_id, None)


def test_phrase_stands_in_the_title_or_in_the_text(resources: Resources, sandbox: Sandbox) -> None:
    put_documents(resources, "help", [article("tea", "Green leaves are dried.", title="Hot tea")])
    work(resources, sandbox)
    held = {
        phrase: search(resources, f'"{phrase}"', mode=Mode.LEXICAL).keys()
        for phrase in ("hot tea", "green leaves", "tea green")
    }
    assert held == {"hot tea": {"tea"}, "green leaves": {"tea"}, "tea green": set()}
