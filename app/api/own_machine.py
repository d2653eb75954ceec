"""A server without keys is for this machine alone, and not for sites that its browser shows."""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.config import Settings
from app.errors import FolioError, Forbidden

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class UnknownHost(FolioError):
    status, code = 421, "unknown_host"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


class OwnMachine:
    """Refuses requests by a name that is not this machine's, and changes that other sites ask for.

    A site can have its name lead here, to read what is answered, and a form of it needs no answer.
    No browser reaches a Unix socket.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        refuse: Callable[[str, FolioError, dict[str, str]], Response],
    ) -> None:
        self._app = app
        self._hosts = frozenset(settings.hosts)
        self._origins = frozenset(settings.origins)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http" and scope["server"][1] is not None:
                self._check(scope["method"], Headers(scope=scope))
        except FolioError as error:
            await self._refuse(scope["path"], error, {})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> None:
        """Raise UnknownHost or ForeignOrigin."""
        if not self._is_own(f"//{headers.get('host', '')}"):
            raise UnknownHost(
                "without keys this server answers by the names of this machine, such as localhost, "
                "and by those in FOLIO_MCP_HOSTS"
            )
        origin = headers.get("origin")
        if method in _SAFE_METHODS or origin is None or self._is_own(origin):
            return
        if self._origins.isdisjoint({origin, "*"}):
            raise ForeignOrigin(
                "without keys this server takes no changes from pages of other sites; "
                "FOLIO_CORS_ORIGINS names those that may"
            )

    def _is_own(self, url: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        host = parts.hostname or ""
        return is_loopback(host) or not self._hosts.isdisjoint({host, parts.netloc})


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
