"""HEAD is taken for GET; methods that HTTP does not have are refused before they cost anything."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.body_framing import refusal
from app.api.metrics import Metrics

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class KnownMethods:
    """Takes HEAD for GET, refuses every other method, and closes the connection.

    It comes first of all: what nobody needs must not cost what a request costs, and whoever goes on
    has to connect again. The answer is the same for every path.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        allow = ", ".join(METHODS)
        self._refusal = refusal(
            405, "method_not_allowed", f"the methods here are {allow}", [(b"allow", allow.encode())]
        )
        # The method comes from the caller, who may write anything.
        self._count = metrics.requests.labels("other", "none", "405")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in METHODS:
            if scope.get("method") == "HEAD":
                # The server, which knows the method, leaves the body of the answer out.
                scope = {**scope, "method": "GET"}
            await self._app(scope, receive, send)
            return
        self._count.inc()
        for message in self._refusal:
            await send(message)
