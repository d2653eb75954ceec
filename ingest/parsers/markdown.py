"""Markdown (CommonMark): kept as it is written, with its headings and front matter read."""

import re
from datetime import date
from itertools import accumulate, pairwise
from typing import Any

import frontmatter
import yaml
from markdown_it import MarkdownIt

from app.domain import Article, AttributeValue, Heading, Scalar
from app.errors import UnreadableDocument
from ingest.parsers.text import decode_text

_MAX_DEPTH = 250
_TOO_DEEP = re.compile(rf"^(?:[ \t]?>){{{_MAX_DEPTH}}}", re.MULTILINE)
_COMMONMARK = MarkdownIt("commonmark")


def parse_markdown(data: bytes, charset: str = "") -> Article:
    """Read Markdown; `title` and `url` of the front matter, else the first level-1 heading.

    Other keys of the front matter become attributes; a nested one gets a dotted name.
    """
    source, warnings = decode_text(data, charset)
    if _TOO_DEEP.search(source):
        raise UnreadableDocument(
            f"quotations are nested more than {_MAX_DEPTH} levels deep", code="too_deep"
        )
    try:
        metadata, text = frontmatter.parse(source)
        if not metadata:
            # Rules around a paragraph look like front matter; what they hold stays.
            text = source
    except (yaml.YAMLError, ValueError, RecursionError):
        metadata, text = {}, source
        warnings += ("front matter is not valid YAML: kept as text",)
    headings = find_headings(text)
    attributes, dropped = flatten_attributes(metadata)
    title = str(attributes.pop("title", "") or "")
    url = attributes.pop("url", None)
    if dropped:
        warnings += (f"front matter keys without a usable value: {', '.join(dropped)}",)
    return Article(
        text,
        title=title or next((h.text for h in headings if h.level == 1), ""),
        url=str(url) if url else None,
        attributes=attributes,
        headings=headings,
        warnings=warnings,
    )


def find_headings(text: str) -> tuple[Heading, ...]:
    """Return the top-level headings of a Markdown text; those in code blocks are none."""
    line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = _COMMONMARK.parse(text)
    return tuple(
        Heading(line_starts[opening.map[0]], int(opening.tag[1:]), _plain(inline.children or []))
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.level == 0 and opening.map
    )


def _plain(children: list[Any]) -> str:
    return "".join(" " if c.type == "softbreak" else c.content for c in children).strip()


def flatten_attributes(
    metadata: Any, prefix: str = ""
) -> tuple[dict[str, AttributeValue], list[str]]:
    """Return attributes with dotted names, and the keys that hold nothing an attribute can."""
    attributes: dict[str, AttributeValue] = {}
    dropped: list[str] = []
    for key, value in metadata.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            inner, inner_dropped = flatten_attributes(value, f"{name}.")
            attributes |= inner
            dropped += inner_dropped
            continue
        scalars = [_as_scalar(v) for v in (value if isinstance(value, list) else [value])]
        usable = [scalar for scalar in scalars if scalar is not None]
        if not usable or len(usable) < len(scalars):
            dropped.append(name)
        else:
            attributes[name] = usable if isinstance(value, list) else usable[0]
    return attributes, dropped


def _as_scalar(value: Any) -> Scalar | None:
    match value:
        case bool():
            return value
        case int() | float():
            # Beyond 2^53 a number is not the same in JSON and in a filter.
            return value if abs(value) <= 2**53 else None
        case date():
            return value.isoformat()
        case str():
            return value if value.isprintable() or "\n" in value else None
    return None
