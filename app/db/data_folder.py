"""The data folder as a place: one owner, writable, nothing left in it of a killed restore."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

from app.db.private_files import make_private_file
from app.errors import DataFolderHeld, StorageFailed

RESTORE_PREFIX = ".folio-restore-"
"""Of the folders, in a data folder, that a restore unpacks to."""


@contextmanager
def hold_folder(folder: Path, holder: str) -> Iterator[None]:
    """Own `folder` while the block runs.

    Raises DataFolderHeld, which names the owner, and StorageFailed where it cannot be written.
    """
    lock = folder / "folio.lock"
    with require_writable(folder):
        make_private_file(lock)
        opened = lock.open("a+", encoding="utf-8")
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = read_owner(folder)
            raise DataFolderHeld(
                f"{folder} is held by `{owner.get('command', 'another process')}` "
                f"(pid {owner.get('pid', 'unknown')}, since {owner.get('since', 'unknown')}); "
                "talk to it with --server URL, or stop it first"
            ) from error
        since = datetime.now(UTC).isoformat(timespec="seconds")
        # Who holds the folder is good to know, and no reason not to open it on a full disk.
        with suppress(OSError):
            owner = {"pid": os.getpid(), "command": holder, "since": since}
            file.truncate(0)
            # Past the buffer, which would try again when the file is closed.
            os.write(file.fileno(), json.dumps(owner).encode())
        # The file stays: removing it would let a third process lock a new one beside it.
        yield


@contextmanager
def require_writable(folder: Path) -> Iterator[None]:
    """Raise StorageFailed where the block cannot make what belongs into a data folder."""
    try:
        yield
    except FileExistsError as error:
        raise StorageFailed(f"{error.filename} is not a folder") from error
    except OSError as error:
        raise StorageFailed(
            f"{folder} cannot be used as the data folder: {error.filename}: {error.strerror}"
        ) from error


def read_owner(folder: Path) -> dict[str, Any]:
    """Return what the owner of `folder` wrote about itself: pid, command and since."""
    try:
        owner = json.loads((folder / "folio.lock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def remove_unfinished_restores(folder: Path) -> None:
    """Remove what a restore left that was killed: a whole database, which nobody would erase."""
    for left in folder.glob(f"{RESTORE_PREFIX}*"):
        rmtree(left, ignore_errors=True)
