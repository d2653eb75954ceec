"""Item 12: what a backup brings is said, its maker proven; a killed one leaves nothing."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.db.backup_archive import read_backup_key
from app.errors import CorruptData, InvalidRequest
from app.runtime.resources import open_resources

KEY = b"a secret of this operator"
_ADD_KEY = (
    "INSERT INTO keys (id, name, secret_sha256, scope, all_collections, from_file, created_at)"
    " VALUES ('evil', 'mine', 'aa', 'admin', 1, 0, '2024-01-01 00:00:00')"
)
_ADD_TRIGGER = (
    "CREATE TRIGGER again AFTER INSERT ON collections BEGIN UPDATE keys SET revoked_at = NULL; END"
)


@pytest.fixture
def made(settings: Settings, tmp_path: Path) -> Path:
    """A signed backup of an empty knowledge base."""
    file = tmp_path / "one.backup"
    with open_resources(settings):
        pass
    write_backup(settings.data, file, keep_days=1, signing_key=KEY)
    return file


def tamper(
    file: Path, *statements: str, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> Path:
    """Return a copy with a changed database, and all that anyone can compute anew."""
    database = file.with_name("tampered.db")
    with ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    database.write_bytes(members["folio.db"])
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    members["folio.db"] = database.read_bytes()
    facts = json.loads(members["backup.json"])
    facts |= {
        "sha256": sha256(members["folio.db"]).hexdigest(),
        "bytes": len(members["folio.db"]),
    }
    change(facts)
    members["backup.json"] = json.dumps(facts).encode()
    other = file.with_name("tampered.backup")
    with ZipFile(other, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return other


def restore(file: Path, folder: Path, key: bytes | None = None) -> Any:
    return restore_backup(file, folder, replace=False, allow_expired=False, signing_key=key)


def test_keys_and_triggers_that_a_backup_brings_are_said(made: Path, tmp_path: Path) -> None:
    restored = restore(tamper(made, _ADD_KEY, _ADD_TRIGGER), tmp_path / "new")
    assert restored.keys == ("evil (admin of everything) mine",)
    assert restored.triggers == ("trigger again",)
    assert not restored.signed


def test_backup_that_somebody_changed_is_refused_where_there_is_a_key(
    made: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorruptData) as caught:
        restore(tamper(made, _ADD_KEY), tmp_path / "new", KEY)
    assert caught.value.code == "backup_not_signed"
    assert not (tmp_path / "new" / "folio.db").exists()
    with pytest.raises(CorruptData):
        restore(made, tmp_path / "new", b"the secret of somebody else")
    assert restore(made, tmp_path / "new", KEY).signed


def test_backup_without_signature_is_refused_where_there_is_a_key(
    settings: Settings, made: Path, tmp_path: Path
) -> None:
    file = tmp_path / "unsigned.backup"
    write_backup(settings.data, file, keep_days=1)
    with pytest.raises(CorruptData):
        restore(file, tmp_path / "new", KEY)


@pytest.mark.parametrize("expiry", ["tomorrow", "", 7, None, "2024-13-01T00:00:00+00:00"])
def test_bad_expiry_is_a_sentence(made: Path, tmp_path: Path, expiry: object) -> None:
    other = tamper(made, change=lambda facts: facts.update(expires_at=expiry))
    with pytest.raises(CorruptData):
        restore(other, tmp_path / "new")


def test_expiry_without_a_zone_is_taken_for_utc(made: Path, tmp_path: Path) -> None:
    other = tamper(made, change=lambda facts: facts.update(expires_at="2100-01-01T00:00:00"))
    assert restore(other, tmp_path / "new").backup.documents == 0


def test_what_killed_restores_and_backups_leave_is_removed(
    settings: Settings, made: Path, tmp_path: Path
) -> None:
    (settings.data / ".folio-restore-abc").mkdir()
    (settings.data / ".folio-restore-abc" / "folio.db").write_bytes(b"deleted text")
    with open_resources(settings):
        assert not list(settings.data.glob(".folio-restore-*"))
    left, in_work = (tmp_path / f".folio-backup-{name}" for name in ("left", "in-work"))
    left.mkdir()
    (left / "folio.db").write_bytes(b"deleted text")
    in_work.mkdir()
    handle = os.open(in_work, os.O_RDONLY)
    try:
        # As another process holds it, which may have the same number in a container of its own.
        fcntl.flock(handle, fcntl.LOCK_EX)
        write_backup(settings.data, tmp_path / "second.backup", keep_days=1)
    finally:
        os.close(handle)
    assert not left.exists()
    assert in_work.exists()


def test_key_file_has_to_hold_a_key(tmp_path: Path) -> None:
    assert read_backup_key(None) is None
    short = tmp_path / "short"
    short.write_text("tea\n")
    for file in (short, tmp_path / "missing"):
        with pytest.raises(InvalidRequest):
            read_backup_key(file)
    short.write_bytes(KEY + b"\n")
    assert read_backup_key(short) == KEY
