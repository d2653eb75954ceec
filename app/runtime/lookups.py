"""What searches look up of articles beside vectors and words, kept until articles change."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from app.index.byte_cache import MISSING, ByteCache, count_bytes

T = TypeVar("T")

LogState: TypeAlias = int | None
"""Grows with the changes that a transaction sees; None where it sees less than was read."""

_MAX_BYTES = 32 << 20
_MAX_ROW_BYTES = 8 << 20
_MAX_NOTED = 10_000


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
            if state == self._state and key in self._kept:
                kept: T = self._kept[key]
                return kept
        found = look_up()
        # Who asks may send filters of a megabyte that keep nothing.
        size = count_bytes(key) + count_bytes(found)
        with self._lock:
            if state != self._state or size > self._left:
                self._state, self._kept, self._left = state, {}, _MAX_BYTES
            if size <= self._left and key not in self._kept:
                self._kept[key] = found
                self._left -= size
        return found


class ArticleRows:
    """What searches read of articles, each row until its article changes; thread-safe.

    A row holds for every state of the log from the last change of its article on: it is good for a
    transaction if neither this one nor the one that read it is older.
    """

    def __init__(self) -> None:
        self._kept = ByteCache(_MAX_ROW_BYTES)
        self._changed: dict[int, int] = {}
        self._all_changed = 0

    def note(self, state: int, document_ids: Sequence[int] | None) -> None:
        """Note which articles changed with a state, before a transaction is told of it; None: all.

        Not for several threads at once.
        """
        if document_ids is None or len(self._changed) + len(document_ids) > _MAX_NOTED:
            self._all_changed = state
            self._changed = {}
        else:
            self._changed.update(dict.fromkeys(document_ids, state))

    def recall(
        self,
        state: LogState,
        kind: str,
        of: Mapping[int, int],
        read: Callable[[list[int]], Mapping[int, T]],
    ) -> dict[int, T]:
        """Return what `read` returns of some ids, in their order; `of` has the article of each."""
        if state is None:
            return dict(read(list(of)))
        found: dict[int, T] = {}
        for i, document_id in of.items():
            entry = self._kept.find((kind, i))
            if entry is MISSING:
                continue
            # Asked after the row was found: whatever changed before that was read is noted by now.
            changed = self._changed.get(document_id, self._all_changed)
            read_at, row = entry
            if changed <= min(read_at, state):
                found[i] = row
            elif read_at < changed:
                self._kept.forget([(kind, i)])
        if missing := [i for i in of if i not in found]:
            fresh = read(missing)
            for i, row in fresh.items():
                self._kept.put((kind, i), (state, row))
            found.update(fresh)
        return {i: found[i] for i in of if i in found}
