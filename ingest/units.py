"""Cutting an article into units and passages, with offsets that are born with the cut.

A unit is the whole text when it fits the model. Otherwise the text is tiled by the fewest units
that its boundaries allow, and among those cuts the best ones are taken: before a section, else
between paragraphs, else between lines or sentences. Only a sentence that is too long by itself is
cut: between clauses, and a clause between words. A word never is; where a script puts no space
between words, the model's tokens are taken for them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import regex

from app.domain import Article, Passage, Span, Unit
from app.errors import UnreadableDocument
from app.index.sentences import CLAUSE_END, SENTENCE_END
from app.index.tables import RULE
from app.index.words import is_unspaced
from ingest.outline import Outline, outline

TokenStarts = npt.NDArray[np.int64]


class Boundary(IntEnum):
    """How good a place is to cut; higher is better."""

    CHARACTER = 1
    WORD = 2
    CLAUSE = 3
    SENTENCE = 4
    PARAGRAPH = 5
    SECTION = 6
    END = 7


_PARAGRAPH_END = regex.compile(r"\n[ \t]*\n\s*")
# Unicode's word boundaries (UAX 29), at which ideographs stand alone.
_WORD_BOUNDARY = regex.compile(r"(?w)\b", flags=regex.VERSION1)


def split_article(
    article: Article,
    token_starts: TokenStarts,
    *,
    unit_tokens: int,
    passage_tokens: int,
    fits: Callable[[Span], bool] = lambda span: True,
) -> tuple[Unit, ...]:
    """Cut `article` into units that tile its text, each with the passages inside it.

    `token_starts` are the offsets of the text's tokens, ascending. A unit starts at most
    `unit_tokens` of them and, since tokens can differ at the edges of a cut, must also satisfy
    `fits`. Raises UnreadableDocument (`unsplittable_text`) when one word alone is too long.
    """
    text, sections = article.text, outline(article)
    whole = Span(0, len(text))
    budget = unit_tokens
    while True:
        spans = split_span(text, whole, token_starts, budget, sections=sections.starts)
        for span in spans:
            if (count := count_tokens(token_starts, span)) > budget:
                raise UnreadableDocument(
                    f"the word of {len(span)} characters at offset {span.start} has {count} "
                    f"tokens; a unit holds at most {budget}, and words are not cut",
                    code="unsplittable_text",
                )
        if all(fits(span) for span in spans):
            break
        # The tokens at a cut differ from those of the uncut text: leave a little more room.
        budget -= max(1, budget // 50)
    return tuple(
        Unit(span, tuple(_split_passages(text, sections, span, token_starts, passage_tokens)))
        for span in spans
    )


def split_span(
    text: str,
    span: Span,
    token_starts: TokenStarts,
    budget: int,
    *,
    sections: Iterable[int] = (),
) -> list[Span]:
    """Tile `span` of `text` with the fewest spans of at most `budget` tokens.

    Where there is a choice the best kind of boundary wins, then the most even share. A word with
    more than `budget` tokens comes back as a span of its own, over the budget.
    """
    if count_tokens(token_starts, span) <= budget:
        return [span]
    kinds = _find_boundaries(text, span, token_starts, budget, sections)
    places = sorted(kinds)
    # tokens[i]: tokens that start before places[i]
    tokens = np.searchsorted(token_starts, places, side="left").tolist()
    furthest = _find_furthest(tokens, budget)
    # pieces[i]: the fewest spans from places[i] to the end; never grows with i
    pieces = [0] * len(places)
    for i in range(len(places) - 2, -1, -1):
        pieces[i] = 1 + pieces[furthest[i]]
    spans = []
    at = 0
    while at < len(places) - 1:
        choices = [j for j in range(at + 1, furthest[at] + 1) if pieces[j] == pieces[at] - 1]
        even = tokens[at] + (tokens[-1] - tokens[at]) / pieces[at]
        best = max(choices, key=lambda j: (kinds[places[j]], -abs(tokens[j] - even)))
        spans.append(Span(places[at], places[best]))
        at = best
    return spans


def _find_furthest(tokens: list[int], budget: int) -> list[int]:
    """For each place return the last place that one span can reach; at least the next one."""
    furthest = []
    j = 0
    for i in range(len(tokens)):
        j = max(j, i)
        while j + 1 < len(tokens) and (tokens[j + 1] - tokens[i] <= budget or j == i):
            j += 1
        furthest.append(j)
    return furthest


def _find_boundaries(
    text: str, span: Span, token_starts: TokenStarts, budget: int, sections: Iterable[int]
) -> dict[int, Boundary]:
    """Return the places inside `span` where a cut may fall, its two ends included."""
    kinds: dict[int, Boundary] = {}

    def mark(place: int, kind: Boundary) -> None:
        if span.start < place < span.end:
            kinds[place] = max(kind, kinds.get(place, kind))

    for match, line in _with_lines(text, span):
        if not _cuts_row(text, match, line):
            mark(match.end(), Boundary.SENTENCE)
    for match in _PARAGRAPH_END.finditer(text, span.start, span.end):
        mark(match.end(), Boundary.PARAGRAPH)
    for start in sections:
        mark(start, Boundary.SECTION)
    kinds[span.start] = kinds[span.end] = Boundary.END
    for start, end in _find_long(kinds, token_starts, budget):
        for match in CLAUSE_END.finditer(text, start, end):
            mark(match.end(), Boundary.CLAUSE)
    for start, end in _find_long(kinds, token_starts, budget):
        begins_token = _mark_tokens(token_starts, Span(start, end))
        for boundary in _WORD_BOUNDARY.finditer(text, start, end):
            place = boundary.start()
            is_word = begins_token[place - start] or not _is_amid_run(text, place)
            mark(place, Boundary.WORD if is_word else Boundary.CHARACTER)
    return kinds


def _mark_tokens(token_starts: TokenStarts, span: Span) -> bytes:
    """Return, for each place of a span and for its end, whether a token begins there.

    A set of the places of all tokens would be made for each span of a text, and in one of megabytes
    keep the interpreter for a second.
    """
    first, last = np.searchsorted(token_starts, (span.start, span.end + 1))
    begins = np.zeros(span.end - span.start + 1, np.bool_)
    begins[token_starts[first:last] - span.start] = True
    return begins.tobytes()


def _find_long(
    kinds: Mapping[int, Boundary], token_starts: TokenStarts, budget: int
) -> list[tuple[int, int]]:
    """Return what lies between two boundaries and has more than `budget` tokens."""
    return [
        (start, end)
        for start, end in pairwise(sorted(kinds))
        if count_tokens(token_starts, Span(start, end)) > budget
    ]


def _is_amid_run(text: str, place: int) -> bool:
    """Return whether both characters at a place are of scripts without spaces between words."""
    return 0 < place < len(text) and is_unspaced(text[place - 1]) and is_unspaced(text[place])


def _with_lines(text: str, span: Span) -> Iterator[tuple[regex.Match[str], int]]:
    """Yield the ends of sentences in a span, each with where its line begins."""
    line, looked = text.rfind("\n", 0, span.start) + 1, span.start
    for end in SENTENCE_END.finditer(text, span.start, span.end):
        # From the end before on: a line may be a row of megabytes.
        line = text.rfind("\n", looked, end.start()) + 1 or line
        looked = end.start()
        yield end, line


def _cuts_row(text: str, end: regex.Match[str], line: int) -> bool:
    """Return whether a cut would go through a row of a table, or between its head and first row."""
    if not text.startswith("|", line) or not text.startswith("|", end.end()):
        return text.startswith("|", line) and "\n" not in end[0]
    return "\n" not in end[0] or any(RULE.match(text, at) for at in (line, end.end()))


def _split_passages(
    text: str, sections: Outline, unit: Span, token_starts: TokenStarts, budget: int
) -> Iterator[Passage]:
    """Yield the passages of a unit: they keep to one section and hold all its words."""
    edges = [unit.start]
    for start in sections.sections_inside(unit):
        # A heading without text of its own belongs to the section that follows it.
        section = text[edges[-1] : start].strip()
        if not (edges[-1] in sections.begins and "\n" not in section):
            edges.append(start)
    edges.append(unit.end)
    for start, end in pairwise(edges):
        for span in split_span(text, Span(start, end), token_starts, budget):
            trimmed = _trim(text, span)
            if trimmed is not None:
                path = sections.path_at(trimmed.end - 1)
                yield Passage(trimmed, path, sections.page_at(trimmed.start))


def count_tokens(token_starts: TokenStarts, span: Span) -> int:
    """Return how many tokens start in a span."""
    first, last = np.searchsorted(token_starts, (span.start, span.end), side="left")
    return int(last - first)


def _trim(text: str, span: Span) -> Span | None:
    content = text[span.start : span.end]
    start = span.start + len(content) - len(content.lstrip())
    end = span.start + len(content.rstrip())
    return Span(start, end) if start < end else None
