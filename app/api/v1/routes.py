"""The routes of /v1: each translates between HTTP and one use case."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.access import Caller, GuardedRoute, Opened, needs
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.schemas import (
    CollectionDeleted,
    CollectionIn,
    CollectionOut,
    CollectionsOut,
    DocumentDeleted,
    DocumentIn,
    DocumentOut,
    DocumentsIn,
    DocumentsOut,
    JobOut,
    KeyIn,
    KeyMade,
    KeyOut,
    KeysOut,
    SearchIn,
    SearchOut,
    UploadOut,
)
from app.api.v1.uploads import ManyUploads, OneUpload, upload_schema
from app.domain import Scope, Status
from app.errors import NotFound
from app.services.access import keys
from app.services.articles import collections, documents
from app.services.quality import feedback
from app.services.search import search
from ingest.formats import MEDIA_TYPES

router = APIRouter(prefix="/v1", route_class=GuardedRoute, responses=problem_responses(401, 403))

CollectionName = Annotated[str, Path(examples=["help"])]
DocumentId = Annotated[str, Path(examples=["manual/reset"], description="May hold slashes")]
CollectionBody = Annotated[CollectionIn, Depends(json_body(CollectionIn))]
SearchBody = Annotated[SearchIn, Depends(json_body(SearchIn))]
KeyBody = Annotated[KeyIn, Depends(json_body(KeyIn))]

_INCLUDE_PATTERN = "^((text|versions)(,(text|versions))*)?$"
_COLLECTION = "/collections/{collection}"
_DOCUMENT = _COLLECTION + "/documents/{id:path}"


@router.post(
    "/collections",
    status_code=201,
    openapi_extra=needs(Scope.ADMIN) | takes(CollectionIn),
    responses=problem_responses(409, 413, 415, 422),
    tags=["collections"],
)
def create_collection(body: CollectionBody, resources: Opened) -> CollectionOut:
    """Make a collection."""
    made = collections.create_collection(resources, body.name, body.description)
    return CollectionOut.model_validate(made)


@router.get("/collections", openapi_extra=needs(Scope.READ), tags=["collections"])
def list_collections(resources: Opened, caller: Caller) -> CollectionsOut:
    """List the collections that the key covers."""
    seen = [c for c in collections.list_collections(resources) if caller.sees(c.name)]
    return CollectionsOut(collections=[CollectionOut.model_validate(c) for c in seen])


@router.get(
    _COLLECTION,
    openapi_extra=needs(Scope.READ),
    responses=problem_responses(404),
    tags=["collections"],
)
def get_collection(collection: CollectionName, resources: Opened) -> CollectionOut:
    """Show a collection and how many of its documents stand at each status."""
    return CollectionOut.model_validate(collections.get_collection(resources, collection))


@router.delete(
    _COLLECTION,
    openapi_extra=needs(Scope.ADMIN),
    responses=problem_responses(404),
    tags=["collections"],
)
def delete_collection(collection: CollectionName, resources: Opened) -> CollectionDeleted:
    """Erase a collection with all its documents."""
    count = collections.delete_collection(resources, collection)
    return CollectionDeleted(name=collection, documents=count)


@router.post(
    _COLLECTION + "/documents",
    status_code=202,
    openapi_extra=needs(Scope.WRITE) | upload_schema(DocumentsIn),
    responses=problem_responses(400, 404, 413, 415, 422, 429, 503, 507),
    tags=["documents"],
)
def post_documents(
    collection: CollectionName, uploads: ManyUploads, resources: Opened
) -> UploadOut:
    """Upload several articles: a JSON batch, or files, whose names are their ids unless given."""
    accepted = documents.put_documents(resources, collection, uploads)
    return UploadOut.model_validate(accepted)


@router.put(
    _DOCUMENT,
    status_code=202,
    openapi_extra=needs(Scope.WRITE) | upload_schema(DocumentIn, raw_types=MEDIA_TYPES),
    responses=problem_responses(404, 413, 415, 422, 429, 503, 507)
    | {200: {"model": UploadOut, "description": "Nothing has to be read"}},
    tags=["documents"],
)
def put_document(
    collection: CollectionName,
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
    _COLLECTION + "/documents",
    openapi_extra=needs(Scope.READ),
    responses=problem_responses(404, 422),
    tags=["documents"],
)
def list_documents(
    collection: CollectionName,
    resources: Opened,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> DocumentsOut:
    """List documents in the order of their ids; `status` is that of the latest upload."""
    page, next_cursor = documents.list_documents(
        resources, collection, status=status, limit=limit, cursor=cursor
    )
    return DocumentsOut(
        documents=[DocumentOut.model_validate(document) for document in page],
        next_cursor=next_cursor,
    )


@router.get(
    _DOCUMENT,
    openapi_extra=needs(Scope.READ),
    responses=problem_responses(404, 422),
    tags=["documents"],
)
def get_document(
    collection: CollectionName,
    id: DocumentId,
    resources: Opened,
    include: Annotated[str, Query(pattern=_INCLUDE_PATTERN, examples=["text,versions"])] = "",
) -> DocumentOut:
    """Show a document; `include` adds its `text`, its `versions`, or both."""
    wanted = include.split(",")
    document = documents.get_document(
        resources,
        collection,
        id,
        with_text="text" in wanted,
        with_versions="versions" in wanted,
    )
    return DocumentOut.model_validate(document)


@router.delete(
    _DOCUMENT,
    openapi_extra=needs(Scope.WRITE),
    responses=problem_responses(404, 422),
    tags=["documents"],
)
def delete_document(
    collection: CollectionName, id: DocumentId, resources: Opened
) -> DocumentDeleted:
    """Erase a document: text, vectors, versions and originals."""
    erased = documents.delete_document(resources, collection, id)
    return DocumentDeleted.model_validate(erased)


@router.get(
    "/jobs/{job_id}",
    openapi_extra=needs(Scope.READ),
    responses=problem_responses(404),
    tags=["documents"],
)
def get_job(job_id: str, resources: Opened, caller: Caller) -> JobOut:
    """Show how far the documents of an upload are."""
    job = documents.get_job(resources, job_id)
    if not caller.sees(job.collection):
        raise NotFound("there is no such job", code="job_not_found")
    return JobOut.model_validate(job)


@router.post(
    _COLLECTION + "/search",
    openapi_extra=needs(Scope.READ) | takes(SearchIn),
    responses=problem_responses(404, 413, 415, 422, 503),
    tags=["search"],
)
def search_collection(
    collection: CollectionName, body: SearchBody, resources: Opened, caller: Caller
) -> SearchOut:
    """Rank the articles of a collection for a question, each with its best passages."""
    for name in body.also_in:
        caller.require(Scope.READ, name)
    if body.generation is not None:
        # It can make the service load another model.
        caller.require(Scope.ADMIN, collection)
    result = search.search_documents(
        resources.pin(body.generation),
        collection,
        body.query,
        limit=body.limit,
        filters=body.filters.to_filter() if body.filters else None,
        min_score=body.min_score,
        passages=body.passages,
        mode=body.mode,
        dimensions=body.dimensions,
        also_in=body.also_in,
        rerank=body.rerank,
    )
    answer = SearchOut.model_validate(result)
    return answer.model_copy(
        update={"query_id": feedback.record_query(resources, collection, result)}
    )


@router.post(
    "/keys",
    status_code=201,
    openapi_extra=needs(Scope.ADMIN) | takes(KeyIn),
    responses=problem_responses(404, 413, 415, 422),
    tags=["keys"],
)
def create_key(body: KeyBody, resources: Opened) -> KeyMade:
    """Make a key; its token is in this answer and nowhere else."""
    info, token = keys.create_key(
        resources,
        name=body.name,
        scope=body.scope,
        collections=body.collections,
        expires_at=body.expires_at,
    )
    return KeyMade(**KeyOut.model_validate(info).model_dump(), key=token)


@router.get("/keys", openapi_extra=needs(Scope.ADMIN), tags=["keys"])
def list_keys(resources: Opened) -> KeysOut:
    """List all keys, without their secrets."""
    return KeysOut(keys=[KeyOut.model_validate(key) for key in keys.list_keys(resources)])


@router.delete(
    "/keys/{key_id}",
    openapi_extra=needs(Scope.ADMIN),
    responses=problem_responses(404),
    tags=["keys"],
)
def revoke_key(key_id: str, resources: Opened) -> KeyOut:
    """Revoke a key; the next request with it is refused."""
    return KeyOut.model_validate(keys.revoke_key(resources, key_id))
