"""Words to lines: runs of words on one baseline, with raised and lowered marks in their place."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ingest.parsers.pdf.words import RIGHT_TO_LEFT, Word

# In sizes of the type. Word spaces are a quarter; justified lines stretch them to about one.
_WIDEST_SPACE = 1.0
_NARROWEST_SPACE = 0.12
_TOUCHING = 0.05
_STRAY_SPACE = 0.5
# Numbers side by side are cells of a table more often than words of a sentence.
_BETWEEN_NUMBERS = 0.55
_NUMBER = re.compile(r"[-+(–−]?[$€£]?\d[\d.,]*[%)]*$|[$€£—–-]$")
_BACKSTEP = 0.6
_RAISED_SIZE = 0.86
_RAISED_BY = 0.16
# Some programs lower a mark by half the type; the next line is never so near where a word ends.
_LOWERED_BY = 0.55
_NUMERATOR = re.compile(r"(?:\^| \[)(\d+)\]?[/⁄]$")
_UNITS = frozenset({"m", "cm", "mm", "km", "nm", "dm", "in", "ft", "yd", "mi", "kg", "ms", "px"})
_BOLD_SHARE = 0.8
_AFTER_BULLET, _AFTER_NUMBER = 4.0, 2.5
BULLETS = "•◦▪■●○‣⁃∙·–—*-➢➤►✓✔❖□▸◻"
_ENUMERATOR = re.compile(r"\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)]$")
_MARK = re.compile(rf"[{re.escape(BULLETS)}]$|\(?(?:\d{{1,2}}|[a-z])[.)]?$")


@dataclass(slots=True)
class Line:
    """Words that stand beside each other; `table` numbers the ruled table that it is a row of."""

    words: list[Word]
    x0: float = 0.0
    x1: float = 0.0
    y: float = 0.0
    size: float = 0.0
    cells: tuple[str, ...] = ()
    table: int = -1
    text: str = field(default="", init=False)
    _weight: float = field(default=-1.0, init=False)

    def __post_init__(self) -> None:
        if self.words:
            main = _find_main(self.words)
            self.size, self.y = main.size, main.y
            self.x0 = min(word.x0 for word in self.words)
            self.x1 = max(word.x1 for word in self.words)
            self.text = write_line(self.words, self.size, self.y)
        else:
            self.text = " ".join(filter(None, self.cells))

    @property
    def weight(self) -> float:
        """Return which share of the letters is bold."""
        if self._weight < 0:
            letters = sum(len(word.text) for word in self.words)
            bold = sum(len(word.text) for word in self.words if word.font.bold)
            self._weight = bold / letters if letters else 0.0
        return self._weight

    @property
    def bold(self) -> bool:
        """Say whether nearly all letters are bold."""
        return self.weight >= _BOLD_SHARE

    @property
    def italic(self) -> bool:
        """Say whether all words are in italics."""
        return bool(self.words) and all(word.font.italic for word in self.words)


def _find_main(words: Sequence[Word]) -> Word:
    """Return the word whose size and baseline are the line's."""
    first = words[0]
    # A mark may be larger than what it stands before.
    if _MARK.match(first.text) and any(word.text[:2].isalpha() for word in words[1:]):
        words, first = words[1:], words[1]
    if all(word.size == first.size and word.y == first.y for word in words):
        return first
    longest = max(words, key=lambda word: len(word.text) * word.size)
    return max(
        (word for word in words if abs(word.y - longest.y) < 0.3 * word.size),
        key=lambda word: (round(word.size, 1), len(word.text)),
    )


def join_runs(words: Iterable[Word]) -> list[Word]:
    """Return the words with those put together that several text objects draw."""
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        if word.gap == "" and last is not None and _continues(last, word):
            last.text += word.text
            last.x1 = max(last.x1, word.x1)
            continue
        joined.append(word)
    return joined


def _continues(last: Word, word: Word) -> bool:
    return (
        last.turn == word.turn
        and last.hidden == word.hidden
        and abs(last.y - word.y) <= 0.05 * last.size
        and abs(last.size - word.size) <= 0.05 * last.size
        and last.font.bold == word.font.bold
        and -_BACKSTEP * last.size <= word.x0 - last.x1 <= _WIDEST_SPACE * last.size
    )


def find_segments(words: Iterable[Word]) -> list[Line]:
    """Return runs of words that follow each other on a baseline, in the order of drawing."""
    runs: list[list[Word]] = []
    for word in words:
        if runs and _follows(runs[-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [Line(run) for run in runs]


def _follows(run: Sequence[Word], word: Word) -> bool:
    last = run[-1]
    size = max(last.size, word.size)
    step = word.x0 - last.x1
    if last.turn != word.turn or not -_BACKSTEP * size <= step <= _AFTER_BULLET * size:
        return False
    # The narrowest of all spaces spares most words the patterns.
    if step > _BETWEEN_NUMBERS * size and step > _widest_step(run, word) * size:
        return False
    if abs(word.y - last.y) <= 0.1 * size:
        return True
    main = max(run, key=lambda other: other.size)
    if abs(word.y - main.y) <= _RAISED_BY * size:
        return True
    small = word.size <= _RAISED_SIZE * main.size and abs(step) <= _TOUCHING * size
    if small and 0 <= word.y - main.y <= _LOWERED_BY * main.size:
        return True
    return _is_raised(word, main) or _is_raised(main, word)


def _widest_step(run: Sequence[Word], word: Word) -> float:
    """Return how far, in sizes, a word may stand from the run that it follows."""
    if _NUMBER.match(run[-1].text) and _NUMBER.match(word.text):
        return _BETWEEN_NUMBERS
    return _widest_space(run[-1]) if len(run) == 1 else _WIDEST_SPACE


def _widest_space(first: Word) -> float:
    """Return how far, in sizes, the text stands from the bullet or number before it."""
    if first.text in BULLETS:
        return _AFTER_BULLET
    return _AFTER_NUMBER if _ENUMERATOR.match(first.text) else _WIDEST_SPACE


def _is_raised(small: Word, main: Word) -> bool:
    """Say whether `small` is raised over, or lowered under, the line of `main`."""
    up = main.y - small.y
    if small.size > _RAISED_SIZE * main.size:
        # Of the same size it has to touch what it is the exponent of.
        return small.gap == "" and _RAISED_BY * main.size <= up <= 0.6 * main.size
    return -0.35 * main.size <= up <= 0.8 * main.size


def find_rows(segments: Iterable[Line]) -> list[list[Line]]:
    """Return the segments by baseline, top down, each row from left to right.

    Neighbours that were drawn apart but touch each other become one segment.
    """
    rows: list[list[Line]] = []
    for segment in sorted(segments, key=lambda line: line.y):
        for row in rows[-1:-4:-1]:
            if abs(segment.y - row[0].y) <= 0.3 * min(segment.size, row[0].size) and not any(
                _overlaps(segment, other) for other in row
            ):
                row.append(segment)
                break
        else:
            rows.append([segment])
    return [_join_neighbours(sorted(row, key=lambda line: line.x0)) for row in rows]


def _overlaps(line: Line, other: Line) -> bool:
    shared = min(line.x1, other.x1) - max(line.x0, other.x0)
    return shared > _BACKSTEP * min(line.size, other.size)


def _join_neighbours(row: list[Line]) -> list[Line]:
    joined = row[:1]
    for line in row[1:]:
        last = joined[-1]
        widest = _widest_space(last.words[0]) if len(last.words) == 1 else _STRAY_SPACE
        near = line.x0 - last.x1 <= max(widest, _STRAY_SPACE) * min(last.size, line.size)
        if near and last.table < 0 and line.table < 0:
            joined[-1] = Line(sorted(last.words + line.words, key=lambda word: word.x0))
        else:
            joined.append(line)
    return joined


def write_line(words: Sequence[Word], size: float, y: float) -> str:
    """Return the words of a line as text: `10^6` keeps its meaning, footnote marks stand apart.

    Words from right to left are written in the order in which they are read.
    """
    text = _join_words(words, size, y)
    if not text.isascii() and RIGHT_TO_LEFT.search(text):
        return _join_words(_order_words(words), size, y)
    return text


def _order_words(words: Sequence[Word]) -> list[Word]:
    """Return words, which stand from left to right, as the direction of most letters reads them.

    Words of the other direction that follow each other, and the numbers between them, are read
    the other way round.
    """
    directions = [_find_direction(word.text) for word in words]
    leftwards = sum(directions) < 0
    groups: list[list[Word]] = []
    begun = -1
    for word, direction in zip(words, directions, strict=True):
        groups.append([word])
        if direction and (direction < 0) == leftwards:
            begun = -1
        elif direction:
            begun = len(groups) - 1 if begun < 0 else begun
            groups[begun:] = [[other for group in groups[begun:] for other in group]]
    if leftwards:
        return [word for group in reversed(groups) for word in group]
    return [word for group in groups for word in reversed(group)]


def _find_direction(text: str) -> int:
    """Return how many letters of a word go to the right, less those that go to the left."""
    letters = sum(map(str.isalpha, text))
    leftwards = sum(map(str.isalpha, "".join(RIGHT_TO_LEFT.findall(text))))
    return letters - 2 * leftwards


def _join_words(words: Sequence[Word], size: float, y: float) -> str:
    text = ""
    last: Word | None = None
    for word in words:
        if last is None:
            text = word.text
        elif _is_mark(last, size, y) and last is words[0]:
            # A footnote's number stands before it.
            text += f" {word.text}"
        elif _is_mark(word, size, y) and text[-1:].isalnum():
            text += _write_mark(text, word, size, y)
        elif word.y > y and _is_mark(word, size, y) and (over := _NUMERATOR.search(text)):
            text = f"{text[: over.start()]} {over[1]}/{word.text}"
        elif _is_mark(last, size, y) and text[-1:].isdigit() and word.text[0].isdigit():
            text += f" {word.text}"
        else:
            text += (" " if _is_apart(last, word, size) else "") + word.text
        last = word
    return text


def _is_apart(last: Word, word: Word, size: float) -> bool:
    step = word.x0 - last.x1
    if word.gap == "":
        return step > _WIDEST_SPACE * size
    if word.gap == " ":
        # Small capitals start a text object of their own, and PDFium sees a space before them.
        return last.size == word.size or step > _TOUCHING * size
    narrowest = _NARROWEST_SPACE if last.size != word.size else _TOUCHING
    return step > narrowest * size or step < -_BACKSTEP * size


def _is_mark(word: Word, size: float, y: float) -> bool:
    small = word.size <= _RAISED_SIZE * size or word.gap == ""
    return (
        small and abs(y - word.y) >= _RAISED_BY * size and bool(re.match(r"[-+−–]?\d", word.text))
    )


def _write_mark(text: str, word: Word, size: float, y: float) -> str:
    """Return a small number as an exponent, an index, or a footnote's mark."""
    lowered = word.y > y + 0.05 * size
    before = re.search(r"\w+$", text)
    letters = before[0] if before else ""
    if lowered:
        return f"_{word.text}" if letters[-1:].isdigit() else word.text
    if letters[-1:].isdigit() or len(letters) == 1 or letters in _UNITS:
        return f"^{word.text}"
    return f" [{word.text}]" if word.text.isdigit() else f" {word.text}"
