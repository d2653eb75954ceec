"""Work that ends when its client hangs up."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runtime.deadline import work_while

T = TypeVar("T")

_POLL_S = 0.2


async def run_while_wanted(
    request: Request,
    work: Callable[[Callable[[], bool]], T],
    *,
    limiter: CapacityLimiter | None = None,
) -> T:
    """Run `work` in a thread, of those of `limiter`; its argument says whether nobody waits."""
    cancelled = Event()

    async def watch() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(_POLL_S)
        cancelled.set()

    watching = asyncio.create_task(watch())
    try:
        return await to_thread.run_sync(work, cancelled.is_set, limiter=limiter)
    finally:
        watching.cancel()


async def run_while_connected(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application; `check_time` ends what it does once the client has hung up."""
    gone = asyncio.Event()
    watching: asyncio.Task[None] | None = None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async def receive_body() -> Message:
        nonlocal watching
        if watching is None:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                watching = asyncio.create_task(watch())
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    try:
        with work_while(lambda: not gone.is_set()):
            await app(scope, receive_body, send)
    finally:
        if watching is not None:
            watching.cancel()
