"""Which section and page an offset of an article is in."""

import pytest

from app.domain import Article, Heading, PageStart, Span
from ingest.outline import outline

_HEADINGS = (
    Heading(5, 1, "A"),
    Heading(15, 3, "B"),
    Heading(25, 2, "C"),
    Heading(35, 1, "D"),
    Heading(45, 4, "E"),
)


@pytest.mark.parametrize(
    ("offset", "path"),
    [(0, ""), (5, "A"), (14, "A"), (15, "A > B"), (25, "A > C"), (35, "D"), (45, "D > E")],
)
def test_path_leaves_out_closed_sections(offset: int, path: str) -> None:
    assert outline(Article("", headings=_HEADINGS)).path_at(offset) == path


def test_sections_inside_a_span_begin_after_its_start() -> None:
    sections = outline(Article("", headings=_HEADINGS))
    assert list(sections.sections_inside(Span(5, 35))) == [15, 25]
    assert list(sections.sections_inside(Span(0, 99))) == [5, 15, 25, 35, 45]


def test_page_of_an_offset_is_the_last_one_that_began() -> None:
    pages = (PageStart(0, 1), PageStart(10, 2), PageStart(10, 3), PageStart(20, 4))
    read = outline(Article("", pages=pages))
    assert [read.page_at(offset) for offset in (0, 9, 10, 19, 20, 99)] == [1, 1, 3, 3, 4, 4]
    assert outline(Article("")).page_at(5) is None


def test_heading_of_a_megabyte_is_shortened_in_the_path_of_each_passage() -> None:
    headings = (Heading(0, 1, "tea " * 250_000), Heading(9, 2, "Milk"))
    path = outline(Article("", headings=headings)).path_at(10)
    assert path.startswith("tea tea ")
    assert path.endswith("… > Milk")
    assert len(path) == 256 + len(" > Milk")
