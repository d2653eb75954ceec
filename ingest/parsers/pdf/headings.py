"""Which blocks are headings: by the file's tags and outline, and by type, weight and numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.parsers.pdf.paragraphs import Block

_LONGEST = 140
_MOST_LINES = 3
_LARGER = 1.12
_RARE = 0.25
_NUMBER = re.compile(
    r"^(?:(?:chapter|part|section|appendix|article)\s+)?(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+(?=\D)",
    re.I,
)
_LETTERED = re.compile(r"^(?:[A-Z](?:\.\d{1,2}){0,3}|[IVX]{1,5})\.?\s+(?=[A-Z])")
_NO_HEADING_END = re.compile(r"[.,;]$|[-–]$")
_CAPTION = re.compile(r"^(?:figure|fig\.|table|tab\.|source|note|listing|algorithm)\b", re.I)


@dataclass(frozen=True, slots=True)
class Style:
    """How a block is set: size of type in half points, and weight."""

    half_points: int
    bold: bool


def style_of(block: Block) -> Style:
    """Return the style of most of a block's letters."""
    size = max(line.size for line in block.lines)
    return Style(round(2 * size), all(line.bold for line in block.lines))


def find_body(blocks: Iterable[Block]) -> Style:
    """Return the style of most of the text."""
    letters: Counter[Style] = Counter()
    for block in blocks:
        for line in block.lines:
            letters[Style(round(2 * line.size), line.bold)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else Style(20, bold=False)


def mark_headings(pages: Sequence[Sequence[Block]], levels: Sequence[dict[int, int]]) -> None:
    """Set the level of the blocks that the file's tags make headings, or else typography.

    `levels` are those of each page's marked contents.
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
            if _stands_out(block, following, body):
                candidates.append(block)
    letters: Counter[Style] = Counter()
    for block in blocks:
        letters[style_of(block)] += sum(len(line.text) for line in block.lines)
    chosen = [b for b in candidates if letters[style_of(b)] <= _RARE * total or len(blocks) < 8]
    repeated = Counter(b.lines[0].text for b in chosen)
    chosen = [b for b in chosen if repeated[b.lines[0].text] <= 3]
    _set_levels(chosen)


def _mark_tagged(pages: Sequence[Sequence[Block]], levels: Sequence[dict[int, int]]) -> bool:
    """Set the level of tagged headings; says whether there was one."""
    marked = False
    for page, known in zip(pages, levels, strict=True):
        for block in page:
            words = [word for line in block.lines for word in line.words]
            tagged = [known[word.tag] for word in words if word.tag in known]
            if not block.table and len(tagged) > 0.6 * len(words) and _is_short(block):
                block.level = tagged[0]
                marked = True
    return marked


def _is_short(block: Block) -> bool:
    return sum(len(line.text) for line in block.lines) <= 2 * _LONGEST


def _stands_out(block: Block, following: Block | None, body: Style) -> bool:
    text = " ".join(line.text for line in block.lines)
    letters = sum(letter.isalpha() for letter in text)
    if block.table or len(block.lines) > _MOST_LINES or len(text) > _LONGEST or letters < 3:
        return False
    if letters < 0.5 * len(text.replace(" ", "")) or _CAPTION.match(text):
        return False
    if _NO_HEADING_END.search(text) or text[0].islower() or text[0] in "•●▪◦○■–-*·":
        return False
    style = style_of(block)
    numbered = bool(_NUMBER.match(text) or _LETTERED.match(text))
    larger = style.half_points >= _LARGER * body.half_points
    heavier = style.bold and not body.bold and style.half_points >= 0.95 * body.half_points
    if not (larger or heavier):
        capitals = text.isupper() and letters >= 5 and style.half_points >= body.half_points - 1
        return capitals and numbered
    if following is None:
        return larger
    return larger or not text.endswith(":")


def _set_levels(blocks: Sequence[Block]) -> None:
    sizes = sorted({style_of(block).half_points for block in blocks}, reverse=True)
    for block in blocks:
        style = style_of(block)
        level = 1 + sizes.index(style.half_points)
        text = block.lines[0].text
        if (number := _NUMBER.match(text)) and len(sizes) > 1:
            level = max(level, number[1].count(".") + 1)
        block.level = min(6, level)
