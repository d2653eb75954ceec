"""How long a connection may take to say what it wants."""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from app.config import Settings

_DESCRIPTORS = 8192


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 that closes connections whose head or body does not come.

    uvicorn itself closes only those that are idle between two requests. Half-sent heads would
    otherwise hold their descriptors for good.
    """

    head_s: float
    """Seconds for the head of a request, from its first byte or from the connection on."""
    body_pause_s: float
    """Seconds without a byte of a body that is not there yet."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait(self.head_s)

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait for what is still missing of a head or a body."""
        was_waiting = self._is_waiting_for_head()
        super().data_received(data)
        if not self._is_waiting_for_head():
            self._stop_waiting()
            if self.cycle is not None and self.cycle.more_body:
                self._wait(self.body_pause_s)
        elif not was_waiting or self._deadline is None:
            self._wait(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_waiting_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        # Nothing can come while it is the server that reads no further: the request waits its turn.
        if self.flow.read_paused:
            self._wait(self.body_pause_s)
        elif not self.transport.is_closing():
            self.transport.close()


def make_protocol(settings: Settings) -> type[DeadlineProtocol]:
    """Return the protocol with the deadlines of the settings: uvicorn makes its instances."""

    class Protocol(DeadlineProtocol):
        head_s = settings.head_seconds
        body_pause_s = settings.body_pause_seconds

    return Protocol


def reserve_descriptors() -> None:
    """Allow this process as many open files as it may have, up to some thousands."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
