"""Backups that the server makes: one at a time, into one folder, listed from what lies there."""

import logging
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Thread

from app.config import Settings
from app.db.backup import require_data_folder, write_backup
from app.db.backup_archive import DATABASE, describe_backup, read_backup_key, read_time
from app.errors import Conflict, FolioError, NotFound, StorageFailed, StorageFull
from app.runtime.resources import Resources
from app.runtime.signals import BackupRun

logger = logging.getLogger("folio")

MAX_KEEP_DAYS = 36_500
# Other files of the folder are left alone, and so is what an archive of somebody else's is called.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.folio")
# The copy of the database, and the archive that it is put into.
_COPIES = 2


class BackupState(StrEnum):
    """What a backup is good for."""

    MAKING = "making"
    READY = "ready"
    EXPIRED = "expired"
    """It is restored no more; it goes when the next backup is ready."""
    FAILED = "failed"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """A backup in the folder, or the one that is being made or failed last."""

    name: str
    state: BackupState
    created_at: datetime
    expires_at: datetime | None
    bytes: int | None
    """Size of the file."""
    documents: int | None
    sha256: str | None
    """Of the database in it."""
    message: str | None
    """Why it failed or cannot be read."""


def folder_of(settings: Settings) -> Path:
    """Return where backups of the server lie."""
    return settings.backup_folder or settings.data / "backups"


def start_backup(resources: Resources, *, keep_days: int) -> BackupInfo:
    """Begin a backup in the background; those that have expired are erased when it is ready.

    Raises Conflict while one is made, StorageFull where it would not fit, InvalidRequest with
    PostgreSQL or without the key that is set.
    """
    settings, runs = resources.settings, resources.signals.backups
    require_data_folder(settings)
    signing_key = read_backup_key(settings.backup_key_file)
    _prepare_folder(settings)
    now = datetime.now(UTC)
    name = f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z.folio"
    run = BackupRun(name, now, now + timedelta(days=keep_days))
    if not runs.begin(run):
        raise Conflict("a backup is already being made", code="backup_running")
    # A daemon: the end of the process does not wait for it, and the next backup clears up after it.
    Thread(
        target=_make,
        args=(resources, run, keep_days, signing_key),
        name="folio-backup",
        daemon=True,
    ).start()
    return _describe_run(run)


def list_backups(resources: Resources) -> list[BackupInfo]:
    """Return the backups of the folder and the one that is made or failed last, newest first."""
    settings = resources.settings
    require_data_folder(settings)
    # Asked first: one that gets ready meanwhile is listed as being made rather than not at all.
    run = resources.signals.backups.latest()
    found = {path.name: _describe_file(path) for path in _find_files(settings)}
    # A file lies there before its run has ended. Ready at once, it could be erased before, and
    # would be listed as being made again.
    if run is not None and (run.error is None or run.name not in found):
        found[run.name] = _describe_run(run)
    return sorted(found.values(), key=lambda one: (one.created_at, one.name), reverse=True)


def get_backup(resources: Resources, name: str) -> BackupInfo:
    """Return a backup; raises NotFound."""
    for backup in list_backups(resources):
        if backup.name == name:
            return backup
    raise NotFound("no such backup", code="backup_not_found")


def remove_backup(resources: Resources, name: str) -> BackupInfo:
    """Erase a backup and return what it was; raises NotFound, and Conflict while it is made."""
    backup = get_backup(resources, name)
    if backup.state is BackupState.MAKING:
        raise Conflict("this backup is being made", code="backup_running")
    if backup.state is BackupState.FAILED:
        resources.signals.backups.forget(name)
    else:
        _unlink(folder_of(resources.settings) / backup.name)
    return backup


def _prepare_folder(settings: Settings) -> None:
    folder, database = folder_of(settings), settings.data / DATABASE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        needed = _COPIES * database.stat().st_size
    except OSError as error:
        raise StorageFailed(f"{folder} cannot take backups: {error.strerror}") from error
    if free < needed:
        raise StorageFull(
            f"a backup takes {needed:,} bytes for a while, and {free:,} are free in {folder}"
        )


def _make(resources: Resources, run: BackupRun, keep_days: int, signing_key: bytes | None) -> None:
    settings, error = resources.settings, None
    target = folder_of(settings) / run.name
    try:
        write_backup(settings.data, target, keep_days=keep_days, signing_key=signing_key)
        _remove_expired(settings)
    except FolioError as failure:
        error = str(failure)
    except OSError as failure:
        error = f"{failure.filename or target.parent}: {failure.strerror}"
    # The run has to end in any case, or none could be made again.
    except Exception as failure:  # noqa: BLE001
        error = f"unexpected {type(failure).__name__}"
    if error is not None:
        logger.error("the backup %s failed: %s", run.name, error)
    resources.signals.backups.end(run, error)


def _remove_expired(settings: Settings) -> None:
    """Erase what may be restored no more: it holds articles that were deleted since."""
    for path in _find_files(settings):
        if _describe_file(path).state is BackupState.EXPIRED:
            _unlink(path)


def _find_files(settings: Settings) -> list[Path]:
    folder = folder_of(settings)
    try:
        return [
            path
            for path in folder.iterdir()
            if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink()
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be read: {error.strerror}") from error


def _describe_file(path: Path) -> BackupInfo:
    size, changed_at = 0, datetime.now(UTC)
    try:
        stat = path.stat()
        size, changed_at = stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)
        backup = describe_backup(path)
        created_at, expires_at = (
            read_time(text, path) for text in (backup.created_at, backup.expires_at)
        )
    except (FolioError, OSError) as error:
        message = str(error) if isinstance(error, FolioError) else error.strerror
        return BackupInfo(
            path.name, BackupState.DAMAGED, changed_at, None, size, None, None, message
        )
    state = BackupState.EXPIRED if expires_at < datetime.now(UTC) else BackupState.READY
    return BackupInfo(
        path.name, state, created_at, expires_at, size, backup.documents, backup.sha256, None
    )


def _describe_run(run: BackupRun) -> BackupInfo:
    state = BackupState.MAKING if run.error is None else BackupState.FAILED
    return BackupInfo(run.name, state, run.started_at, run.expires_at, None, None, None, run.error)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be erased: {error.strerror}") from error
