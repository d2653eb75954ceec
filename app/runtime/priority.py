"""Who goes first: requests, before background work, and the callers of requests in turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Condition, get_ident
from time import monotonic

from app.runtime.deadline import check_time

# Longer than most searches take, and less than anybody notices.
_TURN_SECONDS = 0.05
# Whoever was not heard of for so long shares the service with nobody.
_PRESENT_SECONDS = 10.0

# A thread that works for a request has its context.
_caller: ContextVar[str | None] = ContextVar("caller", default="")


@contextmanager
def answer_to(caller: str | None) -> Iterator[None]:
    """Say for whom the request is that is being answered: the id of a key, None for strangers."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


class Priority:
    """Lets requests overtake background work, and one another take turns; thread-safe.

    All threads share one interpreter, which divides its time evenly among them. So what computes in
    the background asks here between its steps, and waits for requests that are being answered: at
    most `max_wait_s` at a time, so that it goes on under any load.

    Eight requests at once hand the interpreter to one another hundreds of times each, and all of
    them end later than one after the other (docs/decisions/0077). Nobody waits more than
    `turn_seconds` for one that takes long, except the requests of the same caller while there are
    other callers: what it does at its worst takes the share of one thread.
    """

    def __init__(
        self, *, max_wait_s: float | None = 0.05, turn_seconds: float = _TURN_SECONDS
    ) -> None:
        self._max_wait_s = max_wait_s
        self._turn_seconds = turn_seconds
        self._changed = Condition()
        self._waiting: list[_Waiter] = []
        self._running: dict[int, str | None] = {}
        self._turns: dict[str | None, float] = {}
        """When a caller had its last turn."""
        self._turn_of: int | None = None
        self._turn_ends = 0.0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Go first while the block runs; raises OutOfTime when the request's time ends before."""
        thread = get_ident()
        if thread in self._running:
            # It looks twice.
            yield
            return
        self._begin(thread, _Waiter(_caller.get()))
        try:
            yield
        finally:
            self._end(thread)

    def yield_to_requests(self) -> bool:
        """Wait until no request is being answered, or for `max_wait_s`; says whether none is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._running and not self._waiting, self._max_wait_s
            )

    def _begin(self, thread: int, waiter: "_Waiter") -> None:
        with self._changed:
            self._waiting.append(waiter)
            try:
                while not self._may_go(waiter):
                    check_time()
                    left = self._turn_ends - monotonic()
                    self._changed.wait(left if left > 0 else self._turn_seconds)
            finally:
                self._waiting.remove(waiter)
                self._changed.notify_all()
            now = monotonic()
            self._running[thread] = waiter.caller
            self._turns[waiter.caller] = now
            self._turn_of, self._turn_ends = thread, now + self._turn_seconds

    def _end(self, thread: int) -> None:
        with self._changed:
            del self._running[thread]
            if self._turn_of == thread:
                self._turn_ends = 0.0
            self._changed.notify_all()

    def _may_go(self, waiter: "_Waiter") -> bool:
        if monotonic() < self._turn_ends:
            return False
        busy = set(self._running.values()) if self._is_shared() else set()
        ready = [one for one in self._waiting if one.caller not in busy]
        # Who had a turn longest ago; of one caller, who came first.
        return waiter is min(ready, key=lambda one: self._turns.get(one.caller, 0.0), default=None)

    def _is_shared(self) -> bool:
        since = monotonic() - _PRESENT_SECONDS
        self._turns = {caller: at for caller, at in self._turns.items() if at > since}
        callers = {one.caller for one in self._waiting}
        return len(callers.union(self._turns, self._running.values())) > 1


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    caller: str | None
