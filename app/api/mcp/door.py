"""`/mcp`: the tools over streamable HTTP, for whoever has a key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    TransportSecuritySettings,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import GuardedEndpoint, caller_of
from app.api.bodies import limit_body
from app.api.mcp.library import Library
from app.api.mcp.own_library import OwnLibrary
from app.api.mcp.tools import make_server
from app.api.problems import problem_response, unexpected_problem
from app.config import Settings
from app.errors import FolioError

PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class McpDoor(GuardedEndpoint):
    """Checks the key of a request, then hands it to the official SDK's server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: ASGIApp | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        server = make_server(_find_library, version=version("folio-kb"))
        self._app = server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            json_response=True,
            transport_security=_secure(self._settings),
        )
        try:
            async with server.session_manager.run():
                yield
        finally:
            self._app = None

    def routes(self) -> list[Route]:
        """Return where it stands.

        Its path with a slash is a route of its own: a redirect to it names the wrong scheme behind
        a proxy.
        """
        return [Route(path, endpoint=self, include_in_schema=False) for path in (PATH, f"{PATH}/")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer: ASGIApp
        try:
            request.state.grant = await run_in_threadpool(self.authorize, request)
            answer = self._app or problem_response(503, "not_ready", "the service starts or ends")
            if request.method == "POST":
                receive = await _read_ahead(request)
            else:
                answer = _only_post()
        except ClientDisconnect:
            # Nobody reads the answer; the SDK would call it an error.
            answer = Response(status_code=400)
        except FolioError as error:
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
            answer = problem_response(error.status, error.code, str(error), headers=headers)
        except Exception as error:  # noqa: BLE001
            answer = unexpected_problem(error)
        # The SDK's application puts itself into the scope in place of ours.
        request.state.folio = request.app
        await answer({**scope, "path": PATH}, receive, send)


async def _read_ahead(request: Request) -> Receive:
    """Return what gives the body of a request, which is here; raises TooLarge, ClientDisconnect."""
    body = await limit_body(request, DEFAULT_MAX_REQUEST_BODY_SIZE).body()
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await request.receive()

    return receive


def _only_post() -> ASGIApp:
    """Refuse a stream of the server's own messages: without sessions there is none, nor an end."""
    return problem_response(
        405, "method_not_allowed", "send requests by POST", headers={"Allow": "POST"}
    )


def _find_library(request: Any) -> Library:
    return OwnLibrary(caller_of(request))


def _secure(settings: Settings) -> TransportSecuritySettings:
    """Return which hosts and origins are let in: this machine, and those of the settings."""
    if "*" in settings.hosts:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    origins = settings.origins
    if "*" in origins:
        # What the SDK takes for any port.
        origins = ["http:*", "https:*"]
    allowed = [*_LOOPBACK, *settings.hosts]
    return TransportSecuritySettings(
        allowed_hosts=[*allowed, *(f"{host}:*" for host in allowed)],
        allowed_origins=[
            *origins,
            *(f"http://{host}" for host in _LOOPBACK),
            *(f"http://{host}:*" for host in _LOOPBACK),
        ],
    )
