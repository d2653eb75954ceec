"""Documents: upload, show, list, roll back, erase."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from app.api.access import GuardedRoute, Opened, ReadableCollection, WritableCollection
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.document_schemas import (
    DocumentDeleted,
    DocumentIn,
    DocumentOut,
    DocumentsIn,
    DocumentsOut,
    UploadOut,
)
from app.api.v1.fields import COLLECTION, DOCUMENT, MAX_INTEGER, Body, DocumentId
from app.api.v1.uploads import ManyUploads, OneUpload, upload_schema
from app.domain import Status
from app.services.articles import documents
from app.services.articles.versions import restore_version
from ingest.formats import MEDIA_TYPES

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)


class RollbackIn(Body):
    document_id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    version: int = Field(ge=1, le=MAX_INTEGER, examples=[1])


_INCLUDE_PATTERN = "^((text|versions)(,(text|versions))*)?$"


@router.post(
    COLLECTION + "/documents",
    status_code=202,
    openapi_extra=upload_schema(DocumentsIn),
    responses=problem_responses(400, 404, 413, 415, 422, 429, 503, 507),
)
def post_documents(
    collection: WritableCollection, uploads: ManyUploads, resources: Opened
) -> UploadOut:
    """Upload several articles: a JSON batch, or files, whose names are their ids unless given."""
    accepted = documents.put_documents(resources, collection, uploads)
    return UploadOut.model_validate(accepted)


@router.put(
    DOCUMENT,
    status_code=202,
    openapi_extra=upload_schema(DocumentIn, raw_types=MEDIA_TYPES),
    responses=problem_responses(404, 413, 415, 422, 429, 503, 507)
    | {200: {"model": UploadOut, "description": "Nothing has to be read"}},
)
def put_document(
    collection: WritableCollection,
    id: DocumentId,
    upload: OneUpload,
    resources: Opened,
    response: Response,
) -> UploadOut:
    """Upload an article under its id. 200 when there is nothing to read, 202 when it is queued."""
    accepted = documents.put_documents(resources, collection, [upload])
    if accepted.documents[0].change != "content":
        response.status_code = 200
    return UploadOut.model_validate(accepted)


@router.get(
    COLLECTION + "/documents",
    responses=problem_responses(404, 422),
)
def list_documents(
    collection: ReadableCollection,
    resources: Opened,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> DocumentsOut:
    """List documents in the order of their ids; `status` is that of the latest upload."""
    page, next_cursor = documents.list_documents(
        resources.database, collection, status=status, limit=limit, cursor=cursor
    )
    return DocumentsOut(
        documents=[DocumentOut.model_validate(document) for document in page],
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
    include: Annotated[str, Query(pattern=_INCLUDE_PATTERN, examples=["text,versions"])] = "",
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
    "/collections/{collection}/rollback",
    status_code=202,
    openapi_extra=takes(RollbackIn),
    responses=problem_responses(404, 409, 413, 415, 422, 429, 503, 507),
)
def roll_back(
    collection: WritableCollection,
    body: Annotated[RollbackIn, Depends(json_body(RollbackIn))],
    resources: Opened,
) -> UploadOut:
    """Upload an earlier version once more: it becomes the newest, and live when it is ready."""
    return UploadOut.model_validate(
        restore_version(resources, collection, body.document_id, body.version)
    )
