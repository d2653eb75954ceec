"""One page: its words put into regions, lines, paragraphs and tables."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pypdf import PageObject

from ingest.parsers.pdf.annotations import add_targets, align_values, read_annotations
from ingest.parsers.pdf.grids import find_grids, has_large_picture
from ingest.parsers.pdf.layers import Layers, find_hidden_objects
from ingest.parsers.pdf.lines import Line, find_segments, join_runs
from ingest.parsers.pdf.regions import Region, find_regions
from ingest.parsers.pdf.tables import Placed, read_grid
from ingest.parsers.pdf.tags import read_tags
from ingest.parsers.pdf.words import (
    CLIPPED,
    LAYER_OFF,
    RIGHT_TO_LEFT,
    SHOWN,
    SKEWED,
    WITHOUT_INK,
    Frame,
    PageText,
    Word,
    frame_page,
)

# Symbol, Wingdings and Zapf Dingbats put their signs where Unicode has none.
_SIGNS = {
    0xF0B7: "•", 0xF0A7: "▪", 0xF0A8: "◻", 0xF0D8: "➢", 0xF0FC: "✓", 0xF0FE: "☑", 0xF06F: "□",
    0xF076: "❖", 0xF0E0: "→", 0xF0B0: "°", 0xF0B1: "±", 0xF0B4: "×", 0xF06D: "μ", 0xF057: "Ω",
    0xF0A3: "≤", 0xF0B3: "≥", 0xF02D: "−", 0xF0BE: "—", 0xF0AE: "→", 0xF020: " ", 0xF09F: "•",
    0xF06C: "●", 0xF06E: "■", 0xF0A0: " ", 0xF0F0: "➡", 0x7F: "•",
}  # fmt: skip
_LIGATURES = {
    0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st",
    0xFB06: "st",
}  # fmt: skip
_MENDED = {**_SIGNS, **_LIGATURES, 0x00AD: "\ufffe", 0x00A0: " "}
NO_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd\uffff]")
# A page with fewer letters and a large picture may be half a scan.
_FULL_PAGE = 1500
# A word is drawn twice at once, or in a second pass over the page.
_MAX_ALIKE = 50
_MIN_BULLETS = 3


@dataclass(slots=True)
class Page:
    """What a page holds; `regions` are in reading order."""

    regions: list[Region] = field(default_factory=list)
    letters: int = 0
    lost: int = 0
    """Characters that the fonts do not map to Unicode."""
    hidden: int = 0
    outside: int = 0
    right_to_left: bool = False
    levels: dict[int, int] = field(default_factory=dict)
    """Levels of the headings among its marked contents."""
    notes: list[str] = field(default_factory=list)
    """What stands over the page: notes, and what pictures show."""
    values: list[str] = field(default_factory=list)
    """Values of form fields among its words."""
    unread: int = 0
    """Stamps and signatures."""
    partly_scanned: bool = False


def read_page(page: Any, sheet: PageObject, layers: Layers, *, tagged: bool) -> Page:
    """Return a page, which pypdfium2 and pypdf have opened, as regions in reading order."""
    frame = frame_page(page)
    read = Page()
    textpage = page.get_textpage()
    try:
        hidden = find_hidden_objects(page, layers.names)
        text = PageText(textpage, frame, tagged=tagged, hidden=hidden)
        words = join_runs(text.words())
    finally:
        textpage.close()
    words = _add_annotations(_choose_words(words, frame.size, read), sheet, frame, read)
    if tagged:
        tags = read_tags(page)
        read.levels = tags.levels
        read.notes += [f"[Image: {shown}]" for shown in tags.pictures]
    read.partly_scanned = 0 < read.letters < _FULL_PAGE and has_large_picture(page, frame)
    _find_page_regions(page, frame, words, read)
    return read


def _add_annotations(words: list[Word], sheet: PageObject, frame: Frame, read: Page) -> list[Word]:
    annotations = read_annotations(sheet, frame)
    add_targets(words, annotations.links)
    read.notes += annotations.notes
    read.values = [value.text for value in annotations.values]
    read.unread = annotations.unread
    align_values(annotations.values, words)
    return words + annotations.values


def _find_page_regions(page: Any, frame: Frame, words: list[Word], read: Page) -> None:
    turns = Counter(word.turn for word in words)
    order = sorted(turns, key=lambda turn: (-turns[turn], turn))
    tables = 0
    for turn in order:
        turned = [word for word in words if word.turn == turn]
        if turn == SKEWED:
            read.regions.append(Region([[line] for line in find_segments(turned)]))
            continue
        rows: list[Line] = []
        for grid in find_grids(page, frame, turn):
            aside = _find_aside(words, frame, turn) if turn == order[0] else []
            found, used = read_grid(grid, turned, aside, tables)
            words = [word for word in words if id(word) not in used]
            turned = [word for word in words if word.turn == turn]
            rows += found
            tables += 1
        read.regions += find_regions(find_segments(turned) + rows)


def _find_aside(words: list[Word], frame: Frame, turn: int) -> list[Placed]:
    """Return what is turned otherwise, as the heads of narrow columns are, with its middles."""
    others = [word for word in words if word.turn not in (turn, SKEWED)]
    return [(word, *frame.find_middle(word, turn)) for word in others]


def _choose_words(words: list[Word], size: tuple[float, float], read: Page) -> list[Word]:
    """Return the words that a reader sees, mended, and count the others."""
    unseen = _find_unseen(words)
    chosen: list[Word] = []
    rtl = 0
    for word in words:
        if word.hidden in unseen:
            read.hidden += 1
            continue
        if _is_outside(word, size):
            read.outside += 1
            continue
        if word.text.isascii() and word.text.isprintable():
            read.letters += len(word.text)
            chosen.append(word)
            continue
        text = word.text.translate(_MENDED)
        found = NO_CHARACTER.findall(text)
        read.letters += len(text)
        read.lost += len(found)
        rtl += len(RIGHT_TO_LEFT.findall(text))
        if found:
            text = NO_CHARACTER.sub("\ufffd", text)
        word.text = text
        if text.strip():
            chosen.append(word)
    read.right_to_left = rtl > 0.3 * max(1, read.letters)
    if read.lost >= _MIN_BULLETS:
        _mend_bullets(chosen)
    return _drop_doubles(chosen)


def _find_unseen(words: Sequence[Word]) -> set[int]:
    """Return which kinds of hidden words are not what the page shows.

    A scan's words lie without ink over its picture; beside visible ones they are something else.
    """
    if not any(word.hidden for word in words):
        return set()
    letters: Counter[int] = Counter()
    for word in words:
        letters[word.hidden] += len(word.text)
    unseen = {LAYER_OFF, CLIPPED} if letters[SHOWN] + letters[WITHOUT_INK] else set()
    return unseen | ({WITHOUT_INK} if letters[SHOWN] > letters[WITHOUT_INK] else set())


def _mend_bullets(words: list[Word]) -> None:
    """Write as bullets the signs without a known meaning that stand alone before several lines."""
    found = []
    for before, word, after in zip([None, *words], words, words[1:], strict=False):
        if word.text == "\ufffd" and abs(word.y - after.y) <= 0.2 * after.size:
            begins = before is None or abs(word.y - before.y) > 0.5 * word.size
            if after.gap and begins and after.x0 > word.x1:
                found.append(word)
    if len(found) >= _MIN_BULLETS:
        for word in found:
            word.text = "•"


def _is_outside(word: Word, size: tuple[float, float]) -> bool:
    width, height = size if word.turn % 2 == 0 else size[::-1]
    return word.x1 < 0 or word.x0 > width or word.y < 0 or word.y - word.size > height


def _drop_doubles(words: list[Word]) -> list[Word]:
    """Return the words without those that are drawn again in the same place, as shadows are."""
    places: dict[str, list[Word]] = {}
    kept = []
    for word in words:
        others = places.setdefault(word.text, [])
        if others and len(word.text) > 1 and _is_among(word, others[-_MAX_ALIKE:]):
            continue
        others.append(word)
        kept.append(word)
    return kept


def _is_among(word: Word, others: Sequence[Word]) -> bool:
    """Say whether a word stands where one of the others does."""
    near = max(0.5, 0.15 * word.size)
    x0, y, turn = word.x0, word.y, word.turn
    # A plain loop: a page has its common words fifty times.
    for other in others:
        if -near <= y - other.y <= near and -near <= x0 - other.x0 <= near and turn == other.turn:
            return True
    return False
