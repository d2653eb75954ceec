"""Who goes first: requests, before background work."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, RLock

# Longer than a search takes, and less than anybody notices.
_TURN_SECONDS = 0.25


class Priority:
    """Lets requests overtake background work, and one another take turns; thread-safe.

    All threads share one interpreter, which divides its time evenly among them. So what computes in
    the background asks here between its steps, and waits for requests that are being answered: at
    most `max_wait_s` at a time, so that it goes on under any load.

    Eight requests at once hand the interpreter to one another hundreds of times each, and all of
    them end later than one after the other (docs/decisions/0077). Nobody waits more than
    `turn_seconds` for one that takes long.
    """

    def __init__(
        self, *, max_wait_s: float | None = 0.05, turn_seconds: float = _TURN_SECONDS
    ) -> None:
        self._max_wait_s = max_wait_s
        self._turn_seconds = turn_seconds
        # A thread that has its turn may look twice.
        self._turn = RLock()
        self._answering = 0
        self._changed = Condition()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Go first while the block runs."""
        with self._changed:
            self._answering += 1
        has_turn = self._turn.acquire(timeout=self._turn_seconds)
        try:
            yield
        finally:
            if has_turn:
                self._turn.release()
            with self._changed:
                self._answering -= 1
                if not self._answering:
                    self._changed.notify_all()

    def yield_to_requests(self) -> bool:
        """Wait until no request is being answered, or for `max_wait_s`; says whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._answering, self._max_wait_s)
