"""Reading articles out of request bodies: JSON, raw files and multipart forms."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.api.access import resources_of
from app.api.bodies import (
    BodyReader,
    BodySize,
    is_json,
    limit_body,
    limit_form,
    limits_of,
    parse_json,
)
from app.api.v1.document_schemas import DocumentIn, DocumentsIn, UploadOut
from app.config import Settings
from app.db.database import Database
from app.errors import InvalidRequest, UnsupportedMediaType
from app.services.articles.documents import AcceptedUploads, Upload, refresh_upload
from ingest.bundles import Member, expand_bundle, list_left_out
from ingest.formats import BUNDLE_TYPES, MEDIA_TYPES, resolve_media_type

MAX_WAIT_S = 30.0
_FIRST_PAUSE_S = 0.02
_MAX_PAUSE_S = 1.0

_JSON_TYPES = {"text": "text/plain", "html": "text/html", "markdown": "text/markdown"}


async def _read_one(request: Request) -> Upload:
    """Return the article of a PUT: a JSON body, or the raw file with its Content-Type."""
    document_id = request.path_params["id"]
    if is_json(request):
        body = await _limited(request).body()
        document = await parse_json(DocumentIn, body, limits_of(request, BodySize.UPLOAD))
        return _as_upload(document_id, document)
    body = await _limited(request).body()
    content_type = request.headers.get("content-type", "")
    upload = await run_in_threadpool(_read_file, document_id, document_id, content_type, body)
    if upload.media_type.partition(";")[0] in BUNDLE_TYPES:
        raise UnsupportedMediaType(
            "a file of several articles has several ids: send it as multipart/form-data"
        )
    return upload


@dataclass(frozen=True, slots=True)
class UploadBatch:
    """The articles of a POST, and the files of its archives that are none: `Thumbs.db`."""

    uploads: Sequence[Upload]
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a multipart form, as it came."""

    id: str
    name: str
    content_type: str
    data: bytes


async def read_form_files(request: Request) -> list[FormFile]:
    """Return the files of a multipart form under their ids; raises InvalidRequest."""
    settings = resources_of(request).settings
    most = settings.max_files_per_upload
    limited = limit_form(request, settings.max_body_bytes)
    async with limited.form(max_files=most, max_fields=most) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        ids = [str(value) for name, value in form.multi_items() if name == "id"]
        unknown = {
            name
            for name, value in form.multi_items()
            if name != "id" and not isinstance(value, UploadFile)
        }
        if unknown:
            raise InvalidRequest(f"unknown form fields: {', '.join(sorted(unknown))}")
        if not files:
            raise InvalidRequest("the form holds no file")
        if ids and len(ids) != len(files):
            raise InvalidRequest(f"the form holds {len(files)} files and {len(ids)} ids")
        names = [file.filename or "" for file in files]
        return [
            FormFile(document_id, name, file.content_type or "", await file.read())
            for document_id, name, file in zip(ids or names, names, files, strict=True)
        ]


def expand_file(file: FormFile, settings: Settings) -> UploadBatch:
    """Return the articles that a file is or holds; an archive unpacks to no more than a body."""
    upload = _read_file(file.id, file.name, file.content_type, file.data)
    members = expand_bundle(
        upload.id,
        upload.media_type,
        upload.data,
        max_bytes=settings.max_body_bytes,
        max_members=settings.max_files_per_upload,
    )
    if members is None:
        return UploadBatch([upload])
    names = list_left_out(upload.media_type, upload.data, max_members=settings.max_files_per_upload)
    return UploadBatch(
        [_as_member_upload(upload.id, member) for member in members],
        [f"{upload.id}/{name}" for name in names],
    )


async def _read_many(request: Request) -> UploadBatch:
    """Return the articles of a POST: a JSON batch, or the files of a multipart form."""
    if is_json(request):
        body = await _limited(request).body()
        batch = await parse_json(DocumentsIn, body, limits_of(request, BodySize.UPLOAD))
        return UploadBatch([_as_upload(document.id, document) for document in batch.documents])
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("send application/json or multipart/form-data")
    files = await read_form_files(request)
    return await run_in_threadpool(_expand, files, resources_of(request).settings)


# One type for all formats: clients are generated for it, and the format is told by the content,
# the id's suffix, or the Content-Type that a caller gives instead.
_FILE = {
    "type": "string",
    "format": "binary",
    "minLength": 1,
    "description": "A file as it is. Its own Content-Type goes too: "
    + ", ".join(MEDIA_TYPES)
    + ". As application/octet-stream its format is told by the content and the suffix of the id.",
}
_FORM = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "items": {"type": "string", "format": "binary", "minLength": 1},
            "minItems": 1,
            "description": "Files of any format, archives of several articles too",
        },
        "id": {
            "type": "array",
            "items": {"type": "string"},
            "description": "One id for each file, in order; without them, the names of the files",
        },
    },
}

OneUpload = Annotated[
    Upload,
    Depends(
        BodyReader(_read_one, {"application/json": DocumentIn, "application/octet-stream": _FILE})
    ),
]
ManyUploads = Annotated[
    UploadBatch,
    Depends(
        BodyReader(_read_many, {"application/json": DocumentsIn, "multipart/form-data": _FORM})
    ),
]


Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT_S,
        allow_inf_nan=False,
        description="Seconds to wait until every document is ready or failed",
    ),
]


DONE: dict[int | str, dict[str, Any]] = {
    200: {"model": UploadOut, "description": "Every document is ready or failed"}
}
"""The other answer of a route that uploads."""


async def answer_upload(
    database: Database, accepted: AcceptedUploads, wait: float, response: Response
) -> UploadOut:
    """Return how an upload stands after `wait` seconds at most: 200 where nothing is left to do."""
    waited = await wait_until_done(database, accepted, wait)
    if not waited.is_pending:
        response.status_code = 200
    return UploadOut.model_validate(waited)


async def wait_until_done(
    database: Database, upload: AcceptedUploads, seconds: float
) -> AcceptedUploads:
    """Return an upload once every document is ready or failed, or as it stands after `seconds`.

    A waiting request holds no thread and no transaction. The database is asked after pauses that
    grow from the time of a short article to that of a long one: 35 times in 30 s.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    pause = _FIRST_PAUSE_S
    while upload.is_pending and (left := deadline - clock()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _MAX_PAUSE_S)
        upload = await run_in_threadpool(refresh_upload, database, upload)
    return upload


def _read_file(document_id: str, filename: str, content_type: str, data: bytes) -> Upload:
    media_type = resolve_media_type(content_type, filename, data)
    return Upload(document_id, data, media_type, filename=filename)


def _expand(files: Sequence[FormFile], settings: Settings) -> UploadBatch:
    batches = [expand_file(file, settings) for file in files]
    return UploadBatch(
        [upload for batch in batches for upload in batch.uploads],
        [name for batch in batches for name in batch.left_out],
    )


def _as_member_upload(bundle_id: str, member: Member) -> Upload:
    # A file of an archive has a name; an article of a list has only its id.
    filename = member.id if member.id.startswith(f"{bundle_id}/") else ""
    return Upload(member.id, member.data, member.media_type, filename=filename, is_member=True)


def _limited(request: Request) -> Request:
    return limit_body(request, resources_of(request).settings.max_body_bytes)


def _as_upload(document_id: str, document: DocumentIn) -> Upload:
    field = next(name for name in _JSON_TYPES if getattr(document, name) is not None)
    attributes: dict[str, Any] | None = document.attributes
    return Upload(
        document_id,
        getattr(document, field).encode(),
        _JSON_TYPES[field],
        title=document.title,
        url=document.url,
        attributes=attributes,
    )
