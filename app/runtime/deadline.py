"""How long a request may take: set where it comes in, asked between the steps of its work.

A thread cannot be ended from outside. So what computes for a request asks here as it goes on, and
whoever embeds for it hands the model a function that says when nobody waits any more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from app.domain import Embedding, Item
from app.embedding.engine import Engine
from app.errors import EmbeddingCancelled, OutOfTime

# A thread that works for a request has its context.
_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Give the request that is being answered so many seconds."""
    token = _ends_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def check_time() -> None:
    """Raise OutOfTime once the time of the request is over."""
    if monotonic() >= _ends_at.get():
        raise OutOfTime("this took longer than a request may; the work on it has ended")


def watch_time() -> Callable[[], bool]:
    """Return a function, for any thread, that says whether the time of this request is over."""
    ends_at = _ends_at.get()
    return lambda: monotonic() >= ends_at


def embed_in_time(
    engine: Engine,
    items: Sequence[Item],
    *,
    dimensions: int | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    refuses: bool = False,
) -> list[Embedding]:
    """Embed as Engine.embed does; raises OutOfTime when the time of the request ends before."""
    is_late = watch_time()
    try:
        return engine.embed(
            items,
            dimensions=dimensions,
            is_cancelled=lambda: is_cancelled() or is_late(),
            refuses=refuses,
        )
    except EmbeddingCancelled:
        check_time()
        raise
