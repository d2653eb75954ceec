"""The database file: one owner, one writer, pragmas, a full disk."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.db import sqlite
from app.db.database import Database
from app.db.models import Collection
from app.db.sqlite import open_database, read_folder
from app.errors import DataFolderHeld, StorageFailed, StorageFull


def count_collections(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Collection)) or 0


def test_second_opener_is_refused_and_told_who_owns_the_folder(tmp_path: Path) -> None:
    with (
        open_database(tmp_path, holder="folio serve on http://127.0.0.1:1"),
        pytest.raises(DataFolderHeld, match=r"folio serve on http://127\.0\.0\.1:1") as caught,
        open_database(tmp_path, holder="other"),
    ):
        pass
    assert str(os.getpid()) in str(caught.value)
    assert "--server" in str(caught.value)


@pytest.mark.parametrize("name", ["really?", "50%20 off", "a#b&c=d", "caf\u00e9"])
def test_folder_of_any_name_holds_its_database(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with open_database(folder, holder="test") as database:
        with database.write() as session:
            session.add(Collection(name="help"))
        with read_folder(folder) as connection:
            assert connection.scalar(select(Collection.name)) == "help"
    assert list(tmp_path.iterdir()) == [folder]


def test_folder_of_a_killed_process_can_be_opened(tmp_path: Path) -> None:
    """The lock goes with the process, whatever it left in the file."""
    script = (
        "import os, sys; from pathlib import Path; from app.db.sqlite import open_database\n"
        "with open_database(Path(sys.argv[1]), holder='doomed'): os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert ended.returncode == -9
    with open_database(tmp_path, holder="next") as database:
        assert count_collections(database) == 0
        owner = json.loads((tmp_path / "folio.lock").read_text(encoding="utf-8"))
        assert owner["command"] == "next"


def test_thread_that_outlives_its_folder_cannot_write_to_it(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test") as former:
        pass
    with open_database(tmp_path, holder="next") as database:
        with pytest.raises(StorageFailed, match="closed"), former.write() as session:
            session.add(Collection(name="late"))
        assert count_collections(database) == 0


def test_every_connection_has_the_pragmas(tmp_path: Path) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "wal_autocheckpoint": 0,
        "trusted_schema": 0,
    }
    with open_database(tmp_path, holder="test") as database:
        for open_session in (database.read, database.write):
            with open_session() as session:
                found = {name: session.scalar(text(f"PRAGMA {name}")) for name in expected}
            assert found == expected


def test_failed_block_leaves_nothing(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test") as database:
        with pytest.raises(IntegrityError), database.write() as session:
            session.add_all([Collection(name="lost"), Collection(name="lost")])
        assert count_collections(database) == 0


def test_writers_in_threads_lose_nothing(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test") as database:

        def write(part: int) -> None:
            for number in range(25):
                with database.write() as session:
                    session.add(Collection(name=f"c{part}-{number}"))

        threads = [Thread(target=write, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count_collections(database) == 200


def test_reader_sees_one_state_while_a_writer_commits(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test") as database, database.read() as reading:
        counted = select(func.count()).select_from(Collection)
        assert reading.scalar(counted) == 0
        with database.write() as session:
            session.add(Collection(name="new"))
        assert reading.scalar(counted) == 0
        assert count_collections(database) == 1


def test_log_is_moved_into_the_file_as_it_grows(tmp_path: Path) -> None:
    """Automatic checkpoints are off; ours keep the log bounded."""
    with open_database(tmp_path, holder="test") as database:
        for number in range(30):
            with database.write() as session:
                session.add(Collection(name=f"c{number}", description="x" * 2_000_000))
        wal = (tmp_path / "folio.db-wal").stat().st_size
        assert wal < 40 * 2**20 < 30 * 2_000_000
        assert count_collections(database) == 30


def test_deleted_content_is_in_no_file_after_a_checkpoint(tmp_path: Path) -> None:
    erased = "the-cat-is-called-Margarethe"
    with open_database(tmp_path, holder="test") as database:
        with database.write() as session:
            session.add(Collection(name="c", description=erased))
        with database.write() as session:
            session.delete(session.scalars(select(Collection)).one())
        assert database.erase_deleted()
        for path in tmp_path.iterdir():
            assert erased.encode() not in path.read_bytes(), path


def test_lock_of_another_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PRAGMAS", (*sqlite._PRAGMAS, "busy_timeout = 10"))
    with open_database(tmp_path, holder="test") as database:
        with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageFailed, match="locked"), database.write() as session:
                session.add(Collection(name="before"))
        with database.write() as session:
            session.add(Collection(name="after"))


def test_full_disk_is_said_and_the_rest_stays_readable(tmp_path: Path) -> None:
    """SQLite reports SQLITE_FULL at its page limit as it does on a full disk."""
    with open_database(tmp_path, holder="test") as database:
        with database.write() as session:
            session.add(Collection(name="before"))
        with database.write() as session:
            pages = session.scalar(text("PRAGMA page_count"))
            session.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
        with pytest.raises(StorageFull), database.write() as session:
            session.add(Collection(name="big", description="x" * 1_000_000))
        assert count_collections(database) == 1
        with database.write() as session:
            session.execute(text("PRAGMA max_page_count = 1000000"))
        with database.write() as session:
            session.add(Collection(name="after", description="x" * 1_000_000))
        assert count_collections(database) == 2


def test_runs_on_the_oldest_sqlite_that_is_promised() -> None:
    assert sqlite3.sqlite_version_info >= (3, 40)
