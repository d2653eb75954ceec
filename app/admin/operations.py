"""The page of operations: what waits, what the service runs on, and the keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Admin, Opened
from app.domain import Scope
from app.services.access import keys
from app.services.articles import collections
from app.services.operations.doctor import describe_running

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@router.get("/operations")
def show_operations(request: Request, resources: Opened, caller: Admin) -> Response:
    """Show the state of the service and its keys."""
    return _show(request, resources, caller)


@router.post("/keys")
def create_key(
    request: Request,
    resources: Opened,
    caller: Admin,
    name: Annotated[str, Form(max_length=256)],
    scope: Annotated[Scope, Form()] = Scope.READ,
    collection: Annotated[str, Form(max_length=64)] = "",
    days: Annotated[int | None, Form(ge=1, le=3650)] = None,
) -> Response:
    """Make a key; its token is on this page and nowhere else."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    _, token = keys.create_key(
        resources.database,
        name=name,
        scope=scope,
        collections=[collection] if collection else None,
        expires_at=expires_at,
    )
    return _show(request, resources, caller, token=token)


@router.post("/keys/revoke")
def revoke_key(
    request: Request, resources: Opened, _: Admin, key: Annotated[str, Form(max_length=64)]
) -> Response:
    """End a key: whoever signed in with it is signed out."""
    revoked = keys.revoke_key(resources.database, key)
    return redirect(request, f"{HOME}/operations", f"The key {revoked.name or key} was revoked.")


def _show(request: Request, resources: Opened, caller: Admin, *, token: str = "") -> Response:
    found = collections.list_collections(resources.database, caller.principal)
    return render(
        request,
        "operations.html",
        findings=list(describe_running(resources)),
        keys=keys.list_keys(resources.database),
        collections=found,
        scopes=list(Scope),
        token=token,
    )
