"""`/v1/vector_stores`: collections by OpenAI's contract; a file in one is a document."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Response

from app.api.access import (
    Admin,
    CurrentCaller,
    Opened,
    OwnedStore,
    ReadableStore,
    Reader,
    WritableStore,
)
from app.api.bodies import BodySize, json_body
from app.api.compat.errors import OpenAIRoute, openai_responses
from app.api.compat.vector_store_answers import (
    STATES,
    describe_batch,
    describe_store,
    describe_store_file,
    first_and_last,
    job_of,
    list_files,
)
from app.api.compat.vector_store_schemas import (
    AttachmentIn,
    AttributesChangeIn,
    BatchId,
    BatchIn,
    BatchOut,
    ContentOut,
    Deleted,
    FileId,
    Paged,
    State,
    StoreChangeIn,
    StoreFileOut,
    StoreFilesOut,
    StoreIn,
    StoreOut,
    StoresOut,
    TextOut,
)
from app.domain import Scope
from app.services.articles import attachments, store_batches, store_files, stores
from app.services.articles.attachments import Attachment
from app.services.articles.collections import delete_collection

router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["openai"])
POLL_MS = "200"


@router.post(
    "/vector_stores",
    operation_id="create_store",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429),
)
def create_vector_store(
    body: Annotated[StoreIn, Depends(json_body(StoreIn, size=BodySize.UPLOAD))],
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
            wanted = [Attachment(file_id) for file_id in body.file_ids]
            attachments.attach_files(resources, caller.principal, ref, wanted)
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
        data=[describe_store(info) for info in found], **first_and_last(found), has_more=more
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
    body: Annotated[StoreChangeIn, Depends(json_body(StoreChangeIn, size=BodySize.UPLOAD))],
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
    body: Annotated[AttachmentIn, Depends(json_body(AttachmentIn, size=BodySize.UPLOAD))],
    resources: Opened,
    caller: CurrentCaller,
    response: Response,
) -> StoreFileOut:
    """Put a file into a vector store: it becomes a document there."""
    attachment = Attachment(body.file_id, body.attributes)
    attachments.attach_files(resources, caller.principal, store, [attachment])
    return _polled(
        describe_store_file(store_files.get_store_file(resources, store, body.file_id)), response
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
    status = STATES[state] if state else None
    found, more = store_files.list_store_files(resources, store, page, status=status)
    return list_files(found, more)


@router.get(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="get_store_file",
    responses=openai_responses(401, 403, 404),
)
def get_vector_store_file(
    store: ReadableStore, file_id: FileId, resources: Opened, response: Response
) -> StoreFileOut:
    """Show a file of a vector store."""
    return _polled(
        describe_store_file(store_files.get_store_file(resources, store, file_id)), response
    )


@router.post(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="update_store_file",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429),
)
def update_vector_store_file(
    store: WritableStore,
    file_id: FileId,
    body: Annotated[
        AttributesChangeIn, Depends(json_body(AttributesChangeIn, size=BodySize.UPLOAD))
    ],
    resources: Opened,
) -> StoreFileOut:
    """Replace the attributes of a file of a vector store."""
    return describe_store_file(
        store_files.update_store_file(resources, store, file_id, body.attributes or {})
    )


@router.delete(
    "/vector_stores/{vector_store_id}/files/{file_id}",
    operation_id="detach_file",
    responses=openai_responses(401, 403, 404),
)
def delete_vector_store_file(store: WritableStore, file_id: FileId, resources: Opened) -> Deleted:
    """Take a file out of a vector store; the file itself stays."""
    store_files.detach_file(resources, store, file_id)
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
    _, text = store_files.read_store_file(resources, store, file_id)
    return ContentOut(data=[TextOut(text=text)] if text else [])


@router.post(
    "/vector_stores/{vector_store_id}/file_batches",
    operation_id="create_batch",
    responses=openai_responses(400, 401, 403, 404, 409, 413, 415, 429, 507),
)
def create_vector_store_file_batch(
    store: WritableStore,
    body: Annotated[BatchIn, Depends(json_body(BatchIn, size=BodySize.UPLOAD))],
    resources: Opened,
    caller: CurrentCaller,
    response: Response,
) -> BatchOut:
    """Put several files into a vector store at once."""
    job_id = attachments.attach_files(resources, caller.principal, store, body.attachments())
    return _polled(describe_batch(store_batches.get_batch(resources, store, job_id)), response)


@router.get(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}",
    operation_id="get_batch",
    responses=openai_responses(401, 403, 404),
)
def get_vector_store_file_batch(
    store: ReadableStore, batch_id: BatchId, resources: Opened, response: Response
) -> BatchOut:
    """Show how far a batch is."""
    return _polled(
        describe_batch(store_batches.get_batch(resources, store, job_of(batch_id))), response
    )


@router.post(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
    operation_id="cancel_batch",
    responses=openai_responses(401, 403, 404),
)
def cancel_vector_store_file_batch(
    store: WritableStore, batch_id: BatchId, resources: Opened
) -> BatchOut:
    """Take what still waits of a batch out of the queue."""
    return describe_batch(store_batches.cancel_batch(resources, store, job_of(batch_id)))


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
    status = STATES[state] if state else None
    found, more = store_batches.list_batch_files(
        resources, store, job_of(batch_id), page, status=status
    )
    return list_files(found, more)


Pollable = TypeVar("Pollable", StoreOut, StoreFileOut, BatchOut)


def _polled(answer: Pollable, response: Response) -> Pollable:
    """Tell a client that waits when to ask again."""
    if answer.status == "in_progress":
        response.headers["openai-poll-after-ms"] = POLL_MS
    return answer
