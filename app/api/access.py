"""Who may call a route: checked before the body is read."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.api.problems import unexpected_problem
from app.domain import Scope
from app.errors import FolioError, Unauthorized
from app.runtime.resources import Resources
from app.services.access.keys import EVERYONE, Principal, authenticate

SCOPE_FIELD = "x-folio-scope"


def needs(scope: Scope) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that needs a key with `scope`."""
    return {SCOPE_FIELD: scope.value}


class GuardedRoute(APIRoute):
    """A route that checks the key first; one that names no scope needs an admin of everything."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        named = (self.openapi_extra or {}).get(SCOPE_FIELD)
        scope = None if named is None else Scope(named)

        async def guard(request: Request) -> Response:
            try:
                request.state.principal = await run_in_threadpool(_authorize, request, scope)
                return await handle(request)
            except (FolioError, HTTPException, RequestValidationError):
                raise
            except Exception as error:  # noqa: BLE001
                return unexpected_problem(error)

        return guard


def principal_of(request: Request) -> Principal:
    """Return who makes this request, for a route to narrow its answer."""
    principal: Principal = request.state.principal
    return principal


def _authorize(request: Request, scope: Scope | None) -> Principal:
    if not request.app.state.requires_keys:
        return EVERYONE
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("this needs a key: Authorization: Bearer KEY")
    principal = authenticate(resources_of(request), token.strip())
    if scope is None:
        principal.require(Scope.ADMIN, None)
    else:
        principal.require(scope, request.path_params.get("collection"))
    return principal


def resources_of(request: Request) -> Resources:
    """Return the open resources, as a dependency of routes."""
    resources: Resources = request.app.state.resources
    return resources


Opened = Annotated[Resources, Depends(resources_of)]
Caller = Annotated[Principal, Depends(principal_of)]
