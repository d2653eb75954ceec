"""What words become: spellings that meet, and parts that can be found."""

import tracemalloc
from collections import Counter
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.index import words
from app.index.analysis import TITLE_WEIGHT, count_article_terms, count_terms, list_terms
from app.index.bm25 import LexicalIndex
from app.index.folding import clean
from app.index.hashing import hash_term, hash_terms
from app.index.query import count_query_terms, parse_query
from app.index.segments import TermDocument, pack_terms
from app.index.term_matcher import TermMatcher


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Crème brûlée", "creme brulee"),
        ("ﬁlter", "filter"),
        ("PutObject", "put_object"),
        ("put-object", "PutObject"),
        ("ERR_CONN_RESET", "err-conn-reset"),
        ("conn", "ERR_CONN_RESET"),
        ("object", "s3.putObject"),
        ("setup.cfg", "edit setup.cfg first"),
        ("cfg", "edit setup.cfg first"),
        ("siglec1", "Siglec-1"),
        ("batteries", "battery"),
        ("grinder's", "grinder"),
        ("猫が好き", "私は猫が好きです"),
        ("猫", "猫"),
        ("한국어", "한국어를 배우다"),
        ("STRASSE", "Straße"),
    ],
)
def test_every_term_of_the_query_is_a_term_of_the_text(query: str, text: str) -> None:
    wanted, held = count_terms(query), count_terms(text)
    assert wanted
    shared = wanted.keys() & held.keys()
    # A spelling in one word has no parts to share, and its whole meets the other's.
    assert shared == wanted.keys() or shared == held.keys()


@pytest.mark.parametrize(
    ("one", "other"),
    [("hat", "hot"), ("0x8007", "0x8008"), ("bus", "bu"), ("がき", "かき"), ("kişi", "kis")],
)
def test_other_words_do_not_meet(one: str, other: str) -> None:
    asked = count_query_terms(one).keys() - count_terms("0 x").keys()
    assert not asked & count_terms(other).keys()


def test_words_that_only_put_a_question_are_left_out_of_it() -> None:
    assert count_query_terms("How do I reset the machines?") == count_terms("reset machine")


@pytest.mark.parametrize("mark", ["„", "«", "“", '"'])
def test_quotation_marks_that_nothing_closes_cost_little(mark: str) -> None:
    """8,000 low ones took six seconds: each was followed to the end of the question."""
    before = process_time()
    query = parse_query(f" {mark}" * 8000)
    assert process_time() - before < 1.0
    assert (query.phrases, query.excluded) == ((), ())


def test_question_of_nothing_else_is_searched_by_these_words() -> None:
    assert count_query_terms("who are they") == count_terms("who are they")


def test_text_without_words_has_no_terms() -> None:
    assert not count_terms("?! -- … ❞ ")
    assert not count_query_terms("")


def test_words_of_the_title_weigh_more() -> None:
    counts = count_article_terms("tea", "tea milk", None)
    assert sorted(counts.values()) == [1, TITLE_WEIGHT + 1]


@given(st.text(st.sampled_from("aZz09_-.' \n$;"), max_size=40))
def test_ascii_text_has_the_terms_that_it_has_amid_other_letters(text: str) -> None:
    """It is read by a faster expression of its own."""
    assert count_terms(text) == count_terms(f"{text} ü") - count_terms("ü")


WORDS = st.lists(
    st.sampled_from(
        [
            "PutObject",
            "put_object",
            "queries",
            "Query's",
            "ERR_CONN",
            "crème",
            "Straße",
            "ﬁn",
            "猫が",
        ]
    )
    | st.text(st.sampled_from("aeisyZz09-_.'’éß 猫が한"), max_size=8),
    max_size=6,
).map(" ".join)


@given(WORDS, WORDS)
def test_matcher_finds_the_words_that_a_question_and_a_text_share(query: str, text: str) -> None:
    index = LexicalIndex()
    index.apply([TermDocument(1, 1, pack_terms(count_terms(text)).data)])
    words = index.weigh(parse_query(query), 1)
    matcher = TermMatcher(words)
    held = count_terms(text)
    shared = {number for number, word in enumerate(words) if word.count(held)}
    assert matcher.find(text) == shared <= matcher.find_superset(text)
    assert matcher.find_in_part(text, matcher.list_spellings(f"{text}\n{query}")) == shared
    whole = sum(word.weight for word in words) or 1.0
    assert matcher.coverage(shared) == pytest.approx(sum(words[n].weight for n in shared) / whole)


@pytest.mark.parametrize("query", ["AMI", "ami", "AMIs", "amis"])
def test_capitals_and_their_plural_find_each_other(query: str) -> None:
    index = LexicalIndex()
    texts = ["Tags of an AMI.", "Tags of AMIs.", "Tags of an instance."]
    index.apply([TermDocument(n, 1, pack_terms(count_terms(t)).data) for n, t in enumerate(texts)])
    found = [number for number, _ in index.score(parse_query(query), 1).best(3)]
    # What is written as it was asked comes first.
    assert found == ([1, 0] if query == "AMIs" else [0, 1])


@pytest.mark.parametrize("digit", ["\U0001e4f0", "\U00011f50"])
def test_digits_of_scripts_that_this_python_may_not_know_break_nothing(digit: str) -> None:
    assert count_terms(f"tea {digit}5")


def test_terms_are_hashed_alone_as_they_are_together() -> None:
    terms = ["", "tea", "чай", "茶", "😀", "\0", "x" * 5000, *(f"word{n}" for n in range(3000))]
    assert list(hash_terms(terms)) == [hash_term(term) for term in terms]
    assert list(hash_terms(terms[:5])) == [hash_term(term) for term in terms[:5]]


def test_characters_past_the_first_plane_change_no_other_words() -> None:
    """Texts without them are read by another pattern, which must say the same."""
    text = "naïve C# .NET है.net R&D 1 250 ที่บ้าน 猫が好き צה״ל l’été § 5 @name 😀 ☂ a.b+c"
    assert count_terms(f"{text} 𐐀") == count_terms(text) + count_terms("𐐀")


@pytest.mark.parametrize("language", [None, "de", "tr", "el", "ru", "ar", "hi"])
def test_words_of_a_text_are_stemmed_as_each_by_itself(language: str | None) -> None:
    text = "Straßen Größe Irak ışık οδός Ёлка книги الكتاب हिंदी cities Łódź İzmir ـ"
    together = count_terms(text, language)
    assert together == sum((count_terms(word, language) for word in text.split()), Counter())
    assert together == Counter(term for word in list_terms(text, language) for term in word)


_JOINED = [
    *("R & D", "1 250 000", "C++", "§ 5", "tea", "naïve", "漢字。かな", "１２ ２５０", "Wi-Fi's"),
    *("tea\u00ad \n", "\u00ad\n", "\u200b", "\u00a0", "٢٥٠", "| a |", "@me", " ", "\n", ", ", "。"),
]


@given(st.lists(st.sampled_from(_JOINED), max_size=20).map("".join))
def test_text_that_is_cut_between_words_has_the_words_of_the_whole(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(words, "_PIECE_CHARACTERS", 0)
        pieces = list(words.cut_between_words(text))
    assert "".join(pieces) == text
    found = [word for piece in pieces for word in words.find_words(clean(piece))]
    assert found == words.find_words(clean(text))


def test_words_of_a_long_text_are_never_all_in_memory() -> None:
    text = "| tea | 3 minutes | cup number 7 |\n" * 50_000
    tracemalloc.start()
    try:
        count_article_terms("", text, "en")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of them took nine times the text.
    assert peak < len(text)
