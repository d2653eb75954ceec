"""What searches look up of articles beside vectors and words, kept until an article changes."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from app.index.byte_cache import count_bytes

T = TypeVar("T")

LogState: TypeAlias = object | None
"""Another object whenever a transaction sees other changes; None where that is not known."""

_MAX_BYTES = 32 << 20


class Lookups:
    """Results of look-ups by where the log of changes stood: whatever they depend on is logged.

    Chatbots send the same few filters with every question. Thread-safe.
    """

    def __init__(self) -> None:
        self._state: LogState = None
        self._kept: dict[Hashable, Any] = {}
        self._left = _MAX_BYTES
        self._lock = Lock()

    def find(self, state: LogState, key: Hashable, look_up: Callable[[], T]) -> T:
        """Return what `look_up` returns in a transaction that sees the log in this state."""
        if state is None:
            return look_up()
        with self._lock:
            if state is self._state and key in self._kept:
                kept: T = self._kept[key]
                return kept
        found = look_up()
        # Who asks may send filters of a megabyte that keep nothing.
        size = count_bytes(key) + count_bytes(found)
        with self._lock:
            if state is not self._state or size > self._left:
                self._state, self._kept, self._left = state, {}, _MAX_BYTES
            if size <= self._left and key not in self._kept:
                self._kept[key] = found
                self._left -= size
        return found
