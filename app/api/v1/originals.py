"""The uploaded files themselves, to download."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from app.api.access import GuardedRoute, Opened, ReadableCollection
from app.api.problems import problem_responses
from app.api.v1.fields import COLLECTION, MAX_INTEGER, DocumentId
from app.services.articles.originals import OriginalFile, get_original

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)

_BYTES = "application/octet-stream"


# Not below a document's own path: an id may end in any words.
@router.get(
    COLLECTION + "/originals/{id:path}",
    operation_id="get_original",
    response_class=Response,
    responses=problem_responses(404, 422, 503)
    | {
        200: {
            "description": "The bytes as they were uploaded; their media type is the document's",
            "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def download_original(
    collection: ReadableCollection,
    id: DocumentId,
    resources: Opened,
    version: Annotated[
        int | None, Query(ge=1, le=MAX_INTEGER, description="Null: the latest upload")
    ] = None,
) -> Response:
    """Return the file that a document was read from."""
    return as_attachment(get_original(resources.database, collection, id, version), id)


def as_attachment(file: OriginalFile, document_id: str) -> Response:
    """Return a file as a download, which no browser opens by itself or runs anything of."""
    name = file.filename or document_id.rpartition("/")[2]
    return Response(
        file.data,
        # Not its own: a page that somebody uploaded must not be shown as one of ours.
        media_type=_BYTES,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "ETag": f'"{file.sha256}"',
        },
    )
