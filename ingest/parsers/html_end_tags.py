"""Tags that HTML lets a page leave out and that libxml2 does not think of.

It takes a definition for a part of the one before it, a cell for a part of what the last cell left
open, and cells without a row for none of a table.
"""

import re
from collections import Counter

_RAW = "script|style|textarea|title|xmp|iframe|noembed|noframes"
# An attribute's value may hold tags.
_TAG = re.compile(
    rf"<!--.*?(?:-->|\Z)|<({_RAW})(?=[\s/>]).*?(?:</\1|\Z)"
    r"""|<(/?)([a-z][^\s/>]*)(?:=\s*"[^"]*"|=\s*'[^']*'|[^>])*+(?:>|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
_ENTRIES = frozenset({"li", "dt", "dd"})
_CELLS = frozenset({"td", "th"})
_PARTS = frozenset({"tbody", "thead", "tfoot"})
# Of what only looks are, more than these inside each other look like these.
_LOOKS = frozenset({"b", "big", "em", "font", "i", "small", "strong", "tt", "u"})
_MAX_LOOKS = 8
_LISTS = frozenset({"ul", "ol", "menu", "dir", "dl"})
# What the start of an element ends, where it is still open.
_ENDED_BY = {
    "li": frozenset({"li"}),
    **dict.fromkeys(_ENTRIES - {"li"}, _ENTRIES - {"li"}),
    **dict.fromkeys(_CELLS, _CELLS),
    "a": frozenset({"a"}),
    "tr": _CELLS | {"tr"},
    **dict.fromkeys(_PARTS, _CELLS | {"tr"} | _PARTS),
}
# Nothing outside of these is ended by the start or end of an element in them.
_BOUNDS = {
    **dict.fromkeys(_ENTRIES, _LISTS | _CELLS | {"table"}),
    **dict.fromkeys(_LISTS, _CELLS | {"table"}),
    "a": _ENTRIES | _CELLS | {"table"},
    **dict.fromkeys(_CELLS | {"tr"} | _PARTS, frozenset({"table"})),
    "table": frozenset[str](),
}
# Deeper pages are not read.
_MAX_OPEN = 250


def add_end_tags(source: str) -> str:
    """Return the source of a page with the end tags of links, entries in lists and parts of tables.

    Cells that stand in no row get one.
    """
    written: list[str] = []
    open_tags: list[str] = []
    looks: Counter[str] = Counter()
    at = 0
    for tag in _TAG.finditer(source):
        name = (tag[3] or "").lower()
        if name in _LOOKS:
            looks[name] += 0 if tag[2] else 1
            if looks[name] > _MAX_LOOKS:
                written.append(source[at : tag.start()])
                at = tag.end()
            looks[name] -= 1 if tag[2] and looks[name] else 0
        if name not in _BOUNDS:
            continue
        if tag[2]:
            _end(open_tags, name, frozenset({name}))
            continue
        if ended := _end(open_tags, name, _ENDED_BY.get(name, frozenset())):
            written.append(source[at : tag.start()])
            written += [f"</{inner}>" for inner in reversed(ended)]
            at = tag.start()
        if name in _CELLS and open_tags and open_tags[-1] in _PARTS | {"table"}:
            written += [source[at : tag.start()], "<tr>"]
            open_tags.append("tr")
            at = tag.start()
        if not tag[0].endswith("/>"):
            open_tags.append(name)
            del open_tags[:-_MAX_OPEN]
    return "".join([*written, source[at:]])


def _end(open_tags: list[str], name: str, ended: frozenset[str]) -> list[str]:
    """Take the outermost element of those in `ended`, and what is in it, from the open ones."""
    if ended.isdisjoint(open_tags):
        return []
    first = len(open_tags)
    for at in range(len(open_tags) - 1, -1, -1):
        if open_tags[at] in ended:
            first = at
        if open_tags[at] == name or open_tags[at] in _BOUNDS[name]:
            break
    taken = open_tags[first:]
    del open_tags[first:]
    return taken
