"""Word's numbering: the labels of list items and headings as they are shown."""

import re
from dataclasses import dataclass

from ingest.parsers.docx.styles import ParagraphLook
from ingest.parsers.ooxml import NAMESPACES, Element, find, find_all, get, get_number, is_on
from ingest.parsers.ordinals import show_ordinal

_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_MAX_LABEL = 50


@dataclass(frozen=True, slots=True)
class Label:
    """What stands before a paragraph: its words, "" for a bullet, and how deep it is."""

    text: str
    level: int
    is_bullet: bool


@dataclass(slots=True)
class _Level:
    kind: str
    pattern: str
    start: int
    restart: int | None
    is_legal: bool
    style: str


class Numbering:
    """The numbering of a document; asking for a label counts on."""

    def __init__(self, root: Element | None) -> None:
        self._abstract: dict[str, Element] = {}
        self._numbers: dict[str, Element] = {}
        if root is not None:
            for element in find_all(root, "w:abstractNum"):
                self._abstract[get(element, "w:abstractNumId")] = element
            for element in find_all(root, "w:num"):
                self._numbers[get(element, "w:numId")] = element
        self._levels: dict[str, list[_Level]] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[str] = set()

    def next_label(self, look: ParagraphLook) -> Label | None:
        """Return the label of the next paragraph of this look; None for one without a number."""
        if look.number_id in {"", "0"} or look.number_id not in self._numbers:
            return None
        levels = self._read_levels(look.number_id)
        if not levels:
            return None
        level = self._find_level(look, levels)
        counts = self._count(look.number_id, level, levels)
        own = levels[level]
        if own.kind == "bullet":
            return Label("", level, is_bullet=True)
        text = _PLACE.sub(lambda place: _show(int(place[1]) - 1, own, levels, counts), own.pattern)
        return Label(" ".join(text.split())[:_MAX_LABEL], level, is_bullet=False)

    def _find_level(self, look: ParagraphLook, levels: list[_Level]) -> int:
        if look.number_level is not None:
            return max(0, min(look.number_level, len(levels) - 1))
        linked = (n for n, level in enumerate(levels) if level.style == look.style_id)
        return next(linked, 0)

    def _count(self, number_id: str, level: int, levels: list[_Level]) -> list[int | None]:
        """Count one on; numberings of one abstract numbering go on from each other."""
        abstract = self._find_abstract_id(number_id)
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        if number_id not in self._begun:
            self._begun.add(number_id)
            for override in self._numbers[number_id].iterfind("w:lvlOverride", NAMESPACES):
                at = get_number(override, "w:ilvl", -1)
                if find(override, "w:startOverride") is not None and 0 <= at < _LEVELS:
                    counts[at:] = [None] * (_LEVELS - at)
        for above in range(level):
            # A level that is left out shows its first number, and has had it.
            counts[above] = levels[above].start if counts[above] is None else counts[above]
        before = counts[level]
        counts[level] = levels[level].start if before is None else before + 1
        for deeper in range(level + 1, min(_LEVELS, len(levels))):
            restart = levels[deeper].restart
            # 0 never starts anew; n only after a paragraph of level n, counted from 1.
            if restart is None or (restart and level < restart):
                counts[deeper] = None
        return counts

    def _find_abstract_id(self, number_id: str) -> str:
        return get(find(self._numbers[number_id], "w:abstractNumId"), "w:val")

    def _read_levels(self, number_id: str) -> list[_Level]:
        if number_id not in self._levels:
            found = self._find_elements(number_id)
            self._levels[number_id] = [_read_level(found.get(n)) for n in range(_LEVELS)]
            if not found:
                self._levels[number_id] = []
            for override in self._numbers[number_id].iterfind("w:lvlOverride", NAMESPACES):
                at = get_number(override, "w:ilvl", -1)
                start = get_number(find(override, "w:startOverride"), "w:val", -1)
                if start >= 0 and 0 <= at < len(self._levels[number_id]):
                    self._levels[number_id][at].start = start
        return self._levels[number_id]

    def _find_elements(self, number_id: str) -> dict[int, Element]:
        number = self._numbers[number_id]
        abstract = self._abstract.get(self._find_abstract_id(number_id))
        link = get(find(abstract, "w:numStyleLink"), "w:val")
        if link:
            linked = (
                a for a in self._abstract.values() if get(find(a, "w:styleLink"), "w:val") == link
            )
            abstract = next(linked, abstract)
        elements = [] if abstract is None else list(find_all(abstract, "w:lvl"))
        elements += find_all(number, "w:lvlOverride/w:lvl")
        return {get_number(element, "w:ilvl", 0): element for element in elements}


def _read_level(element: Element | None) -> _Level:
    restart = get_number(find(element, "w:lvlRestart"), "w:val", -1)
    kind = get(find(element, "w:numFmt"), "w:val", "decimal")
    return _Level(
        kind=kind,
        pattern=get(find(element, "w:lvlText"), "w:val"),
        start=get_number(find(element, "w:start"), "w:val", 0 if element is not None else 1),
        restart=restart if restart >= 0 else None,
        is_legal=is_on(find(element, "w:isLgl")),
        style=get(find(element, "w:pStyle"), "w:val"),
    )


def _show(level: int, own: _Level, levels: list[_Level], counts: list[int | None]) -> str:
    return show_ordinal(counts[level] or 0, "decimal" if own.is_legal else levels[level].kind)
