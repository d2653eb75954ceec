"""The route of earlier versions."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import GuardedRoute, Opened, needs
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.routes import CollectionName
from app.api.v1.schemas import MAX_INTEGER, Body, UploadOut
from app.domain import Scope
from app.services.articles.versions import restore_version

router = APIRouter(prefix="/v1", route_class=GuardedRoute, responses=problem_responses(401, 403))


class RollbackIn(Body):
    document_id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    version: int = Field(ge=1, le=MAX_INTEGER, examples=[1])


# Not below the document's own path: an id may end in any words.
@router.post(
    "/collections/{collection}/rollback",
    status_code=202,
    openapi_extra=needs(Scope.WRITE) | takes(RollbackIn),
    responses=problem_responses(404, 409, 413, 415, 422, 429, 503, 507),
    tags=["documents"],
)
def roll_back(
    collection: CollectionName,
    body: Annotated[RollbackIn, Depends(json_body(RollbackIn))],
    resources: Opened,
) -> UploadOut:
    """Upload an earlier version once more: it becomes the newest, and live when it is ready."""
    return UploadOut.model_validate(
        restore_version(resources, collection, body.document_id, body.version)
    )
