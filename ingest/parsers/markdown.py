"""Markdown (CommonMark): kept as it is written, with its headings and front matter read."""

import re
from collections.abc import Iterator, Set
from html import unescape
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

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
# Of the lines only those of headings need a look inside.
_BLOCKS = MarkdownIt("commonmark").disable("inline")
# What another parser wrote has no HTML and no underlined headings: words may look like them.
_WRITTEN = MarkdownIt("commonmark").disable(["inline", "html_block", "lheading"])
# A carriage return alone ends a line too: programs show their progress by it.
_LINE_END = re.compile(r"\r\n?|\n")
# What a reader may not see, by how it begins. Code between backticks is skipped over, as it stands.
_MARK = re.compile(r"`+|<!--|<script\b[^<>]*+>|<style\b[^<>]*+>|!\[|<img\b", re.IGNORECASE)
_FLAGS = re.DOTALL | re.IGNORECASE
_CODE = re.compile(r"(`++)(?:(?!\n\s*\n).)*?(?<!`)\1(?!`)", _FLAGS)
# All of them end somewhere, or none after the first that does not.
_HIDDEN = {
    "<!--": re.compile(r"<!--(?:-?>|.*?-->)\n?", _FLAGS),
    "<scr": re.compile(r".*?</script\s*+>\n?", _FLAGS),
    "<sty": re.compile(r".*?</style\s*+>\n?", _FLAGS),
}
_IMAGE = re.compile(
    r"!\[(?P<alt>(?:[^\]\[]++|\[[^\]\[]*+\])*+)\]"
    r"(?:\(\s*+<?data:(?:[^()\n]++|\([^()\n]*+\))*+\)|\[(?P<label>[^\]\n]*)\])"
    r"|<img\b(?:[^<>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+){0,99}+>",
    _FLAGS,
)
_IS_DATA = re.compile(r"\bsrc\s*=\s*[\"']?\s*data:", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_DATA_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<label>[^\]\n]+)\]:[ \t]*<?data:[^\s>]*>?[^\n]*\n?", re.MULTILINE | re.IGNORECASE
)
# What is written for a comment: the definition of a link that leads nowhere.
_COMMENT_DEFINITION = re.compile(
    r"^ {0,3}\[[^\]\n]+\]:[ \t]*(?:#|<>)[ \t]+(?:\([^\n]*\)|\"[^\n]*\"|'[^\n]*')[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_INLINE_TAG = re.compile(
    r"</?(a|abbr|b|big|br|code|del|em|font|i|img|ins|kbd|mark|s|small|span|strong|sub|sup|u)\b",
    re.IGNORECASE,
)
_HEADING_LINE = re.compile(r"^ {0,3}#{1,6}[ \t][^\n{]*\{[^\n]*", re.MULTILINE)
# Pandoc's, which begin with an id or a class, kramdown's, and comments of MDX.
_ATTRIBUTES = re.compile(
    r"(?:\{(?:[ \t]*[#.][\w:.-]+|:[ \t]*(?:[#.][\w:.-]+|[\w-]+=[^\s{}]+))(?:[ \t]+[^{}\n]*)?\}"
    r"|\{/\*.*?\*/\})[ \t]*(#*[ \t]*)"
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


def find_headings(text: str, *, is_written: bool = False) -> tuple[Heading, ...]:
    """Return the top-level headings of a Markdown text; those in code blocks are none.

    `is_written`: another parser wrote it, and left marks of HTML in words as they are.
    """
    line_starts = _find_line_starts(text)
    definitions: dict[str, Any] = {}
    tokens = (_WRITTEN if is_written else _BLOCKS).parse(text, definitions)
    return tuple(
        Heading(line_starts[opening.map[0]], int(opening.tag[1:]), words)
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.level == 0 and opening.map
        # One without words is not a place to send a reader to.
        if (words := _read_plain(inline.content, definitions))
    )


def _find_line_starts(text: str) -> list[int]:
    """Return where the lines of a text begin, as CommonMark counts them."""
    return [0, *(end.end() for end in _LINE_END.finditer(text))]


def _read_plain(line: str, definitions: dict[str, Any]) -> str:
    children: list[Token] = []
    _COMMONMARK.inline.parse(line, _COMMONMARK, definitions, children)
    return " ".join("".join(map(_show_inline, children)).split())


def _show_inline(token: Token) -> str:
    if token.type == "softbreak":
        return " "
    # A name in angle brackets may be a word: `List<T>`.
    if token.type == "html_inline" and (tag := _INLINE_TAG.match(token.content)):
        return " " if tag[1].lower() == "br" else ""
    return token.content


def drop_unseen(text: str) -> tuple[str, int]:
    """Return the text without what no reader sees, and how many images that were data."""
    labels: set[str] = set()

    def define(match: re.Match[str]) -> str:
        labels.add(match["label"].casefold())
        return ""

    images = 0
    parts = list(_split_code(text))
    # Definitions may stand behind the images.
    parts = [(part if code else _DATA_DEFINITION.sub(define, part), code) for part, code in parts]
    seen: list[str] = []
    for part, is_code in parts:
        if not is_code:
            part, left_out = _drop_marks(part, labels)
            part = _COMMENT_DEFINITION.sub("", part)
            part = _HEADING_LINE.sub(_drop_attributes, part)
            images += left_out
        seen.append(part)
    return "".join(seen), images


def _drop_marks(text: str, labels: Set[str]) -> tuple[str, int]:
    seen: list[str] = []
    endless: set[str] = set()
    images = done = at = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        kind = mark[0][:4].lower()
        words: str | None = None
        if kind.startswith("`"):
            match = _CODE.match(text, mark.start())
        elif kind in _HIDDEN:
            match = None if kind in endless else _HIDDEN[kind].match(text, mark.start())
            words = ""
            if match is None:
                endless.add(kind)
        else:
            match = _IMAGE.match(text, mark.start())
            words = _describe_image(match, labels) if match else None
            images += words is not None
        if match is not None:
            at = match.end()
            if words is not None:
                seen += [text[done : mark.start()], words]
                done = at
    return "".join(seen) + text[done:], images


def _describe_image(image: re.Match[str], labels: Set[str]) -> str | None:
    """Return what stands for an image that is written out as data; None for another one."""
    if image["alt"] is not None:
        is_data = image["label"] is None or image["label"].casefold() in labels
        return image["alt"] if is_data else None
    if not _IS_DATA.search(image[0]):
        return None
    alt = _ALT.search(image[0])
    return unescape(" ".join(filter(None, alt.groups()))) if alt else ""


def _drop_attributes(heading: re.Match[str]) -> str:
    at = heading[0].rindex("{")
    attributes = _ATTRIBUTES.fullmatch(heading[0], at)
    return heading[0][:at].rstrip() + f" {attributes[1]}".rstrip() if attributes else heading[0]


def _split_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text in order, and whether each is a block of code."""
    starts = [*_find_line_starts(text), len(text)]
    at = 0
    for token in _BLOCKS.parse(text):
        if token.type in ("fence", "code_block") and token.map:
            start, end = (starts[line] for line in token.map)
            yield text[at:start], False
            yield text[start:end], True
            at = end
    yield text[at:], False
