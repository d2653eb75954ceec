"""Backups: one file with the whole database, its checksum, and the day it expires.

A backup is taken while a server runs, and holds one committed state.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from shutil import copyfileobj, rmtree
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from app.config import Settings
from app.db.backup_archive import (
    DATABASE,
    FORMAT,
    Backup,
    open_archive,
    pack_archive,
    read_facts,
    read_time,
)
from app.db.data_folder import (
    RESTORE_PREFIX,
    hold_folder,
    remove_unfinished_restores,
    require_writable,
)
from app.db.migrations import require_known
from app.db.private_files import make_private_file, make_private_folder
from app.errors import (
    Conflict,
    CorruptData,
    InvalidRequest,
    NotFound,
    StorageFailed,
    StorageFull,
)

_COPY_BYTES = 2**20
_BACKUP_PREFIX = ".folio-backup-"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has put in place, and who gets in with it."""

    backup: Backup
    signed: bool
    keys: tuple[str, ...]
    """Id, scope and name of each key that is valid."""
    triggers: tuple[str, ...]
    """Triggers and views, of which Folio makes none: they act whenever something is stored."""


def require_data_folder(settings: Settings) -> None:
    """Raise InvalidRequest where the data lies in PostgreSQL, which has tools of its own."""
    if settings.database_url is not None:
        raise InvalidRequest(
            "FOLIO_DATABASE_URL is set, and copies of a PostgreSQL database are made with its own "
            "tools: pg_basebackup with an archive of its log, or pg_dump",
            code="postgresql_keeps_backups",
        )


def write_backup(
    data: Path, target: Path, *, keep_days: int, signing_key: bytes | None = None
) -> Backup:
    """Write the database in folder `data` to the new file `target`, whole or not at all.

    Raises NotFound without a database, Conflict when the target exists, CorruptData when the copy
    is damaged.
    """
    source = data / DATABASE
    if not source.is_file():
        raise NotFound(f"no database in {data}", code="no_database")
    if target.exists():
        raise Conflict(
            f"{target} already exists; a backup never replaces a file", code="backup_exists"
        )
    now = datetime.now(UTC)
    _remove_unfinished(target.parent)
    with _typed_errors(target.parent, source), _open_work_folder(target.parent) as folder:
        copy = folder / DATABASE
        make_private_file(copy)
        _copy_database(source, copy)
        backup = Backup(
            format=FORMAT,
            created_at=now.isoformat(timespec="seconds"),
            expires_at=(now + timedelta(days=keep_days)).isoformat(timespec="seconds"),
            sha256=_hash(copy),
            bytes=copy.stat().st_size,
            documents=_check_database(copy),
        )
        archive = folder / "archive"
        # It holds texts and the hashes of keys.
        make_private_file(archive)
        pack_archive(archive, copy, backup, signing_key)
        _sync(archive)
        # Unlike a rename, this never replaces a file that came meanwhile.
        os.link(archive, target)
        _sync(target.parent)
    return backup


def restore_backup(
    path: Path,
    data: Path,
    *,
    replace: bool,
    allow_expired: bool,
    signing_key: bytes | None = None,
) -> Restored:
    """Put the database of a backup into folder `data`: verified first, then in one rename.

    Raises DataFolderHeld while a server owns the folder, Conflict when it has a database and
    `replace` is false or when the backup has expired, CorruptData when a checksum is wrong, or the
    signature where there is a `signing_key`, or it is not a database of Folio's, FolioError when a
    newer Folio made it. What was in the folder stays as it was then.
    """
    with require_writable(data):
        make_private_folder(data)
    with (
        hold_folder(data, "folio restore"),
        _typed_errors(data, data / DATABASE),
        open_archive(path) as archive,
    ):
        remove_unfinished_restores(data)
        backup, signed = read_facts(archive, signing_key)
        if not allow_expired and read_time(backup.expires_at, path) < datetime.now(UTC):
            raise Conflict(
                f"{path} expired on {backup.expires_at}: what was deleted since would come back",
                code="backup_expired",
            )
        target = data / DATABASE
        if target.exists() and not replace:
            raise Conflict(
                f"{target} exists; --replace puts the backup in its place", code="data_exists"
            )
        with TemporaryDirectory(prefix=RESTORE_PREFIX, dir=data) as folder:
            copy = _unpack(archive, backup, Path(folder))
            _check_schema(copy)
            _check_database(copy)
            restored = Restored(backup, signed, _list_keys(copy), _list_triggers(copy))
            _sync(copy)
            _fold_log(target)
            copy.replace(target)
            _sync(data)
    return restored


def _unpack(archive: ZipFile, backup: Backup, folder: Path) -> Path:
    """Return the database, copied to `folder`; raises CorruptData unless it is the one meant."""
    damaged = CorruptData(f"the checksum of {archive.filename} is wrong: it is damaged")
    if archive.getinfo(DATABASE).file_size != backup.bytes:
        raise damaged
    copy = folder / DATABASE
    make_private_file(copy)
    with archive.open(DATABASE) as packed, copy.open("wb") as file:
        copyfileobj(packed, file, _COPY_BYTES)
    if (copy.stat().st_size, _hash(copy)) != (backup.bytes, backup.sha256):
        raise damaged
    return copy


def _list_keys(database: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT id, scope, all_collections, name FROM keys WHERE revoked_at IS NULL"
            " AND (expires_at IS NULL OR expires_at > datetime('now')) ORDER BY id"
        ).fetchall()
    return tuple(
        f"{key_id} ({scope}{' of everything' if everything else ''}) {name}".strip()
        for key_id, scope, everything, name in rows
    )


def _list_triggers(database: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name"
        ).fetchall()
    return tuple(f"{kind} {name}" for kind, name in rows)


@contextmanager
def _open_work_folder(parent: Path) -> Iterator[Path]:
    """Yield a folder for a backup that is made; its lock tells it from those of killed ones."""
    with TemporaryDirectory(prefix=_BACKUP_PREFIX, dir=parent) as name:
        handle = os.open(name, os.O_RDONLY)
        try:
            # Some network file systems lock no folders: what is left there stays.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            os.close(handle)


def _remove_unfinished(parent: Path) -> None:
    """Remove what backups left that were killed: whole databases, which nobody would erase."""
    for left in parent.glob(f"{_BACKUP_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


def _copy_database(source: Path, copy: Path) -> None:
    """Copy the last committed state; the server goes on reading and writing.

    In one step: between two steps another process's write would start the copy over. The
    connection only reads, so it never checkpoints, which is the server's alone.
    """
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(copy)) as writing,
    ):
        reading.backup(writing, pages=-1)
        # The copy is one file; the server turns its log on again.
        writing.execute("PRAGMA journal_mode = DELETE")


def _check_database(path: Path) -> int:
    """Return how many documents a database has; raises CorruptData when it is damaged."""
    with closing(sqlite3.connect(path)) as connection:
        problems = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchone()
        if problems != "ok" or orphans is not None:
            raise CorruptData(f"the database is damaged: {problems}")
        return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])


def _check_schema(database: Path) -> None:
    """Raise CorruptData for a database of another program, FolioError for a newer Folio's."""
    with closing(sqlite3.connect(database)) as connection:
        tables = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        row = (
            connection.execute(tables).fetchone()
            and connection.execute("SELECT version_num FROM alembic_version").fetchone()
        )
    if row is None:
        raise CorruptData("the database in it is not one of Folio's")
    require_known(row[0])


def _fold_log(database: Path) -> None:
    """Leave no log beside a database that is about to be replaced: it would be read into the new.

    What the log holds goes into the old file first, which stays whole if the rename never comes.
    """
    if database.exists():
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, sha256).hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _typed_errors(folder: Path, database: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(f"the disk that holds {folder} is full") from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise CorruptData(f"the database is damaged: {error}") from error
        raise StorageFailed(f"{database} cannot be copied: {error}") from error
