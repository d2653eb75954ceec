"""Backups: one file with the whole database, its checksum, and the day it expires.

A backup is an uncompressed ZIP archive of `folio.db` and `backup.json`, so that any tool can take
it apart. It is taken while a server runs, and holds one committed state. Where there is a key,
`backup.sig` is the HMAC-SHA256 of `backup.json`, which holds the database's own SHA-256.
"""

import hmac
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from shutil import copyfileobj, rmtree
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from pydantic import TypeAdapter, ValidationError

from app.db.private_files import make_private_file, make_private_folder
from app.db.sqlite import RESTORE_PREFIX, hold_folder, remove_unfinished_restores
from app.errors import (
    Conflict,
    CorruptData,
    InvalidRequest,
    NotFound,
    StorageFailed,
    StorageFull,
)

_DATABASE, _FACTS, _SIGNATURE = "folio.db", "backup.json", "backup.sig"
_FORMAT = 1
_FACTS_BYTES = 64 * 2**10
_COPY_BYTES = 2**20
_MIN_KEY_BYTES = 16
_BACKUP_PREFIX = ".folio-backup-"


class BackupNotSigned(CorruptData):
    """There is a key for backups, and it did not sign this one."""

    code = "backup_not_signed"


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


_BACKUPS = TypeAdapter(Backup)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has put in place, and who gets in with it."""

    backup: Backup
    signed: bool
    keys: tuple[str, ...]
    """Id, scope and name of each key that is valid."""
    triggers: tuple[str, ...]
    """Triggers and views, of which Folio makes none: they act whenever something is stored."""


def read_backup_key(file: Path | None) -> bytes | None:
    """Return the key that signs backups; raises InvalidRequest for a file without a usable one."""
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise InvalidRequest(f"{file}: {error.strerror}", code="no_backup_key") from error
    if len(key) < _MIN_KEY_BYTES:
        raise InvalidRequest(
            f"{file} holds {len(key)} bytes; a key for backups has at least {_MIN_KEY_BYTES}",
            code="no_backup_key",
        )
    return key


def write_backup(
    data: Path, target: Path, *, keep_days: int, signing_key: bytes | None = None
) -> Backup:
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
    _remove_unfinished(target.parent)
    with (
        _typed_errors(target.parent),
        TemporaryDirectory(prefix=f"{_BACKUP_PREFIX}{os.getpid()}-", dir=target.parent) as folder,
    ):
        copy = Path(folder) / _DATABASE
        make_private_file(copy)
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
        make_private_file(archive)
        facts = json.dumps(asdict(backup), indent=2).encode()
        with ZipFile(archive, "w", ZIP_STORED) as file:
            file.writestr(_FACTS, facts)
            if signing_key is not None:
                file.writestr(_SIGNATURE, _sign(signing_key, facts))
            file.write(copy, _DATABASE)
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
    signature where there is a `signing_key`. What was in the folder stays as it was then.
    """
    make_private_folder(data)
    with hold_folder(data, "folio restore"), _typed_errors(data), _open_archive(path) as archive:
        remove_unfinished_restores(data)
        backup, signed = _read_facts(archive, signing_key)
        if not allow_expired and _read_time(backup.expires_at, path) < datetime.now(UTC):
            raise Conflict(
                f"{path} expired on {backup.expires_at}: what was deleted since would come back",
                code="backup_expired",
            )
        target = data / _DATABASE
        if target.exists() and not replace:
            raise Conflict(
                f"{target} exists; --replace puts the backup in its place", code="data_exists"
            )
        with TemporaryDirectory(prefix=RESTORE_PREFIX, dir=data) as folder:
            copy = _unpack(archive, backup, Path(folder))
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
    if archive.getinfo(_DATABASE).file_size != backup.bytes:
        raise damaged
    copy = folder / _DATABASE
    make_private_file(copy)
    with archive.open(_DATABASE) as packed, copy.open("wb") as file:
        copyfileobj(packed, file, _COPY_BYTES)
    if (copy.stat().st_size, _hash(copy)) != (backup.bytes, backup.sha256):
        raise damaged
    return copy


def _list_keys(database: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT id, scope, all_collections, name FROM keys WHERE revoked_at IS NULL ORDER BY id"
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


def _remove_unfinished(folder: Path) -> None:
    """Remove what backups left that were killed: whole databases, which nobody would erase."""
    for left in folder.glob(f"{_BACKUP_PREFIX}*"):
        pid = left.name.removeprefix(_BACKUP_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            rmtree(left, ignore_errors=True)


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


def _read_facts(archive: ZipFile, signing_key: bytes | None) -> tuple[Backup, bool]:
    """Return what a backup says of itself, and whether the key signed it.

    Raises CorruptData where there is a key and the signature is none of it.
    """
    with archive.open(_FACTS) as file:
        facts = file.read(_FACTS_BYTES)
    signed = signing_key is not None and _is_signed(archive, facts, signing_key)
    if signing_key is not None and not signed:
        raise BackupNotSigned(
            f"{archive.filename} is not signed with the key in FOLIO_BACKUP_KEY_FILE: somebody "
            "else made it, or changed it"
        )
    try:
        backup = _BACKUPS.validate_json(facts)
    except ValidationError as error:
        raise CorruptData(f"{archive.filename} is damaged or no backup of Folio") from error
    if backup.format != _FORMAT:
        raise CorruptData(f"{archive.filename} has format {backup.format}; {_FORMAT} is read")
    return backup, signed


def _is_signed(archive: ZipFile, facts: bytes, key: bytes) -> bool:
    if _SIGNATURE not in archive.namelist():
        return False
    with archive.open(_SIGNATURE) as file:
        return hmac.compare_digest(file.read(_FACTS_BYTES).strip(), _sign(key, facts))


def _sign(key: bytes, facts: bytes) -> bytes:
    return hmac.new(key, facts, "sha256").hexdigest().encode()


def _read_time(text: str, path: Path) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise CorruptData(f"{path} does not say when it expires") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


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
