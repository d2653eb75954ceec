"""One caller cannot take what all need: each has so much at a time, and the rest of its requests
wait their turn or are refused. All strangers together are one caller, whose turns last longer than
their requests: what they can ask in a second has a bound.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import ceil
from time import monotonic

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.callers import Callers
from app.api.disconnects import run_while_connected
from app.api.rates import Rate
from app.config import Settings
from app.errors import FolioError, OutOfTime, QueueFull
from app.runtime.deadline import limit_time
from app.runtime.priority import answer_to

RETRY_AFTER_S = 1
# Of 400 connections that are made anew after each refusal it leaves 200 a second.
_MAX_REFUSAL_WAIT_S = 2.0
_OPEN_PATHS = frozenset({"/healthz", "/health", "/readyz", "/metrics"})
_STATIC = "/admin/static/"
_STREAMS = re.compile(r"/(v1|admin)/jobs/[^/]+/events")

Refuse = Callable[[str, FolioError, dict[str, str]], Response]
"""Returns the answer to a request for a path: an error with these headers."""


class TooManyRequests(QueueFull):
    code = "too_many_requests"


class Kind(Enum):
    """What a request needs: each kind has turns of its own."""

    WORK = "requests"
    MODEL = "calls of the model"
    STREAM = "event streams"


@dataclass(slots=True)
class _Queue:
    """The requests of one caller and kind."""

    turns: asyncio.Semaphore
    at_once: int
    max_waiting: int
    pause_s: float
    """How long a turn stays taken after its answer."""
    present: int = 0

    def end_turn(self) -> None:
        """Let the next one have the turn, when the pause is over."""
        if self.pause_s:
            asyncio.get_running_loop().call_later(self.pause_s, self.turns.release)
        else:
            self.turns.release()


@dataclass(slots=True)
class _Allowance:
    """Requests that a caller may still send, refilled evenly over a minute."""

    left: float
    at: float


@dataclass(slots=True)
class Fairness:
    """Lets so many requests of each caller run, so many wait, and refuses the rest with 429.

    A caller that is refused often is told so late: at once it would come back at once.

    A request that takes longer than `request_seconds` (`model_call_seconds` for those that the
    model alone answers), its wait included, ends with 504.
    """

    app: ASGIApp
    settings: Settings
    callers: Callers | None
    """None where no keys are asked for: everyone is one caller."""
    model_paths: frozenset[str]
    refuse: Refuse
    _queues: dict[tuple[str | None, Kind], _Queue] = field(default_factory=dict)
    _allowances: dict[str, _Allowance] = field(default_factory=dict)
    _model_calls: asyncio.Semaphore = field(init=False)
    _refusals: Rate = field(init=False)

    def __post_init__(self) -> None:
        self._refusals = Rate(self.settings.max_refusals_per_second, _MAX_REFUSAL_WAIT_S)
        self._model_calls = asyncio.Semaphore(self.settings.max_model_calls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or takes_no_turn(scope):
            await self.app(scope, receive, send)
            return
        caller = "" if self.callers is None else await self.callers.find(HTTPConnection(scope))
        # All that a stranger gets is told at once, whatever it asks for.
        kind = Kind.WORK if caller is None else self._kind_of(scope)
        try:
            self._count(caller)
            queue = self._join(caller, kind)
        except TooManyRequests as error:
            await asyncio.sleep(self._refusals.note(caller))
            await self._answer(error, scope, receive, send)
            return
        try:
            with answer_to(caller):
                await self._take_turn(queue, kind, scope, receive, send)
        finally:
            queue.present -= 1
            # Turns of strangers outlast their requests: their queue stays.
            if not queue.present and caller is not None:
                self._queues.pop((caller, kind), None)

    async def _take_turn(
        self, queue: _Queue, kind: Kind, scope: Scope, receive: Receive, send: Send
    ) -> None:
        settings = self.settings
        is_model = kind is Kind.MODEL
        seconds = settings.model_call_seconds if is_model else settings.request_seconds
        rooms = [(queue.turns, queue.end_turn)]
        if is_model:
            rooms.append((self._model_calls, self._model_calls.release))
        taken: list[Callable[[], None]] = []
        try:
            with limit_time(seconds):
                try:
                    async with asyncio.timeout(seconds):
                        for room, leave in rooms:
                            await room.acquire()
                            taken.append(leave)
                except TimeoutError:
                    error = OutOfTime(f"the request waited {seconds:g} s for its turn")
                    await self._answer(error, scope, receive, send)
                    return
                if is_model:
                    await run_while_connected(self.app, scope, receive, send)
                else:
                    await self.app(scope, receive, send)
        finally:
            for leave in taken:
                leave()

    def _kind_of(self, scope: Scope) -> Kind:
        path: str = scope["path"]
        if scope["method"] == "GET" and _STREAMS.fullmatch(path):
            return Kind.STREAM
        # A page that is fetched keeps its thread as long as a call of the model.
        if scope["method"] == "POST" and (
            path in self.model_paths or path.endswith(("/preflight", "/imports"))
        ):
            return Kind.MODEL
        return Kind.WORK

    def _count(self, caller: str | None) -> None:
        """Raise TooManyRequests for a caller that has used up its requests of this minute."""
        most = self.settings.max_requests_per_minute
        # Strangers have a bound of their own: with one of theirs used up nobody could sign in.
        if most is None or caller is None:
            return
        now = monotonic()
        allowance = self._allowances.setdefault(caller, _Allowance(most, now))
        allowance.left = min(most, allowance.left + (now - allowance.at) * most / 60)
        allowance.at = now
        if allowance.left < 1:
            wait_s = ceil((1 - allowance.left) * 60 / most)
            raise TooManyRequests(
                f"{most} requests a minute are allowed; try again in {wait_s} s", wait_s
            )
        allowance.left -= 1

    def _join(self, caller: str | None, kind: Kind) -> _Queue:
        """Return the caller's queue, with one more in it; raises TooManyRequests if it is full."""
        queue = self._queues.get((caller, kind))
        if queue is None:
            at_once, waiting = self._limits_of(caller, kind)
            pause_s = self.settings.stranger_seconds if caller is None else 0.0
            queue = _Queue(asyncio.Semaphore(at_once), at_once, waiting, pause_s)
            self._queues[caller, kind] = queue
        if queue.present >= queue.at_once + queue.max_waiting:
            who = "without a valid key" if caller is None else "of this key"
            raise TooManyRequests(
                f"{queue.present} {kind.value} {who} are already running or waiting; try again in "
                f"{RETRY_AFTER_S} s",
                RETRY_AFTER_S,
            )
        queue.present += 1
        return queue

    def _limits_of(self, caller: str | None, kind: Kind) -> tuple[int, int]:
        settings = self.settings
        if kind is Kind.STREAM:
            return settings.max_streams_per_key, 0
        at_once = {
            Kind.WORK: settings.max_requests_per_key,
            Kind.MODEL: settings.max_model_calls_per_key,
        }[kind]
        if caller is None:
            at_once = min(at_once, settings.max_strangers)
        return at_once, settings.max_waiting_per_key

    async def _answer(self, error: FolioError, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, QueueFull) else {}
        await self.refuse(scope["path"], error, headers)(scope, receive, send)


def takes_no_turn(scope: Scope) -> bool:
    """Return whether a request is answered while everything else is busy."""
    path: str = scope["path"]
    return scope["method"] in {"GET", "HEAD"} and (path in _OPEN_PATHS or path.startswith(_STATIC))
