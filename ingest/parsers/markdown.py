"""Markdown (CommonMark): kept as it is written, with its headings and front matter read."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt

from app.domain import Article, Heading
from app.errors import UnreadableDocument
from ingest.parsers.front_matter import (
    InvalidFrontMatter,
    flatten_attributes,
    split_front_matter,
)
from ingest.parsers.text import decode_text

_MAX_DEPTH = 250
_TOO_DEEP = re.compile(rf"^(?:[ \t]?>){{{_MAX_DEPTH}}}", re.MULTILINE)
_COMMONMARK = MarkdownIt("commonmark")
# A carriage return alone ends a line too: programs show their progress by it.
_LINE_END = re.compile(r"\r\n?|\n")
# What a reader does not see. Code between backticks is skipped over, as it stands.
_UNSEEN = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\s*\n).)*?(?<!`)(?P=ticks)(?!`))"
    r"|<!--.*?-->\n?"
    r"|!\[(?P<alt>[^\]\[]*)\]\(\s*<?data:[^)\s]*>?[^)]*\)"
    r"|!\[(?P<caption>[^\]\[]*)\]\[(?P<label>[^\]\n]*)\]"
    r"|<img\b[^>]*\bsrc\s*=\s*[\"']?data:[^>]*>",
    re.DOTALL | re.IGNORECASE,
)
_DATA_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<label>[^\]\n]+)\]:[ \t]*<?data:[^\s>]*>?[^\n]*\n?", re.MULTILINE | re.IGNORECASE
)
_HEADING_ATTRIBUTES = re.compile(
    r"^( {0,3}#{1,6}[ \t].*?)[ \t]*"
    r"(?:\{:?[ \t]*(?:[#.][\w:.-]+|[\w-]+=[^\s{}]+)(?:[ \t]+[^{}\n]*)?\}|\{/\*.*?\*/\})"
    r"[ \t]*(#*[ \t]*)$",
    re.MULTILINE,
)


def parse_markdown(data: bytes, charset: str = "") -> Article:
    """Read Markdown; `title` and `url` of the front matter, else the first level-1 heading.

    Other keys of the front matter become attributes; a nested one gets a dotted name. Comments,
    images that are written out as data and attributes of headings are not text, and are left out.
    """
    source, warnings = decode_text(data, charset)
    if _TOO_DEEP.search(source):
        raise UnreadableDocument(
            f"quotations are nested more than {_MAX_DEPTH} levels deep", code="too_deep"
        )
    try:
        metadata, text = split_front_matter(source)
    except InvalidFrontMatter:
        metadata, text = {}, source
        warnings += ("front matter is not valid YAML: kept as text",)
    text, images = drop_unseen(text)
    headings = find_headings(text)
    attributes, dropped = flatten_attributes(metadata)
    title = str(attributes.pop("title", "") or "")
    url = attributes.pop("url", None)
    if dropped:
        warnings += (f"front matter keys without a usable value: {', '.join(dropped)}",)
    if images:
        warnings += (f"{images} images were left out",)
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
    line_starts = _find_line_starts(text)
    tokens = _COMMONMARK.parse(text)
    return tuple(
        Heading(line_starts[opening.map[0]], int(opening.tag[1:]), words)
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.level == 0 and opening.map
        # One without words is not a place to send a reader to.
        if (words := _plain(inline.children or []))
    )


def _find_line_starts(text: str) -> list[int]:
    """Return where the lines of a text begin, as CommonMark counts them."""
    return [0, *(end.end() for end in _LINE_END.finditer(text))]


def _plain(children: list[Any]) -> str:
    return "".join(" " if c.type == "softbreak" else c.content for c in children).strip()


def drop_unseen(text: str) -> tuple[str, int]:
    """Return the text without what no reader sees, and how many images that were data."""
    images = 0
    labels: set[str] = set()

    def define(match: re.Match[str]) -> str:
        labels.add(match["label"].casefold())
        return ""

    def reveal(match: re.Match[str]) -> str:
        nonlocal images
        if match["code"]:
            return match[0]
        if match["label"] is not None and match["label"].casefold() not in labels:
            return match[0]
        images += not match[0].startswith("<!--")
        return match["alt"] or match["caption"] or ""

    parts = list(_split_code(text))
    # Definitions may stand behind the images.
    parts = [(part if code else _DATA_DEFINITION.sub(define, part), code) for part, code in parts]
    return "".join(
        part if code else _HEADING_ATTRIBUTES.sub(r"\1\2", _UNSEEN.sub(reveal, part))
        for part, code in parts
    ), images


def _split_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text in order, and whether each is a block of code."""
    starts = [*_find_line_starts(text), len(text)]
    at = 0
    for token in _COMMONMARK.parse(text):
        if token.type in ("fence", "code_block") and token.map:
            start, end = (starts[line] for line in token.map)
            yield text[at:start], False
            yield text[start:end], True
            at = end
    yield text[at:], False
