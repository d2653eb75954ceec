"""The page of operations: what the service runs on, its times and memory, backups, and the keys."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render, session_of
from app.api.access import Admin, Opened
from app.api.metrics import Metrics
from app.domain import Scope
from app.services.access import keys
from app.services.articles import collections
from app.services.operations.backups import folder_of, list_backups
from app.services.operations.doctor import describe_running

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

_ROUTES = 8


@router.get("/operations")
def show_operations(request: Request, resources: Opened, caller: Admin) -> Response:
    """Show the state of the service and its keys."""
    found = collections.list_collections(resources.database, caller.principal)
    metrics: Metrics = request.app.state.metrics
    return render(
        request,
        "operations.html",
        findings=list(describe_running(resources)),
        keys=keys.list_keys(resources.database),
        collections=found,
        scopes=list(Scope),
        token=session_of(request).take_new_key(),
        times=metrics.list_times(_ROUTES),
        memory=_read_memory(),
        is_shared=resources.database.is_shared,
        backups=[] if resources.database.is_shared else list_backups(resources),
        backup_folder=folder_of(resources.settings),
    )


@router.post("/keys")
def create_key(
    request: Request,
    resources: Opened,
    _caller: Admin,
    name: Annotated[str, Form(max_length=256)],
    scope: Annotated[Scope, Form()] = Scope.READ,
    collection: Annotated[str, Form(max_length=64)] = "",
    days: Annotated[int | None, Form(ge=1, le=3650)] = None,
) -> Response:
    """Make a key; its token is on the page that follows, once, and nowhere else."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    _, token = keys.create_key(
        resources.database,
        name=name,
        scope=scope,
        collections=[collection] if collection else None,
        expires_at=expires_at,
    )
    session_of(request).new_key = token
    return redirect(request, f"{HOME}/operations#keys")


@router.post("/keys/revoke")
def revoke_key(
    request: Request, resources: Opened, _: Admin, key: Annotated[str, Form(max_length=64)]
) -> Response:
    """End a key: whoever signed in with it is signed out."""
    revoked = keys.revoke_key(resources.database, key)
    return redirect(request, f"{HOME}/operations", f"The key {revoked.name or key} was revoked.")


def _read_memory() -> tuple[int, int] | None:
    """Return the bytes that the process holds and the most that it held; None if not on Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
    if len(fields) < 2:
        return None
    return int(fields["VmRSS"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024
