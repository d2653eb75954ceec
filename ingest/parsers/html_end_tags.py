"""End tags that HTML lets a page leave out and that libxml2 does not think of.

It takes a definition for a part of the one before it, and a cell for a part of what the last cell
left open.
"""

import re

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
_LISTS = frozenset({"ul", "ol", "menu", "dir", "dl"})
# What the start of an element ends, where it is still open.
_ENDED_BY = {
    "li": frozenset({"li"}),
    **dict.fromkeys(_ENTRIES - {"li"}, _ENTRIES - {"li"}),
    **dict.fromkeys(_CELLS, _CELLS),
    "tr": _CELLS | {"tr"},
    **dict.fromkeys(_PARTS, _CELLS | {"tr"} | _PARTS),
}
# Nothing outside of these is ended by the start or end of an element in them.
_BOUNDS = {
    **dict.fromkeys(_ENTRIES, _LISTS | _CELLS | {"table"}),
    **dict.fromkeys(_LISTS, _CELLS | {"table"}),
    **dict.fromkeys(_CELLS | {"tr"} | _PARTS, frozenset({"table"})),
    "table": frozenset[str](),
}
# Deeper pages are not read.
_MAX_OPEN = 250


def add_end_tags(source: str) -> str:
    """Return the source of a page with the end tags of entries in lists and of parts of tables."""
    written: list[str] = []
    open_tags: list[str] = []
    at = 0
    for tag in _TAG.finditer(source):
        name = (tag[3] or "").lower()
        if name not in _BOUNDS:
            continue
        if tag[2]:
            _end(open_tags, name, frozenset({name}))
            continue
        if ended := _end(open_tags, name, _ENDED_BY.get(name, frozenset())):
            written.append(source[at : tag.start()])
            written += [f"</{inner}>" for inner in reversed(ended)]
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
