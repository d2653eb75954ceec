"""What an admin corrects: an article's title, address and attributes; and the file itself."""

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app.admin.access import HOME
from app.admin.formats import as_segment
from app.admin.pages import PageRoute, redirect
from app.api.access import Opened, ReadableCollection, WritableCollection
from app.api.v1.document_schemas import DocumentChangesIn
from app.api.v1.originals import as_attachment
from app.errors import InvalidRequest
from app.services.articles.changes import change_document
from app.services.articles.documents import get_document
from app.services.articles.originals import get_original

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PDF = "application/pdf"
# Not what str.splitlines takes for one: a value may hold the separators of Unicode.
_LINE_END = re.compile(r"\r\n|\n|\r")
_NOT_IN_KEYS = re.compile(r"[:\r\n]")
_DECODER = json.JSONDecoder()
# The browser's own viewer, in a frame of our page; a PDF runs nothing of ours.
_PDF_HEADERS = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}


@router.post("/collections/{collection}/change")
def change_article(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    id: Annotated[str, Form(max_length=256)],
    title: Annotated[str, Form(max_length=1024)] = "",
    url: Annotated[str, Form(max_length=2048)] = "",
    attributes: Annotated[str, Form(max_length=200_000)] = "",
    former: Annotated[str, Form(max_length=200_000)] = "",
) -> Response:
    """Change title, address and attributes; a line of attributes that was removed is taken back."""
    path = f"{HOME}/collections/{collection.name}/articles/{as_segment(id)}"
    wanted, known = _read_lines(attributes), _read_lines(former)
    changed: dict[str, Any] = {key: None for key in known if key not in wanted}
    changed |= {key: value for key, value in wanted.items() if known.get(key) != value}
    document = get_document(resources.database, collection, id)
    values: dict[str, Any] = {}
    # What the form shows may be the file's own: sent back as it was, it is not a caller's. A field
    # of a form holds no ends of lines.
    if title.strip() != _LINE_END.sub("", document.title).strip():
        values["title"] = title.strip() or None
    if url.strip() != (document.url or "").strip():
        values["url"] = url.strip() or None
    if changed:
        values["attributes"] = changed
    if not values:
        return redirect(request, path, "Nothing was changed.")
    body = _check(values)
    change_document(resources, collection, id, body.model_dump(include=body.model_fields_set))
    return redirect(request, path, "Changed. A new title answers once it has been embedded.")


@router.get("/collections/{collection}/originals/{id:path}")
def show_original(
    resources: Opened,
    collection: ReadableCollection,
    id: str,
    inline: Annotated[bool, Query()] = False,
) -> Response:
    """Return the uploaded file: a PDF for the browser's viewer, everything else as a download."""
    file = get_original(resources.database, collection, id)
    if inline and file.media_type == PDF:
        return Response(file.data, media_type=PDF, headers=_PDF_HEADERS)
    return as_attachment(file, id)


def write_lines(attributes: dict[str, Any]) -> str:
    """Return attributes one a line, as `key: value`; what is not plain text is JSON.

    So is a key that a line would be read with another one for: with a colon, say.
    """
    return "\n".join(
        f"{key if _is_plain_key(key) else _dump(key)}: "
        f"{value if _is_plain(value) else _dump(value)}"
        for key, value in attributes.items()
    )


def _read_lines(text: str) -> dict[str, Any]:
    """Return attributes of lines; raises InvalidRequest for a line without a colon."""
    read: dict[str, Any] = {}
    for line in filter(str.strip, _LINE_END.split(text)):
        key, colon, value = _split_line(line.strip())
        if not colon or not key.strip():
            raise InvalidRequest(
                f"a line of attributes is written `key: value`; this one is not: {line[:60]}",
                code="invalid_attributes",
            )
        read[key] = _read_value(value.strip())
    return read


def _split_line(line: str) -> tuple[str, str, str]:
    """Return key, colon and value; a key in quotation marks is JSON."""
    if line.startswith('"'):
        try:
            key, end = _DECODER.raw_decode(line)
        except ValueError:
            pass
        else:
            rest = line[end:].lstrip()
            return key, rest[:1] if rest.startswith(":") else "", rest[1:]
    key, colon, value = line.partition(":")
    return key.strip(), colon, value


def _read_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) or value is None else value


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, str)
        and value == value.strip()
        and not _LINE_END.search(value)
        and _read_value(value) == value
    )


def _is_plain_key(key: str) -> bool:
    return key == key.strip() and not key.startswith('"') and not _NOT_IN_KEYS.search(key)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check(values: dict[str, Any]) -> DocumentChangesIn:
    try:
        return DocumentChangesIn.model_validate(values)
    except ValidationError as error:
        parts = (f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5])
        raise InvalidRequest("; ".join(parts)) from error
