"""One caller cannot take all threads: each has so many requests answered at a time, others wait.

Who calls is told by what the request says of its key, before the key is checked: a stranger's
made-up keys each wait in a queue of their own and are refused at once when their turn comes.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE

RETRY_AFTER_S = 1
# They answer while everything else is busy, and the last of them waits for nothing but a job.
_NEVER_WAIT = ("/healthz", "/readyz", "/metrics", "/admin/static/")
_STREAM = "/events"


@dataclass(slots=True)
class _Queue:
    """The requests of one caller."""

    turns: asyncio.Semaphore
    waiting: int = 0


@dataclass(slots=True)
class Fairness:
    """Lets `at_once` requests of each caller run, `waiting` wait, and refuses the rest with 429."""

    app: ASGIApp
    at_once: int
    waiting: int
    _queues: dict[bytes, _Queue] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _never_waits(scope["path"]):
            await self.app(scope, receive, send)
            return
        caller = _tell_caller(scope)
        queue = self._queues.setdefault(caller, _Queue(asyncio.Semaphore(self.at_once)))
        if queue.waiting >= self.at_once + self.waiting:
            await _refuse(send, queue.waiting)
            return
        queue.waiting += 1
        try:
            async with queue.turns:
                await self.app(scope, receive, send)
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                self._queues.pop(caller, None)


def _never_waits(path: str) -> bool:
    return path.startswith(_NEVER_WAIT) or path.endswith(_STREAM)


def _tell_caller(scope: Scope) -> bytes:
    """Return a digest of the key or cookie of a request, of its address where it has none."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    said = headers.get(b"authorization") or headers.get(b"cookie")
    if said is None:
        said = (scope.get("client") or ("",))[0].encode()
    return sha256(said).digest()


async def _refuse(send: Send, waiting: int) -> None:
    status = HTTPStatus.TOO_MANY_REQUESTS
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": f"{waiting} requests of this key wait already; try again in {RETRY_AFTER_S} s",
        "code": "too_many_requests",
    }
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
    ]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode()})
