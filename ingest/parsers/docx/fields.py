"""Word's fields: what they came to is kept, what they ask for is not, and where links lead."""

import re
from collections import Counter
from dataclasses import dataclass, field

from ingest.parsers.docx.lines import Line
from ingest.parsers.ooxml import NAMESPACES, Element, find, find_all, get, get_number, is_on

_TARGET = re.compile(r'\bHYPERLINK\s+(?:\\\w\s+)*(?:"([^"]+)"|([^\s"\\]\S*))', re.IGNORECASE)
_BOOKMARK = re.compile(r"\\l\b", re.IGNORECASE)
# What changes from page to page or from day to day says nothing in a header.
PAGE_FIELDS = frozenset(
    {"PAGE", "NUMPAGES", "SECTIONPAGES", "DATE", "TIME", "PRINTDATE", "SAVEDATE"}
)
_BEGIN_AND_END = {"begin", "end"}
# Fields that show a part of what they ask for, and those that Word computes whenever it shows them.
_BUTTONS = {"MACROBUTTON", "GOTOBUTTON"}
_COMPUTED = {"EQ", "SYMBOL", "AUTONUM", "AUTONUMLGL", "AUTONUMOUT", "LISTNUM"}


@dataclass(slots=True)
class _Open:
    begin: Element
    instruction: str = ""
    has_result: bool = False
    line: Line | None = None
    start: int = 0
    is_within_silence: bool = False
    """Whether words at the place where it begins are silent."""


@dataclass(slots=True)
class Fields:
    """The fields that are open at a place; `left_out` are those whose result is not read.

    What cannot be read is counted in `counts` by the words of its warning.
    """

    counts: Counter[str]
    left_out: frozenset[str] = frozenset()
    _matched: set[Element] = field(default_factory=set)
    _stack: list[_Open] = field(default_factory=list)

    def match(self, story: Element) -> None:
        """Find which fields of a story end: a begin or an end without its other half is ignored."""
        begun: list[Element] = []
        for mark in story.iter(f"{{{NAMESPACES['w']}}}fldChar"):
            kind = get(mark, "w:fldCharType")
            if kind == "begin":
                begun.append(mark)
            elif kind == "end" and begun:
                self._matched.update((begun.pop(), mark))

    @property
    def is_silent(self) -> bool:
        """Whether words at this place are an instruction, or a result that is left out."""
        if not self._stack:
            return False
        # Those around it stay as they are while it is open.
        last = self._stack[-1]
        return last.is_within_silence or not last.has_result or self.is_left_out(last.instruction)

    def is_left_out(self, instruction: str) -> bool:
        """Whether what a field came to is left out here."""
        words = instruction.split()
        return bool(words) and words[0].upper() in self.left_out

    def add_instruction(self, words: str) -> None:
        """Add to the instruction of the innermost field."""
        if self._stack and not self._stack[-1].has_result:
            self._stack[-1].instruction += words

    def meet(self, mark: Element, line: Line) -> None:
        """Go past a mark of a field in a line."""
        kind = get(mark, "w:fldCharType")
        if kind in _BEGIN_AND_END and mark not in self._matched:
            return
        if kind == "begin":
            self._stack.append(_Open(mark, is_within_silence=self.is_silent))
        elif kind == "separate" and self._stack:
            opened = self._stack[-1]
            opened.has_result, opened.line, opened.start = True, line, len(line.pieces)
        elif kind == "end" and self._stack:
            opened = self._stack.pop()
            self._close(opened, line)

    def close_simple(self, instruction: str, start: int, line: Line) -> None:
        """End a field that is one element, whose words are the pieces from `start` on."""
        if target := find_target(instruction):
            line.close_link(start, target)

    def _close(self, opened: _Open, line: Line) -> None:
        if not opened.has_result and not self.is_silent:
            line.add(_show_form(opened.begin) or self._show_instruction(opened.instruction))
        # A link over several paragraphs is none.
        if opened.line is line and (target := find_target(opened.instruction)):
            line.close_link(opened.start, target)

    def _show_instruction(self, instruction: str) -> str:
        """Return what a reader sees of a field without a result."""
        name, *words = instruction.split(maxsplit=2) or [""]
        if name.upper() in _COMPUTED:
            self.counts["{} fields without a stored result were left out"] += 1
        return words[1] if name.upper() in _BUTTONS and len(words) > 1 else ""


def find_target(instruction: str) -> str:
    """Return where a HYPERLINK field leads outside the document; "" for any other field."""
    match = _TARGET.search(instruction)
    if match is None or _BOOKMARK.search(instruction[: match.start(1 if match[1] else 2)]):
        return ""
    return match[1] or match[2]


def _show_form(begin: Element) -> str:
    """Return what a form's field without a result shows: a box or a choice."""
    box = find(begin, "w:ffData/w:checkBox")
    if box is not None:
        state = find(box, "w:checked")
        return "[x]" if is_on(find(box, "w:default") if state is None else state) else "[ ]"
    choices = find(begin, "w:ffData/w:ddList")
    if choices is None:
        return ""
    entries = [get(entry, "w:val") for entry in find_all(choices, "w:listEntry")]
    chosen = get_number(find(choices, "w:result"), "w:val", 0)
    return entries[chosen] if 0 <= chosen < len(entries) else ""
