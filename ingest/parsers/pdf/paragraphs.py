"""Lines to paragraphs: by their distance, indents, lists, and where a line ends early."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from app.index.sentences import ends_sentence
from ingest.parsers.pdf.hyphens import Hyphens
from ingest.parsers.pdf.lines import Line

_BULLET = re.compile(r"^[•◦▪■●○‣⁃∙➢➤►✓✔❖□▸◻]\s")
_WEAK_ITEM = re.compile(r"^(?:[·–—*-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)])\s")
_FARTHER = 1.25
_LEADING_OF_HEADINGS = 1.35
_LARGER = 1.06
_TITLE_SIZE, _FITTED = 18.0, 1.12
_SHORT = 0.75
_HEAVIER = 0.7
_JOINED_LETTERS = 35
_UNSPACED = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
# An entry of a table of contents: dots, and the number of its page.
_ENTRY = re.compile(r"(?:\.\s?){4,}\s*(?:\d+|[ivxlc]+)$")
_OPEN_END = re.compile(r"[:;：；]['\"”’)\]]*$")


@dataclass(slots=True)
class Block:
    """A paragraph, a list item, a heading or a table, as text; `lines` are its lines."""

    lines: list[Line]
    text: str = ""
    table: bool = False
    level: int = 0
    page: int = 0
    start: int = field(default=0, init=False)
    gap: float = 0.0
    """The distance to the line before it, in sizes of its type."""


def find_paragraphs(lines: Sequence[Line]) -> Iterator[Block]:
    """Yield the paragraphs of consecutive lines of one column."""
    if not lines:
        return
    steps = sorted(b.y - a.y for a, b in pairwise(lines) if b.y > a.y)
    leading = steps[int(0.3 * len(steps))] if steps else 0.0
    left = min(line.x0 for line in lines)
    right = max(line.x1 for line in lines)
    current = [lines[0]]
    gap = 9.0
    for above, line in pairwise(lines):
        if _breaks(above, line, leading, left, right):
            yield Block(current, gap=gap)
            current, gap = [], (line.y - above.y) / line.size
        current.append(line)
    yield Block(current, gap=gap)


def _breaks(above: Line, line: Line, leading: float, left: float, right: float) -> bool:
    step = line.y - above.y
    size = max(above.size, line.size)
    # Lines of a heading may be farther apart than those of the text under it.
    nearest = _LEADING_OF_HEADINGS * size if size >= 0.95 * leading else 0.0
    if step <= 0 or step > max(_FARTHER * leading, nearest) or step > 3 * size:
        return True
    larger = size > _LARGER * min(above.size, line.size) and not _is_title(above, line, step)
    if larger or abs(above.weight - line.weight) > _HEAVIER:
        return True
    ended = ends_sentence(above.text) or bool(_OPEN_END.search(above.text))
    short = above.x1 < right - 0.15 * (right - left)
    if _BULLET.match(line.text) or _is_italic_head(above, line):
        return True
    # A dash or a number at a line's start may be in the middle of a sentence.
    if _WEAK_ITEM.match(line.text) and (ended or short or _WEAK_ITEM.match(above.text)):
        return True
    if ended and above.x1 < left + _SHORT * (right - left):
        return True
    # The first line of a paragraph is indented.
    return ended and 0.8 * size <= line.x0 - above.x0 <= 4 * size and above.x0 < left + size


def _is_title(above: Line, line: Line, step: float) -> bool:
    """Say whether two large lines, close together in one face, are a title fitted to its width."""
    small, large = sorted((above.size, line.size))
    near = small >= _TITLE_SIZE and large <= _FITTED * small and step <= 1.3 * large
    return near and above.bold and line.bold and above.words[0].font == line.words[0].font


def _is_italic_head(above: Line, line: Line) -> bool:
    """Say whether a short line all in italics stands over text that is not."""
    short = above.x1 - above.x0 < _SHORT * (line.x1 - line.x0)
    return short and above.text[:1].isupper() and above.italic and not line.italic


def is_item(block: Block) -> bool:
    """Say whether a block is an item of a list."""
    text = block.lines[0].text
    return not block.table and bool(_BULLET.match(text) or _WEAK_ITEM.match(text))


def write_paragraph(lines: Sequence[Line], hyphens: Hyphens) -> str:
    """Return the lines as text: full lines of prose are joined, short ones stay lines.

    So do lines of ideographs, which no space may part.
    """
    right = max(line.x1 for line in lines)
    letters = max(len(line.text) for line in lines)
    text = lines[0].text
    for above, line in pairwise(lines):
        if (joined := hyphens.join(text, line.text)) is not None:
            text = joined
        elif letters >= _JOINED_LETTERS and _is_full(above, line, right):
            text += " " + line.text
        else:
            text += "\n" + line.text
    return text


def _is_full(line: Line, following: Line, right: float) -> bool:
    """Say whether the next line's first word had no room at the end of the line."""
    if _UNSPACED.match(line.text[-1:]) or _UNSPACED.match(following.text):
        return False
    if _ENTRY.search(line.text):
        return False
    word = following.text.partition(" ")[0]
    width = (following.x1 - following.x0) * len(word) / max(1, len(following.text))
    return line.x1 + width + 0.2 * line.size >= right - 0.5 * line.size
