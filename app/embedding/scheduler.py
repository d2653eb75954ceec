"""Lanes to one model: queries overtake everything else, also in the middle of a pass.

One thread runs everything. A pass of a slow lane is a generator that is put aside between its
steps; whatever queries wait by then go first, all in one batch. So the window in which queries are
gathered is the step that is running: none on an idle machine, a few milliseconds on a busy one. And
after each batch of queries one slow lane gets a step, each in its turn, so that none starves
another. Within a lane the calls take turns, batch by batch: a large one does not hold up a small
one that came later.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Condition, Event, Thread
from time import perf_counter
from typing import Generic, TypeVar

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


_SLOW = (Lane.LONG_QUERIES, Lane.CALLS, Lane.DOCUMENTS)
# How late a caller notices that it was cancelled while it waits for its first pass.
_POLL_SECONDS = 0.25


@dataclass(eq=False, slots=True)
class _Call(Generic[Row, Result]):
    """What one caller waits for."""

    start: Callable[[list[Row]], Generator[None, None, list[Result]]]
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

    tickets: list[_Ticket[Row, Result]]
    steps: Generator[None, None, list[Result]]

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(ticket.call.is_over for ticket in self.tickets)

    def advance(self) -> bool:
        """Run one step; returns whether the pass is over. An error goes to who waits."""
        try:
            next(self.steps)
        except StopIteration as end:
            for ticket, result in zip(self.tickets, end.value, strict=True):
                ticket.call.give(ticket.position, result)
        # Whatever a model raises belongs to the callers; the thread serves the next ones.
        except BaseException as error:  # noqa: BLE001
            for ticket in self.tickets:
                ticket.call.fail(error)
        else:
            return False
        return True


class Lanes(Generic[Row, Result]):
    """Waiting rows of all lanes and the thread that takes them through the model."""

    def __init__(
        self, *, batch_tokens: int, max_waiting_tokens: int, metrics: EngineMetrics
    ) -> None:
        self._batch_tokens = batch_tokens
        self._max_waiting = max_waiting_tokens
        self._metrics = metrics
        # Of each call its tickets; the calls in the order of their turns.
        self._waiting: dict[Lane, deque[deque[_Ticket[Row, Result]]]] = {
            lane: deque() for lane in Lane
        }
        self._waiting_tokens = dict.fromkeys(Lane, 0)
        self._tokens_per_s = 1000.0
        self._changed = Condition()
        self._closed = False
        Thread(target=self._work, name="folio-model", daemon=True).start()

    def run(
        self,
        rows: Sequence[tuple[Row, int]],
        lane: Lane,
        start: Callable[[list[Row]], Generator[None, None, list[Result]]],
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
            waiting = self._waiting_tokens[lane]
            if refuses and waiting and waiting + total > self._max_waiting:
                self._metrics.refused.labels(lane).inc()
                raise EngineBusy(
                    f"{waiting} tokens of {lane} wait for the model; with these {total} they would "
                    f"be more than {self._max_waiting}",
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
        """End the thread; who still waits is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        running: dict[Lane, _Pass[Row, Result]] = {}
        turns = deque(_SLOW)
        while True:
            with self._changed:
                if not running:
                    self._changed.wait_for(lambda: self._closed or any(self._waiting.values()))
                if self._closed:
                    break
                queries = self._take(Lane.QUERIES)
                self._begin_slow(running)
            if queries is not None:
                while not queries.advance():
                    pass
            # An idle thread keeps nothing of a model alive.
            del queries
            self._advance_one(running, turns)
        waiting = [ticket for lane in self._waiting.values() for call in lane for ticket in call]
        for ticket in waiting + [ticket for each in running.values() for ticket in each.tickets]:
            ticket.call.fail(WorkCancelled("the model is closed"))

    def _begin_slow(self, running: dict[Lane, _Pass[Row, Result]]) -> None:
        """Begin a pass of each slow lane that has none and in which somebody waits."""
        for lane in _SLOW:
            if lane not in running and (begun := self._take(lane)) is not None:
                running[lane] = begun

    def _advance_one(self, running: dict[Lane, _Pass[Row, Result]], turns: deque[Lane]) -> None:
        """Give the slow lane whose turn it is a step of its pass."""
        lane = next((lane for lane in turns if lane in running), None)
        if lane is None:
            return
        turns.remove(lane)
        turns.append(lane)
        slow = running[lane]
        if slow.is_unwanted or slow.advance():
            slow.steps.close()
            del running[lane]

    def _take(self, lane: Lane) -> _Pass[Row, Result] | None:
        """Take tickets of one call after another, up to the budget; one longer row goes alone.

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
        steps = self._timed(taken[0].call.start([ticket.row for ticket in taken]), total)
        return _Pass(taken, steps)

    def _timed(
        self, steps: Generator[None, None, list[Result]], tokens: int
    ) -> Generator[None, None, list[Result]]:
        """Run a pass and keep a moving average of tokens a second, for who is told to wait."""
        started = perf_counter()
        results = yield from steps
        speed = tokens / max(1e-6, perf_counter() - started)
        self._tokens_per_s += 0.1 * (speed - self._tokens_per_s)
        return results

    def _count(self, lane: Lane, tokens: int) -> None:
        self._waiting_tokens[lane] += tokens
        self._metrics.waiting_tokens.labels(lane).set(self._waiting_tokens[lane])
