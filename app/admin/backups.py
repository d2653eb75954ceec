"""The forms of backups on the page of operations. None leaves its folder through a page."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect
from app.api.access import Admin, Opened
from app.services.operations import backups

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@router.post("/backups")
def start_backup(
    request: Request,
    resources: Opened,
    _: Admin,
    keep_days: Annotated[int, Form(ge=1, le=backups.MAX_KEEP_DAYS)],
) -> Response:
    """Copy the data folder into one file, in the background."""
    backups.start_backup(resources, keep_days=keep_days)
    notice = "The backup is being made. Reload to see when it is ready."
    return redirect(request, f"{HOME}/operations", notice)


@router.post("/backups/delete")
def remove_backup(
    request: Request, resources: Opened, _: Admin, backup: Annotated[str, Form(max_length=256)]
) -> Response:
    """Erase a backup."""
    removed = backups.remove_backup(resources, backup)
    return redirect(request, f"{HOME}/operations", f"The backup {removed.name} was erased.")
