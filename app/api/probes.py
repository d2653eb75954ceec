"""Answers of the open routes that cost something: made for all who wait at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Shared(Generic[T]):
    """An answer that is made once for all who ask before it is begun, and seldom.

    Whoever asks gets one that is begun after that, so it is never out of date. Two are `pause_s`
    apart at least: however many ask, and without a key, it takes a small share of the service.
    """

    make: Callable[[], Awaitable[T]]
    pause_s: float
    _next: asyncio.Task[T] | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _made_at: float = -inf

    async def get(self) -> T:
        """Return the next answer; raises what making it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._make_next())
            # Where all hang up, nobody asks how it ended.
            self._next.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        # Whoever hangs up does not end it for the others.
        return await asyncio.shield(self._next)

    async def _make_next(self) -> T:
        async with self._making:
            await asyncio.sleep(max(0.0, self._made_at + self.pause_s - monotonic()))
            self._next = None
            try:
                return await self.make()
            finally:
                self._made_at = monotonic()
