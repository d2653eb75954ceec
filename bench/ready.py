"""Waiting for a server that was started to answer questions."""

from collections.abc import Callable
from time import monotonic, sleep

import httpx

_PAUSE_S = 0.05


def becomes_ready(
    url: str, *, seconds: float, has_ended: Callable[[], bool] = lambda: False
) -> bool:
    """Return whether the server at `url` answers `/readyz` in this time, before it has ended."""
    deadline = monotonic() + seconds
    while monotonic() < deadline and not has_ended():
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return True
        except httpx.TransportError:
            # It does not listen yet.
            pass
        sleep(_PAUSE_S)
    return False
