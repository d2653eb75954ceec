"""Who goes first: requests, before work in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

_LONGEST_SECONDS = 0.05
"""How long work in the background stands aside at a time, so that it goes on under any load."""


class Precedence:
    """Lets requests pass work in the background; thread-safe.

    All threads share one interpreter, which divides its time evenly among them. So what computes in
    the background asks here between its steps, and waits for requests that are being answered.
    """

    def __init__(self) -> None:
        self._answering = 0
        self._changed = Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have precedence while the block runs."""
        with self._changed:
            self._answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._answering -= 1
                if not self._answering:
                    self._changed.notify_all()

    def give(self) -> None:
        """Return when no request is being answered, or after a twentieth of a second."""
        with self._changed:
            self._changed.wait_for(lambda: not self._answering, _LONGEST_SECONDS)
