"""Cutting an article into units and passages, with offsets that are born with the cut.

A unit is the whole text when it fits the model. Otherwise the text is tiled by the fewest units
that its boundaries allow, and among those cuts the best ones are taken: before a section, else
between paragraphs, else between lines or sentences. Only a sentence that is too long by itself is
cut: between clauses, and a clause between words. A word never is; where a script puts no space
between words, the model's tokens are taken for them.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import regex

from app.domain import Article, Passage, Span, Unit
from app.errors import UnreadableDocument
from app.index.sentences import CLAUSE_END, SENTENCE_END
from app.index.tables import Table, find_table, find_tables
from app.index.words import is_unspaced
from app.runtime.deadline import check_between
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
    tables = find_tables(text)
    whole = Span(0, len(text))
    budget = unit_tokens
    while True:
        spans = split_span(
            text, whole, token_starts, budget, sections=sections.starts, tables=tables
        )
        for span in spans:
            if (count := count_tokens(token_starts, span)) > budget:
                raise UnreadableDocument(
                    f"the word of {len(span)} characters at offset {span.start} has {count} "
                    f"tokens; a unit holds at most {budget}, and words are not cut",
                    code="unsplittable_text",
                )
        if all(fits(span) for span in check_between(spans, at_once=1)):
            break
        # The tokens at a cut differ from those of the uncut text: leave a little more room.
        budget -= max(1, budget // 50)
    return tuple(
        Unit(
            span,
            tuple(_split_passages(text, sections, tables, span, token_starts, passage_tokens)),
        )
        for span in check_between(spans, at_once=1)
    )


def split_span(
    text: str,
    span: Span,
    token_starts: TokenStarts,
    budget: int,
    *,
    sections: Sequence[int] = (),
    tables: Sequence[Table] = (),
) -> list[Span]:
    """Tile `span` of `text` with the fewest spans of at most `budget` tokens.

    Where there is a choice the best kind of boundary wins, then the most even share. A word with
    more than `budget` tokens comes back as a span of its own, over the budget.
    """
    if count_tokens(token_starts, span) <= budget:
        return [span]
    places = find_places(text, span, token_starts, budget, sections, tables)
    # tokens[i]: tokens that start before the i-th place
    tokens = np.searchsorted(token_starts, places.offsets)
    furthest = _find_furthest(tokens, budget)
    firsts = _find_firsts(furthest)
    spans = []
    at = 0
    for left in range(len(firsts) - 1, 0, -1):
        choices = slice(firsts[left - 1], int(furthest[at]) + 1)
        even = tokens[at] + (tokens[-1] - tokens[at]) / left
        best = choices.start + _choose(places.kinds[choices], abs(tokens[choices] - even))
        spans.append(Span(int(places.offsets[at]), int(places.offsets[best])))
        at = best
    return spans


def _find_furthest(tokens: npt.NDArray[np.int64], budget: int) -> npt.NDArray[np.int64]:
    """For each place return the last place that one span can reach; at least the next one."""
    numbers = np.arange(len(tokens))
    reached = np.searchsorted(tokens, tokens + budget, side="right") - 1
    return np.minimum(np.maximum(reached, numbers + 1), len(tokens) - 1)


def _find_firsts(furthest: npt.NDArray[np.int64]) -> list[int]:
    """For each number of spans return the first place from which so many reach the end.

    What one span reaches never comes before what one reaches that begins earlier.
    """
    firsts = [len(furthest) - 1]
    while firsts[-1]:
        firsts.append(int(np.searchsorted(furthest, firsts[-1])))
    return firsts


def _choose(kinds: npt.NDArray[np.int8], distances: npt.NDArray[np.float64]) -> int:
    """Return which of several places is of the best kind, and of those the nearest, the first."""
    best = np.flatnonzero(kinds == kinds.max())
    return int(best[np.argmin(distances[best])])


@dataclass(frozen=True, slots=True)
class Places:
    """Where a text may be cut, in order, and what each is: of megabytes, a million of them."""

    offsets: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int8]


def find_places(
    text: str,
    span: Span,
    token_starts: TokenStarts,
    budget: int,
    sections: Sequence[int],
    tables: Sequence[Table] = (),
) -> Places:
    """Return the places inside `span` where a cut may fall, its two ends included."""
    found: dict[Boundary, Sequence[int]] = {
        Boundary.SENTENCE: _find_sentence_ends(text, span, tables),
        Boundary.PARAGRAPH: _find_ends(_PARAGRAPH_END, text, [span]),
        Boundary.SECTION: sections,
        Boundary.END: (span.start, span.end),
    }
    places = _sort_places(found, span)
    if long := _find_long(places, token_starts, budget):
        found[Boundary.CLAUSE] = _find_ends(CLAUSE_END, text, long)
        places = _sort_places(found, span)
    if long := _find_long(places, token_starts, budget):
        found |= _find_words(text, long, token_starts)
        places = _sort_places(found, span)
    return places


def _sort_places(found: Mapping[Boundary, Sequence[int]], span: Span) -> Places:
    """Return all places in a span in order, each as the best kind of boundary that it is."""
    ends = {kind: np.array(found[kind], np.int64) for kind in sorted(found)}
    inside = {kind: at[(span.start <= at) & (at <= span.end)] for kind, at in ends.items()}
    # Each kind is in order, which sorting makes use of; np.unique keeps the interpreter.
    sorted_ = np.sort(np.concatenate(list(inside.values())), kind="stable")
    offsets = sorted_[np.append(True, np.diff(sorted_) > 0)]
    kinds = np.zeros(len(offsets), np.int8)
    # From the worst kind to the best.
    for kind, at in inside.items():
        kinds[np.searchsorted(offsets, at)] = kind
    return Places(offsets, kinds)


def _find_sentence_ends(text: str, span: Span, tables: Sequence[Table]) -> Sequence[int]:
    ends = check_between(_with_lines(text, span))
    return array("q", (end.end() for end, line in ends if not _cuts_row(tables, end, line)))


def _find_ends(pattern: regex.Pattern[str], text: str, spans: Iterable[Span]) -> Sequence[int]:
    """Return where the matches in some spans end."""
    found = (match for span in spans for match in pattern.finditer(text, span.start, span.end))
    return array("q", (match.end() for match in check_between(found)))


def _find_words(
    text: str, spans: Iterable[Span], token_starts: TokenStarts
) -> dict[Boundary, Sequence[int]]:
    """Return the places between the words of some spans; between tokens where none has a space."""
    words, characters = array("q"), array("q")
    for span in spans:
        begins_token = _mark_tokens(token_starts, span)
        for boundary in check_between(_WORD_BOUNDARY.finditer(text, span.start, span.end)):
            place = boundary.start()
            is_word = begins_token[place - span.start] or not _is_amid_run(text, place)
            (words if is_word else characters).append(place)
    return {Boundary.WORD: words, Boundary.CHARACTER: characters}


def _mark_tokens(token_starts: TokenStarts, span: Span) -> bytes:
    """Return, for each place of a span and for its end, whether a token begins there.

    A set of the places of all tokens would be made for each span of a text, and in one of megabytes
    keep the interpreter for a second.
    """
    first, last = np.searchsorted(token_starts, (span.start, span.end + 1))
    begins = np.zeros(span.end - span.start + 1, np.bool_)
    begins[token_starts[first:last] - span.start] = True
    return begins.tobytes()


def _find_long(places: Places, token_starts: TokenStarts, budget: int) -> list[Span]:
    """Return what lies between two places and has more than `budget` tokens."""
    counts = np.diff(np.searchsorted(token_starts, places.offsets))
    numbers = np.flatnonzero(counts > budget).tolist()
    return [Span(int(places.offsets[n]), int(places.offsets[n + 1])) for n in numbers]


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


def _cuts_row(tables: Sequence[Table], end: regex.Match[str], line: int) -> bool:
    """Return whether a cut would go through a row of a table, or between its head and first row."""
    table = find_table(tables, line)
    if table is None:
        return False
    ends_head = end.start() < table.rows or end.start() == table.rows < table.end
    return ends_head or "\n" not in end[0]


def _split_passages(
    text: str,
    sections: Outline,
    tables: Sequence[Table],
    unit: Span,
    token_starts: TokenStarts,
    budget: int,
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
        for span in split_span(text, Span(start, end), token_starts, budget, tables=tables):
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
