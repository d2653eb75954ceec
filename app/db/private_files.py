"""Files that only their owner can read: a data folder holds texts and the hashes of keys."""

import os
from contextlib import suppress
from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; of one that is there, and its files, too.

    What belongs to somebody else, such as a mounted volume, stays as it is.
    """
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    with suppress(OSError):
        folder.chmod(_FOLDER)
    for item in folder.iterdir():
        if item.name.startswith("folio.") and item.is_file() and not item.is_symlink():
            with suppress(OSError):
                item.chmod(_FILE)


def make_private_file(path: Path) -> None:
    """Make an empty file unless it is there; what SQLite puts beside it has the same rights."""
    os.close(os.open(path, os.O_CREAT | os.O_RDONLY, _FILE))
