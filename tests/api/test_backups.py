"""Backups over REST: made in the background, listed from their folder, restored, erased."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from folio_client import AsyncFolio, Folio, FolioError

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.runtime.resources import open_resources
from app.runtime.signals import BackupRun
from tests.api.service import Json, Service, open_service, poll
from tests.named import list_documents

pytestmark = pytest.mark.data_folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), model=str(jina_v3))
    with open_service(settings, works=False) as opened:
        opened.new_collection("help").put("a", text="Tea.")
        yield opened


@pytest.fixture
def folder(service: Service) -> Iterator[Path]:
    folder = service.resources.settings.data / "backups"
    folder.mkdir(exist_ok=True)
    yield folder
    for file in folder.iterdir():
        file.unlink()


def make(service: Service, **body: object) -> Json:
    """Make a backup and wait for it."""
    begun = service.http.post("/v1/backups", json=body)
    assert (begun.status_code, begun.json()["state"]) == (202, "making"), begun.text
    return wait_for(service, begun.json()["name"])


def wait_for(service: Service, name: str) -> Json:
    def read() -> Json:
        return dict(service.http.get(f"/v1/backups/{name}").json())

    return poll(read, lambda one: one["state"] != "making")


def list_names(service: Service) -> list[str]:
    return [one["name"] for one in service.http.get("/v1/backups").json()["backups"]]


def test_backup_is_listed_and_restored(service: Service, folder: Path, tmp_path: Path) -> None:
    made = make(service, keep_days=3)
    assert (made["state"], made["documents"], made["message"]) == ("ready", 1, None)
    created, expires = (datetime.fromisoformat(made[at]) for at in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=3)
    file = folder / made["name"]
    assert made["bytes"] == file.stat().st_size
    assert file.stat().st_mode & 0o077 == 0
    assert service.http.get("/v1/backups").json() == {"backups": [made]}
    restored = restore_backup(file, tmp_path / "new", replace=False, allow_expired=False)
    assert restored.backup.sha256 == made["sha256"]
    with open_resources(Settings(data=tmp_path / "new")) as resources:
        assert [one.id for one in list_documents(resources, "help")[0]] == ["a"]


def test_newest_comes_first_and_an_erased_one_is_gone(service: Service, folder: Path) -> None:
    older, newer = make(service)["name"], make(service)["name"]
    assert list_names(service) == [newer, older]
    assert service.http.delete(f"/v1/backups/{older}").json()["name"] == older
    assert list_names(service) == [newer]
    assert not (folder / older).exists()
    again = service.http.delete(f"/v1/backups/{older}")
    assert (again.status_code, again.json()["code"]) == (404, "backup_not_found")


def test_one_is_made_at_a_time(service: Service, folder: Path) -> None:
    now, runs = datetime.now(UTC), service.resources.signals.backups
    run = BackupRun("one.folio", now, now)
    assert runs.begin(run)
    try:
        refused = service.http.post("/v1/backups", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "backup_running")
    finally:
        runs.end(run, None)
    assert make(service)["state"] == "ready"


def test_backup_is_ready_when_its_run_has_ended(service: Service, folder: Path) -> None:
    """Its file lies there before: erased by then, it would be listed as being made again."""
    now, runs = datetime.now(UTC), service.resources.signals.backups
    run = BackupRun("one.folio", now, now)
    assert runs.begin(run)
    try:
        write_backup(service.resources.settings.data, folder / run.name, keep_days=1)
        assert service.http.get(f"/v1/backups/{run.name}").json()["state"] == "making"
        refused = service.http.delete(f"/v1/backups/{run.name}")
        assert (refused.status_code, refused.json()["code"]) == (409, "backup_running")
    finally:
        runs.end(run, None)
    assert service.http.delete(f"/v1/backups/{run.name}").json()["state"] == "ready"
    assert list_names(service) == []


def test_expired_one_goes_when_the_next_is_ready(service: Service, folder: Path) -> None:
    old, kept = folder / "old.folio", folder / "kept.folio"
    data = service.resources.settings.data
    write_backup(data, old, keep_days=0)
    write_backup(data, kept, keep_days=1)
    states = {
        one["name"]: one["state"] for one in service.http.get("/v1/backups").json()["backups"]
    }
    assert states == {"old.folio": "expired", "kept.folio": "ready"}
    made = make(service)
    poll(lambda: old.exists(), lambda exists: not exists)
    assert set(list_names(service)) == {"kept.folio", made["name"]}


def test_only_backups_of_the_folder_are_listed_and_erased(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.folio"
    outside.write_bytes(b"mine")
    (folder / "link.folio").symlink_to(outside)
    (folder / "notes.txt").write_text("mine")
    (folder / "<img src=x>.folio").write_text("mine")
    (folder / "torn.folio").write_bytes(b"PK\x03\x04")
    (torn,) = service.http.get("/v1/backups").json()["backups"]
    assert (torn["name"], torn["state"], torn["expires_at"]) == ("torn.folio", "damaged", None)
    for name in ("link.folio", "notes.txt", "..%2Ffolio.db", "../folio.db", "folio.db"):
        assert service.http.delete(f"/v1/backups/{name}").status_code == 404
    assert outside.read_bytes() == b"mine"
    assert service.http.delete("/v1/backups/torn.folio").is_success
    assert {path.name for path in folder.iterdir()} == {
        "link.folio",
        "notes.txt",
        "<img src=x>.folio",
    }


@pytest.mark.parametrize("keep_days", [0, -1, 36_501, "1", 1.5, None, 10**400])
def test_bad_number_of_days_is_refused(service: Service, folder: Path, keep_days: object) -> None:
    assert service.http.post("/v1/backups", json={"keep_days": keep_days}).status_code == 422
    assert list_names(service) == []


def test_failed_backup_says_why_until_it_is_erased(tmp_path: Path, jina_v3: Path) -> None:
    """A database that is damaged becomes no backup, and takes no older one away."""
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, works=False, loads=False) as service:
        good = make(service)["name"]
        with service.resources.database.write() as session:
            session.connection().exec_driver_sql(
                "CREATE TABLE torn (id INTEGER PRIMARY KEY, of INTEGER REFERENCES documents (id))"
            )
        with closing(sqlite3.connect(settings.data / "folio.db")) as connection:
            connection.execute("INSERT INTO torn VALUES (1, 7)")
            connection.commit()
        failed = make(service)
        assert (failed["state"], failed["bytes"]) == ("failed", None)
        assert "damaged" in failed["message"]
        assert list_names(service) == [failed["name"], good]
        assert service.http.delete(f"/v1/backups/{failed['name']}").is_success
        assert list_names(service) == [good]


def test_backup_key_that_cannot_be_read_is_said_at_once(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(
        data=tmp_path / "data", model=str(jina_v3), backup_key_file=tmp_path / "none"
    )
    with open_service(settings, works=False, loads=False) as service:
        answer = service.http.post("/v1/backups", json={})
        assert (answer.status_code, answer.json()["code"]) == (422, "no_backup_key")


def test_folder_is_a_setting(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(
        data=tmp_path / "data", model=str(jina_v3), backup_folder=tmp_path / "elsewhere" / "kb"
    )
    with open_service(settings, works=False, loads=False) as service:
        assert list_names(service) == []
        made = make(service)
        assert (tmp_path / "elsewhere" / "kb" / made["name"]).is_file()


def test_client_makes_lists_and_erases_backups(service: Service, folder: Path) -> None:
    with Folio(service.url) as folio:
        begun = folio.start_backup(keep_days=2)
        made = poll(lambda: folio.get_backup(begun.name), lambda one: one.state != "making")
        assert made.documents == 1
        assert [one.name for one in folio.list_backups()] == [begun.name]
        assert folio.remove_backup(begun.name).name == begun.name
        with pytest.raises(FolioError, match="no such backup"):
            folio.get_backup(begun.name)


async def use(url: str) -> list[str]:
    async with AsyncFolio(url) as folio:
        begun = await folio.start_backup()
        while (await folio.get_backup(begun.name)).state == "making":
            pass
        names = [one.name for one in await folio.list_backups()]
        await folio.remove_backup(begun.name)
        return names


def test_coroutines_do_the_same(service: Service, folder: Path) -> None:
    assert len(asyncio.run(use(service.url))) == 1
    assert list_names(service) == []
