"""The route of earlier versions."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.auth import GuardedRoute, Opened, needs
from app.api.problems import problem_responses
from app.api.routes import CollectionName, DocumentId
from app.api.schemas import MAX_INTEGER, UploadOut
from app.domain import Scope
from app.services.versions import restore_version

router = APIRouter(prefix="/v1", route_class=GuardedRoute, responses=problem_responses(401, 403))


@router.post(
    "/collections/{collection}/documents/{id:path}/versions/{version}/restore",
    status_code=202,
    openapi_extra=needs(Scope.WRITE),
    responses=problem_responses(404, 409, 422, 429, 503, 507),
    tags=["documents"],
)
def restore(
    collection: CollectionName,
    id: DocumentId,
    version: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    resources: Opened,
) -> UploadOut:
    """Upload an earlier version once more: it becomes the newest, and live when it is ready."""
    return UploadOut.model_validate(restore_version(resources, collection, id, version))
