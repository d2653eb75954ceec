"""Who goes first: requests, before background work."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Priority:
    """Lets requests overtake background work; thread-safe.

    All threads share one interpreter, which divides its time evenly among them. So what computes in
    the background asks here between its steps, and waits for requests that are being answered: at
    most `max_wait_s` at a time, so that it goes on under any load.
    """

    def __init__(self, *, max_wait_s: float | None = 0.05) -> None:
        self._max_wait_s = max_wait_s
        self._answering = 0
        self._changed = Condition()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Go first while the block runs."""
        with self._changed:
            self._answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._answering -= 1
                if not self._answering:
                    self._changed.notify_all()

    def yield_to_requests(self) -> bool:
        """Wait until no request is being answered, or for `max_wait_s`; says whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._answering, self._max_wait_s)
