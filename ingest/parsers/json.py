"""JSON: one article as an object, as the REST interface takes it."""

import json
from typing import Any

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.fields import find_misspelt
from ingest.parsers.html import parse_html
from ingest.parsers.markdown import flatten_attributes, parse_markdown
from ingest.parsers.text import decode_text, parse_text

_BODIES = {"text": parse_text, "html": parse_html, "markdown": parse_markdown}
_OWN = {*_BODIES, "title", "url", "attributes", "id", "_id"}


def parse_json(data: bytes, charset: str = "") -> Article:
    """Read {"text" | "html" | "markdown", "title"?, "url"?, "attributes"?, …}.

    Other fields become attributes, as in front matter. JSON of another shape is kept as it is
    written, with a warning. Raises UnreadableDocument (`invalid_json`).
    """
    source, warnings = decode_text(data, charset)
    if not source.strip():
        return Article("", warnings=warnings)
    try:
        value = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument("it is not valid JSON", code="invalid_json") from error
    kind = _find_body(value)
    if kind is None:
        return Article(source, warnings=(*warnings, "not an article: kept as JSON is written"))
    body = value[kind].encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    article = _BODIES[kind](body.encode(), "")
    declared = value.get("attributes")
    others = {key: entry for key, entry in value.items() if key not in _OWN}
    attributes, dropped = flatten_attributes(
        others | (declared if isinstance(declared, dict) else {})
    )
    warnings += tuple(
        f"the field {name} was taken as an attribute; perhaps {field} was meant"
        for name, field in find_misspelt(others).items()
    )
    if dropped:
        warnings += (f"fields without a usable value: {', '.join(dropped)}",)
    return Article(
        article.text,
        title=_string(value.get("title")) or article.title,
        url=_string(value.get("url")) or article.url,
        attributes={**(article.attributes or {}), **attributes},
        headings=article.headings,
        warnings=warnings + article.warnings,
    )


def refuse_line(data: bytes, charset: str = "") -> Article:
    """Raise UnreadableDocument (`invalid_line`), for a line that holds no article."""
    raise UnreadableDocument(
        "the line is not a JSON object with an id of its own", code="invalid_line"
    )


def _find_body(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    kinds = [kind for kind in _BODIES if isinstance(value.get(kind), str)]
    return kinds[0] if len(kinds) == 1 else None


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
