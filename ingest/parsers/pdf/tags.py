"""What the tags of a page say: which marked content is a heading, and what pictures show."""

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ingest.parsers.pdf import engine
from ingest.parsers.pdf.strings import join_string

_HEADING = re.compile(r"H([1-6]?)$")
_DEEPEST = 60
_MAX_ELEMENTS = 20_000
_BUFFER = ctypes.create_string_buffer(512)


@dataclass(slots=True)
class Tags:
    """Levels of headings by marked content, and the alternative texts of pictures."""

    levels: dict[int, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    left: int = _MAX_ELEMENTS


def read_tags(page: Any) -> Tags:
    """Return the tags of a page of pypdfium2; none where the file has none."""
    tags = Tags()
    tree = engine.page_tags(engine.address_of(page.raw))
    if tree:
        try:
            for index in range(engine.count_roots(tree)):
                _read(engine.root_element(tree, index), 0, 0, tags)
        finally:
            engine.close_tags(tree)
    return tags


def _read(element: int | None, level: int, depth: int, tags: Tags) -> None:
    tags.left -= 1
    if not element or depth > _DEEPEST or tags.left < 0:
        return
    kind = _name(_ask(engine.element_type, element))
    if match := _HEADING.match(kind):
        level = int(match[1] or 1)
    elif kind == "Title":
        level = 1
    if kind == "Figure" and (shown := _decode(_ask(engine.element_alt, element))):
        tags.pictures.append(shown)
    for index in range(max(0, engine.count_children(element))):
        child = engine.child_element(element, index)
        if child:
            _read(child, level, depth + 1, tags)
        elif level:
            tags.levels[engine.child_content(element, index)] = level


def _ask(function: Callable[..., int], element: int) -> bytes:
    buffer = _BUFFER
    size = function(element, buffer, len(buffer))
    if size > len(buffer):
        buffer = ctypes.create_string_buffer(size)
        size = function(element, buffer, size)
    return ctypes.string_at(buffer, max(0, size - 2))


def _decode(units: bytes) -> str:
    return join_string(units.decode("utf-16-le", "replace"))


# A page has thousands of elements of a few kinds.
_name = lru_cache(maxsize=64)(_decode)
