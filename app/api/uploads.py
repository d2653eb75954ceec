"""Reading articles out of request bodies: JSON, raw files and multipart forms."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.api.schemas import DocumentIn, DocumentsIn
from app.errors import InvalidRequest
from app.services.documents import Upload
from ingest.formats import resolve_media_type

MAX_FILES = 1000

BodyModel = TypeVar("BodyModel", bound=BaseModel)

_JSON_TYPES = {"text": "text/plain", "html": "text/html", "markdown": "text/markdown"}


async def _read_one(request: Request) -> Upload:
    """Return the article of a PUT: a JSON body, or the raw file with its Content-Type."""
    document_id = request.path_params["id"]
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    if _is_json(content_type):
        document = await run_in_threadpool(_parse, DocumentIn, body)
        return _as_upload(document_id, document)
    return Upload(
        document_id, body, resolve_media_type(content_type, document_id), filename=document_id
    )


async def _read_many(request: Request) -> list[Upload]:
    """Return the articles of a POST: a JSON batch, or the files of a multipart form."""
    content_type = request.headers.get("content-type", "")
    if _is_json(content_type):
        batch = await run_in_threadpool(_parse, DocumentsIn, await request.body())
        return [_as_upload(document.id, document) for document in batch.documents]
    if not content_type.lower().startswith("multipart/form-data"):
        raise HTTPException(415, "send application/json or multipart/form-data")
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
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
            Upload(
                document_id,
                await file.read(),
                resolve_media_type(file.content_type or "", name),
                filename=name,
            )
            for document_id, name, file in zip(ids or names, names, files, strict=True)
        ]


OneUpload = Annotated[Upload, Depends(_read_one)]
ManyUploads = Annotated[Sequence[Upload], Depends(_read_many)]


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _parse(model: type[BodyModel], body: bytes) -> BodyModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(
            [{**part, "loc": ("body", *part["loc"])} for part in error.errors(include_url=False)]
        ) from error


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
    content: dict[str, Any] = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    }
    for media_type in raw_types:
        content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    if not raw_types:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    "id": {"type": "array", "items": {"type": "string"}},
                },
            }
        }
    return {"requestBody": {"required": True, "content": content}}
