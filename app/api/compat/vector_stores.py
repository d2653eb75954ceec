"""`/v1/vector_stores`: collections by OpenAI's contract; a file in one is a document."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field, StringConstraints, model_validator

from app.api.access import (
    Admin,
    CurrentCaller,
    Opened,
    OwnedStore,
    ReadableStore,
    Reader,
    WritableStore,
)
from app.api.bodies import json_body
from app.api.compat.errors import ContractBody, OpenAIRoute, openai_responses
from app.api.v1.fields import Answer
from app.domain import Scope, Status
from app.errors import NotFound
from app.services.articles import stores
from app.services.articles.collections import delete_collection
from app.services.articles.stores import (
    CANCELLED,
    Attachment,
    BatchInfo,
    Page,
    StoreFile,
    StoreInfo,
)

router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["openai"])

MAX_FILES = 2000
POLL_MS = "200"
_BATCH_PREFIX = "vsfb_"
_STATES: dict[str, Status | str] = {
    "in_progress": Status.PROCESSING,
    "completed": Status.READY,
    "failed": Status.FAILED,
    "cancelled": CANCELLED,
}
# Of the codes of versions that failed; any other is the server's.
_UNREADABLE = {"unsupported_media_type": "unsupported_file"}
_SERVER_CODES = {"internal_error", "worker_lost", "model_unavailable", "storage_failed"}

State = Literal["in_progress", "completed", "failed", "cancelled"]
Text512 = Annotated[str, StringConstraints(max_length=512)]
Key64 = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Metadata = Annotated[dict[Key64, Text512], Field(max_length=16)]
FileAttributes = Annotated[dict[Key64, Text512 | bool | int | float], Field(max_length=16)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many, at most")]
Cursor = Annotated[
    str | None, Query(max_length=64, description="Id of the last one of the page beside this one")
]
Order = Annotated[Literal["asc", "desc"], Query(description="By age: `desc`, newest first")]
FileId = Annotated[str, Path(description="The id of a file", examples=["file-doc1"])]
BatchId = Annotated[str, Path(description="The id of a batch", examples=["vsfb_1"])]


class ExpiresAfter(ContractBody):
    anchor: Literal["last_active_at"] = "last_active_at"
    """What the days count from."""
    days: int = Field(ge=1, le=365)
    """How many."""


class StoreIn(ContractBody):
    """`chunking_strategy` is taken and changes nothing: articles are embedded whole."""

    name: str | None = Field(None, max_length=256, examples=["Help centre"])
    """What people call it."""
    description: str | None = Field(None, max_length=4096)
    """What it is for."""
    file_ids: list[str] = Field([], max_length=MAX_FILES)
    """Files to put in, with the same attributes."""
    metadata: Metadata | None = None
    """Words of the caller, by key."""
    expires_after: ExpiresAfter | None = None
    """After how many days without use it expires; null: never."""


class StoreChangeIn(ContractBody):
    name: str | None = Field(None, max_length=256)
    """What people call it."""
    metadata: Metadata | None = None
    """Words of the caller, by key."""
    expires_after: ExpiresAfter | None = None
    """After how many days without use it expires; null: never."""


class AttachmentIn(ContractBody):
    file_id: str = Field(max_length=64)
    """The id of a file."""
    attributes: FileAttributes | None = None
    """By key, as filters look them up."""


class AttributesChangeIn(ContractBody):
    attributes: FileAttributes | None
    """By key, as filters look them up."""


class BatchIn(ContractBody):
    """`file_ids` with the same `attributes` each, or `files` with their own."""

    file_ids: list[str] = Field([], max_length=MAX_FILES)
    """Files to put in, with the same attributes."""
    files: list[AttachmentIn] = Field([], max_length=MAX_FILES)
    """Files to put in, each with its own attributes."""
    attributes: FileAttributes | None = None
    """By key, as filters look them up."""

    @model_validator(mode="after")
    def _names_files(self) -> "BatchIn":
        if bool(self.file_ids) == bool(self.files):
            raise ValueError("give either file_ids or files")
        return self

    def attachments(self) -> list[Attachment]:
        if self.files:
            return [Attachment(file.file_id, file.attributes) for file in self.files]
        return [Attachment(file_id, self.attributes) for file_id in self.file_ids]


class FileCounts(Answer):
    in_progress: int
    """Waiting, or worked on."""
    completed: int
    """Ready."""
    failed: int
    """Failed."""
    cancelled: int
    """Taken out of the queue."""
    total: int
    """All of them."""


class StoreOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store"] = "vector_store"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    name: str
    """What people call it."""
    description: str
    """What it is for."""
    usage_bytes: int
    """Bytes of its vectors."""
    file_counts: FileCounts
    """How many files stand where."""
    status: Literal["in_progress", "completed", "expired"]
    """Where it stands."""
    metadata: dict[str, Any]
    """Words of the caller, by key."""
    last_active_at: int
    """When it was used last, in seconds since 1970."""
    expires_after: ExpiresAfter | None
    """After how many days without use it expires; null: never."""
    expires_at: int | None
    """When it expires, in seconds since 1970; null: never."""


class LastError(Answer):
    code: Literal["server_error", "unsupported_file", "invalid_file"]
    """Stable, for programs."""
    message: str
    """One sentence for people."""


class StoreFileOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store.file"] = "vector_store.file"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    vector_store_id: str
    """The vector store that it is in."""
    status: State
    """Where it stands."""
    last_error: LastError | None
    """Why it failed; null unless it did."""
    usage_bytes: int
    """Bytes of its vectors."""
    attributes: dict[str, Any]
    """By key, as filters look them up."""
    chunking_strategy: dict[str, str] = Field(default_factory=lambda: {"type": "other"})
    """Always `other`: articles are embedded whole."""


class BatchOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    vector_store_id: str
    """The vector store that it is in."""
    status: State
    """Where it stands."""
    file_counts: FileCounts
    """How many files stand where."""


class Deleted(Answer):
    id: str
    """What names it."""
    object: str
    """Always this word."""
    deleted: Literal[True] = True
    """Always true."""


class StoresOut(Answer):
    object: Literal["list"] = "list"
    """Always this word."""
    data: list[StoreOut]
    """This page."""
    first_id: str | None
    """Of this page; null where it is empty."""
    last_id: str | None
    """Of this page: `after` of the next one."""
    has_more: bool
    """Whether there is a next page."""


class StoreFilesOut(Answer):
    object: Literal["list"] = "list"
    """Always this word."""
    data: list[StoreFileOut]
    """This page."""
    first_id: str | None
    """Of this page; null where it is empty."""
    last_id: str | None
    """Of this page: `after` of the next one."""
    has_more: bool
    """Whether there is a next page."""


class TextOut(Answer):
    type: Literal["text"] = "text"
    """Of what kind it is."""
    text: str
    """What was read, or what stands for a token."""


class ContentOut(Answer):
    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    """Always this word."""
    data: list[TextOut]
    """This page."""
    has_more: bool = False
    """Whether there is a next page."""
    next_page: str | None = None
    """Always null: there is one page."""


def find_page(
    limit: Limit = 20, order: Order = "desc", after: Cursor = None, before: Cursor = None
) -> Page:
    """Return where a list begins, from the query of a request."""
    return Page(limit, after, before, order == "desc")


Paged = Annotated[Page, Depends(find_page)]


@router.post(
    "/vector_stores",
    operation_id="create_store",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429),
)
def create_vector_store(
    body: Annotated[StoreIn, Depends(json_body(StoreIn, max_bytes=None))],
    resources: Opened,
    caller: Admin,
    response: Response,
) -> StoreOut:
    """Make a vector store, which is a collection, and queue files into it."""
    made = stores.create_store(
        resources,
        name=body.name or "",
        description=body.description or "",
        metadata=body.metadata,
        expires_days=body.expires_after.days if body.expires_after else None,
    )
    if body.file_ids:
        ref = caller.collection(made.id, Scope.WRITE)
        try:
            attachments = [Attachment(file_id) for file_id in body.file_ids]
            stores.attach_files(resources, caller.principal, ref, attachments)
        except BaseException:
            delete_collection(resources, ref, confirmed=ref.name, keeps_files=True)
            raise
        made = stores.get_store(resources, ref)
    return _polled(describe_store(made), response)


@router.get(
    "/vector_stores",
    operation_id="list_stores",
    responses=openai_responses(400, 401, 403, 404),
)
def list_vector_stores(resources: Opened, caller: Reader, page: Paged) -> StoresOut:
    """List the vector stores that the key covers: every collection is one."""
    found, more = stores.list_stores(resources, caller.principal, page)
    return StoresOut(
        data=[describe_store(info) for info in found], **_first_and_last(found), has_more=more
    )


@router.get(
    "/vector_stores/{vector_store_id}",
    operation_id="get_store",
    responses=openai_responses(401, 403, 404),
)
def get_vector_store(store: ReadableStore, resources: Opened, response: Response) -> StoreOut:
    """Show a vector store."""
    return _polled(describe_store(stores.get_store(resources, store)), response)


@router.post(
    "/vector_stores/{vector_store_id}",
    operation_id="update_store",
    responses=openai_responses(400, 401, 403, 404, 413, 415),
)
def update_vector_store(
    store: OwnedStore,
    body: Annotated[StoreChangeIn, Depends(json_body(StoreChangeIn, max_bytes=None))],
    resources: Opened,
) -> StoreOut:
    """Change the name, the metadata or the expiry of a vector store."""
    changes: dict[str, Any] = {}
    if body.name is not None:
        changes["name"] = body.name
    if body.metadata is not None:
        changes["metadata"] = body.metadata
    if "expires_after" in body.model_fields_set:
        changes["expires_days"] = body.expires_after.days if body.expires_after else None
    return describe_store(stores.update_store(resources, store, changes))


@router.delete(
    "/vector_stores/{vector_store_id}",
    operation_id="delete_store",
    responses=openai_responses(401, 403, 404),
)
def delete_vector_store(store: OwnedStore, resources: Opened) -> Deleted:
    """Erase a vector store; files that were uploaded stay."""
    delete_collection(resources, store, confirmed=store.name, keeps_files=True)
    return Deleted(id=store.name, object="vector_store.deleted")


@router.post(
    "/vector_stores/{vector_store_id}/files",
    operation_id="attach_file",
    responses=openai_responses(400, 401, 403, 404, 409, 413, 415, 429, 507),
)
def create_vector_store_file(
    store: WritableStore,
    body: Annotated[AttachmentIn, Depends(json_body(AttachmentIn, max_bytes=None))],
    resources: Opened,
    caller: CurrentCaller,
    response: Response,
) -> StoreFileOut:
    """Put a file into a vector store: it becomes a document there."""
    attachment = Attachment(body.file_id, body.attributes)
    stores.attach_files(resources, caller.principal, store, [attachment])
    return _polled(
        describe_store_file(stores.get_store_file(resources, store, body.file_id)), response
    )


@router.get(
    "/vector_stores/{vector_store_id}/files",
    operation_id="list_store_files",
    responses=openai_responses(400, 401, 403, 404),
)
def list_vector_store_files(
    store: ReadableStore,
    resources: Opened,
    page: Paged,
    state: Annotated[State | None, Query(alias="filter", description="Where they stand")] = None,
) -> StoreFilesOut:
    """List the files of a vector store."""
    status = _STATES[state] if state else None
    found, more = stores.list_store_files(resources, store, page, status=status)
    return _list_files(found, more)


@router.get(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="get_store_file",
    responses=openai_responses(401, 403, 404),
)
def get_vector_store_file(
    store: ReadableStore, file_id: FileId, resources: Opened, response: Response
) -> StoreFileOut:
    """Show a file of a vector store."""
    return _polled(describe_store_file(stores.get_store_file(resources, store, file_id)), response)


@router.post(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="update_store_file",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429),
)
def update_vector_store_file(
    store: WritableStore,
    file_id: FileId,
    body: Annotated[AttributesChangeIn, Depends(json_body(AttributesChangeIn, max_bytes=None))],
    resources: Opened,
) -> StoreFileOut:
    """Replace the attributes of a file of a vector store."""
    return describe_store_file(
        stores.update_store_file(resources, store, file_id, body.attributes or {})
    )


@router.delete(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="detach_file",
    responses=openai_responses(401, 403, 404),
)
def delete_vector_store_file(store: WritableStore, file_id: FileId, resources: Opened) -> Deleted:
    """Take a file out of a vector store; the file itself stays."""
    stores.detach_file(resources, store, file_id)
    return Deleted(id=file_id, object="vector_store.file.deleted")


@router.get(
    "/vector_stores/{vector_store_id}/files/{file_id}/content",
    operation_id="read_store_file",
    responses=openai_responses(401, 403, 404, 503),
)
def get_vector_store_file_content(
    store: ReadableStore, file_id: FileId, resources: Opened
) -> ContentOut:
    """Return the text that was read of a file."""
    _, text = stores.read_store_file(resources, store, file_id)
    return ContentOut(data=[TextOut(text=text)] if text else [])


@router.post(
    "/vector_stores/{vector_store_id}/file_batches",
    operation_id="create_batch",
    responses=openai_responses(400, 401, 403, 404, 409, 413, 415, 429, 507),
)
def create_vector_store_file_batch(
    store: WritableStore,
    body: Annotated[BatchIn, Depends(json_body(BatchIn, max_bytes=None))],
    resources: Opened,
    caller: CurrentCaller,
    response: Response,
) -> BatchOut:
    """Put several files into a vector store at once."""
    job_id = stores.attach_files(resources, caller.principal, store, body.attachments())
    return _polled(describe_batch(stores.get_batch(resources, store, job_id)), response)


@router.get(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}",
    operation_id="get_batch",
    responses=openai_responses(401, 403, 404),
)
def get_vector_store_file_batch(
    store: ReadableStore, batch_id: BatchId, resources: Opened, response: Response
) -> BatchOut:
    """Show how far a batch is."""
    return _polled(describe_batch(stores.get_batch(resources, store, _job_of(batch_id))), response)


@router.post(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
    operation_id="cancel_batch",
    responses=openai_responses(401, 403, 404),
)
def cancel_vector_store_file_batch(
    store: WritableStore, batch_id: BatchId, resources: Opened
) -> BatchOut:
    """Take what still waits of a batch out of the queue."""
    return describe_batch(stores.cancel_batch(resources, store, _job_of(batch_id)))


@router.get(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
    operation_id="list_batch_files",
    responses=openai_responses(400, 401, 403, 404),
)
def list_vector_store_file_batch_files(
    store: ReadableStore,
    batch_id: BatchId,
    resources: Opened,
    page: Paged,
    state: Annotated[State | None, Query(alias="filter", description="Where they stand")] = None,
) -> StoreFilesOut:
    """List the files of a batch."""
    status = _STATES[state] if state else None
    found, more = stores.list_batch_files(resources, store, _job_of(batch_id), page, status=status)
    return _list_files(found, more)


def describe_store(info: StoreInfo) -> StoreOut:
    """Return a collection as a vector store."""
    counts = _count(info.counts, info.cancelled)
    state: Literal["in_progress", "completed", "expired"] = "completed"
    if info.is_expired:
        state = "expired"
    elif counts.in_progress:
        state = "in_progress"
    return StoreOut(
        id=info.id,
        created_at=_seconds(info.created_at),
        name=info.name,
        description=info.description,
        usage_bytes=info.usage_bytes,
        file_counts=counts,
        status=state,
        metadata=dict(info.metadata),
        last_active_at=_seconds(info.last_active_at),
        expires_after=None if info.expires_days is None else ExpiresAfter(days=info.expires_days),
        expires_at=None if info.expires_at is None else _seconds(info.expires_at),
    )


def describe_store_file(file: StoreFile) -> StoreFileOut:
    """Return a document as a file of a vector store."""
    state: State = "in_progress"
    error = None
    if file.status is Status.READY:
        state = "completed"
    elif file.status is Status.FAILED and file.error_code == CANCELLED:
        state = "cancelled"
    elif file.status is Status.FAILED:
        state, error = "failed", _describe_error(file)
    return StoreFileOut(
        id=file.id,
        created_at=_seconds(file.created_at),
        vector_store_id=file.store,
        status=state,
        last_error=error,
        usage_bytes=file.usage_bytes,
        attributes=flatten(file.attributes),
    )


def describe_batch(batch: BatchInfo) -> BatchOut:
    """Return a job as a batch of files."""
    counts = _count(batch.counts, batch.cancelled)
    state: State = "completed"
    if counts.in_progress:
        state = "in_progress"
    elif counts.total and counts.cancelled == counts.total:
        state = "cancelled"
    elif counts.total and counts.failed == counts.total:
        state = "failed"
    return BatchOut(
        id=_BATCH_PREFIX + batch.id,
        created_at=_seconds(batch.created_at),
        vector_store_id=batch.store,
        status=state,
        file_counts=counts,
    )


def flatten(attributes: Any) -> dict[str, Any]:
    """Return attributes as those clients know them, which have no lists."""
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in attributes.items()
    }


def _describe_error(file: StoreFile) -> LastError:
    code: Any = _UNREADABLE.get(file.error_code or "", "invalid_file")
    if (file.error_code or "internal_error") in _SERVER_CODES:
        code = "server_error"
    return LastError(code=code, message=file.error_message or file.error_code or "unknown")


def _count(counts: dict[Status, int], cancelled: int) -> FileCounts:
    return FileCounts(
        in_progress=counts[Status.QUEUED] + counts[Status.PROCESSING],
        completed=counts[Status.READY],
        failed=counts[Status.FAILED] - cancelled,
        cancelled=cancelled,
        total=sum(counts.values()),
    )


Pollable = TypeVar("Pollable", StoreOut, StoreFileOut, BatchOut)


def _polled(answer: Pollable, response: Response) -> Pollable:
    """Tell a client that waits when to ask again."""
    if answer.status == "in_progress":
        response.headers["openai-poll-after-ms"] = POLL_MS
    return answer


def _list_files(found: Sequence[StoreFile], more: bool) -> StoreFilesOut:
    return StoreFilesOut(
        data=[describe_store_file(file) for file in found], **_first_and_last(found), has_more=more
    )


def _first_and_last(found: Sequence[StoreInfo] | Sequence[StoreFile]) -> dict[str, Any]:
    ids = [item.id for item in found]
    return {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}


def _job_of(batch_id: str) -> str:
    job_id = batch_id.removeprefix(_BATCH_PREFIX)
    if job_id == batch_id:
        raise NotFound("there is no such batch in the vector store", code="batch_not_found")
    return job_id


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
