"""How often one address is told what everyone may ask."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.fairness import takes_no_turn
from app.api.rates import Rate

# No longer than whoever looks after a service waits for its sign of life: probes may come from the
# address of a flood, where a proxy or a cluster hides who asks.
_MAX_WAIT_S = 0.5


class Pace:
    """Has an address wait with requests that take no turn once it has had a second's worth of them.

    It comes before all that is counted: to wait is not part of an answer's time.
    """

    def __init__(self, app: ASGIApp, per_second: int) -> None:
        self._app = app
        self._rate = Rate(per_second, _MAX_WAIT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and takes_no_turn(scope) and scope["client"]:
            wait_s = self._rate.note(scope["client"][0])
            if wait_s > 0 and await _hangs_up(receive, wait_s):
                return
        await self._app(scope, receive, send)


async def _hangs_up(receive: Receive, seconds: float) -> bool:
    """Return whether the client is gone within this time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return True
    return False
