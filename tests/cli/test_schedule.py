"""A server that mirrors a folder by itself, and says how that goes."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.application import create_app
from app.config import Settings
from app.runtime.resources import open_resources
from app.services.operations.doctor import examine, examine_server
from app.services.operations.scheduled_sync import run_scheduled_sync
from tests.api.service import Collection, Service, poll, serve_app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "a.md").write_text("Steep the tea.")
    return folder


@pytest.fixture
def synced(settings: Settings, folder: Path) -> Iterator[Service]:
    """A service that looks at the folder many times a second, as a collection of its own."""
    often = {"sync_folder": folder, "sync_collection": "mirror", "sync_minutes": 0.001}
    with open_resources(settings.model_copy(update=often)) as resources:
        app = create_app(resources, requires_keys=False)
        with (
            run_scheduled_sync(resources),
            serve_app(app) as url,
            httpx.Client(base_url=url, timeout=60.0) as http,
        ):
            poll(lambda: http.get("/healthz").is_success, bool)
            resources.generations.live().engine()
            yield Service(resources, app, url, http)


def ids_of(service: Service) -> set[str]:
    answer = service.http.get("/v1/collections/mirror/documents")
    return {d["id"] for d in answer.json()["documents"]} if answer.is_success else set()


def test_collection_follows_the_folder(synced: Service, folder: Path) -> None:
    poll(lambda: ids_of(synced), lambda ids: ids == {"a.md"})
    (folder / "b.md").write_text("Pour the milk.")
    (folder / "a.md").unlink()
    poll(lambda: ids_of(synced), lambda ids: ids == {"b.md"})
    assert Collection(synced.http, "mirror").found("milk") == {"b.md"}


def test_sync_that_fails_is_told_and_the_next_one_goes_on(synced: Service, folder: Path) -> None:
    def read() -> dict[str, Any]:
        return synced.http.get("/readyz").json()["sync"] or {"error": "none yet"}

    def say() -> list[str]:
        found = examine_server(lambda path: dict(synced.http.get(path).json()), synced.url)
        return [finding.level for finding in found if finding.topic == "sync"]

    poll(read, lambda sync: sync["error"] is None)
    assert say() == ["ok"]
    shutil.rmtree(folder)
    poll(read, lambda sync: sync["error"] == "invalid_request")
    # It names no path: who reaches the port may read it.
    assert set(read()) == {
        "finished_at", "error", "added", "changed", "renamed", "deleted", "failed"
    }  # fmt: skip
    assert say() == ["problem"]
    assert ids_of(synced) == {"a.md"}
    folder.mkdir()
    (folder / "b.md").write_text("Pour the milk.")
    poll(lambda: ids_of(synced), lambda ids: ids == {"b.md"})


def test_most_of_a_collection_is_not_erased_by_a_folder_that_is_empty(
    synced: Service, folder: Path
) -> None:
    for number in range(12):
        (folder / f"{number}.md").write_text(f"Tea {number}.")
    poll(lambda: len(ids_of(synced)), lambda count: count == 13)
    # At once: a sync amid one file after another would erase those that are gone by then.
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    poll(
        lambda: synced.http.get("/readyz").json()["sync"]["error"],
        lambda error: error == "too_many_deletions",
    )
    assert len(ids_of(synced)) == 13


def test_doctor_names_what_a_server_would_mirror(settings: Settings, folder: Path) -> None:
    def say(path: Path) -> list[str]:
        found = examine(settings.model_copy(update={"sync_folder": path}))
        return [finding.level for finding in found if finding.topic == "sync"]

    assert say(folder) == ["ok"]
    assert say(folder / "nowhere") == ["problem"]
