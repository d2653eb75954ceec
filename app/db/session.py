"""Opening the SQLite database: the folder's lock, pragmas, and one writer at a time."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db.migrations import upgrade
from app.errors import DataFolderHeld, StorageFull

_CHECKPOINT_BYTES = 16 * 2**20

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "busy_timeout = 10000",
    # SQLite before 3.51.3 can reset a WAL that another connection writes: checkpoints are ours.
    "wal_autocheckpoint = 0",
    "trusted_schema = OFF",
)


class Database:
    """Sessions over one SQLite file; readers see the last commit, writers take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._readers = _make_engine(path, begin="BEGIN")
        self._writer = _make_engine(path, begin="BEGIN IMMEDIATE")
        self._writing = Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one consistent state and writes nothing."""
        with Session(self._readers) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """The only write transaction: committed when the block ends, else rolled back.

        Raises StorageFull when the disk is full; nothing of the transaction is kept then.
        """
        with self._writing:
            try:
                with Session(self._writer, expire_on_commit=False) as session, session.begin():
                    yield session
                if self._wal.stat().st_size > _CHECKPOINT_BYTES:
                    self._checkpoint("PASSIVE")
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise StorageFull(
                        f"the disk that holds {self.path.parent} is full; nothing was stored"
                    ) from error
                raise

    def checkpoint(self) -> None:
        """Move the log into the database file and empty it, so that deleted content is gone."""
        with self._writing:
            self._checkpoint("TRUNCATE")

    def migrate(self) -> None:
        """Bring the schema to the newest version."""
        with self._writing:
            upgrade(self._writer)

    def close(self) -> None:
        self.checkpoint()
        self._readers.dispose()
        self._writer.dispose()

    def _checkpoint(self, mode: str) -> None:
        connection = self._writer.raw_connection()
        try:
            connection.cursor().execute(f"PRAGMA wal_checkpoint({mode})").close()
        finally:
            connection.close()


@contextmanager
def open_database(folder: Path, *, holder: str) -> Iterator[Database]:
    """Own `folder`, migrate its database and close it at the end.

    Raises DataFolderHeld, which names the owner, when another process owns the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder, holder):
        database = Database(folder / "folio.db")
        try:
            database.migrate()
            yield database
        finally:
            database.close()


def read_owner(folder: Path) -> dict[str, Any]:
    """Return what the owner of `folder` wrote about itself: pid, command and since."""
    try:
        owner = json.loads((folder / "folio.lock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


@contextmanager
def _lock(folder: Path, holder: str) -> Iterator[None]:
    with (folder / "folio.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = read_owner(folder)
            raise DataFolderHeld(
                f"{folder} is held by `{owner.get('command', 'another process')}` "
                f"(pid {owner.get('pid', 'unknown')}, since {owner.get('since', 'unknown')}); "
                "talk to it with --server URL, or stop it first"
            ) from error
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "command": holder, "since": since}, file)
        file.flush()
        # The file stays: removing it would let a third process lock a new one beside it.
        yield


def _make_engine(path: Path, *, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        # An error message must not quote a document.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
        # Leave transactions to the "begin" event: sqlite3 would start them late and deferred.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
