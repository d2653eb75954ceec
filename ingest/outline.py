"""The sections and pages of an article, found by offset however many there are."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from app.domain import Article, Heading, PageStart, Span

# The words of a heading stand in the text; of its path, which each passage has, no more is needed.
_MAX_HEADING = 256


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the sections of an article begin, in order, and what stands over each."""

    starts: Sequence[int]
    paths: Sequence[str]
    """Headings over a section, outermost first, as `Setup > Water > Hardness`."""
    begins: Set[int]
    """The starts again, to ask for one."""
    pages: tuple[PageStart, ...]

    def path_at(self, offset: int) -> str:
        """Return the headings over an offset; "" before the first."""
        at = bisect_right(self.starts, offset)
        return self.paths[at - 1] if at else ""

    def sections_inside(self, span: Span) -> Sequence[int]:
        """Return where sections begin after the start of a span and before its end."""
        first, last = bisect_right(self.starts, span.start), bisect_left(self.starts, span.end)
        return self.starts[first:last]

    def page_at(self, offset: int) -> int | None:
        """Return the number of the page that holds an offset; None for a text without pages."""
        at = bisect_right(self.pages, offset, key=lambda page: page.start)
        return self.pages[at - 1].number if at else None


def outline(article: Article) -> Outline:
    """Return the sections and pages of an article."""
    starts = tuple(heading.start for heading in article.headings)
    return Outline(starts, tuple(_list_paths(article.headings)), frozenset(starts), article.pages)


def _list_paths(headings: Iterable[Heading]) -> Iterator[str]:
    path: list[tuple[int, str]] = []
    for heading in headings:
        path = [(level, words) for level, words in path if level < heading.level]
        path.append((heading.level, _shorten(heading.text)))
        yield " > ".join(words for _, words in path)


def _shorten(words: str) -> str:
    return words if len(words) <= _MAX_HEADING else f"{words[: _MAX_HEADING - 1]}…"
