"""A data folder that cannot be written: each command, and the server, says so in a sentence."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.backup import write_backup
from app.db.sqlite import open_database
from app.errors import StorageFailed
from app.services.access.keys import create_key
from tests.cli.command import folio
from tests.cli.test_output import COMMANDS
from tests.durability import full_disk

TRIED = (
    "add README.md",
    "backup {elsewhere}/copy",
    "calibrate",
    "eval {elsewhere}/golden.jsonl",
    "gaps",
    "generations list",
    "golden {elsewhere}/golden.jsonl --add",
    "import-url https://tea.example/",
    "keys create",
    "keys list",
    "list",
    "mcp",
    "migrate-to postgresql://nobody@127.0.0.1:1/none",
    "preflight README.md",
    "reembed",
    "remove tea",
    "reparse",
    "rollback tea 1",
    "search tea",
    "serve --port 1 --no-auth",
    "show tea",
    "status",
    "sync docs",
    "tune {elsewhere}/golden.jsonl",
    "why tea tea",
)
# Of a shared database, and of none.
OTHERS = {"backfill", "embed-server", "work"}


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a key, on a disk that was mounted to be read."""
    if os.geteuid():
        data = tmp_path_factory.mktemp("data")
        _fill(data)
        for path in (*data.iterdir(), data):
            path.chmod(0o500)
        yield data
        data.chmod(0o700)
        return
    if not full_disk.can_mount():
        pytest.skip("root can write everything, and may not mount here")
    with full_disk.small_disk(tmp_path_factory.mktemp("mounted") / "disk", 4096) as disk:
        _fill(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield disk


def _fill(data: Path) -> None:
    with open_database(data, holder="a test") as database:
        create_key(database)


@pytest.mark.parametrize("command", TRIED)
def test_command_says_that_the_folder_cannot_be_written(
    read_only: Path, jina_v3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("FOLIO_MODEL", str(jina_v3))
    (tmp_path / "golden.jsonl").write_text('{"query": "tea", "relevant": ["tea"]}\n')
    arguments = command.format(elsewhere=tmp_path).split()
    assert str(read_only) in folio(*arguments, "--data", read_only).error


def test_every_command_is_tried() -> None:
    tried = {command.partition(" ")[0] for command in TRIED}
    assert tried | OTHERS | {"doctor", "restore"} == set(COMMANDS)


def test_restore_says_so(read_only: Path, tmp_path: Path) -> None:
    other, backup = tmp_path / "other", tmp_path / "one.backup"
    _fill(other)
    write_backup(other, backup, keep_days=1)
    assert str(read_only) in folio("restore", backup, "--replace", "--data", read_only).error


def test_doctor_names_it(read_only: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLIO_MODEL", str(jina_v3))
    said = folio("doctor", "--data", read_only)
    assert said.code == 1
    assert "cannot be used as the data folder" in said.stdout


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_what_is_not_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("tea")
    with (
        pytest.raises(StorageFailed, match="folder"),
        open_database(tmp_path / name, holder="a test"),
    ):
        pass
