"""What a database is to the rest of the program, whichever one it is."""

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from sqlalchemy.orm import Session


class Duty(StrEnum):
    """What one process does for all that share a database; each may be another's."""

    BACKGROUND = "background"
    SYNC = "sync"


class Database(Protocol):
    """Sessions over one database; readers see the last commit, writers take turns."""

    owes_erasure: bool
    """Whether what was deleted is still stored somewhere."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may change it meanwhile: nothing read of it may be kept."""

    def read(self) -> AbstractContextManager[Session]:
        """Return a transaction that sees one consistent state and writes nothing.

        Raises StorageFailed, DatabaseUnavailable or CorruptData when it cannot be read.
        """

    def write(self, *, alone: bool = True) -> AbstractContextManager[Session]:
        """Return a write transaction: committed when the block ends, else rolled back.

        `alone` keeps every other such writer out, in all processes. Statements that check what they
        change as they change it do without: those of the queue. Raises StorageFull, StorageFailed,
        DatabaseUnavailable or CorruptData; nothing of the transaction is kept then.
        """

    def erase_deleted(self) -> bool:
        """Let go of what was deleted; False, as `owes_erasure` says, while a reader keeps it."""

    def leads(self, duty: Duty, /) -> bool:
        """Return whether this process has a duty, or takes it now: only who would do it asks."""

    def close(self) -> None:
        """Let go of the database."""
