"""Documents: upload, show, list, roll back, erase."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from app.api.access import GuardedRoute, Opened, ReadableCollection, WritableCollection
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.document_schemas import (
    DocumentChangesIn,
    DocumentDeleted,
    DocumentOut,
    DocumentsDeleted,
    DocumentsOut,
    UploadOut,
)
from app.api.v1.fields import COLLECTION, DOCUMENT, MAX_INTEGER, Body, DocumentId
from app.api.v1.filters import CheckedFilter
from app.api.v1.uploads import DONE, ManyUploads, OneUpload, Wait, answer_upload
from app.domain import MAX_KEY_LENGTH, Status
from app.errors import InvalidRequest
from app.services.articles import changes, documents
from app.services.articles.document_lists import count_documents, sort_documents
from app.services.articles.erasure import erase_by_filter
from app.services.articles.versions import restore_version

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)


class RollbackIn(Body):
    document_id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    """The document to roll back."""
    version: int = Field(ge=1, le=MAX_INTEGER, examples=[1])
    """The version to upload once more."""


class DeletionIn(Body):
    filters: CheckedFilter
    """Which documents to erase."""


_INCLUDE_PATTERN = "^((text|versions)(,(text|versions))*)?$"


@router.post(
    COLLECTION + "/documents",
    status_code=202,
    responses=problem_responses(400, 404, 413, 415, 422, 429, 503, 507) | DONE,
)
async def post_documents(
    collection: WritableCollection,
    batch: ManyUploads,
    resources: Opened,
    response: Response,
    wait: Wait = 0,
) -> UploadOut:
    """Upload several articles: a JSON batch, or files, whose names are their ids unless given.

    200 when nothing is left to do, 202 when a document is queued: stored, and searchable later.
    """
    accepted = await run_in_threadpool(
        documents.put_documents, resources, collection, batch.uploads
    )
    answer = await answer_upload(resources.database, accepted, wait, response)
    return answer.model_copy(update={"left_out": list(batch.left_out)})


@router.put(
    DOCUMENT,
    status_code=202,
    responses=problem_responses(404, 413, 415, 422, 429, 503, 507) | DONE,
)
async def put_document(
    collection: WritableCollection,
    id: DocumentId,
    upload: OneUpload,
    resources: Opened,
    response: Response,
    wait: Wait = 0,
) -> UploadOut:
    """Upload an article under its id.

    200 when nothing is left to do, 202 when it is queued: stored, and searchable later.
    """
    accepted = await run_in_threadpool(documents.put_documents, resources, collection, [upload])
    return await answer_upload(resources.database, accepted, wait, response)


@router.get(
    COLLECTION + "/documents",
    responses=problem_responses(404, 422),
)
def list_documents(
    collection: ReadableCollection,
    resources: Opened,
    status: Annotated[
        Status | None, Query(description="Only those whose latest upload stands there")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Documents a page")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=512, description="`next_cursor` of the page before")
    ] = None,
    offset: Annotated[
        int | None, Query(ge=0, le=MAX_INTEGER, description="Documents to pass over")
    ] = None,
    sort: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1 + MAX_KEY_LENGTH,
            examples=["-$updated_at"],
            description="An attribute, or $id, $title, $url, $media_type, $created_at, "
            "$updated_at; a leading `-` turns the order around, and a document without the value "
            "comes last",
        ),
    ] = None,
) -> DocumentsOut:
    """List documents in the order of their ids, or in another one.

    `cursor` goes on where a page ended, whatever came and went meanwhile; `offset` counts.
    """
    if sort is not None or offset is not None:
        if cursor is not None:
            raise InvalidRequest(
                "a cursor goes by ids: give either it or offset and sort", code="invalid_order"
            )
        sorted_page = sort_documents(
            resources.database,
            collection,
            sort=sort or "$id",
            status=status,
            offset=offset or 0,
            limit=limit,
        )
        return DocumentsOut.model_validate(
            {
                "documents": sorted_page.documents,
                "total": sorted_page.total,
                "next_cursor": None,
            },
            from_attributes=True,
        )
    page, next_cursor = documents.list_documents(
        resources.database, collection, status=status, limit=limit, cursor=cursor
    )
    return DocumentsOut(
        documents=[DocumentOut.model_validate(document) for document in page],
        total=count_documents(resources.database, collection, status),
        next_cursor=next_cursor,
    )


@router.get(
    DOCUMENT,
    responses=problem_responses(404, 422),
)
def get_document(
    collection: ReadableCollection,
    id: DocumentId,
    resources: Opened,
    include: Annotated[
        str,
        Query(
            pattern=_INCLUDE_PATTERN,
            examples=["text,versions"],
            description="What to add: `text`, `versions`, or both",
        ),
    ] = "",
) -> DocumentOut:
    """Show a document; `include` adds its `text`, its `versions`, or both."""
    wanted = include.split(",")
    document = documents.get_document(
        resources.database,
        collection,
        id,
        with_text="text" in wanted,
        with_versions="versions" in wanted,
    )
    return DocumentOut.model_validate(document)


@router.patch(
    DOCUMENT,
    status_code=202,
    responses=problem_responses(404, 413, 415, 422, 429, 503, 507) | DONE,
)
async def change_document(
    collection: WritableCollection,
    id: DocumentId,
    body: Annotated[DocumentChangesIn, Depends(json_body(DocumentChangesIn))],
    resources: Opened,
    response: Response,
    wait: Wait = 0,
) -> UploadOut:
    """Change title, url or attributes, without uploading the article again.

    200 when it has changed, 202 when a new version is queued, which a new title needs.
    """
    accepted = await run_in_threadpool(
        changes.change_document,
        resources,
        collection,
        id,
        body.model_dump(include=body.model_fields_set),
    )
    return await answer_upload(resources.database, accepted, wait, response)


@router.delete(
    DOCUMENT,
    responses=problem_responses(404, 422),
)
def delete_document(
    collection: WritableCollection, id: DocumentId, resources: Opened
) -> DocumentDeleted:
    """Erase a document: text, vectors, versions and originals."""
    erased = documents.delete_document(resources, collection, id)
    return DocumentDeleted.model_validate(erased)


# Not below the document's own path: an id may end in any words.
@router.post(
    "/collections/{collection}/delete-documents",
    responses=problem_responses(404, 409, 413, 415, 422, 503, 507),
)
def delete_documents(
    collection: WritableCollection,
    body: Annotated[DeletionIn, Depends(json_body(DeletionIn))],
    resources: Opened,
    confirm_count: Annotated[
        int | None,
        Query(ge=0, le=MAX_INTEGER, description="How many it erases, as a call without it said"),
    ] = None,
) -> DocumentsDeleted:
    """Erase the documents that meet a filter; without `confirm_count` only count them.

    409 when their number is another one by now: nothing is erased then. Documents that no search
    finds yet are not among them.
    """
    erased = erase_by_filter(
        resources, collection, body.filters.to_filter(), confirmed=confirm_count
    )
    return DocumentsDeleted.model_validate(erased)


@router.post(
    "/collections/{collection}/rollback",
    status_code=202,
    responses=problem_responses(404, 409, 413, 415, 422, 429, 503, 507),
)
def roll_back_document(
    collection: WritableCollection,
    body: Annotated[RollbackIn, Depends(json_body(RollbackIn))],
    resources: Opened,
) -> UploadOut:
    """Upload an earlier version once more: it becomes the newest, and live when it is ready."""
    return UploadOut.model_validate(
        restore_version(resources, collection, body.document_id, body.version)
    )
