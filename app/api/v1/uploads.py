"""Reading articles out of request bodies: JSON, raw files and multipart forms."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.api.access import resources_of
from app.api.bodies import body_schema, is_json, limit_body, parse_json, refer_to
from app.api.v1.document_schemas import DocumentIn, DocumentsIn
from app.errors import InvalidRequest, UnsupportedMediaType
from app.services.articles.documents import Upload
from ingest.bundles import expand_bundle
from ingest.formats import BUNDLE_TYPES, resolve_media_type

MAX_FILES = 1000

_JSON_TYPES = {"text": "text/plain", "html": "text/html", "markdown": "text/markdown"}


async def _read_one(request: Request) -> Upload:
    """Return the article of a PUT: a JSON body, or the raw file with its Content-Type."""
    document_id = request.path_params["id"]
    if is_json(request):
        body = await _limited(request).body()
        return _as_upload(document_id, await parse_json(DocumentIn, body))
    body = await _limited(request).body()
    content_type = request.headers.get("content-type", "")
    upload = await run_in_threadpool(_read_file, document_id, document_id, content_type, body)
    if upload.media_type.partition(";")[0] in BUNDLE_TYPES:
        raise UnsupportedMediaType(
            "a file of several articles has several ids: send it as multipart/form-data"
        )
    return upload


async def _read_many(request: Request) -> list[Upload]:
    """Return the articles of a POST: a JSON batch, or the files of a multipart form."""
    if is_json(request):
        batch = await parse_json(DocumentsIn, await _limited(request).body())
        return [_as_upload(document.id, document) for document in batch.documents]
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("send application/json or multipart/form-data")
    async with _limited(request).form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
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
        uploads = [
            await run_in_threadpool(
                _read_file, document_id, name, file.content_type or "", await file.read()
            )
            for document_id, name, file in zip(ids or names, names, files, strict=True)
        ]
    max_bytes = resources_of(request).settings.max_body_bytes
    return await run_in_threadpool(_expand, uploads, max_bytes)


OneUpload = Annotated[Upload, Depends(_read_one)]
ManyUploads = Annotated[Sequence[Upload], Depends(_read_many)]


def _read_file(document_id: str, filename: str, content_type: str, data: bytes) -> Upload:
    media_type = resolve_media_type(content_type, filename, data)
    return Upload(document_id, data, media_type, filename=filename)


def _expand(uploads: Sequence[Upload], max_bytes: int) -> list[Upload]:
    """Return the documents that files are or hold; an archive unpacks to at most `max_bytes`."""
    expanded: list[Upload] = []
    for upload in uploads:
        members = expand_bundle(upload.id, upload.media_type, upload.data, max_bytes=max_bytes)
        if members is None:
            expanded.append(upload)
        else:
            expanded += [Upload(m.id, m.data, m.media_type, filename=m.id) for m in members]
    return expanded


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


def upload_schema(model: type[BaseModel], *, raw_types: Sequence[str] = ()) -> dict[str, Any]:
    """Return the OpenAPI request body of a route that reads its body by hand."""
    content: dict[str, Any] = {"application/json": refer_to(model)}
    file = {"type": "string", "format": "binary", "minLength": 1}
    content |= dict.fromkeys(raw_types, file)
    if not raw_types:
        content["multipart/form-data"] = {
            "type": "object",
            "required": ["files"],
            "properties": {
                "files": {"type": "array", "items": file, "minItems": 1},
                "id": {"type": "array", "items": {"type": "string"}},
            },
        }
    return body_schema(content)
