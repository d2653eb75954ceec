"""Backups: taken while others write, checked, and put back whole or not at all."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from zipfile import ZipFile

import pytest

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.db.backup_archive import Backup, describe_backup, pack_archive
from app.db.models import Key, utc_now
from app.errors import Conflict, CorruptData, DataFolderHeld, FolioError, NotFound
from app.runtime.resources import Resources, open_resources
from app.services.access.keys import create_key, revoke_key
from app.services.articles.collections import create_collection
from tests.conftest import Ingest, article
from tests.named import delete_document, get_document, list_documents, put_documents

_BACKUPS = 20


@contextmanager
def writing(resources: Resources) -> Iterator[list[int]]:
    """Put pairs of documents, each pair in one call, until the block ends; counts the answered."""
    stopping, answered = Event(), [0]

    def write() -> None:
        while not stopping.is_set():
            pair = f"{answered[0]:06}"
            text = f"Number {pair}. " * 50
            put_documents(
                resources, "help", [article(f"{pair}/a", text), article(f"{pair}/b", text)]
            )
            answered[0] += 1

    thread = Thread(target=write)
    thread.start()
    try:
        yield answered
    finally:
        stopping.set()
        thread.join()


def restored_ids(file: Path, folder: Path) -> list[str]:
    restore_backup(file, folder, replace=False, allow_expired=False)
    with open_resources(Settings(data=folder)) as resources:
        page, _ = list_documents(resources, "help", limit=10_000)
        return [document.id for document in page]


def test_backups_under_write_load_hold_whole_calls_and_all_that_was_answered(
    resources: Resources, tmp_path: Path
) -> None:
    taken: list[tuple[Path, int, int]] = []
    with writing(resources) as answered:
        for number in range(_BACKUPS):
            before = answered[0]
            file = tmp_path / f"{number}.backup"
            write_backup(resources.settings.data, file, keep_days=30)
            taken.append((file, before, answered[0]))
    assert taken[-1][1] > 0
    for number, (file, before, after) in enumerate(taken):
        ids = restored_ids(file, tmp_path / f"restored {number}")
        pairs = [f"{pair:06}/{side}" for pair in range(len(ids) // 2) for side in "ab"]
        # A prefix of the calls, in pairs. The one that was under way may be in it.
        assert ids == pairs
        assert before <= len(ids) // 2 <= after + 1


def test_restored_article_answers_as_before_and_says_so_without_embedding(
    resources: Resources, ingest: Ingest, tmp_path: Path
) -> None:
    ingest(article("a", "Steep the tea."))
    file = tmp_path / "a.backup"
    made = write_backup(resources.settings.data, file, keep_days=30)
    assert made.documents == 1
    assert file.stat().st_mode & 0o777 == 0o600
    delete_document(resources, "help", "a")
    folder = tmp_path / "new"
    restore_backup(file, folder, replace=False, allow_expired=False)
    with open_resources(Settings(data=folder)) as other:
        document = get_document(other, "help", "a", with_text=True)
        assert (document.status, document.text) == ("ready", "Steep the tea.")
        indexes = other.generations.live().catch_up()
        assert indexes is not None
        assert len(indexes.vectors) == 1


def test_backup_replaces_no_file_and_needs_a_database(resources: Resources, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    file.write_text("mine")
    with pytest.raises(Conflict, match="never replaces a file"):
        write_backup(resources.settings.data, file, keep_days=30)
    assert file.read_text() == "mine"
    with pytest.raises(NotFound):
        write_backup(tmp_path / "nothing", tmp_path / "b.backup", keep_days=30)
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["a.backup"]


def test_restore_is_refused_while_the_folder_is_held(resources: Resources, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    write_backup(resources.settings.data, file, keep_days=30)
    with pytest.raises(DataFolderHeld):
        restore_backup(file, resources.settings.data, replace=True, allow_expired=False)


@pytest.fixture
def backup(settings: Settings, tmp_path: Path) -> Path:
    """A backup of a folder with one queued article, which is closed again."""
    file = tmp_path / "one.backup"
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea. " * 500)])
        write_backup(settings.data, file, keep_days=1)
        put_documents(resources, "help", [article("later", "Coffee.")])
    return file


def test_restore_takes_the_place_of_a_database_only_when_told(
    settings: Settings, backup: Path
) -> None:
    with pytest.raises(Conflict, match="--replace"):
        restore_backup(backup, settings.data, replace=False, allow_expired=False)
    restore_backup(backup, settings.data, replace=True, allow_expired=False)
    with open_resources(settings) as resources:
        page, _ = list_documents(resources, "help")
        assert [document.id for document in page] == ["a"]


def test_log_of_the_replaced_database_is_not_read_into_the_restored_one(
    settings: Settings, backup: Path, tmp_path: Path
) -> None:
    database = settings.data / "folio.db"
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("UPDATE collections SET description = 'from the log'")
    connection.commit()
    log = database.with_name("folio.db-wal").read_bytes()
    connection.close()
    # As a process that was killed leaves it.
    database.with_name("folio.db-wal").write_bytes(log)
    restore_backup(backup, settings.data, replace=True, allow_expired=False)
    with closing(sqlite3.connect(database)) as restored:
        assert restored.execute("SELECT description FROM collections").fetchall() == [("",)]


def test_every_flipped_byte_of_the_database_is_noticed_and_the_folder_stays(
    settings: Settings, backup: Path
) -> None:
    before = (settings.data / "folio.db").read_bytes()
    whole = backup.read_bytes()
    with ZipFile(backup) as archive:
        database = archive.read("folio.db")
    start = whole.index(database)
    for at in range(start, start + len(database), len(database) // 60):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        backup.write_bytes(damaged)
        with pytest.raises(CorruptData):
            restore_backup(backup, settings.data, replace=True, allow_expired=True)
        assert (settings.data / "folio.db").read_bytes() == before


def test_backup_that_expired_is_restored_only_when_told(
    settings: Settings, backup: Path, tmp_path: Path
) -> None:
    with ZipFile(backup) as archive:
        facts = json.loads(archive.read("backup.json"))
        database = archive.read("folio.db")
    old = tmp_path / "old.backup"
    with ZipFile(old, "w") as archive:
        archive.writestr("backup.json", json.dumps({**facts, "expires_at": facts["created_at"]}))
        archive.writestr("folio.db", database)
    with pytest.raises(Conflict, match="what was deleted since would come back"):
        restore_backup(old, settings.data, replace=True, allow_expired=False)
    restored = restore_backup(old, settings.data, replace=True, allow_expired=True)
    assert restored.backup.documents == 1


def test_backup_whose_directory_is_damaged_at_any_bit_is_told_so(tmp_path: Path) -> None:
    database, file = tmp_path / "folio.db", tmp_path / "one.folio"
    database.write_bytes(b"tea")
    facts = Backup(1, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "0" * 64, 3, 1)
    pack_archive(file, database, facts, None)
    whole = file.read_bytes()
    refused = 0
    for at in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        file.write_bytes(damaged)
        try:
            describe_backup(file)
        # The system's own for a place that no file has.
        except (CorruptData, OSError):
            refused += 1
    assert refused > len(whole)


def test_only_keys_that_are_valid_are_told_of(settings: Settings, tmp_path: Path) -> None:
    with open_resources(settings) as resources:
        made = [create_key(resources.database, name=name)[0].id for name in ("old", "new", "off")]
        revoke_key(resources.database, made[2])
        with resources.database.write() as session:
            session.get_one(Key, made[0]).expires_at = utc_now() - timedelta(minutes=1)
            session.get_one(Key, made[1]).expires_at = utc_now() + timedelta(days=1)
        write_backup(settings.data, tmp_path / "one.backup", keep_days=1)
    restored = restore_backup(
        tmp_path / "one.backup", tmp_path / "new", replace=False, allow_expired=False
    )
    assert restored.keys == (f"{made[1]} (read of everything) new",)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE alembic_version SET version_num = 'later'", "database_too_new"),
        ("DROP TABLE alembic_version", "corrupt_data"),
        ("DELETE FROM alembic_version", "corrupt_data"),
    ],
)
def test_backup_that_this_program_could_not_open_replaces_nothing(
    settings: Settings, backup: Path, tmp_path: Path, statement: str, code: str
) -> None:
    other = tmp_path / "other"
    restore_backup(backup, other, replace=False, allow_expired=False)
    with closing(sqlite3.connect(other / "folio.db")) as connection, connection:
        connection.execute(statement)
    file = tmp_path / "other.folio"
    write_backup(other, file, keep_days=1)
    former = (settings.data / "folio.db").read_bytes()
    with pytest.raises(FolioError) as refused:
        restore_backup(file, settings.data, replace=True, allow_expired=False)
    assert refused.value.code == code
    assert (settings.data / "folio.db").read_bytes() == former


def test_other_files_are_no_backup(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("tea")
    with pytest.raises(CorruptData):
        restore_backup(other, tmp_path / "data", replace=False, allow_expired=False)
    assert not (tmp_path / "data" / "folio.db").exists()
