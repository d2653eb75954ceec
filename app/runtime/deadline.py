"""How long work may go on: set where it begins, asked between its steps.

A thread cannot be ended from outside. So what computes for a request, or for a document, asks here
as it goes on, and whoever embeds for it hands the model a function that says when nobody waits any
more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from math import inf
from time import monotonic
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app.domain import Embedding, Item
from app.embedding.engine import Engine
from app.embedding.pieces import cut_pieces
from app.errors import OutOfTime, WorkCancelled

T = TypeVar("T")

# Some milliseconds of the shortest steps.
_STEPS_AT_ONCE = 1000
_ASK_AGAIN_S = 0.25

# A thread that works for a request has its context.
_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)
_is_wanted: ContextVar[Callable[[], bool]] = ContextVar("is_wanted", default=lambda: True)
_let_pass: ContextVar[Callable[[], object]] = ContextVar("let_pass", default=lambda: None)


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Give the request that is being answered so many seconds."""
    token = _ends_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


@contextmanager
def work_while(
    is_wanted: Callable[[], bool], *, let_pass: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Have `check_time` raise WorkCancelled in the block once nobody wants what it makes.

    Before it asks, it lets others pass. `is_wanted` is asked often, also by the model's thread: it
    must be quick (see `ask_seldom`), and not raise.
    """
    wanted, passing = _is_wanted.set(is_wanted), _let_pass.set(let_pass)
    try:
        yield
    finally:
        _is_wanted.reset(wanted)
        _let_pass.reset(passing)


def ask_seldom(is_wanted: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that asks a few times a second at most, and no more once it is told no."""
    asks_again, said = monotonic(), True

    def ask() -> bool:
        nonlocal asks_again, said
        if said and monotonic() >= asks_again:
            said = is_wanted()
            asks_again = monotonic() + _ASK_AGAIN_S
        return said

    return ask


def check_time() -> None:
    """Raise OutOfTime once the time of the request is over; WorkCancelled: see `work_while`."""
    if monotonic() >= _ends_at.get():
        raise OutOfTime("the request exceeded its time limit and was stopped")
    _let_pass.get()()
    if not _is_wanted.get()():
        raise WorkCancelled("nobody wants what this makes any more")


def check_between(steps: Iterable[T], at_once: int = _STEPS_AT_ONCE) -> Iterator[T]:
    """Yield what steps give, short ones if not said otherwise; calls `check_time` now and then."""
    for number, result in enumerate(steps):
        if number and number % at_once == 0:
            check_time()
        yield result


def watch_time() -> Callable[[], bool]:
    """Return a function, for any thread, that says whether this work is to end."""
    ends_at, is_wanted = _ends_at.get(), _is_wanted.get()
    return lambda: monotonic() >= ends_at or not is_wanted()


def tokenize_in_time(engine: Engine, text: str) -> Iterator[npt.NDArray[np.int64]]:
    """Yield what Engine.token_starts gives, piece by piece; calls `check_time` between them."""
    for begin, end in check_between(cut_pieces(text), at_once=1):
        yield engine.token_starts(text[begin:end]) + begin


def count_in_time(engine: Engine, item: Item) -> int:
    """Count as Engine.count_tokens does; calls `check_time` between pieces of a long text."""
    _, end = next(cut_pieces(item.text))
    tokens = engine.count_tokens(replace(item, text=item.text[:end]))
    if end < len(item.text):
        check_time()
        tokens += sum(map(len, tokenize_in_time(engine, item.text[end:])))
    return tokens


def embed_in_time(
    engine: Engine,
    items: Sequence[Item],
    *,
    dimensions: int | None = None,
    refuses: bool = False,
) -> list[Embedding]:
    """Embed as Engine.embed does; raises OutOfTime when the time of the request ends before."""
    try:
        return engine.embed(
            items, dimensions=dimensions, is_cancelled=watch_time(), refuses=refuses
        )
    except WorkCancelled:
        check_time()
        raise
