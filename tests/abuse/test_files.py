"""Item 11: nobody but its owner can read a data folder, from the first moment on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.runtime.resources import open_resources
from app.services.articles.collections import create_collection


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """The rights of files must not depend on what the shell happens to have."""
    before = os.umask(0)
    yield
    os.umask(before)


def list_open(folder: Path) -> list[str]:
    """Return what others than the owner have any right to."""
    return [
        f"{path.name} {path.stat().st_mode & 0o777:o}"
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & 0o077
    ]


def test_data_folder_is_the_owner_s_alone_while_it_is_written(settings: Settings) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        names = {path.name for path in settings.data.iterdir()}
        assert {"folio.db", "folio.db-wal", "folio.lock"} <= names
        assert list_open(settings.data) == []


def test_restored_folder_is_the_owner_s_alone(settings: Settings, tmp_path: Path) -> None:
    with open_resources(settings):
        pass
    file = tmp_path / "a.backup"
    write_backup(settings.data, file, keep_days=1)
    assert list_open(file) == []
    restore_backup(file, tmp_path / "new", replace=False, allow_expired=False)
    assert list_open(tmp_path / "new") == []


def test_copy_that_anybody_can_read_is_closed_when_it_is_opened(
    settings: Settings, tmp_path: Path
) -> None:
    with open_resources(settings):
        pass
    copied = tmp_path / "copied"
    shutil.copytree(settings.data, copied)
    for path in (copied, *copied.iterdir()):
        path.chmod(0o777)
    with open_resources(settings.model_copy(update={"data": copied})):
        assert list_open(copied) == []
