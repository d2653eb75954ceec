"""What lies over a page: targets of links, values of form fields, and notes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pypdf import PageObject
from pypdf.generic import ArrayObject, DictionaryObject

from ingest.parsers.pdf.strings import join_string
from ingest.parsers.pdf.words import Font, Frame, Word

_HIDDEN = 0b10_0010  # Bits 2 (hidden) and 6 (no view) of PDF 32000-1, table 165.
_PUSH_BUTTON = 1 << 16
_SCHEMES = ("http://", "https://", "mailto:", "ftp://", "tel:")
_MAX_TARGET = 2000
_WITHOUT_TEXT = {"/Link", "/Widget", "/Popup"}
_DEEPEST_FIELD = 20
_TYPE_SIZE = 10.0

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Annotations:
    """The annotations of a page: links by their boxes, values as words, notes as texts.

    `unread` counts those whose words stand only in a drawing.
    """

    links: list[tuple[Box, str]] = field(default_factory=list)
    values: list[Word] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: int = 0


def read_annotations(sheet: PageObject, frame: Frame) -> Annotations:
    """Return what a page's annotations say; one that is damaged is left out."""
    found = Annotations()
    for annotation in _each(sheet):
        kind = annotation.get("/Subtype")
        box = _find_box(annotation, frame)
        if box is None:
            continue
        if kind == "/Link":
            if target := _find_target(annotation):
                found.links.append((box, target))
        elif kind == "/Widget":
            if value := _read_value(annotation):
                found.values.append(_place_value(value, box))
            found.unread += _is_signature(annotation, box)
        elif kind not in _WITHOUT_TEXT and (words := join_string(annotation.get("/Contents"))):
            found.notes.append(f"[Note: {words}]")
        elif kind == "/Stamp":
            found.unread += 1
    return found


def _each(sheet: PageObject) -> Iterator[DictionaryObject]:
    entries = sheet.get("/Annots")
    entries = entries.get_object() if entries is not None else None
    for entry in entries if isinstance(entries, ArrayObject) else ():
        annotation = entry.get_object()
        if isinstance(annotation, DictionaryObject):
            flags = annotation.get("/F", 0)
            if not (isinstance(flags, int) and flags & _HIDDEN):
                yield annotation


def _find_box(annotation: DictionaryObject, frame: Frame) -> Box | None:
    corners = annotation.get("/Rect")
    try:
        left, bottom, right, top = (float(place) for place in corners or ())
    except (TypeError, ValueError):
        return None
    (x0, y0), (x1, y1) = frame.place(left, bottom), frame.place(right, top)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _find_target(annotation: DictionaryObject) -> str:
    action = annotation.get("/A")
    action = action.get_object() if action is not None else None
    if not isinstance(action, DictionaryObject) or action.get("/S") != "/URI":
        return ""
    target = join_string(action.get("/URI")).replace(" ", "")
    known = target.casefold().startswith(_SCHEMES)
    return target if known and len(target) <= _MAX_TARGET else ""


def _read_value(widget: DictionaryObject) -> str:
    """Return what a reader sees in a field: its value, or a cross in a box."""
    kind = _inherit(widget, "/FT")
    if kind == "/Btn":
        flags = _inherit(widget, "/Ff")
        state = widget.get("/AS")
        if state is None or (isinstance(flags, int) and flags & _PUSH_BUTTON):
            return ""
        return "[ ]" if state == "/Off" else "[x]"
    if kind not in ("/Tx", "/Ch"):
        return ""
    value = _inherit(widget, "/V")
    values = value if isinstance(value, ArrayObject) else [value]
    shown = _read_choices(_inherit(widget, "/Opt")) if kind == "/Ch" else {}
    texts = [join_string(v.get_object()) for v in values if v is not None]
    words = " ".join(shown.get(text, text) for text in texts)
    return f"[{words}]" if words else ""


def _read_choices(choices: Any) -> dict[str, str]:
    """Return what a reader sees of the choices whose values are other words."""
    listed = choices if isinstance(choices, ArrayObject) else ()
    pairs = [pair for choice in listed if isinstance(pair := choice.get_object(), ArrayObject)]
    return {join_string(pair[0]): join_string(pair[1]) for pair in pairs if len(pair) == 2}


def _is_signature(widget: DictionaryObject, box: Box) -> bool:
    """Return whether a field is signed and shows it; most signatures have no place on the page."""
    is_signed = _inherit(widget, "/FT") == "/Sig" and _inherit(widget, "/V") is not None
    return is_signed and "/AP" in widget and box[2] > box[0] and box[3] > box[1]


def _inherit(widget: DictionaryObject, key: str) -> Any:
    node: Any = widget
    for _ in range(_DEEPEST_FIELD):
        if not isinstance(node, DictionaryObject):
            return None
        if key in node:
            return node[key].get_object()
        parent = node.get("/Parent")
        node = parent.get_object() if parent is not None else None
    return None


def _place_value(value: str, box: Box) -> Word:
    x0, y0, x1, y1 = box
    height = y1 - y0
    size = min(_TYPE_SIZE, 0.8 * height) or _TYPE_SIZE
    # The first line of a tall field, the middle of a low one.
    y = y0 + 1.2 * size if height > 3 * size else (y0 + y1) / 2 + 0.35 * size
    return Word(value, x0, max(x1, x0 + 1), y, size, Font(), " ", 0, -1)


def align_values(values: Sequence[Word], words: Sequence[Word]) -> None:
    """Put the values of fields on the baselines of the labels beside them."""
    for value in values:
        beside = [
            word
            for word in words
            if word.turn == 0
            and abs(word.y - value.y) <= 0.8 * max(word.size, value.size)
            and (word.x1 <= value.x0 + word.size or word.x0 >= value.x1 - word.size)
        ]
        if beside:
            label = min(beside, key=lambda word: max(value.x0 - word.x1, word.x0 - value.x1))
            value.y, value.size = label.y, label.size


def add_targets(words: Sequence[Word], links: Sequence[tuple[Box, str]]) -> None:
    """Write the targets of links to the words they lie over, as Markdown has them.

    A link whose words are its target stays as it is.
    """
    for target, group in groupby(links, key=lambda link: link[1]):
        boxes = [box for box, _ in group]
        covered = [at for at, word in enumerate(words) if any(_lies_in(word, b) for b in boxes)]
        if not covered:
            continue
        shown = "".join(words[at].text for at in covered)
        if _bare(target) in _bare(shown):
            continue
        first, last = words[covered[0]], words[covered[-1]]
        if covered[-1] - covered[0] + 1 == len(covered):
            first.text = f"[{first.text}"
            last.text = f"{last.text}]({target})"
        else:
            last.text = f"{last.text} ({target})"


def _lies_in(word: Word, box: Box) -> bool:
    x, y = (word.x0 + word.x1) / 2, word.y - 0.3 * word.size
    return word.turn == 0 and box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _bare(text: str) -> str:
    return re.sub(
        r"^(?:https?://|mailto:|ftp://|tel:)?(?:www\.)?|[/\s-]|\ufffe", "", text.casefold()
    )
