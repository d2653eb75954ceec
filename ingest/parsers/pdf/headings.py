"""Which blocks are headings: by the file's tags and outline, and by type, weight and numbers."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ingest.parsers.pdf.lines import Line
from ingest.parsers.pdf.paragraphs import Block
from ingest.parsers.pdf.running_heads import shape_of
from ingest.parsers.pdf.words import SKEWED, Word

_LONGEST = 140
_MAX_LINES = 3
_LARGER, _LARGER_OF_OTHER = 1.12, 1.06
_APART = 1.3
_RARE = 0.25
_MOST = 0.6
_MIN_LISTED = 3
_CAPITALS = 0.6
_NUMBER = re.compile(
    r"^(?:(?:chapter|part|section|appendix|article)\s+)?(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+(?=\D)",
    re.I,
)
_LETTERED = re.compile(r"^(?:[A-Z](?:\.\d{1,2}){0,3}|[IVX]{1,5})\.?\s+(?=[A-Z])")
_NO_HEADING_END = re.compile(r"[.,;]$|[-–]$")
_NO_HEADING = re.compile(
    r"www\.|@|://|(?:\.\s?){4}|\w\.(?:com|org|net|edu|gov)\b"
    r"|^(?:figure|fig\.|table|tab\.|source|note|listing|algorithm|chart \d|exhibit \d)\b",
    re.I,
)
_UNFINISHED = re.compile(r"\b(?:the|a|an|of|and|or|to|in|for|by|is|are|with|from)$", re.I)
_MAX_COMMAS = 2


@dataclass(frozen=True, slots=True)
class Style:
    """How a block is set: size of type in half points, and weight."""

    half_points: int
    bold: bool
    font: str = ""


def style_of(block: Block) -> Style:
    """Return the style of most of a block's letters."""
    size = max(line.size for line in block.lines)
    bold = all(line.bold for line in block.lines)
    return Style(round(2 * size), bold, _font_of(block.lines[0]))


def find_body(blocks: Iterable[Block]) -> Style:
    """Return the style of most of the text."""
    letters: Counter[Style] = Counter()
    for block in blocks:
        for line in block.lines:
            style = Style(round(2 * line.size), line.bold, _font_of(line))
            letters[style] += len(line.text)
    return letters.most_common(1)[0][0] if letters else Style(20, bold=False)


def _font_of(line: Line) -> str:
    longest = max(line.words, key=lambda word: len(word.text), default=None)
    return longest.font.name if longest else ""


def split_tagged(blocks: Sequence[Block], levels: Mapping[int, int]) -> list[Block]:
    """Part blocks where the page's tags make a line a heading and the next one not."""
    if not levels:
        return list(blocks)
    parts: list[Block] = []
    for block in blocks:
        if block.table:
            parts.append(block)
            continue
        gap = block.gap
        for _, lines in groupby(block.lines, key=lambda line: _find_level(line.words, levels)):
            parts.append(Block(list(lines), gap=gap))
            gap = _APART
    return parts


def _find_level(words: Sequence[Word], levels: Mapping[int, int]) -> int:
    """Return the level of the heading that most of some words are tagged as; 0 for none."""
    tagged = [levels[word.tag] for word in words if word.tag in levels]
    return tagged[0] if len(tagged) > _MOST * len(words) else 0


def mark_headings(
    pages: Sequence[Sequence[Block]], levels: Sequence[dict[int, int]], running: Container[str]
) -> None:
    """Set the level of the blocks that the file's tags make headings, or else typography.

    `levels` are those of each page's marked contents; running heads and feet are not headings.
    """
    blocks = [block for page in pages for block in page]
    if any(levels) and _mark_tagged(pages, levels):
        return
    body = find_body(block for block in blocks if not block.table)
    total = sum(len(line.text) for block in blocks for line in block.lines) or 1
    candidates: list[Block] = []
    for page in pages:
        for number, block in enumerate(page):
            following = page[number + 1] if number + 1 < len(page) else None
            if shape_of(block.lines) not in running and _stands_out(block, following, body):
                candidates.append(block)
    candidates = _drop_lists(pages, candidates)
    letters: Counter[Style] = Counter()
    for block in blocks if candidates else ():
        letters[style_of(block)] += sum(len(line.text) for line in block.lines)
    chosen = [b for b in candidates if letters[style_of(b)] <= _RARE * total or len(blocks) < 8]
    repeated = Counter(b.lines[0].text for b in chosen)
    chosen = [b for b in chosen if repeated[b.lines[0].text] <= 3]
    _set_levels(chosen)


def _drop_lists(pages: Sequence[Sequence[Block]], candidates: list[Block]) -> list[Block]:
    """Return the candidates without runs of one style that have no text between them.

    A heading has something under it: these are the points of a cover or a list. The last of them
    stays where the text under it is nearer than the line above.
    """
    known = set(map(id, candidates))
    listed: set[int] = set()
    for page in pages:
        run: list[Block] = []
        for block in page:
            style = style_of(block) if id(block) in known else None
            if run and style != style_of(run[0]):
                if len(run) >= _MIN_LISTED:
                    listed.update(map(id, run[:-1] if block.gap < run[-1].gap else run))
                run = []
            if style is not None:
                run.append(block)
        if len(run) >= _MIN_LISTED:
            listed.update(map(id, run))
    # A title page may have nothing but such lines, and the first of them is the title.
    first = next((id(block) for page in pages for block in page), 0)
    return [block for block in candidates if id(block) not in listed or id(block) == first]


def _mark_tagged(pages: Sequence[Sequence[Block]], levels: Sequence[dict[int, int]]) -> bool:
    """Set the level of tagged headings; says whether there was one."""
    marked = False
    for page, known in zip(pages, levels, strict=True):
        for block in page:
            words = [word for line in block.lines for word in line.words]
            level = _find_level(words, known)
            if level and not block.table and _is_short(block):
                block.level = level
                marked = True
    return marked


def _is_short(block: Block) -> bool:
    return sum(len(line.text) for line in block.lines) <= 2 * _LONGEST


def _stands_out(block: Block, following: Block | None, body: Style) -> bool:
    if block.table or len(block.lines) > _MAX_LINES:
        return False
    # A watermark.
    if any(word.turn == SKEWED for line in block.lines for word in line.words):
        return False
    text = " ".join(line.text for line in block.lines)
    if len(text) > _LONGEST or (letters := sum(map(str.isalpha, text))) < 3:
        return False
    if letters < 0.5 * len(text.replace(" ", "")) or _NO_HEADING.search(text):
        return False
    if _NO_HEADING_END.search(text) or text[0].islower() or text[0] in "•●▪◦○■–—─-*·":
        return False
    if following is not None and not following.table and following.lines[0].text[:1].islower():
        return False
    style = style_of(block)
    numbered = bool(_NUMBER.match(text) or _LETTERED.match(text))
    if _UNFINISHED.search(text) or (text.count(",") > _MAX_COMMAS and not numbered):
        return False
    other = style.font != body.font
    larger = style.half_points >= (_LARGER_OF_OTHER if other else _LARGER) * body.half_points
    heavier = style.bold and not body.bold and style.half_points >= 0.95 * body.half_points
    if not (larger or heavier):
        same_size = style.half_points >= body.half_points - 1
        capitals = text.isupper() and letters >= 5 and same_size
        if _is_italic_head(block, following, text) and same_size:
            return True
        return numbered and (capitals or (other and same_size and block.gap >= _APART))
    if following is None:
        return larger
    return larger or not text.endswith(":")


def _is_italic_head(block: Block, following: Block | None, text: str) -> bool:
    """Say whether a block is a line of capitalized words in italics, close over plain text."""
    if following is None or following.table or following.lines[0].italic:
        return False
    words = [word for word in text.split() if len(word) >= 4]
    capitals = sum(word[0].isupper() for word in words)
    apart = block.gap >= _APART and following.gap < block.gap
    return block.lines[0].italic and apart and capitals >= _CAPITALS * max(1, len(words))


def _set_levels(blocks: Sequence[Block]) -> None:
    sizes = sorted({style_of(block).half_points for block in blocks}, reverse=True)
    for block in blocks:
        style = style_of(block)
        level = 1 + sizes.index(style.half_points)
        text = block.lines[0].text
        if (number := _NUMBER.match(text)) and len(sizes) > 1:
            level = max(level, number[1].count(".") + 1)
        block.level = min(6, level)
