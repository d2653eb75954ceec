"""`/v1/files`: OpenAI's files, which exist before they are in a vector store."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.api.access import Opened, Reader, Writer, resources_of
from app.api.bodies import BodyReader, limit_form
from app.api.compat.errors import OpenAIRoute, openai_responses
from app.api.v1.fields import Answer
from app.db.models import utc_now
from app.errors import InvalidRequest, UnsupportedMediaType
from app.services.articles import files
from app.services.articles.files import DEFAULT_PURPOSE, FileInfo, NewFile
from ingest.formats import UNKNOWN, resolve_media_type

router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["openai"])

PURPOSES = (DEFAULT_PURPOSE, "user_data", "batch", "fine-tune", "vision", "evals")
MIN_EXPIRY_SECONDS, MAX_EXPIRY_SECONDS = 3600, 2_592_000
MAX_LISTED = 10_000
FileId = Annotated[str, Path(description="The id of a file", examples=["file-doc1"])]


class FileOut(Answer):
    """A file: one that was uploaded here, or an article that came by another way."""

    id: str
    """What names it."""
    object: Literal["file"] = "file"
    """Always this word."""
    bytes: int
    """How long it is."""
    created_at: int
    """When, in seconds since 1970."""
    filename: str
    """As it was uploaded."""
    purpose: str
    """What it was uploaded for."""
    status: Literal["processed"] = "processed"
    """Where it stands."""
    expires_at: int | None = None
    """When it expires, in seconds since 1970; null: never."""


class FilesOut(Answer):
    object: Literal["list"] = "list"
    """Always this word."""
    data: list[FileOut]
    """This page."""
    first_id: str | None
    """Of this page; null where it is empty."""
    last_id: str | None
    """Of this page: `after` of the next one."""
    has_more: bool
    """Whether there is a next page."""


class FileDeleted(Answer):
    id: str
    """What names it."""
    object: Literal["file"] = "file"
    """Always this word."""
    deleted: Literal[True] = True
    """Always true."""


async def read_form(request: Request) -> NewFile:
    """Return the file of a multipart form with `file`, `purpose` and `expires_after`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("send multipart/form-data with file and purpose")
    limit = resources_of(request).settings.max_body_bytes
    async with limit_form(request, limit).form(max_files=1, max_fields=16) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("the form has no file", code="missing_file")
        purpose = str(form.get("purpose", ""))
        if purpose not in PURPOSES:
            raise InvalidRequest(f"purpose is one of {', '.join(PURPOSES)}", code="invalid_purpose")
        data = await file.read()
        name = (file.filename or "file").replace("\x00", "")[:256]
        kind = await run_in_threadpool(_find_media_type, file.content_type or "", name, data)
        return NewFile(name, purpose, kind, data, _read_expiry(form))


FileForm = BodyReader(
    read_form,
    {
        "multipart/form-data": {
            "type": "object",
            "required": ["file", "purpose"],
            "properties": {
                "file": {"type": "string", "format": "binary"},
                "purpose": {"type": "string", "enum": list(PURPOSES)},
                "expires_after[seconds]": {
                    "type": "integer",
                    "minimum": MIN_EXPIRY_SECONDS,
                    "maximum": MAX_EXPIRY_SECONDS,
                },
            },
        }
    },
)


def _read_expiry(form: Any) -> datetime | None:
    seconds, anchor = form.get("expires_after[seconds]"), form.get("expires_after[anchor]")
    if seconds is None and anchor is None:
        return None
    text = str(seconds)
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    if anchor not in {None, "created_at"} or not (
        is_number and MIN_EXPIRY_SECONDS <= int(text) <= MAX_EXPIRY_SECONDS
    ):
        raise InvalidRequest(
            f"expires_after.seconds lies between {MIN_EXPIRY_SECONDS} and {MAX_EXPIRY_SECONDS}, "
            "from the anchor created_at",
            code="invalid_expiry",
        )
    return utc_now() + timedelta(seconds=int(text))


def _find_media_type(content_type: str, name: str, data: bytes) -> str:
    """Return what a file is read as; source code and other text of no known kind as plain text.

    What cannot be read is taken all the same: it fails once it is put into a store.
    """
    try:
        return resolve_media_type(content_type, name, data)
    except UnsupportedMediaType:
        if b"\x00" in data:
            return UNKNOWN
        try:
            data.decode()
        except UnicodeDecodeError:
            return UNKNOWN
        return "text/plain"


@router.post(
    "/files",
    operation_id="create_file",
    responses=openai_responses(400, 401, 403, 413, 415, 507),
)
def create_file(
    file: Annotated[NewFile, Depends(FileForm)], resources: Opened, caller: Writer
) -> FileOut:
    """Upload a file; it is read once it is put into a vector store."""
    return describe_file(files.create_file(resources, caller.principal, file))


@router.get("/files", operation_id="list_files", responses=openai_responses(400, 401, 403, 404))
def list_files(
    resources: Opened,
    caller: Reader,
    purpose: Annotated[str | None, Query(max_length=32, description="Of this purpose only")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED, description="How many, at most")] = MAX_LISTED,
    after: Annotated[
        str | None, Query(max_length=64, description="Id of the last one of the page before")
    ] = None,
    order: Annotated[
        Literal["asc", "desc"], Query(description="By age: `desc`, newest first")
    ] = "desc",
) -> FilesOut:
    """List the files that the key covers, those of articles included."""
    found, more = files.list_files(
        resources,
        caller.principal,
        purpose=purpose,
        limit=limit,
        after=after,
        descending=order == "desc",
    )
    return FilesOut(
        data=[describe_file(info) for info in found],
        first_id=found[0].id if found else None,
        last_id=found[-1].id if found else None,
        has_more=more,
    )


@router.get("/files/{file_id}", operation_id="get_file", responses=openai_responses(401, 403, 404))
def get_file(file_id: FileId, resources: Opened, caller: Reader) -> FileOut:
    """Show a file."""
    return describe_file(files.get_file(resources, caller.principal, file_id))


@router.get(
    "/files/{file_id}/content",
    operation_id="read_file",
    response_class=Response,
    responses=openai_responses(401, 403, 404, 503)
    | {200: {"content": {"application/octet-stream": {}}, "description": "The bytes"}},
)
def get_file_content(file_id: FileId, resources: Opened, caller: Reader) -> Response:
    """Return the bytes of a file as they were uploaded."""
    _, data = files.read_file(resources, caller.principal, file_id)
    # Never its own type: a browser would run what somebody uploaded.
    return Response(data, media_type="application/octet-stream")


@router.delete(
    "/files/{file_id}", operation_id="delete_file", responses=openai_responses(401, 403, 404)
)
def delete_file(file_id: FileId, resources: Opened, caller: Writer) -> FileDeleted:
    """Erase a file, and out of every vector store with it."""
    files.delete_file(resources, caller.principal, file_id)
    return FileDeleted(id=file_id)


def describe_file(info: FileInfo) -> FileOut:
    """Return a file as those clients read it."""
    return FileOut(
        id=info.id,
        bytes=info.size,
        created_at=int(info.created_at.timestamp()),
        filename=info.filename,
        purpose=info.purpose,
        expires_at=None if info.expires_at is None else int(info.expires_at.timestamp()),
    )
