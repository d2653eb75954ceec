"""Results of functions of words, kept as long as they fit into a number of bytes.

Counting entries would not do: who asks may send words of thirty thousand characters.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from itertools import chain
from sys import getsizeof
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Hashable)

_ENTRY_BYTES = 260
"""A key's tuple, the pair of value and size, and a place in a table that is two thirds full."""
MISSING: Any = object()


class ByteCache:
    """Values by their keys, up to a number of bytes.

    Two generations: what is asked for stays in the younger one, and when that has half of the bytes
    it becomes the older one, whose rest is let go.
    """

    __slots__ = ("_half", "_left", "_old", "_young")

    def __init__(self, max_bytes: int) -> None:
        # With the bytes of each: to count them takes longer than to look an entry up.
        self._young: dict[Hashable, tuple[Any, int]] = {}
        self._old: dict[Hashable, tuple[Any, int]] = {}
        self._half = self._left = max_bytes // 2

    def find(self, key: Hashable) -> Any:
        """Return the value that is kept, or MISSING."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.get(key)
            if entry is None:
                return MISSING
            self._put(key, entry)
        return entry[0]

    def put(self, key: Hashable, value: object) -> None:
        """Keep a value, unless it alone takes half of the bytes."""
        self._put(key, (value, _ENTRY_BYTES + count_bytes(key) + count_bytes(value)))

    def _put(self, key: Hashable, entry: tuple[Any, int]) -> None:
        # Threads may lose each other's entries and miscount a few: both are made good at the next
        # turn of the generations.
        size = entry[1]
        if size > self._left:
            self._old, self._young, self._left = self._young, {}, self._half
        if size <= self._left:
            self._young[key] = entry
            self._left -= size

    def forget(self, keys: Iterable[Hashable]) -> None:
        """Let go of what is kept by these keys."""
        for key in keys:
            self._old.pop(key, None)
            entry = self._young.pop(key, None)
            if entry is not None:
                self._left += entry[1]


def keep(max_bytes: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that keeps results of a pure function, up to `max_bytes` of them.

    For functions of positional arguments.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        cache = ByteCache(max_bytes)

        @wraps(function)
        def look_up(*key: P.args, **_none: P.kwargs) -> T:
            found: T = cache.find(key)
            if found is MISSING:
                found = function(*key, **_none)
                cache.put(key, found)
            return found

        return look_up

    return decorate


def keep_each(
    max_bytes: int,
) -> Callable[[Callable[[Sequence[str], R], Sequence[T]]], Callable[[Sequence[str], R], list[T]]]:
    """Return a decorator as `keep` does, for a function that makes one result of each word.

    What it makes also depends on its other argument. It is called once for all that are missing.
    """

    def decorate(
        function: Callable[[Sequence[str], R], Sequence[T]],
    ) -> Callable[[Sequence[str], R], list[T]]:
        cache = ByteCache(max_bytes)

        @wraps(function)
        def look_up(words: Sequence[str], other: R) -> list[T]:
            found: list[T] = [cache.find((word, other)) for word in words]
            if missing := [n for n, one in enumerate(found) if one is MISSING]:
                made = function([words[n] for n in missing], other)
                for n, one in zip(missing, made, strict=True):
                    cache.put((words[n], other), one)
                    found[n] = one
            return found

        return look_up

    return decorate


def count_bytes(value: object) -> int:
    """Return the bytes that a value and what it is made of take."""
    size = getsizeof(value)
    # Words come first: they are most.
    if isinstance(value, str):
        return size
    if isinstance(value, tuple | list):
        return size + sum(map(count_bytes, value))
    if isinstance(value, dict):
        return size + sum(map(count_bytes, chain(value, value.values())))
    if isinstance(value, np.ndarray):
        return size + (0 if value.base is None else value.nbytes)
    if is_dataclass(value):
        return size + sum(count_bytes(getattr(value, field.name)) for field in fields(value))
    return size
