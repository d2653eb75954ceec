"""Parsers: one module a format, each a function from bytes and a declared charset to an Article."""

import re
from collections.abc import Callable
from dataclasses import replace

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.html import parse_html
from ingest.parsers.markdown import parse_markdown
from ingest.parsers.pdf import parse_pdf
from ingest.parsers.text import parse_text

PARSERS: dict[str, Callable[[bytes, str], Article]] = {
    "text/plain": parse_text,
    "text/markdown": parse_markdown,
    "text/html": parse_html,
    "application/xhtml+xml": parse_html,
    "application/pdf": parse_pdf,
}

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def parse_document(media_type: str, data: bytes) -> Article:
    """Parse `data`; raises UnreadableDocument with a code when no article comes of it."""
    kind, _, charset = media_type.partition("; charset=")
    article = PARSERS[kind](data, charset)
    if "\x00" in article.text:
        raise UnreadableDocument("the text holds NUL characters", code="nul_character")
    if not article.text.strip():
        raise UnreadableDocument("the document holds no text", code="empty_document")
    # Lone surrogates are no characters: no database and no JSON can hold them.
    broken = len(_SURROGATE.findall(article.text))
    warnings = (f"{broken} invalid characters replaced",) if broken else ()
    return replace(
        article,
        text=_SURROGATE.sub("\ufffd", article.text),
        title=" ".join(_CONTROL.sub(" ", article.title).split()),
        headings=tuple(replace(h, text=_CONTROL.sub(" ", h.text)) for h in article.headings),
        warnings=article.warnings + warnings,
    )
