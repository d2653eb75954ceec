"""`folio backfill` where it cannot begin."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.backfill import BackfillFailed, require_answer
from tests.cli.command import folio


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is prepared for Ray in this process goes with the test.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in [name for name in os.environ if name.startswith("FOLIO_")]:
        del os.environ[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.md"
    path.write_text("# Tea", encoding="utf-8")
    return path


def test_a_data_folder_is_refused_as_one_process_owns_it(file: Path) -> None:
    assert folio("backfill", file).error == (
        "folio backfill shares a database with others: set FOLIO_DATABASE_URL"
    )


def test_without_the_extra_it_says_what_to_install(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for name in ("ray", "ray.data"):
        monkeypatch.setitem(sys.modules, name, None)
    assert folio("backfill", file).error == (
        "folio backfill needs Ray, of the extra `ray`: pip install '.[ray]' in a checkout of Folio"
    )


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto", "127.0.0.1:many", ""])
def test_an_address_where_no_cluster_answers_is_told_at_once(address: str) -> None:
    with pytest.raises(BackfillFailed, match=f"no Ray cluster answers at {address}"):
        require_answer(address)


def test_an_address_where_something_listens_is_left_to_ray() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        require_answer(f"127.0.0.1:{listener.getsockname()[1]}")


def test_no_other_command_imports_ray() -> None:
    program = "import sys, app.cli, app.commands.backfill; print('ray' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert loaded.stdout.strip() == "False"
