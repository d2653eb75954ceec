"""Results of functions of words, kept as long as they fit into a number of bytes.

Counting entries would not do: who asks may send words of thirty thousand characters.
"""

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from functools import wraps
from sys import getsizeof
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

_ENTRY_BYTES = 200
"""A key's tuple, and its place in a table that is two thirds full."""
_MISSING: Any = object()


def keep(max_bytes: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that keeps results of a pure function, up to `max_bytes` of them.

    Two generations: what is asked for stays in the younger one, and when that has half of the bytes
    it becomes the older one, whose rest is let go. For functions of positional arguments.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        young: dict[Hashable, T] = {}
        old: dict[Hashable, T] = {}
        left = max_bytes // 2

        @wraps(function)
        def look_up(*key: P.args, **_none: P.kwargs) -> T:
            # Threads may lose each other's entries and miscount a few: both are made good at the
            # next turn of the generations.
            nonlocal young, old, left
            found: T = young.get(key, _MISSING)
            if found is not _MISSING:
                return found
            found = old.get(key, _MISSING)
            if found is _MISSING:
                found = function(*key, **_none)
            size = _ENTRY_BYTES + count_bytes(key) + count_bytes(found)
            if size > left:
                old, young, left = young, {}, max_bytes // 2
            if size <= left:
                young[key] = found
                left -= size
            return found

        return look_up

    return decorate


def count_bytes(value: object) -> int:
    """Return the bytes that a value and what it is made of take."""
    size = getsizeof(value)
    # Words come first: they are most.
    if isinstance(value, str):
        return size
    if isinstance(value, tuple):
        return size + sum(map(count_bytes, value))
    if isinstance(value, np.ndarray):
        return size + (0 if value.base is None else value.nbytes)
    if is_dataclass(value):
        return size + sum(count_bytes(getattr(value, field.name)) for field in fields(value))
    return size
