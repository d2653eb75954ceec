"""Batches of a vector store count and end their own files, whatever is done to these meanwhile."""

from collections.abc import Iterator

import httpx
import pytest

from app.config import Settings
from tests.api.service import Json, open_service


@pytest.fixture
def http(settings: Settings) -> Iterator[httpx.Client]:
    """A service that reads nothing: what was attached waits."""
    with open_service(settings, works=False, loads=False) as service:
        yield service.http


def upload(http: httpx.Client, name: str) -> str:
    file = {"file": (name, f"Tea of {name}.".encode())}
    return str(http.post("/v1/files", data={"purpose": "assistants"}, files=file).json()["id"])


class Store:
    """A vector store that batches are attached to."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.path = f"/v1/vector_stores/{http.post('/v1/vector_stores', json={}).json()['id']}"

    def attach(self, *files: str) -> httpx.Response:
        return self._http.post(f"{self.path}/file_batches", json={"file_ids": files})

    def count(self, batch: str) -> Json:
        counts = self._http.get(f"{self.path}/file_batches/{batch}").json()["file_counts"]
        return {name: count for name, count in counts.items() if count and name != "total"}


def test_cancelled_batch_takes_no_files_of_another_with_it(http: httpx.Client) -> None:
    store, files = Store(http), [upload(http, f"{n}.txt") for n in range(3)]
    first = store.attach(*files).json()["id"]
    second = store.attach(files[-1]).json()["id"]
    http.post(f"{store.path}/file_batches/{second}/cancel")
    assert store.count(first) == {"in_progress": 3}
    http.post(f"{store.path}/file_batches/{first}/cancel")
    assert store.count(first) == {"cancelled": 3}


def test_file_whose_attributes_change_meanwhile_has_not_failed(http: httpx.Client) -> None:
    store, files = Store(http), [upload(http, f"{n}.txt") for n in range(2)]
    batch = store.attach(*files).json()["id"]
    changed = http.post(f"{store.path}/files/{files[0]}", json={"attributes": {"a": 1}})
    assert changed.status_code == 200, changed.text
    assert store.count(batch) == {"in_progress": 2}
    for status, count in (("failed", 0), ("in_progress", 2)):
        listed = http.get(f"{store.path}/file_batches/{batch}/files", params={"filter": status})
        assert len(listed.json()["data"]) == count


def test_document_is_one_file_by_one_id(http: httpx.Client) -> None:
    store = Store(http)
    assert http.post("/v1/collections", json={"name": "c"}).status_code == 201
    http.put("/v1/collections/c/documents/a", json={"text": "Tea."})
    (file,) = http.get("/v1/files").json()["data"]
    alias = file["id"].replace("file-doc", "file-doc0")
    assert alias != file["id"]
    assert http.get(f"/v1/files/{alias}").status_code == 404
    assert store.attach(alias).status_code == 404
