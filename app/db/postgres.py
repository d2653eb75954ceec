"""PostgreSQL, which several processes share: one writer at a time, one leader, typed errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.db.database import Duty
from app.db.migrations import run_upgrade
from app.db.postgres_schema import complete_schema
from app.errors import (
    CorruptData,
    DatabaseUnavailable,
    FolioError,
    InvalidRequest,
    StorageFailed,
    StorageFull,
)

logger = logging.getLogger("folio")

MIN_SERVER = 160_000
"""PostgreSQL 16."""

# Advisory locks are numbers; these spell `folio` and a digit.
_WRITER = 0x666F6C696F01
_LEADERS = MappingProxyType({Duty.BACKGROUND: 0x666F6C696F02, Duty.SYNC: 0x666F6C696F03})

_SESSION_OPTIONS = " ".join(
    f"-c {option}"
    for option in (
        # A writer that hangs amid its transaction, in a process that was stopped, holds up all.
        "idle_in_transaction_session_timeout=60s",
        "lock_timeout=30s",
        # A role's own limit would end each reading of a large index, again and again.
        "statement_timeout=0",
        "timezone=UTC",
        # Compiling takes longer than these queries.
        "jit=off",
    )
)
_CONNECT: dict[str, Any] = {
    "options": _SESSION_OPTIONS,
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "application_name": "folio",
}
_POOL_SIZE = 8
_POOL_SECONDS = 10.0

_ERASE_SECONDS = 2.0
_ERASE_PAUSE_SECONDS = 0.02
# What holds content of articles and questions.
_ERASED = (
    "documents",
    "versions",
    "originals",
    "files",
    "units",
    "passages",
    "terms",
    "attributes",
    "query_log",
    "feedback",
    "golden_queries",
    "evaluations",
    "reparses",
    # Golden sets of gates, tunings and calibrations.
    "generations",
    # Names and descriptions.
    "collections",
    "stores",
)
_NEXT_TRANSACTION = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
_OLDER_TRANSACTIONS = text(
    "SELECT coalesce(max(age(number)) > age(CAST(CAST(:next AS text) AS xid)), false) FROM ("
    # Idle amid its writes a session has a transaction, and no snapshot. What a standby reports of
    # its readers is of no database, or of a slot.
    "  SELECT unnest(ARRAY[backend_xmin, backend_xid]) FROM pg_stat_activity"
    "   WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid()"
    "  UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()"
    "  UNION ALL SELECT xmin FROM pg_replication_slots"
    ") AS older (number)"
)


class PostgresDatabase:
    """One PostgreSQL database, which any number of processes share."""

    is_shared = True

    def __init__(self, url: str, *, max_connections: int) -> None:
        self._engine = _make_engine(url, max_connections)
        reads = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = self._engine.execution_options(**reads)
        self._leading = Lock()
        self._leaders: dict[Duty, Connection] = {}
        self._is_closed = False
        event.listen(self._engine, "checkin", self._end_late)
        self.owes_erasure = False
        """Whether a transaction kept what was deleted from being cleared away."""

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one consistent state and writes nothing."""
        with _typed_errors(), Session(self._readers) as session, session.begin():
            yield session

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Session]:
        """A write transaction; `alone`, it waits until no other such writer is at work."""
        if self._is_closed:
            raise StorageFailed("the database is closed; nothing was stored")
        with (
            _typed_errors(),
            Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            if alone:
                # Let go of after the commit is visible: whoever waits here sees all of it.
                _lock_for_transaction(session.connection(), _WRITER)
            yield session

    def erase_deleted(self) -> bool:
        """Have VACUUM take deleted rows out of their pages; False while it must keep them.

        It keeps what a transaction that began before the deletion may still see.

        The bytes stay in free space until something else is written there, and in the write-ahead
        log, standbys and backups: those are PostgreSQL's and its operator's.
        """
        self.owes_erasure = True
        with suppress(FolioError), _typed_errors():
            self.owes_erasure = not self._vacuum()
        return not self.owes_erasure

    def leads(self, duty: Duty) -> bool:
        """Return whether this process holds the lock of a duty, or gets it now.

        It is bound to a connection: when the process or the connection ends, another one leads.
        """
        with self._leading:
            leader = self._leaders.get(duty)
            if leader is not None and not _answers(leader):
                self._resign(duty)
            if duty not in self._leaders and not self._is_closed:
                with suppress(FolioError), _typed_errors():
                    self._try_to_lead(duty)
            return duty in self._leaders

    def migrate(self) -> None:
        """Bring the schema to the newest version; of several processes one does, others wait."""
        with _typed_errors(), self._engine.begin() as connection:
            _require_server(connection)
            # A migration that another one is at may take longer than a writer.
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            _lock_for_transaction(connection, _WRITER)
            connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
            run_upgrade(connection)
            complete_schema(connection)

    def close(self) -> None:
        """Give the connections back, and with them the leader's locks; later writes are refused."""
        self._is_closed = True
        with self._leading:
            for duty in tuple(self._leaders):
                self._resign(duty)
        self._engine.dispose()

    def _end_late(self, _connection: object, record: ConnectionPoolEntry) -> None:
        """End a connection that a thread gives back which was still at work at the close."""
        if self._is_closed:
            record.close()

    def _try_to_lead(self, duty: Duty) -> None:
        connection = self._autocommit()
        if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LEADERS[duty]}):
            self._leaders[duty] = connection
        else:
            connection.close()

    def _resign(self, duty: Duty) -> None:
        leader = self._leaders.pop(duty)
        # Back in the pool the connection would hold the lock.
        with suppress(SQLAlchemyError):
            leader.invalidate()
        leader.close()

    def _vacuum(self) -> bool:
        with self._autocommit() as connection:
            following = connection.scalar(_NEXT_TRANSACTION)
            deadline = monotonic() + _ERASE_SECONDS
            while connection.scalar(_OLDER_TRANSACTIONS, {"next": following}):
                if monotonic() > deadline:
                    return False
                sleep(_ERASE_PAUSE_SECONDS)
            connection.exec_driver_sql(f"VACUUM {', '.join(_ERASED)}")
        return True

    def _autocommit(self) -> Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def open_postgres(url: str, *, max_connections: int = 56) -> Iterator[PostgresDatabase]:
    """Connect to a database, migrate it and let go of it at the end.

    Raises DatabaseUnavailable, or InvalidRequest for an address or a server that will not do.
    """
    database = PostgresDatabase(url, max_connections=max_connections)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def _make_engine(url: str, max_connections: int) -> Engine:
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        # What it says would quote the password.
        raise InvalidRequest(
            "FOLIO_DATABASE_URL is not an address such as postgresql+psycopg://user@host/name",
            code="bad_database_url",
        ) from None
    try:
        from app.db.postgres_cursor import use_ending_cursors

        engine = create_engine(
            parsed,
            # An error message must not quote a document.
            hide_parameters=True,
            pool_size=_POOL_SIZE,
            max_overflow=max_connections - _POOL_SIZE,
            pool_timeout=_POOL_SECONDS,
            # After a restart of PostgreSQL a request gets a new connection, not an error.
            pool_pre_ping=True,
            connect_args=_CONNECT,
        )
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            "PostgreSQL needs psycopg, of the extra `postgres`: pip install '.[postgres]' in a "
            "checkout of Folio",
            code="no_psycopg",
        ) from error
    event.listen(engine, "connect", use_ending_cursors)
    return engine


def _require_server(connection: Connection) -> None:
    server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if server < MIN_SERVER:
        raise InvalidRequest(
            f"this is PostgreSQL {server // 10_000}; Folio needs {MIN_SERVER // 10_000} or later",
            code="old_postgresql",
        )
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise InvalidRequest(
            f"the database has the encoding {encoding}; Folio needs UTF8", code="bad_encoding"
        )


def _lock_for_transaction(connection: Connection, key: int) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _answers(connection: Connection) -> bool:
    try:
        connection.exec_driver_sql("SELECT 1")
    except SQLAlchemyError:
        return False
    return True


_UNAVAILABLE = MappingProxyType(
    {
        "08": "the connection to PostgreSQL was lost",
        "25006": "this PostgreSQL is a standby, or was made to store nothing",
        "25P03": "PostgreSQL ended a transaction that had come to a halt",
        "28": "PostgreSQL does not let this user in",
        "3D": "no such database",
        "40": "PostgreSQL took the transaction back because of another one",
        "53": "PostgreSQL has no connection or memory left",
        "55P03": "another writer kept its lock for too long",
        "57": "PostgreSQL is shutting down or starting up",
        "57014": "PostgreSQL ended a statement, at its time limit or by request",
    }
)
"""By the SQLSTATE of the error, or the class of it."""


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn what PostgreSQL says of itself into errors that a caller can act on."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable(
            f"every connection to PostgreSQL was busy for {_POOL_SECONDS:g} s; nothing was stored"
        ) from error
    except DBAPIError as error:
        raise _translate(error) from error


def _translate(error: DBAPIError) -> Exception:
    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state == "53100":
        return StorageFull("the disk of PostgreSQL is full; nothing was stored")
    if state.startswith("58"):
        return StorageFailed("the disk of PostgreSQL fails; nothing was stored")
    if state in {"XX001", "XX002"}:
        return CorruptData("the database is damaged; restore it from a backup of PostgreSQL")
    reason = _UNAVAILABLE.get(state) or _UNAVAILABLE.get(state[:2])
    if reason is not None:
        return DatabaseUnavailable(f"{reason} (SQLSTATE {state})")
    if error.connection_invalidated or _is_lost(error):
        return DatabaseUnavailable("PostgreSQL cannot be reached")
    # psycopg looks itself for the one character that PostgreSQL has no place for.
    if state == "22021" or (not state and type(error.orig).__name__ == "DataError"):
        return InvalidRequest("PostgreSQL stores no text with a zero byte", code="zero_byte")
    # Numbers of rows have 64 bits there, and some texts a bound.
    if state == "22003":
        return InvalidRequest("a number is larger than any row's", code="number_too_large")
    if state == "22001":
        return InvalidRequest("a text is longer than its column", code="value_too_long")
    return error


def _is_lost(error: DBAPIError) -> bool:
    """Return whether there was no answer: psycopg gives no SQLSTATE then."""
    return type(error.orig).__name__ == "OperationalError" and not getattr(
        error.orig, "sqlstate", None
    )
