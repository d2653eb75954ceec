"""Cutting articles into units and passages."""

import re
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain import Article, Heading, PageStart, Span, Unit
from app.errors import UnreadableDocument, WorkCancelled
from app.runtime.deadline import work_while
from ingest.units import (
    Boundary,
    TokenStarts,
    find_places,
    split_article,
    split_span,
)

# Ideographs and kana are a token each, other words one for every four characters.
_TOKEN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W\u3040-\u30ff\u4e00-\u9fff]{1,4}|[^\w\s]")
_HEADING = re.compile(r"^(#{1,3}) (.*)$", re.MULTILINE)

_WORDS = st.text(alphabet="abcéßжпω01_", min_size=1, max_size=11)
_GAPS = st.sampled_from(
    [" ", " ", " ", ", ", ". ", "! ", '." ', "… ", "\n", "\n\n", "\n \t\n", "\t"]
)
_HEADING_LINES = st.builds(
    lambda level, words: f"\n\n{'#' * level} {words}\n\n", st.integers(1, 3), _WORDS
)
_TEXTS = st.lists(
    st.one_of(st.tuples(_WORDS, _GAPS).map("".join), _HEADING_LINES), min_size=1, max_size=40
).map("".join)

properties = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def find_tokens(text: str) -> TokenStarts:
    """Return where the tokens of a simple tokenizer start."""
    return np.array([match.start() for match in _TOKEN.finditer(text)], dtype=np.int64)


def count(tokens: TokenStarts, span: Span) -> int:
    return int(((tokens >= span.start) & (tokens < span.end)).sum())


def make_article(text: str, pages: tuple[PageStart, ...] = ()) -> Article:
    headings = tuple(Heading(m.start(), len(m[1]), m[2]) for m in _HEADING.finditer(text))
    return Article(text, headings=headings, pages=pages)


def read(text: str, spans: list[Span]) -> list[str]:
    return [text[span.start : span.end] for span in spans]


def section_starts(text: str) -> list[int]:
    return [match.start() for match in _HEADING.finditer(text)]


def split(text: str, budget: int) -> list[str]:
    tokens = find_tokens(text)
    spans = split_span(text, Span(0, len(text)), tokens, budget, sections=section_starts(text))
    return read(text, spans)


def fewest_spans(text: str, tokens: TokenStarts, budget: int) -> dict[int, int]:
    """Return for each boundary how many spans it takes from there to the end, by brute force."""
    whole = Span(0, len(text))
    places = find_places(text, whole, tokens, budget, section_starts(text)).offsets.tolist()
    fewest = {len(text): 0}
    for i in range(len(places) - 2, -1, -1):
        reachable = [
            place
            for j, place in enumerate(places)
            # What has no boundary inside may be over the budget: it cannot be cut.
            if j > i and (j == i + 1 or count(tokens, Span(places[i], place)) <= budget)
        ]
        fewest[places[i]] = 1 + min(fewest[place] for place in reachable)
    return fewest


# Spans


@properties
@given(text=_TEXTS, budget=st.integers(1, 30))
def test_spans_tile_the_text_exactly(text: str, budget: int) -> None:
    assert "".join(split(text, budget)) == text
    assert all(split(text, budget))


@properties
@given(text=_TEXTS, budget=st.integers(1, 30))
def test_only_a_single_word_is_ever_over_the_budget(text: str, budget: int) -> None:
    for part in split(text, budget):
        if len(find_tokens(part)) > budget:
            assert re.fullmatch(r"\w+", part)


@properties
@given(text=_TEXTS, budget=st.integers(1, 30))
def test_no_cut_falls_inside_a_word(text: str, budget: int) -> None:
    for before, after in pairwise(split(text, budget)):
        assert not re.search(r"\w\Z", before) or not re.match(r"\w", after), (before, after)


@properties
@given(text=_TEXTS, budget=st.integers(1, 30))
def test_number_of_spans_is_the_least_that_the_boundaries_allow(text: str, budget: int) -> None:
    tokens = find_tokens(text)
    expected = 1 if len(tokens) <= budget else fewest_spans(text, tokens, budget)[0]
    assert len(split(text, budget)) == expected


@properties
@given(text=_TEXTS, budget=st.integers(1, 30))
def test_every_cut_is_the_best_kind_that_costs_no_further_span(text: str, budget: int) -> None:
    tokens = find_tokens(text)
    assume(len(tokens) > budget)
    sections = section_starts(text)
    whole = Span(0, len(text))
    places = find_places(text, whole, tokens, budget, sections)
    kinds = dict(zip(places.offsets.tolist(), places.kinds.tolist(), strict=True))
    fewest = fewest_spans(text, tokens, budget)
    for span in split_span(text, whole, tokens, budget, sections=sections):
        possible = [
            kind
            for place, kind in kinds.items()
            if place > span.start
            and fewest[place] == fewest[span.start] - 1
            and count(tokens, Span(span.start, place)) <= budget
        ]
        assert kinds[span.end] >= max(possible, default=Boundary.WORD)


@properties
@given(before=_TEXTS, text=_TEXTS, after=_TEXTS, budget=st.integers(1, 30))
def test_part_of_a_text_is_tiled_with_offsets_into_the_whole(
    before: str, text: str, after: str, budget: int
) -> None:
    whole = before + text + after
    span = Span(len(before), len(before) + len(text))
    parts = split_span(whole, span, find_tokens(whole), budget)
    assert (parts[0].start, parts[-1].end) == (span.start, span.end)
    assert all(a.end == b.start for a, b in pairwise(parts))


@pytest.mark.parametrize("budget", [6, 7, 100])
def test_text_that_fits_is_one_span(budget: int) -> None:
    assert split("one two. three\n\nfour", budget) == ["one two. three\n\nfour"]


def test_text_without_tokens_is_one_span() -> None:
    assert split(" \n\n ", 1) == [" \n\n "]
    assert split("", 1) == [""]


def test_section_is_preferred_to_a_paragraph_nearer_to_the_middle() -> None:
    text = "# A\n\none two\n\n# B\n\nthree four\n\nfive six\n\nseven"
    assert split(text, 10) == ["# A\n\none two\n\n", "# B\n\nthree four\n\nfive six\n\nseven"]


def test_paragraph_is_preferred_to_a_sentence_nearer_to_the_middle() -> None:
    text = "one two.\n\nthree. four. five. six."
    assert split(text, 10) == ["one two.\n\n", "three. four. five. six."]


def test_sentence_is_preferred_to_a_word_nearer_to_the_middle() -> None:
    text = "one. two three four five six"
    assert split(text, 6) == ["one. ", "two three four five six"]


def test_among_equal_boundaries_the_even_share_wins() -> None:
    paragraphs = [f"w{number} x y z\n\n" for number in range(8)]
    assert split("".join(paragraphs), 20) == ["".join(paragraphs[:4]), "".join(paragraphs[4:])]


def test_fewer_spans_are_preferred_to_better_boundaries() -> None:
    text = "# A\n\none two three\n\n# B\n\nfour five six\n\n# C\n\nseven"
    assert len(split(text, 8)) == 2


def test_only_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    parts = split("A b. " + "c d e f g h. " + "I j.", 4)
    assert [parts[0], parts[-1]] == ["A b. ", "I j."]
    assert "".join(parts[1:-1]) == "c d e f g h. "
    assert len(parts) == 4


def test_line_ends_count_as_sentence_ends() -> None:
    assert split("- one two\n- tea four\n", 3) == ["- one two\n", "- tea four\n"]


def test_closing_quotation_mark_stays_with_its_sentence() -> None:
    assert split('"One two." "Tea four."', 5) == ['"One two." ', '"Tea four."']


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("今天天气很好。我们去公园。", ["今天天气很好。", "我们去公园。"]),
        ("「水です。」お茶です。", ["「水です。」", "お茶です。"]),
    ],
)
def test_chinese_and_japanese_are_cut_after_sentences(text: str, sentences: list[str]) -> None:
    assert split(text, 8) == sentences


@pytest.mark.parametrize("text", ["漢字" * 50, "かな" * 50, "水を入れて待つ" * 10])
def test_sentence_without_spaces_is_cut_between_ideographs(text: str) -> None:
    parts = split(text, 10)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 10


def test_sentence_that_is_too_long_is_cut_between_clauses_before_words() -> None:
    assert split("one two three, four five six seven", 6) == [
        "one two three, ",
        "four five six seven",
    ]
    text = "水を入れて、ふたを閉めて、ボタンを押します"
    assert split(text, 12) == ["水を入れて、", "ふたを閉めて、", "ボタンを押します"]


def test_thai_is_cut_at_its_spaces_and_not_after_abbreviations() -> None:
    text = "เปิดใช้เมื่อ พ.ศ. 2549 ในเมืองหลวง แล้วจึงขยายไปยังเมืองอื่น ๆ ของประเทศ"
    tokens = np.array([i for i, c in enumerate(text) if c != " "], dtype=np.int64)
    parts = read(text, split_span(text, Span(0, len(text)), tokens, 40))
    assert parts == ["เปิดใช้เมื่อ พ.ศ. 2549 ในเมืองหลวง ", "แล้วจึงขยายไปยังเมืองอื่น ๆ ของประเทศ"]


def test_in_scripts_without_spaces_tokens_are_words() -> None:
    words = ["ประเทศ", "ไทย", "มี", "เมือง", "หลวง", "ชื่อ", "กรุงเทพ"] * 4
    text = "".join(words)
    starts = np.cumsum([0, *map(len, words[:-1])]).astype(np.int64)
    parts = read(text, split_span(text, Span(0, len(text)), starts, 5))
    edges = {0, *starts.tolist(), len(text)}
    assert len(parts) == 6
    assert {len("".join(parts[:i])) for i in range(len(parts) + 1)} <= edges


def test_hindi_is_not_cut_at_its_vowel_signs() -> None:
    words = ["नमस्ते", "दुनिया", "किताब", "हिन्दी", "विद्यार्थी"]
    text = " ".join(words * 4)
    # A token for each character, signs included.
    tokens = np.array([i for i, c in enumerate(text) if c != " "], dtype=np.int64)
    spans = split_span(text, Span(0, len(text)), tokens, 12)
    assert len(spans) > 4
    assert [word for part in read(text, spans) for word in part.split()] == words * 4


def test_decimal_number_and_contraction_are_words() -> None:
    text = "can't 3.14 " * 6
    tokens = np.array([i for i, c in enumerate(text) if c != " "], dtype=np.int64)
    parts = read(text, split_span(text, Span(0, len(text)), tokens, 5))
    assert [part.strip() for part in parts if part.strip()] == ["can't", "3.14"] * 6


# Units


@properties
@given(text=_TEXTS, unit_tokens=st.integers(4, 40), passage_tokens=st.integers(3, 15))
def test_units_tile_the_article_within_the_budget(
    text: str, unit_tokens: int, passage_tokens: int
) -> None:
    article = make_article(text)
    tokens = find_tokens(text)
    units = split_article(article, tokens, unit_tokens=unit_tokens, passage_tokens=passage_tokens)
    assert "".join(text[u.span.start : u.span.end] for u in units) == text
    assert all(count(tokens, unit.span) <= unit_tokens for unit in units)


def test_article_that_fits_is_one_unit() -> None:
    article = make_article("# Tea\n\nHot.\n\n# Milk\n\nCold.")
    units = split_article(article, find_tokens(article.text), unit_tokens=100, passage_tokens=50)
    assert [unit.span for unit in units] == [Span(0, len(article.text))]


def test_word_over_the_budget_is_refused_with_its_place_and_size() -> None:
    article = make_article("short " + "x" * 100 + " end")
    with pytest.raises(UnreadableDocument, match=r"100 characters at offset 6 has 25 tokens") as e:
        split_article(article, find_tokens(article.text), unit_tokens=20, passage_tokens=20)
    assert e.value.code == "unsplittable_text"


def test_units_shrink_until_each_fits() -> None:
    article = make_article("one two three. " * 40)
    tokens = find_tokens(article.text)
    asked: list[Span] = []

    def fits(span: Span) -> bool:
        asked.append(span)
        return len(span) <= 90

    units = split_article(article, tokens, unit_tokens=40, passage_tokens=16, fits=fits)
    assert all(len(unit.span) <= 90 for unit in units)
    assert {unit.span for unit in units} <= set(asked)
    assert len(split_article(article, tokens, unit_tokens=40, passage_tokens=16)) < len(units)


def test_article_that_never_fits_is_refused() -> None:
    article = make_article("one two three")
    with pytest.raises(UnreadableDocument) as caught:
        split_article(
            article,
            find_tokens(article.text),
            unit_tokens=100,
            passage_tokens=16,
            fits=lambda span: False,
        )
    assert caught.value.code == "unsplittable_text"


# Passages


def split_into_units(article: Article, unit_tokens: int, passage_tokens: int) -> tuple[Unit, ...]:
    return split_article(
        article, find_tokens(article.text), unit_tokens=unit_tokens, passage_tokens=passage_tokens
    )


@properties
@given(text=_TEXTS, unit_tokens=st.integers(4, 60), passage_tokens=st.integers(3, 15))
def test_passages_cover_all_words_of_their_unit_once_and_in_order(
    text: str, unit_tokens: int, passage_tokens: int
) -> None:
    for unit in split_into_units(make_article(text), unit_tokens, passage_tokens):
        at = unit.span.start
        for passage in unit.passages:
            assert at <= passage.span.start < passage.span.end <= unit.span.end
            assert not text[at : passage.span.start].strip()
            at = passage.span.end
        assert not text[at : unit.span.end].strip()


@properties
@given(text=_TEXTS, unit_tokens=st.integers(4, 60), passage_tokens=st.integers(3, 15))
def test_passages_keep_their_budget_and_have_no_space_around(
    text: str, unit_tokens: int, passage_tokens: int
) -> None:
    tokens = find_tokens(text)
    for unit in split_into_units(make_article(text), unit_tokens, passage_tokens):
        for passage in unit.passages:
            content = text[passage.span.start : passage.span.end]
            assert content == content.strip()
            assert count(tokens, passage.span) <= passage_tokens or " " not in content


@properties
@given(text=_TEXTS, unit_tokens=st.integers(4, 60), passage_tokens=st.integers(3, 15))
def test_passage_holds_the_text_of_one_section_only(
    text: str, unit_tokens: int, passage_tokens: int
) -> None:
    article = make_article(text)
    for unit in split_into_units(article, unit_tokens, passage_tokens):
        for passage in unit.passages:
            for heading in article.headings:
                if passage.span.start < heading.start < passage.span.end:
                    # What stands before an inner heading are headings without text of their own.
                    line = text.rfind("\n", 0, passage.span.start) + 1
                    assert not _HEADING.sub("", text[line : heading.start]).strip()


@properties
@given(text=_TEXTS, unit_tokens=st.integers(4, 60), passage_tokens=st.integers(3, 15))
def test_passage_names_the_headings_over_it(
    text: str, unit_tokens: int, passage_tokens: int
) -> None:
    article = make_article(text)
    for unit in split_into_units(article, unit_tokens, passage_tokens):
        for passage in unit.passages:
            above = [h for h in article.headings if h.start < passage.span.end]
            path: list[Heading] = []
            # From the nearest heading outwards.
            for heading in reversed(above):
                if not path or heading.level < path[0].level:
                    path.insert(0, heading)
            assert passage.heading == " > ".join(heading.text for heading in path)


@properties
@given(
    text=_TEXTS,
    cuts=st.lists(st.integers(1, 300), max_size=6, unique=True),
    passage_tokens=st.integers(3, 15),
)
def test_passage_names_the_page_that_it_begins_on(
    text: str, cuts: list[int], passage_tokens: int
) -> None:
    starts = [0, *sorted(cuts)]
    pages = tuple(PageStart(start, number) for number, start in enumerate(starts, start=1))
    for unit in split_into_units(make_article(text, pages), 60, passage_tokens):
        for passage in unit.passages:
            expected = max(page.number for page in pages if page.start <= passage.span.start)
            assert passage.page == expected


def test_heading_without_text_of_its_own_belongs_to_the_next_section() -> None:
    article = make_article("# Setup\n\n## Water\n\nFill the tank.\n\n## Power\n\nPlug it in.")
    (unit,) = split_into_units(article, 100, 100)
    assert [article.text[p.span.start : p.span.end] for p in unit.passages] == [
        "# Setup\n\n## Water\n\nFill the tank.",
        "## Power\n\nPlug it in.",
    ]
    assert [p.heading for p in unit.passages] == ["Setup > Water", "Setup > Power"]


def test_repeated_paragraphs_each_have_their_own_offsets() -> None:
    paragraph = "Press the button twice."
    article = make_article("\n\n".join([paragraph] * 5))
    (unit,) = split_into_units(article, 100, 8)
    step = len(paragraph) + 2
    assert [p.span for p in unit.passages] == [
        Span(i * step, i * step + len(paragraph)) for i in range(5)
    ]


def test_article_without_pages_has_passages_without_page() -> None:
    (unit,) = split_into_units(make_article("Hot tea."), 100, 10)
    assert [(p.heading, p.page) for p in unit.passages] == [("", None)]


@pytest.mark.timeout(120)
def test_text_of_many_sections_is_cut_in_one_pass() -> None:
    text = "# Tea\n\nSteep it.\n\n" * 200_000
    units = split_into_units(make_article(text), 8000, 160)
    assert sum(len(unit.passages) for unit in units) == 200_000
    assert {passage.heading for unit in units for passage in unit.passages} == {"Tea"}


@pytest.mark.timeout(120)
def test_row_of_many_sentences_is_cut_in_one_pass() -> None:
    row = "| " + " | ".join(["It is here. See there!"] * 200_000) + " |"
    text = f"| A |\n| --- |\n{row}\n"
    units = split_into_units(make_article(text), 8000, 160)
    assert units[-1].span.end == len(text)


@pytest.mark.timeout(120)
def test_words_without_any_sentence_are_cut_in_one_pass() -> None:
    text = "tea,cup " * 400_000
    units = split_into_units(make_article(text), 160, 16)
    assert sum(len(unit.passages) for unit in units) == 75_000


@pytest.mark.parametrize("is_bare", [False, True])
def test_tables_are_cut_between_rows_and_a_head_stays_with_its_first_row(is_bare: bool) -> None:
    rows = [f"| name {n} | It is here. See there! | {n} |" for n in range(40)]
    lines = ["| A | B | C |", "| --- | --- | --- |", *rows]
    text = "\n".join(line.strip(" |") if is_bare else line for line in lines)
    (unit,) = split_article(
        make_article(text), find_tokens(text), unit_tokens=10_000, passage_tokens=40
    )
    spans = [passage.span for passage in unit.passages]
    assert len(spans) > 10
    for span in spans:
        assert span.start == 0 or text[span.start - 1] == "\n"
        assert span.end == len(text) or text[span.end] == "\n"
    assert "name 0 |" in text[spans[0].start : spans[0].end]


@pytest.mark.parametrize("gap", [" ", ". ", "\n\n", ", "])
def test_long_text_is_not_cut_on_when_nobody_waits(gap: str) -> None:
    text = f"tea{gap}" * 10_000
    starts = np.arange(0, len(text), 2)
    with work_while(lambda: False), pytest.raises(WorkCancelled):
        split_span(text, Span(0, len(text)), starts, 100)


def test_cutting_a_long_text_takes_little_memory_beside_it() -> None:
    # Of each place where it may be cut numbers are kept: objects took fourteen times the text.
    text = "Tea is warm.\n" * 100_000
    starts = np.arange(0, len(text), 4)
    tracemalloc.start()
    try:
        split_span(text, Span(0, len(text)), starts, 8000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(text)
