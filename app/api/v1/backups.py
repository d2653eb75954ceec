"""Backups: make, list, erase. None leaves its folder over REST."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from app.api.access import Admin, GuardedRoute, Opened
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.services.operations import backups

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["backups"],
)


class BackupIn(Body):
    keep_days: int = Field(30, ge=1, le=backups.MAX_KEEP_DAYS)
    """After so many days it is restored no more."""


class BackupOut(Answer):
    name: str
    """Its file in the folder of backups."""
    state: backups.BackupState
    """`making`, `ready`, `expired`, `failed`, or `damaged` where its file cannot be read."""
    created_at: datetime
    """When it was taken; of a damaged file, when that was changed."""
    expires_at: datetime | None
    """Until then it can be restored; null for a damaged file."""
    bytes: int | None
    """Size of the file; null while there is none."""
    documents: int | None
    """How many documents are in it."""
    sha256: str | None
    """Of the database in it."""
    message: str | None
    """Why it failed or cannot be read."""


class BackupsOut(Answer):
    backups: list[BackupOut]
    """The newest first."""


BackupBody = Annotated[BackupIn, Depends(json_body(BackupIn))]
BackupName = Annotated[str, Path(max_length=256, description="As the list names it")]


@router.post(
    "/backups",
    status_code=202,
    responses=problem_responses(409, 413, 415, 422, 503, 507),
)
def start_backup(body: BackupBody, resources: Opened, _: Admin) -> BackupOut:
    """Copy the data folder into one file on the server, in the background."""
    return BackupOut.model_validate(backups.start_backup(resources, keep_days=body.keep_days))


@router.get("/backups", responses=problem_responses(422, 503))
def list_backups(resources: Opened, _: Admin) -> BackupsOut:
    """List the backups that lie on the server, and the one that is being made or failed last."""
    listed = backups.list_backups(resources)
    return BackupsOut(backups=[BackupOut.model_validate(one) for one in listed])


@router.get("/backups/{backup}", responses=problem_responses(404, 422, 503))
def get_backup(backup: BackupName, resources: Opened, _: Admin) -> BackupOut:
    """Show a backup: `state` says whether it is ready."""
    return BackupOut.model_validate(backups.get_backup(resources, backup))


@router.delete("/backups/{backup}", responses=problem_responses(404, 409, 422, 503))
def remove_backup(backup: BackupName, resources: Opened, _: Admin) -> BackupOut:
    """Erase a backup; answers what it was."""
    return BackupOut.model_validate(backups.remove_backup(resources, backup))
