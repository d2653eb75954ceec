"""Paths that are open to everyone unless a setting asks for a key."""

from anyio import to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import Access, check_key
from app.api.callers import SIDE_ROOM
from app.api.problems import problem_response
from app.config import Settings
from app.domain import Scope as KeyScope
from app.errors import FolioError

_DOCS = ("/openapi.json", "/docs", "/redoc")


class KeyedPaths:
    """Asks for a key, any valid one, where the settings say so."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._prefixes = (
            *(("/metrics",) if settings.metrics_need_key else ()),
            *(_DOCS if settings.docs_need_key else ()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._prefixes):
            try:
                await to_thread.run_sync(
                    check_key, Request(scope), Access(KeyScope.READ), limiter=SIDE_ROOM
                )
            except FolioError as error:
                headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
                refusal = problem_response(error.status, error.code, str(error), headers=headers)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
