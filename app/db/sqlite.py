"""Opening the SQLite database: the folder's lock, pragmas, and one writer at a time."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, FromClause, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db.data_folder import hold_folder, remove_unfinished_restores, require_writable
from app.db.database import Duty
from app.db.migrations import head_revision, upgrade
from app.db.private_files import make_private_file, make_private_folder
from app.errors import Conflict, CorruptData, NotFound, StorageFailed, StorageFull

logger = logging.getLogger("folio")

_CHECKPOINT_BYTES = 16 * 2**20
_BUSY_MS = 10_000
# A reader that needs the log is a search or a page of a list, done long before.
_ERASE_SECONDS = 2.0
_ERASE_PAUSE_SECONDS = 0.01

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    f"busy_timeout = {_BUSY_MS}",
    # SQLite before 3.51.3 can reset a WAL that another connection writes: checkpoints are ours.
    "wal_autocheckpoint = 0",
    "trusted_schema = OFF",
    # A sort that spills would leave text in files beside the database, or fail on a full disk.
    "temp_store = MEMORY",
)


class SqliteDatabase:
    """One SQLite file, which one process owns."""

    is_shared = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._readers = _make_engine(str(path), begin="BEGIN")
        self._writer = _make_engine(str(path), begin="BEGIN IMMEDIATE")
        self._writing = Lock()
        self._is_closed = False
        self.owes_erasure = False
        """Whether the log still holds what was deleted."""

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one consistent state and writes nothing.

        Raises StorageFailed or CorruptData when the file cannot be read.
        """
        with _typed_errors(self.path), Session(self._readers) as session, session.begin():
            yield session

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Session]:
        """The only write transaction: committed when the block ends, else rolled back.

        Raises StorageFull, StorageFailed or CorruptData; nothing of the transaction is kept then.
        """
        with self._writing:
            if self._is_closed:
                # Another process may own the folder by now.
                raise StorageFailed(f"{self.path.parent} is closed; nothing was stored")
            with (
                _typed_errors(self.path),
                Session(self._writer, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session
            # Emptied, and not only copied: the file would keep its size, and every write after it
            # would copy once more.
            if self._wal.stat().st_size > _CHECKPOINT_BYTES:
                self._checkpoint()

    def erase_deleted(self) -> bool:
        """Move the log into the database file and empty it, so that deleted content is gone.

        False while a reader still needs the log, or the disk refuses; `owes_erasure` says so until
        a later call empties it.
        """
        deadline = monotonic() + _ERASE_SECONDS
        # Between two tries writers get their turn.
        while (done := self._try_erasing()) is False and monotonic() < deadline:
            sleep(_ERASE_PAUSE_SECONDS)
        self.owes_erasure = not done
        return not self.owes_erasure

    def _try_erasing(self) -> bool | None:
        with self._writing:
            return self._checkpoint()

    def leads(self, _duty: Duty) -> bool:
        """Return True: there is no other process."""
        return True

    def migrate(self) -> None:
        """Bring the schema to the newest version."""
        with self._writing, _typed_errors(self.path):
            upgrade(self._writer)

    def close(self) -> None:
        """Empty the log and let go of the file; a thread that writes afterwards is refused."""
        self.erase_deleted()
        with self._writing:
            self._is_closed = True
        self._readers.dispose()
        self._writer.dispose()

    def _checkpoint(self) -> bool | None:
        """Empty the log into the file; False when a reader keeps some of it, None when it fails.

        What was committed is safe in the log, so a disk that refuses is not an error here.
        """
        connection = None
        try:
            connection = self._writer.raw_connection()
            cursor = connection.cursor()
            # Waiting here would hold up the writers.
            cursor.execute("PRAGMA busy_timeout = 0")
            try:
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            cursor.close()
        except sqlite3.Error as error:
            logger.error("the log could not be moved into the database: %s", error)
            return None
        finally:
            if connection is not None:
                connection.close()
        return not busy


@contextmanager
def _typed_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says of disk and file into errors that a caller can act on."""
    try:
        yield
    except DBAPIError as error:
        # Extended codes hold the primary one in their lowest byte.
        code = (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(
                f"the disk that holds {path.parent} is full; nothing was stored"
            ) from error
        if code == sqlite3.SQLITE_READONLY:
            raise StorageFailed(
                f"{path} cannot be written by this process; nothing was stored"
            ) from error
        if code == sqlite3.SQLITE_BUSY:
            raise StorageFailed(
                f"another program keeps {path} locked; nothing was stored"
            ) from error
        if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
            raise StorageFailed(
                f"the disk that holds {path.parent} fails ({error.orig}); nothing was stored"
            ) from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise CorruptData(
                f"{path} is damaged ({error.orig}); put a copy of the data folder in its place"
            ) from error
        raise


@contextmanager
def open_database(folder: Path, *, holder: str) -> Iterator[SqliteDatabase]:
    """Own `folder`, migrate its database and close it at the end.

    Raises DataFolderHeld, which names the owner, when another process owns the folder, and
    StorageFailed where it cannot be written.
    """
    with require_writable(folder):
        make_private_folder(folder)
    with hold_folder(folder, holder):
        remove_unfinished_restores(folder)
        with require_writable(folder):
            make_private_file(folder / "folio.db")
        database = SqliteDatabase(folder / "folio.db")
        try:
            database.migrate()
            # A process that was killed may have left there what it deleted.
            database.erase_deleted()
            yield database
        finally:
            database.close()


@contextmanager
def read_folder(folder: Path) -> Iterator[Connection]:
    """Read the database of a folder that a server may own, in one committed state.

    Raises NotFound without one, and Conflict when its schema is not the newest.
    """
    path = folder / "folio.db"
    if not path.is_file():
        raise NotFound(f"no database in {folder}", code="no_database")
    engine = _make_engine(path.absolute().as_uri(), begin="BEGIN", mode="ro", uri="true")
    try:
        with _typed_errors(path), engine.begin() as connection:
            stored = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            if stored != head_revision():
                raise Conflict(
                    f"{path} was written by another version of Folio; start a server of this "
                    "version on it first",
                    code="other_schema",
                )
            yield connection
    finally:
        engine.dispose()


class _HintingCompiler(SQLiteCompiler):
    """Writes the hints of statements, which SQLAlchemy's own leaves out: `INDEXED BY`."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


def _decode(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _make_engine(path: str, *, begin: str, **options: str) -> Engine:
    engine = create_engine(
        # Put together and not written out: a folder's name may hold `?` and `%`.
        URL.create("sqlite", database=path, query=options),
        # Each thread that answers requests has one; the threads are what is limited.
        max_overflow=-1,
        # An error message must not quote a document.
        hide_parameters=True,
    )

    engine.dialect.statement_compiler = _HintingCompiler

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
        # Leave transactions to the "begin" event: sqlite3 would start them late and deferred.
        connection.isolation_level = None
        # Strictly decoded, a flipped bit would fail the whole query with an error that quotes the
        # text; this way the text fails its checksum, and only that article is left out.
        connection.text_factory = _decode
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
