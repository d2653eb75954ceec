"""Backups: one file with the whole database, its checksum, and the day it expires.

A backup is an uncompressed ZIP archive of `folio.db` and `backup.json`, so that any tool can take
it apart. It is taken while a server runs, and holds one committed state.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from app.db.sqlite import hold_folder
from app.errors import Conflict, CorruptData, NotFound, StorageFailed, StorageFull

_DATABASE, _FACTS = "folio.db", "backup.json"
_FORMAT = 1
_FACTS_BYTES = 64 * 2**10
_COPY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    format: int
    created_at: str
    expires_at: str
    """ISO 8601, UTC: until then an article that is deleted now can come back with a restore."""
    sha256: str
    bytes: int
    documents: int


def write_backup(data: Path, target: Path, *, keep_days: int) -> Backup:
    """Write the database in folder `data` to the new file `target`, whole or not at all.

    Raises NotFound without a database, Conflict when the target exists, CorruptData when the copy
    is damaged.
    """
    source = data / _DATABASE
    if not source.is_file():
        raise NotFound(f"there is no database in {data}", code="no_database")
    if target.exists():
        raise Conflict(f"{target} exists; a backup replaces nothing", code="backup_exists")
    now = datetime.now(UTC)
    with (
        _typed_errors(target.parent),
        TemporaryDirectory(prefix=".folio-backup-", dir=target.parent) as folder,
    ):
        copy = Path(folder) / _DATABASE
        _copy_database(source, copy)
        backup = Backup(
            format=_FORMAT,
            created_at=now.isoformat(timespec="seconds"),
            expires_at=(now + timedelta(days=keep_days)).isoformat(timespec="seconds"),
            sha256=_hash(copy),
            bytes=copy.stat().st_size,
            documents=_check_database(copy),
        )
        archive = Path(folder) / "archive"
        # It holds texts and the hashes of keys.
        archive.touch(mode=0o600)
        with ZipFile(archive, "w", ZIP_STORED) as file:
            file.writestr(_FACTS, json.dumps(asdict(backup), indent=2))
            file.write(copy, _DATABASE)
        _sync(archive)
        # Unlike a rename, this never replaces a file that came meanwhile.
        os.link(archive, target)
        _sync(target.parent)
    return backup


def restore_backup(path: Path, data: Path, *, replace: bool, allow_expired: bool) -> Backup:
    """Put the database of a backup into folder `data`: verified first, then in one rename.

    Raises DataFolderHeld while a server owns the folder, Conflict when it has a database and
    `replace` is false or when the backup has expired, CorruptData when a checksum is wrong. What
    was in the folder stays as it was then.
    """
    data.mkdir(parents=True, exist_ok=True)
    with hold_folder(data, "folio restore"), _typed_errors(data), _open_archive(path) as archive:
        backup = _read_facts(archive)
        if not allow_expired and datetime.fromisoformat(backup.expires_at) < datetime.now(UTC):
            raise Conflict(
                f"{path} expired on {backup.expires_at}: what was deleted since would come back",
                code="backup_expired",
            )
        target = data / _DATABASE
        if target.exists() and not replace:
            raise Conflict(
                f"{target} exists; --replace puts the backup in its place", code="data_exists"
            )
        with TemporaryDirectory(prefix=".folio-restore-", dir=data) as folder:
            copy = Path(folder) / _DATABASE
            with archive.open(_DATABASE) as packed, copy.open("wb") as file:
                copyfileobj(packed, file, _COPY_BYTES)
            if (copy.stat().st_size, _hash(copy)) != (backup.bytes, backup.sha256):
                raise CorruptData(f"the checksum of {path} is wrong: it is damaged")
            _check_database(copy)
            _sync(copy)
            _fold_log(target)
            copy.replace(target)
            _sync(data)
    return backup


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


def _fold_log(database: Path) -> None:
    """Leave no log beside a database that is about to be replaced: it would be read into the new.

    What the log holds goes into the old file first, which stays whole if the rename never comes.
    """
    if database.exists():
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


@contextmanager
def _open_archive(path: Path) -> Iterator[ZipFile]:
    if not path.is_file():
        raise NotFound(f"there is no file {path}", code="no_backup")
    try:
        with ZipFile(path) as archive:
            yield archive
    except (BadZipFile, EOFError, KeyError) as error:
        raise CorruptData(f"{path} is damaged or no backup of Folio ({error})") from error


def _read_facts(archive: ZipFile) -> Backup:
    try:
        with archive.open(_FACTS) as file:
            backup = Backup(**json.loads(file.read(_FACTS_BYTES)))
    except (ValueError, TypeError) as error:
        raise CorruptData(f"{archive.filename} is damaged or no backup of Folio") from error
    if backup.format != _FORMAT:
        raise CorruptData(f"{archive.filename} has format {backup.format}; {_FORMAT} is read")
    return backup


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
def _typed_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(f"the disk that holds {folder} is full") from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise CorruptData(f"the database is damaged: {error}") from error
        raise StorageFailed(f"the copy failed: {error}") from error
