"""Lanes to one model: queries overtake everything else, also in the middle of a pass.

A pass of a slow lane is a generator that is put aside between its steps; whatever queries wait by
then go first, all in one batch, and have the model to themselves. So the window in which queries
are gathered is the step that is running: none on an idle machine, a few milliseconds on a busy one.
And after each batch of queries the slow lanes get a step, each in its turn, so that none starves
another. Within a lane the calls take turns, batch by batch: a large one does not hold up a small
one that came later.

Several passes of slow lanes go on at a time, each in a thread, and share the processors: they need
not meet, as the threads of one operation do. One that is alone has all of them.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Condition, Event, Thread
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

from app.domain import Item, Task
from app.embedding.metrics import EngineMetrics
from app.errors import EngineBusy, WorkCancelled

Row = TypeVar("Row")
Result = TypeVar("Result")


class Lane(StrEnum):
    QUERIES = "queries"
    """Questions that a search waits for; a batch of them is not interrupted."""
    LONG_QUERIES = "long_queries"
    """Questions that would hold up the others."""
    CALLS = "calls"
    """What other programs want embedded or reranked."""
    DOCUMENTS = "documents"


def choose_lane(items: Sequence[Item], *, of_others: bool) -> Lane:
    """Return where a call of an engine waits; `of_others` are calls of other programs."""
    if of_others:
        return Lane.CALLS
    return Lane.QUERIES if all(item.task is Task.QUERY for item in items) else Lane.DOCUMENTS


Start: TypeAlias = Callable[[list[Row], int], Generator[None, None, list[Result]]]
"""Begins a pass over rows that has so many threads."""

_SLOW = (Lane.LONG_QUERIES, Lane.CALLS, Lane.DOCUMENTS)
# How late a caller notices that it was cancelled while it waits for its first pass.
_POLL_SECONDS = 0.25


@dataclass(eq=False, slots=True)
class _Call(Generic[Row, Result]):
    """What one caller waits for."""

    start: "Start[Row, Result]"
    is_cancelled: Callable[[], bool]
    missing: int
    results: dict[int, Result] = field(default_factory=dict)
    error: BaseException | None = None
    done: Event = field(default_factory=Event)

    def give(self, position: int, result: Result) -> None:
        self.results[position] = result
        self.missing -= 1
        if not self.missing:
            self.done.set()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.done.set()

    @property
    def is_over(self) -> bool:
        """Whether nobody waits; fails a call that was cancelled."""
        if not self.done.is_set() and self.is_cancelled():
            self.fail(WorkCancelled("nobody waits for these vectors any more"))
        return self.done.is_set()


@dataclass(eq=False, slots=True)
class _Ticket(Generic[Row, Result]):
    call: _Call[Row, Result]
    position: int
    row: Row
    tokens: int
    arrived: float


@dataclass(eq=False, slots=True)
class _Pass(Generic[Row, Result]):
    """A batch on its way through the model."""

    lane: Lane
    threads: int
    tickets: list[_Ticket[Row, Result]]
    steps: Generator[None, None, list[Result]]
    results: list[Result] | None = None
    error: BaseException | None = None

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(ticket.call.is_over for ticket in self.tickets)

    def advance(self) -> bool:
        """Run one step; returns whether the pass is over."""
        try:
            next(self.steps)
        except StopIteration as end:
            self.results = end.value
        # Whatever a model raises belongs to the callers; the thread serves the next ones.
        except BaseException as error:  # noqa: BLE001
            self.error = error
        else:
            return False
        return True

    def hand_over(self) -> None:
        """Give what came of it, an error too, to who waits."""
        if self.error is not None:
            self.fail(self.error)
        elif self.results is not None:
            for ticket, result in zip(self.tickets, self.results, strict=True):
                ticket.call.give(ticket.position, result)

    def fail(self, error: BaseException) -> None:
        for ticket in self.tickets:
            ticket.call.fail(error)


class Lanes(Generic[Row, Result]):
    """Waiting rows of all lanes and the threads that take them through the model."""

    def __init__(
        self,
        *,
        batch_tokens: int,
        max_waiting_tokens: int,
        metrics: EngineMetrics,
        threads: int = 1,
        passes: int = 1,
    ) -> None:
        """Take rows through a model with `threads` processors, at most `passes` of them at a time.

        `batch_tokens` bounds a pass, `max_waiting_tokens` what waits in a lane that refuses.
        """
        self._batch_tokens = batch_tokens
        self._max_waiting = max_waiting_tokens
        self._metrics = metrics
        self._threads = threads
        self._passes = passes
        # Of each call its tickets; the calls in the order of their turns.
        self._waiting: dict[Lane, deque[deque[_Ticket[Row, Result]]]] = {
            lane: deque() for lane in Lane
        }
        self._waiting_tokens = dict.fromkeys(Lane, 0)
        self._aside: dict[Lane, deque[_Pass[Row, Result]]] = {lane: deque() for lane in _SLOW}
        self._running: list[_Pass[Row, Result]] = []
        self._turns = deque(_SLOW)
        # Steps of slow lanes that go before the next queries.
        self._owed = 0
        self._tokens_per_s = 1000.0
        self._changed = Condition()
        self._closed = False
        self._left = passes
        for _ in range(passes):
            Thread(target=self._work, name="folio-model", daemon=True).start()

    def run(
        self,
        rows: Sequence[tuple[Row, int]],
        lane: Lane,
        start: Start[Row, Result],
        *,
        is_cancelled: Callable[[], bool],
        refuses: bool,
    ) -> list[Result]:
        """Return the result of each row (with its tokens), in order; blocks until all are there.

        `start` begins a pass over rows, also those of other calls. With `refuses`, raises
        EngineBusy while more tokens wait than may; a call that finds nothing waiting is taken.
        """
        if not rows:
            return []
        started = perf_counter()
        call: _Call[Row, Result] = _Call(start, is_cancelled, len(rows))
        total = sum(tokens for _, tokens in rows)
        with self._changed:
            if not self._left:
                raise _closed()
            waiting = self._waiting_tokens[lane]
            if refuses and waiting and waiting + total > self._max_waiting:
                self._metrics.refused.labels(lane).inc()
                raise EngineBusy(
                    f"the queue of the model is full: {waiting:,} tokens of {lane} wait, and "
                    f"{total:,} more would exceed {self._max_waiting:,}",
                    retry_after_s=min(600, max(1, math.ceil(waiting / self._tokens_per_s))),
                )
            # Neighbours of like length make full batches of it.
            order = sorted(range(len(rows)), key=lambda i: rows[i][1], reverse=True)
            self._waiting[lane].append(
                deque(_Ticket(call, i, rows[i][0], rows[i][1], started) for i in order)
            )
            self._count(lane, total)
            self._changed.notify_all()
        while not call.done.wait(_POLL_SECONDS) and not call.is_over:
            pass
        # Taken out: its traceback holds this frame, and with it rows and model until garbage is
        # looked for.
        error, call.error = call.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        self._metrics.seconds.labels(lane).observe(perf_counter() - started)
        return [call.results[i] for i in range(len(rows))]

    def close(self) -> None:
        """End the threads; who still waits is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        # What a turn holds goes with it: an idle thread keeps nothing of a model alive.
        while self._take_turn():
            pass
        with self._changed:
            self._left -= 1
            if self._left:
                return
            closed = _closed()
            for lane in self._waiting.values():
                for ticket in (ticket for call in lane for ticket in call):
                    ticket.call.fail(closed)
            for aside in self._aside.values():
                for each in aside:
                    each.fail(closed)

    def _take_turn(self) -> bool:
        """Run a batch of queries, or a step of a slow lane; False once all is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._can_go_on())
            if self._closed:
                return False
            current = self._next_pass()
            if current is None:
                return True
            self._running.append(current)
            # This thread looks again by itself; another one has to be told.
            if self._can_go_on():
                self._changed.notify()
        is_over = current.is_unwanted or current.advance()
        while current.lane is Lane.QUERIES and not is_over:
            is_over = current.advance()
        with self._changed:
            self._running.remove(current)
            if is_over:
                current.steps.close()
                current.hand_over()
            else:
                self._aside[current.lane].appendleft(current)
            if current.lane is Lane.QUERIES:
                self._owed = self._passes
        return True

    def _can_go_on(self) -> bool:
        """Whether there is a pass to begin or to continue, and a processor for it."""
        if self._waiting[Lane.QUERIES] and not self._is_owed():
            # They have the model to themselves.
            return not self._running
        return self._lane_in_turn() is not None

    def _is_owed(self) -> bool:
        return self._owed > 0 and self._lane_in_turn() is not None

    def _lane_in_turn(self) -> Lane | None:
        """Return the slow lane whose turn it is; None if nothing can be done for any."""
        free = self._count_free()
        return next((lane for lane in self._turns if free and self._has_part(lane, free)), None)

    def _has_part(self, lane: Lane, free: int) -> bool:
        """Return whether a lane has a pass for so many free processors."""
        if self._aside[lane]:
            return self._aside[lane][0].threads <= free
        return bool(self._waiting[lane]) and self._count_begun(lane) < self._passes

    def _count_free(self) -> int:
        if any(current.lane is Lane.QUERIES for current in self._running):
            return 0
        return self._threads - sum(current.threads for current in self._running)

    def _count_begun(self, lane: Lane) -> int:
        return len(self._aside[lane]) + sum(current.lane is lane for current in self._running)

    def _next_pass(self) -> _Pass[Row, Result] | None:
        """Return what is to be advanced; None if the calls that waited are over."""
        if self._waiting[Lane.QUERIES] and not self._is_owed():
            return self._take(Lane.QUERIES, self._threads)
        lane = self._lane_in_turn()
        assert lane is not None
        self._turns.remove(lane)
        self._turns.append(lane)
        self._owed = max(0, self._owed - 1)
        if self._aside[lane]:
            return self._aside[lane].popleft()
        waiting = min(
            sum(map(len, self._waiting[lane])),
            math.ceil(self._waiting_tokens[lane] / self._batch_tokens),
        )
        together = max(1, min(self._passes, self._count_begun(lane) + waiting))
        return self._take(lane, min(self._count_free(), max(1, self._threads // together)))

    def _take(self, lane: Lane, threads: int) -> _Pass[Row, Result] | None:
        """Begin a pass over one call after another, up to the budget; one longer row goes alone.

        A call of which something is left then waits behind the others.
        """
        waiting, total = self._waiting[lane], 0
        taken: list[_Ticket[Row, Result]] = []
        while waiting and (not taken or total + waiting[0][0].tokens <= self._batch_tokens):
            ticket = waiting[0].popleft()
            self._count(lane, -ticket.tokens)
            if not ticket.call.is_over:
                taken.append(ticket)
                total += ticket.tokens
            if not waiting[0]:
                waiting.popleft()
        if not taken:
            return None
        if waiting and waiting[0][0].call is taken[-1].call:
            waiting.rotate(-1)
        now = perf_counter()
        for ticket in taken:
            self._metrics.queue_seconds.labels(lane).observe(now - ticket.arrived)
        self._metrics.tokens.labels(lane).inc(total)
        self._metrics.fill.labels(lane).observe(total / self._batch_tokens)
        started = taken[0].call.start([ticket.row for ticket in taken], threads)
        return _Pass(lane, threads, taken, self._timed(started, total, threads))

    def _timed(
        self, steps: Generator[None, None, list[Result]], tokens: int, threads: int
    ) -> Generator[None, None, list[Result]]:
        """Run a pass and keep a moving average of tokens a second, for who is told to wait."""
        started = perf_counter()
        results = yield from steps
        # As if all processors did what these do.
        speed = tokens / max(1e-6, perf_counter() - started) * self._threads / threads
        self._tokens_per_s += 0.1 * (speed - self._tokens_per_s)
        return results

    def _count(self, lane: Lane, tokens: int) -> None:
        self._waiting_tokens[lane] += tokens
        self._metrics.waiting_tokens.labels(lane).set(self._waiting_tokens[lane])


def _closed() -> WorkCancelled:
    return WorkCancelled("the model is closed")
