"""JSON: one article as an object, as the REST interface takes it."""

import json
import re
from typing import Any

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.fields import find_misspelt
from ingest.parsers.front_matter import flatten_attributes
from ingest.parsers.html import parse_html
from ingest.parsers.markdown import parse_markdown
from ingest.parsers.tables import render_table
from ingest.parsers.text import decode_text, parse_text

_BODIES = {"text": parse_text, "html": parse_html, "markdown": parse_markdown}
_KINDS = {**dict.fromkeys((*_BODIES, "title", "url"), str), "attributes": dict}
_NOT_UNICODE = re.compile(r"[\ud800-\udfff]")
_OWN = {*_KINDS, "id", "_id"}


def parse_json(data: bytes, charset: str = "") -> Article:
    """Read {"text" | "html" | "markdown", "title"?, "url"?, "attributes"?, …}.

    Other fields become attributes, as in front matter; a repeated one has all its values. JSON of
    another shape is read as its values, as they are written, with a warning. Raises
    UnreadableDocument (`invalid_json`).
    """
    source, warnings = decode_text(data, charset)
    if not source.strip():
        return Article("", warnings=warnings)
    try:
        value = json.loads(source, object_pairs_hook=_keep_repeated)
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument("it is not valid JSON", code="invalid_json") from error
    kind = _find_body(value)
    if kind is None:
        text = "\n\n".join(_write_values(_load_as_written(source)))
        return Article(text, warnings=(*warnings, "not an article: its values are kept"))
    if broken := len(_NOT_UNICODE.findall(value[kind])):
        warnings += (f"{broken} invalid characters replaced",)
    body = value[kind].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    article = _BODIES[kind](body.encode(), "")
    declared = value.get("attributes")
    others = {key: entry for key, entry in value.items() if key not in _OWN}
    attributes, dropped = flatten_attributes(
        others | (declared if isinstance(declared, dict) else {})
    )
    dropped += _list_mistyped(value)
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


def refuse_name(data: bytes, charset: str = "") -> Article:
    """Raise UnreadableDocument (`invalid_id`), for a member of an archive without a usable name."""
    raise UnreadableDocument(data.decode(), code="invalid_id")


def _load_as_written(source: str) -> Any:
    """Return JSON with its numbers as words: 1.10 and 6.02e23 are the author's."""
    return json.loads(
        source,
        parse_int=str,
        parse_float=str,
        parse_constant=str,
        object_pairs_hook=_keep_repeated,
    )


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that stands in it more than once has its values as a list."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: of_name if of_name[1:] else of_name[0] for name, of_name in values.items()}


def _list_mistyped(article: dict[str, Any]) -> list[str]:
    """Return the fields of an article that are set to what they cannot be."""
    return [
        name
        for name, kind in _KINDS.items()
        if article.get(name) is not None and not isinstance(article[name], kind)
    ]


def _find_body(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    kinds = [kind for kind in _BODIES if isinstance(value.get(kind), str)]
    return kinds[0] if len(kinds) == 1 else None


def _write_values(value: Any) -> list[str]:
    """Return the values in JSON with their names, as blocks of text: alike objects as a table."""
    if isinstance(value, dict):
        lines = [f"{key}: {_write_scalar(v)}" for key, v in value.items() if _is_plain(v)]
        nested = [
            block
            for key, inner in value.items()
            if not _is_plain(inner)
            for block in _name_first(str(key), _write_values(inner))
        ]
        return [*(["\n".join(lines)] if lines else []), *nested]
    if isinstance(value, list):
        if len(value) > 1 and _are_alike(value):
            return [_write_table(value)]
        if all(map(_is_plain, value)):
            return ["\n".join(f"- {_write_scalar(v)}" for v in value)] if value else []
        return [block for inner in value for block in _write_values(inner)]
    return [_write_scalar(value)]


def _name_first(name: str, blocks: list[str]) -> list[str]:
    if not blocks or blocks[0].startswith("|"):
        return [f"{name}:", *blocks]
    return [f"{name}:\n{blocks[0]}", *blocks[1:]]


def _write_table(objects: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for entry in objects for name in entry))
    rows = ([_write_scalar(entry.get(name)) for name in names] for entry in objects)
    return render_table([names, *rows])


def _are_alike(values: list[Any]) -> bool:
    """Return whether values are objects that fill most of a table of all their names."""
    if not all(isinstance(value, dict) and _is_flat(value) for value in values):
        return False
    names = {name for value in values for name in value}
    return 2 * sum(map(len, values)) >= len(names) * len(values)


def _is_plain(value: Any) -> bool:
    is_short = isinstance(value, list) and not any(isinstance(v, dict | list) for v in value)
    return is_short or not isinstance(value, dict | list)


def _is_flat(entry: dict[str, Any]) -> bool:
    return all(map(_is_plain, entry.values()))


def _write_scalar(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(_write_scalar, value))
        case _:
            return str(value)


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
