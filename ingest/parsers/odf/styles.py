"""OpenDocument's XML: its names, and what styles make of words, paragraphs, lists and sheets.

The format: OASIS OpenDocument 1.3, part 3. The library for it, odfpy, was last released in 2020.
"""

import re
from collections.abc import Iterator

from lxml import etree

from ingest.parsers.docx.styles import RunLook
from ingest.parsers.ordinals import show_ordinal

Element = etree._Element

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
NAMESPACES = {
    **{
        p: f"{_OASIS}{p}:1.0" for p in ("office", "style", "text", "table", "chart", "presentation")
    },
    "draw": f"{_OASIS}drawing:1.0",
    "svg": f"{_OASIS}svg-compatible:1.0",
    "xlink": "http://www.w3.org/1999/xlink",
    "dc": "http://purl.org/dc/elements/1.1/",
    "math": "http://www.w3.org/1998/Math/MathML",
    "fo": f"{_OASIS}xsl-fo-compatible:1.0",
}
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman",
            "I": "upperRoman", "": "none"}  # fmt: skip
_MAX_DEPTH = 20
_LEVELS = 10


def name_of(element: Element) -> str:
    """Return an element's name with its prefix."""
    if not isinstance(element.tag, str):
        return ""
    namespace, _, local = element.tag.rpartition("}")
    return f"{_PREFIXES.get(namespace[1:], '?')}:{local}"


def get(element: Element | None, name: str, default: str = "") -> str:
    """Return an attribute by its prefixed name."""
    prefix, _, local = name.partition(":")
    return default if element is None else element.get(f"{{{NAMESPACES[prefix]}}}{local}", default)


def get_number(element: Element | None, name: str, default: int = 1) -> int:
    """Return an attribute as a number; `default` where it is not one."""
    value = get(element, name)
    return int(value) if re.fullmatch(r"\d{1,7}", value) else default


def find_all(element: Element | None, path: str) -> list[Element]:
    """Return the elements at a path of prefixed names."""
    return [] if element is None else element.findall(path, NAMESPACES)


class Styles:
    """The styles of a document, and how far its lists have counted."""

    def __init__(self, *roots: Element | None) -> None:
        self._styles: dict[str, Element] = {}
        self._lists: dict[str, Element] = {}
        for root in roots:
            for style in () if root is None else root.iter(f"{{{NAMESPACES['style']}}}style"):
                self._styles[get(style, "style:name")] = style
            for style in () if root is None else root.iter(f"{{{NAMESPACES['text']}}}list-style"):
                self._lists[get(style, "style:name")] = style
        outlines = (find_all(root, ".//text:outline-style") for root in roots)
        self._outline = next((found[0] for found in outlines if found), None)
        self.counts: dict[str, list[int]] = {}

    def chain(self, name: str) -> Iterator[Element]:
        """Yield a style and those that it is based on."""
        for _ in range(_MAX_DEPTH):
            style = self._styles.get(name)
            if style is None:
                return
            yield style
            name = get(style, "style:parent-style-name")

    def look(self, name: str, around: RunLook) -> RunLook:
        """Return the look of words in a style."""
        shift, hidden, struck = around.shift, around.is_hidden, around.is_struck
        for style in reversed(list(self.chain(name))):
            for properties in find_all(style, "style:text-properties"):
                position = get(properties, "style:text-position").split(" ")[0]
                if position:
                    shift = _find_shift(position)
                if get(properties, "text:display"):
                    hidden = get(properties, "text:display") == "none"
                if get(properties, "style:text-line-through-style"):
                    struck = get(properties, "style:text-line-through-style") != "none"
        return RunLook(shift, hidden, struck)

    def property(self, name: str, family: str, attribute: str) -> str:
        """Return an attribute of a family of properties of a style."""
        for style in self.chain(name):
            for properties in find_all(style, f"style:{family}-properties"):
                if value := get(properties, attribute):
                    return value
        return ""

    def list_style(self, name: str) -> str:
        """Return the style of lists that a paragraph's style brings."""
        styles = (get(style, "style:list-style-name") for style in self.chain(name))
        return next(filter(None, styles), "")

    def label(self, list_name: str, counter: str, level: int, start: int | None) -> str:
        """Count an item of a list on, and return what stands before it; "" for a bullet."""
        style = self._lists.get(list_name)
        return self._count(style, counter, level, start, "text:list-level-style-number")

    def heading_label(self, level: int) -> str:
        """Count a heading on, and return its number; "" for none."""
        return self._count(self._outline, "#", level, None, "text:outline-level-style")

    def _count(
        self, style: Element | None, counter: str, level: int, start: int | None, kind: str
    ) -> str:
        levels = {get_number(e, "text:level"): e for e in find_all(style, kind)}
        counts = self.counts.setdefault(counter, [0] * (_LEVELS + 1))
        level = min(max(level, 1), _LEVELS)
        own = levels.get(level)
        first = get_number(own, "text:start-value") - 1
        counts[level] = start if start is not None else max(counts[level], first) + 1
        counts[level + 1 :] = [0] * (_LEVELS - level)
        if own is None or not get(own, "style:num-format"):
            return ""
        shown = range(level - get_number(own, "text:display-levels") + 1, level + 1)
        numbers = [
            show_ordinal(
                max(counts[n], 1), _FORMATS.get(get(levels.get(n), "style:num-format"), "")
            )
            for n in shown
            if n > 0
        ]
        inner = ".".join(filter(None, numbers))
        return f"{get(own, 'style:num-prefix')}{inner}{get(own, 'style:num-suffix')}".strip()


def _find_shift(position: str) -> str:
    if position == "super" or re.match(r"[1-9]", position):
        return "superscript"
    return "subscript" if position == "sub" or position.startswith("-") else ""
