"""Work that ends when its client hangs up."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

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
