"""Who sends a request: told before a route has it, and without a thread that others wait for."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection

from app.db.database import Database
from app.errors import FolioError
from app.services.access.keys import identify, read_usable

SIDE_ROOM = CapacityLimiter(2)
"""Threads for what must not wait for requests: who calls, and how the service is."""

# How soon the keys are read again for a token that none of them has.
_READ_AGAIN_S = 1.0


@dataclass(slots=True)
class Callers:
    """Tells requests apart by the keys that exist, which it keeps in memory.

    It decides whose turn a request takes and nothing else: what a key may do, and whether it was
    revoked a moment ago, is asked of the database by the route.
    """

    database: Database
    find_visitor: Callable[[HTTPConnection], str | None]
    """Returns the key with which a browser signed in to the pages; None for a visitor."""
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)
    _read_at: float = -inf
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, connection: HTTPConnection) -> str | None:
        """Return the id of the caller's key; None for a stranger."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self.find_visitor(connection)
        said = identify(token.strip())
        if said not in self._keys:
            await self._read_keys(said)
        return self._keys.get(said)

    async def _read_keys(self, said: tuple[str, str]) -> None:
        """Look for a new key: at most once a second, however many are made up."""
        async with self._reading:
            if said in self._keys or monotonic() < self._read_at + _READ_AGAIN_S:
                return
            # Where the disk fails the route meets it too, and says so.
            with suppress(FolioError):
                self._keys = await to_thread.run_sync(read_usable, self.database, limiter=SIDE_ROOM)
            self._read_at = monotonic()
