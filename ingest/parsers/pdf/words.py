"""The words of a page, with their places and fonts, as PDFium finds them."""

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.parsers.pdf import engine

_TOKEN = re.compile(r"[^\s\ufffe]+\ufffe?")
_BOLD_NAME = re.compile(
    r"bold|black|heavy|demi|\b(?:cm|sf|ec|tc|lm)bx|-bd\b|medi(?:ital|obli)?$", re.IGNORECASE
)
_ITALIC_NAME = re.compile(r"italic|oblique", re.IGNORECASE)
# What PDFium writes for a hyphen that it takes for the end of a line, and for what no map knows.
_HYPHEN = re.compile("[\x02\ufffe]")
RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BOLD_WEIGHT = 600
_FIXED_PITCH, _ITALIC, _SERIF_FORCE_BOLD = 1, 1 << 6, 1 << 18
# Text that is turned by less than this stands in its line all the same.
_LEVEL_DEGREES = 8.0
# A wider step, in sizes of the type, parts what one text object draws.
_SPARSE = 1.0
SKEWED = 4  # Divisible by 4: no turn.
SHOWN, WITHOUT_INK, LAYER_OFF, CLIPPED = range(4)
# A clip of more segments is a drawing.
_MAX_CLIP = 8

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Font:
    """What a heading or a code block is known by."""

    name: str = ""
    bold: bool = False
    fixed: bool = False
    italic: bool = False


@dataclass(slots=True)
class Word:
    """A run of characters without a space, in its own reading direction.

    `x0`, `x1` and the baseline `y` are in points from the page's top left corner as the text is
    read: a page whose text runs upwards is turned first. `gap` says what PDFium found before it:
    "" nothing, " " a space, "\\n" another line.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    font: Font
    gap: str
    turn: int
    """Quarter turns against the clock; 4 for text that is askew."""
    tag: int
    """The marked content that it belongs to; -1 for none."""
    hidden: int = SHOWN
    """Or WITHOUT_INK, LAYER_OFF, or CLIPPED."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A page's visible box and rotation, to turn its coordinates to those of a reader."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        """Return width and height as they are shown."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation % 2 else (width, height)

    def place(self, x: float, y: float, turn: int = 0) -> tuple[float, float]:
        """Return a point, counted from the top left of the page as turned text sees it."""
        right, down = x - self.left, self.top - y
        # Skewed text is placed as level text is.
        quarter = (turn + self.rotation) % 4
        if quarter == 0:
            return right, down
        width, height = self.right - self.left, self.top - self.bottom
        # Turned by a quarter against the clock, text runs upwards and its lines go to the right.
        if quarter == 1:
            return height - down, right
        if quarter == 2:
            return width - right, height - down
        return down, width - right

    def find_middle(self, word: Word, turn: int) -> tuple[float, float]:
        """Return the middle of a level or turned word as text that is turned by `turn` sees it."""
        x, y = (word.x0 + word.x1) / 2, word.y - 0.3 * word.size
        width, height = self.size if turn % 2 == 0 else self.size[::-1]
        match (word.turn - turn) % 4:
            case 0:
                return x, y
            case 1:
                return y, height - x
            case 2:
                return width - x, height - y
            case _:
                return width - y, x


def frame_page(page: Any) -> Frame:
    """Return the frame of a page of pypdfium2."""
    box = engine.Rectangle()
    handle = engine.address_of(page.raw)
    engine.page_box(handle, ctypes.byref(box))
    rotation = engine.page_rotation(handle)
    return Frame(box.left, min(box.bottom, box.top), box.right, max(box.bottom, box.top), rotation)


class _Run(NamedTuple):
    """What all characters of a text object have in common."""

    size: float
    font: Font
    turn: int
    tag: int
    hidden: int
    clip: Box | None
    """Left, bottom, right and top of where its characters are shown; None for everywhere."""


class PageText:
    """The characters of one page; a word costs a few calls of the engine, a character none."""

    def __init__(
        self,
        textpage: Any,
        frame: Frame,
        *,
        tagged: bool = False,
        hidden: frozenset[int] = frozenset(),
    ) -> None:
        self._tagged = tagged
        self._hidden = hidden
        self._textpage = textpage
        self._handle = engine.address_of(textpage.raw)
        self._frame = frame
        self._upright = frame.rotation % 4 == 0
        self._runs: dict[int, _Run] = {}
        self._fonts: dict[int | None, Font] = {}
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._box, self._matrix = engine.Rectangle(), engine.Matrix()
        # Red, green, blue, alpha.
        self._colors = [ctypes.c_uint(255) for _ in range(4)]

    def text(self) -> str:
        """Return one character an index."""
        count = self._textpage.count_chars()
        if count <= 0:
            return ""
        buffer = ctypes.create_string_buffer(4 * count + 2)
        units = engine.page_text(self._handle, 0, count, buffer)
        text = buffer.raw[: 2 * max(0, units - 1)].decode("utf-16-le", "replace")
        if len(text) != count:
            text = "".join(chr(engine.char_code(self._handle, i)) for i in range(count))
        return _HYPHEN.sub(self._mark_hyphen, text)

    def _mark_hyphen(self, found: re.Match[str]) -> str:
        """Return the mark of a hyphen at a line's end; other codes are of fonts without a map."""
        is_hyphen = engine.is_hyphen(self._handle, found.start()) == 1
        if is_hyphen:
            return "\ufffe"
        return "\ufffd" if found[0] == "\ufffe" else found[0]

    def words(self) -> Iterator[Word]:
        """Yield the words in the order in which the page draws them."""
        handle, text = self._handle, self.text()
        end = 0
        for token in _TOKEN.finditer(text):
            start, stop = token.span()
            between = text[end:start]
            gap = "\n" if "\n" in between or (end and text[end - 1] == "\ufffe") else " "
            end = stop
            opening = engine.char_object(handle, start) or 0
            # Nearly all words: one object draws the whole of it.
            whole = stop - start == 1 or opening == (engine.char_object(handle, stop - 1) or 0)
            parts = ((start, stop, opening),) if whole else self._split(start, stop, opening)
            for first, last, drawn in parts:
                run = self._runs.get(drawn) or self._describe(first, drawn)
                gap_before = gap if first == start else ""
                word = self._word(text[first:last], first, last, run, gap_before)
                if word.x1 - word.x0 > _SPARSE * word.size * (last - first):
                    yield from self._part(word, first, last, run)
                else:
                    yield word

    def _part(self, word: Word, first: int, last: int, run: _Run) -> list[Word]:
        """Return what stands apart in a word of few letters over a great width: marks in columns.

        One text object may draw them all, and PDFium sees no space where the object moves on.
        """
        if len(word.text) != last - first or word.text.endswith("\ufffe"):
            return [word]
        parts = [self._word(word.text[0], first, first + 1, run, word.gap)]
        for at, letter in enumerate(word.text[1:], start=first + 1):
            drawn, part = self._word(letter, at, at + 1, run, " "), parts[-1]
            if drawn.x0 - part.x1 > _SPARSE * word.size:
                parts.append(drawn)
            else:
                part.text, part.x1 = part.text + letter, drawn.x1
        return parts

    def _split(self, start: int, stop: int, opening: int) -> Iterator[tuple[int, int, int]]:
        """Yield the parts of a token that one text object each draws, and that object."""
        handle = self._handle
        first = start
        for at in range(start + 1, stop):
            current = engine.char_object(handle, at) or 0
            if current != opening:
                yield first, at, opening
                first, opening = at, current
        yield first, stop, opening

    def _word(self, text: str, first: int, last: int, run: _Run, gap: str) -> Word:
        handle = self._handle
        if not text.isascii() and _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        # A hyphen at a line's end stands at no place of its own.
        ending = last - 1 if text[-1] != "\ufffe" or last - first == 1 else last - 2
        engine.char_origin(handle, first, self._x, self._y)
        engine.char_box(handle, ending, self._box)
        x0, x1, y = self._place(run.turn)
        if not text.isascii() and RIGHT_TO_LEFT.search(text):
            # Its last letter is the leftmost.
            engine.char_origin(handle, ending, self._x, self._y)
            engine.char_box(handle, first, self._box)
            left, right, _ = self._place(run.turn)
            x0, x1 = min(x0, left), max(x1, right)
        size, font, turn, tag, hidden, clip = run
        if clip is not None and not self._is_within(clip):
            hidden = CLIPPED
        return Word(text, x0, x1 if x1 > x0 else x0, y, size, font, gap, turn, tag, hidden)

    def _place(self, turn: int) -> tuple[float, float, float]:
        """Return where the word starts and ends, and its baseline, of what was just asked for."""
        box, frame = self._box, self._frame
        if not turn and self._upright:
            # Nearly all words: two calls less for each.
            return self._x.value - frame.left, box.right - frame.left, frame.top - self._y.value
        x0, y = frame.place(self._x.value, self._y.value, turn)
        ends = frame.place(box.right, box.bottom, turn), frame.place(box.left, box.top, turn)
        return x0, max(x for x, _ in ends), y

    def _is_within(self, clip: Box) -> bool:
        """Say whether a part of what was just asked for is shown."""
        left, bottom, right, top = clip
        box = self._box
        across = box.right > left and min(self._x.value, box.left) < right
        return bool(across and box.top > bottom and box.bottom < top)

    def _describe(self, index: int, drawn: int) -> _Run:
        handle, matrix = self._handle, self._matrix
        engine.char_matrix(handle, index, matrix)
        size = engine.font_size(handle, index) * math.hypot(matrix.c, matrix.d)
        font = self._font(engine.object_font(drawn)) if drawn else Font()
        degrees = math.degrees(math.atan2(matrix.b, matrix.a))
        quarter = round(degrees / 90)
        level = abs(degrees - 90 * quarter) <= _LEVEL_DEGREES
        run = self._runs[drawn] = _Run(
            abs(size) or 1.0,
            font,
            (quarter - self._frame.rotation) % 4 if level else SKEWED,
            engine.marked_content(drawn) if drawn and self._tagged else -1,
            self._find_hidden(drawn) if drawn else SHOWN,
            self._find_clip(drawn) if drawn else None,
        )
        return run

    def _find_hidden(self, drawn: int) -> int:
        if drawn in self._hidden:
            return LAYER_OFF
        mode = engine.render_mode(drawn)
        if mode == engine.FILLED:
            engine.fill_color(drawn, *self._colors)
            return SHOWN if self._colors[3].value else WITHOUT_INK
        return WITHOUT_INK if mode == engine.INVISIBLE else SHOWN

    def _find_clip(self, drawn: int) -> Box | None:
        """Return what the clips of an object leave of the page, as far as they are simple."""
        clip = engine.clip_path(drawn)
        count = engine.count_clips(clip)
        if count <= 0 or not self._is_on_page(drawn):
            return None
        left = bottom = -math.inf
        right = top = math.inf
        for number in range(count):
            points = list(self._list_points(clip, number))
            if points:
                left, right = (
                    max(left, min(x for x, _ in points)),
                    min(right, max(x for x, _ in points)),
                )
                bottom, top = (
                    max(bottom, min(y for _, y in points)),
                    min(top, max(y for _, y in points)),
                )
        return left, bottom, right, top

    def _is_on_page(self, drawn: int) -> bool:
        """Say whether an object has the page's coordinates, and not those of a form it is in."""
        engine.object_matrix(drawn, own := engine.Matrix())
        return all(abs(getattr(own, n) - getattr(self._matrix, n)) < 1e-3 for n in "abcdef")

    def _list_points(self, clip: int, number: int) -> Iterator[tuple[float, float]]:
        count = engine.count_clip_segments(clip, number)
        x, y = ctypes.c_float(), ctypes.c_float()
        for at in range(count if count <= _MAX_CLIP else 0):
            engine.segment_point(engine.clip_segment(clip, number, at), x, y)
            yield x.value, y.value

    def _font(self, font: int | None) -> Font:
        if font not in self._fonts:
            self._fonts[font] = _describe_font(font)
        return self._fonts[font]


def _describe_font(font: int | None) -> Font:
    if not font:
        return Font()
    buffer = ctypes.create_string_buffer(256)
    engine.font_name(font, buffer, len(buffer))
    name = buffer.value.decode("utf-8", "replace").rpartition("+")[2]
    flags = max(0, engine.font_flags(font))
    bold = (
        bool(_BOLD_NAME.search(name))
        or engine.font_weight(font) >= _BOLD_WEIGHT
        or bool(flags & _SERIF_FORCE_BOLD)
    )
    italic = bool(_ITALIC_NAME.search(name)) or bool(flags & _ITALIC)
    return Font(name, bold, bool(flags & _FIXED_PITCH), italic)
