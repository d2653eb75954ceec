"""Files that hold several articles: ZIP archives, JSON Lines and JSON arrays.

A bundle is taken apart when it is uploaded: each member becomes a document of its own, with its
own version, status and receipt. A member of an archive has the id `archive.zip/its/path`; an
article in JSON brings its own.
"""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from app.errors import InvalidRequest, UnreadableDocument, UnsupportedMediaType
from ingest.formats import (
    INVALID_LINE,
    INVALID_NAME,
    JSON_LINES,
    UNKNOWN,
    ZIP,
    resolve_media_type,
)
from ingest.ids import normalize_id
from ingest.names import is_left_out, read_names
from ingest.package import open_package, read_member

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Member:
    """One article of a bundle."""

    id: str
    data: bytes
    media_type: str


def expand_bundle(
    bundle_id: str, media_type: str, data: bytes, *, max_bytes: int, max_members: int
) -> list[Member] | None:
    """Return the articles in a bundle; None when the file is one article itself.

    Raises UnreadableDocument, and none of it is taken: `nested_archive`, `empty_document`, or what
    `open_package` refuses. A member of a format that is not read comes back as UNKNOWN, a line
    without an article as INVALID_LINE, and a name that cannot be an id as INVALID_NAME under its
    number, so that each fails alone and by name. So does a member of an archive without a byte.
    """
    kind = media_type.partition(";")[0]
    found: Iterable[Member] | None = None
    if kind == ZIP:
        found = _expand_archive(bundle_id, data, max_bytes, max_members)
    elif kind == JSON_LINES:
        found = _expand_lines(bundle_id, data)
    elif kind == _JSON and data.lstrip()[:1] == b"[":
        found = _read_array(data)
    if found is None:
        return None
    # Lines of a few bytes can be millions.
    members = list(islice(found, max_members + 1))
    if not members:
        raise UnreadableDocument(f"{bundle_id} holds no article", code="empty_document")
    if len(members) > max_members:
        raise UnreadableDocument(
            f"it holds more than {max_members} articles; an upload may have no more",
            code="archive_too_large",
        )
    return members


def list_left_out(media_type: str, data: bytes, *, max_members: int) -> list[str]:
    """Return the names of an archive's files that no author wrote: `Thumbs.db`, `~$a.docx`."""
    if media_type.partition(";")[0] != ZIP:
        return []
    infos = open_package(data, max_members=4 * max_members).infolist()
    return [name for name in read_names(infos) if is_left_out(name) and not name.endswith("/")]


def _expand_archive(
    archive_id: str, data: bytes, max_bytes: int, max_members: int
) -> Iterator[Member]:
    package = open_package(data, max_members=4 * max_members, max_bytes=max_bytes)
    infos = package.infolist()
    for number, (info, name) in enumerate(zip(infos, read_names(infos), strict=True), start=1):
        if name.endswith("/") or is_left_out(name):
            continue
        try:
            member_id = normalize_id(f"{archive_id}/{name}")
        except InvalidRequest as error:
            yield Member(f"{archive_id}:{number}", str(error).encode(), INVALID_NAME)
            continue
        content = read_member(package, info)
        if not content:
            # Whatever its name promises.
            yield Member(member_id, content, "text/plain")
            continue
        media_type = _resolve(name, content)
        if media_type == ZIP or PurePosixPath(name).suffix.lower() in _ARCHIVES:
            raise UnreadableDocument(
                f"{name}: an archive inside an archive is not opened", code="nested_archive"
            )
        nested = expand_bundle(
            member_id, media_type, content, max_bytes=max_bytes, max_members=max_members
        )
        yield from [Member(member_id, content, media_type)] if nested is None else nested


def _resolve(filename: str, content: bytes) -> str:
    try:
        return resolve_media_type("", filename, content)
    except UnsupportedMediaType:
        return UNKNOWN


def _expand_lines(bundle_id: str, data: bytes) -> Iterator[Member]:
    ids: set[str] = set()
    lines = io.BytesIO(data.removeprefix(b"\xef\xbb\xbf"))
    for number, line in enumerate(map(bytes.strip, lines), start=1):
        if line:
            article_id = _find_line_id(line)
            if article_id is None or article_id in ids:
                yield Member(f"{bundle_id}:{number}", line, INVALID_LINE)
            else:
                ids.add(article_id)
                yield Member(article_id, line, _JSON)


def _find_line_id(line: bytes) -> str | None:
    try:
        return _find_id(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _read_array(data: bytes) -> list[Member] | None:
    """Return the articles of an array; None when it holds anything else, or is not one."""
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        array = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ids = [_find_id(item) for item in array]
    return (
        [
            Member(article_id, item.encode("utf-8", "surrogatepass"), _JSON)
            for article_id, item in zip(ids, _split_objects(text), strict=True)
            if article_id is not None
        ]
        if ids and None not in ids
        else None
    )


def _split_objects(array: str) -> Iterator[str]:
    """Yield the objects of an array as they are written: numbers and repeated names are kept."""
    decoder = json.JSONDecoder()
    at = array.find("{")
    while at >= 0:
        _, end = decoder.raw_decode(array, at)
        yield array[at:end]
        at = array.find("{", end)


def _find_id(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    article_id = value.get("id", value.get("_id"))
    if not isinstance(article_id, str):
        return None
    try:
        return normalize_id(article_id)
    except InvalidRequest:
        return None
