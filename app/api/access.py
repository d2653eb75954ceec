"""Who may call a route: each declares it, one that does not is refused at start-up.

A route declares what it needs by a parameter of one of the types below. The key is checked before
anything of the body is read, in one transaction that also finds the collection of the path.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from hmac import compare_digest
from inspect import isclass, iscoroutinefunction, signature
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute

from app.api.problems import unexpected_problem
from app.config import Settings
from app.domain import Scope
from app.errors import FolioError, InvalidRequest, MissingKey, Unauthorized
from app.runtime.resources import Resources
from app.services.access.collections import (
    BY_JOB,
    BY_NAME,
    BY_STORE,
    CollectionRef,
    Handle,
    allow_collection,
    find_collection,
    find_collections,
)
from app.services.access.keys import authenticate
from app.services.access.principal import EVERYONE, Principal
from app.services.access.uses import note_use

SCOPE_FIELD = "x-folio-scope"
JSON = "application/json"


class UndeclaredAccess(Exception):
    """A route says not who may call it, or says it twice."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request was allowed: who asks, and the collection of the path if it names one."""

    principal: Principal
    collection: CollectionRef | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller.

    With a `handle` the path's `parameter` names the collection that the key must cover. Without
    one, `everywhere` asks for a key of all collections; else the route itself asks for those that
    its body names (`Caller.collections`).
    """

    scope: Scope
    everywhere: bool = False
    parameter: str = ""
    handle: Handle | None = None

    def grant(self, session: Session, principal: Principal, values: dict[str, Any]) -> Grant:
        """Return what the caller is allowed; raises Forbidden or NotFound."""
        if self.handle is not None:
            value = values[self.parameter]
            return Grant(
                principal, allow_collection(session, principal, self.scope, value, self.handle)
            )
        if self.everywhere:
            principal.require_everywhere(self.scope)
        principal.require_scope(self.scope)
        return Grant(principal)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, for a route whose body or arguments name collections."""

    principal: Principal
    resources: Resources

    def collections(self, names: Iterable[str], scope: Scope) -> tuple[CollectionRef, ...]:
        """Return collections by name; raises NotFound or Forbidden."""
        return find_collections(self.resources.database, self.principal, tuple(names), scope)

    def collection(self, value: str, scope: Scope, handle: Handle = BY_NAME) -> CollectionRef:
        """Return the collection that `value` names; raises NotFound or Forbidden."""
        return find_collection(self.resources.database, self.principal, value, scope, handle)


JobId = Annotated[str, Path(description="As the upload answered it")]


class _Declared:
    """A dependency that carries the access of its route; subclasses say what it yields.

    They are coroutines, like all that take no time: for what is not, FastAPI waits for a thread.
    """

    def __init__(self, access: Access) -> None:
        self.access = access


class _CollectionOfName(_Declared):
    def __init__(self, scope: Scope) -> None:
        super().__init__(Access(scope, parameter="collection", handle=BY_NAME))

    async def __call__(
        self,
        request: Request,
        collection: Annotated[str, Path(description="Name of a collection", examples=["help"])],
    ) -> CollectionRef:
        return _granted_collection(request)


class _CollectionOfStore(_Declared):
    def __init__(self, scope: Scope) -> None:
        super().__init__(Access(scope, parameter="vector_store_id", handle=BY_STORE))

    async def __call__(
        self,
        request: Request,
        vector_store_id: Annotated[
            str, Path(description="The name of a collection", examples=["help"])
        ],
    ) -> CollectionRef:
        return _granted_collection(request)


class _CollectionOfJob(_Declared):
    def __init__(self, scope: Scope) -> None:
        super().__init__(Access(scope, parameter="job_id", handle=BY_JOB))

    async def __call__(self, request: Request, job_id: JobId) -> CollectionRef:
        return _granted_collection(request)


class _KeyHolder(_Declared):
    async def __call__(self) -> None: ...


class _Caller(_Declared):
    async def __call__(self, request: Request) -> Caller:
        return caller_of(request)


ReadableCollection = Annotated[CollectionRef, Depends(_CollectionOfName(Scope.READ))]
WritableCollection = Annotated[CollectionRef, Depends(_CollectionOfName(Scope.WRITE))]
OwnedCollection = Annotated[CollectionRef, Depends(_CollectionOfName(Scope.ADMIN))]
JobCollection = Annotated[CollectionRef, Depends(_CollectionOfJob(Scope.READ))]
WritableJob = Annotated[CollectionRef, Depends(_CollectionOfJob(Scope.WRITE))]
ReadableStore = Annotated[CollectionRef, Depends(_CollectionOfStore(Scope.READ))]
WritableStore = Annotated[CollectionRef, Depends(_CollectionOfStore(Scope.WRITE))]
OwnedStore = Annotated[CollectionRef, Depends(_CollectionOfStore(Scope.ADMIN))]
Reader = Annotated[Caller, Depends(_Caller(Access(Scope.READ)))]
Writer = Annotated[Caller, Depends(_Caller(Access(Scope.WRITE)))]
Admin = Annotated[Caller, Depends(_Caller(Access(Scope.ADMIN, everywhere=True)))]

KeyHolder = Annotated[None, Depends(_KeyHolder(Access(Scope.READ)))]
"""Whoever has the key of a SharedKeyRoute."""


class GuardedRoute(APIRoute):
    """A route that checks the key first; raises UndeclaredAccess unless it says for what."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _write_json(endpoint, options), **options)

    def authorize(self, request: Request, access: Access) -> Grant:
        """Return what the caller's bearer key is allowed; raises Unauthorized and what it lacks."""
        return check_key(request, access)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        declared = [*_find_access(self.dependant)]
        if len(declared) != 1:
            raise UndeclaredAccess(
                f"{self.path} declares {len(declared)} kinds of access; exactly one parameter of "
                "a type of app.api.access says who may call it"
            )
        access = declared[0]
        _check_parameters(self, access)
        self.openapi_extra = {**(self.openapi_extra or {}), SCOPE_FIELD: access.scope.value}

        async def guard(request: Request) -> Response:
            try:
                _require_utf8(request)
                request.state.grant = await run_in_threadpool(self.authorize, request, access)
                return await handle(request)
            except ClientDisconnect:
                # Nobody reads the answer.
                return Response(status_code=400)
            except Exception as error:
                answer = self.answer_error(error)
                if answer is None:
                    raise
                return answer

        return guard

    def answer_error(self, error: Exception) -> Response | None:
        """Return the answer to an error of this route; None leaves it to the handlers."""
        if isinstance(error, FolioError | HTTPException | RequestValidationError):
            return None
        return unexpected_problem(error)


def _require_utf8(request: Request) -> None:
    """Raise InvalidRequest for a URL that is not UTF-8.

    The server reads each byte that is not as U+FFFD, by which two ids could become one.
    """
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the URL is not UTF-8") from None


def _write_json(endpoint: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function of a route, which writes the model that it returns as JSON itself.

    In the thread that made it: FastAPI validates it anew in another one, and writes it on the event
    loop, where a long answer lets nobody else be answered.
    """
    expected = signature(endpoint)
    model = expected.return_annotation
    if (
        iscoroutinefunction(endpoint)
        or not (isclass(model) and issubclass(model, BaseModel))
        # These headers and omissions are FastAPI's to add.
        or any(one.annotation is Response for one in expected.parameters.values())
        or options.get("response_model_exclude_none")
    ):
        return endpoint
    status = options.get("status_code") or 200

    @wraps(endpoint)
    def answer(**arguments: Any) -> Any:
        made = endpoint(**arguments)
        if type(made) is not model:
            return made
        return Response(made.model_dump_json(by_alias=True), status, media_type=JSON)

    return answer


class SharedKeyRoute(GuardedRoute):
    """A route of a server with one key, which all its callers share: `app.state.shared_key`.

    Without a key, on a loopback address, it is for everyone.
    """

    def authorize(self, request: Request, access: Access) -> Grant:
        """Raise MissingKey or Unauthorized."""
        key: str | None = request.app.state.shared_key
        if key is not None and not compare_digest(token_of(request).encode(), key.encode()):
            raise Unauthorized("the key is not valid")
        return Grant(EVERYONE)


class GuardedEndpoint:
    """An ASGI application that checks the key itself, for what is not a FastAPI route."""

    access = Access(Scope.READ)

    def authorize(self, request: Request) -> Grant:
        """Return what the caller is allowed; raises Unauthorized or Forbidden."""
        return check_key(request, self.access)


class OpenRoute(APIRoute):
    """A route for everyone who reaches the port: it shows no content and no names."""


# FastAPI's own: the schema and the pages that show it.
_OPEN_PATHS = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/docs/static", "/redoc"}


# Parameters of a path by which a collection is found: a route that has one declares it.
_HANDLES = {"collection", "job_id", "vector_store_id"}


def _check_parameters(route: APIRoute, access: Access) -> None:
    named = {access.parameter} - {""}
    in_path = set(route.param_convertors)
    for parameter in named - in_path:
        raise UndeclaredAccess(f"{route.path} has no {{{parameter}}}, which its access is read by")
    for parameter in (in_path & _HANDLES) - named:
        raise UndeclaredAccess(
            f"{route.path} names {{{parameter}}}, and its access does not look at it"
        )


def require_declared_access(routes: Sequence[BaseRoute]) -> None:
    """Raise UndeclaredAccess for a route that is neither guarded nor declared open."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, GuardedRoute | OpenRoute):
            continue
        if isinstance(getattr(route, "endpoint", None), GuardedEndpoint):
            continue
        path = getattr(route, "path", "")
        if path not in _OPEN_PATHS:
            raise UndeclaredAccess(f"{path} declares no access: who may call it?")


def caller_of(request: Request) -> Caller:
    """Return who makes this request."""
    grant: Grant = request.state.grant
    return Caller(grant.principal, resources_of(request))


def _granted_collection(request: Request) -> CollectionRef:
    grant: Grant = request.state.grant
    assert grant.collection is not None
    return grant.collection


def _find_access(dependant: Dependant) -> Iterator[Access]:
    if isinstance(dependant.call, _Declared):
        yield dependant.call.access
    for dependency in dependant.dependencies:
        yield from _find_access(dependency)


def check_key(request: Request, access: Access) -> Grant:
    """Return what the bearer key of a request is allowed; raises Unauthorized and what it lacks."""
    token = token_of(request) if request.app.state.requires_keys else None
    with resources_of(request).database.read() as session:
        principal = EVERYONE if token is None else authenticate(session, token)
        note_use(resources_of(request), principal)
        return access.grant(session, principal, request.path_params)


def token_of(request: Request) -> str:
    """Return the bearer key of a request; raises MissingKey."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingKey("this needs a key: Authorization: Bearer KEY")
    return token.strip()


def resources_of(request: Request) -> Resources:
    """Return the open resources of the application that a request came to."""
    resources: Resources = _state_of(request).resources
    return resources


def settings_of(request: Request) -> Settings:
    """Return the settings of the application that a request came to."""
    settings: Settings = _state_of(request).settings
    return settings


def _state_of(request: Request) -> State:
    # An application of a library that answers a part of the paths has its own state.
    state: State = (getattr(request.state, "folio", None) or request.app).state
    return state


async def _open_resources(request: Request) -> Resources:
    return resources_of(request)


async def _current_caller(request: Request) -> Caller:
    return caller_of(request)


Opened = Annotated[Resources, Depends(_open_resources)]
CurrentCaller = Annotated[Caller, Depends(_current_caller)]
"""Who asks, beside a collection of the path: it declares nothing by itself."""
