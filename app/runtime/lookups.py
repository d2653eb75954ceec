"""What searches look up of articles beside vectors and words, kept until an article changes."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

from app.db.queries import LogPosition
from app.index.byte_cache import count_bytes

T = TypeVar("T")

_MAX_BYTES = 32 << 20


class Lookups:
    """Results of look-ups by where the log of changes stood: whatever they depend on is logged.

    Chatbots send the same few filters with every question. Thread-safe.
    """

    def __init__(self) -> None:
        self._position = LogPosition()
        self._kept: dict[Hashable, Any] = {}
        self._left = _MAX_BYTES
        self._lock = Lock()

    def find(self, position: LogPosition, key: Hashable, look_up: Callable[[], T]) -> T:
        """Return what `look_up` returns in a transaction that sees the log up to there."""
        with self._lock:
            if position == self._position and key in self._kept:
                kept: T = self._kept[key]
                return kept
        found = look_up()
        size = count_bytes(found)
        with self._lock:
            if position != self._position or size > self._left:
                self._position, self._kept, self._left = position, {}, _MAX_BYTES
            if size <= self._left and key not in self._kept:
                self._kept[key] = found
                self._left -= size
        return found
