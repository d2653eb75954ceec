"""Versions: rolling back, what is kept, duplicates, and a queue that is full."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.commands.client import Client
from app.commands.upload import Entry, Outcome, upload
from app.config import Settings
from app.db.models import Original
from ingest.worker import run_worker
from tests.api.service import Collection, Service, open_service, poll


@pytest.fixture(scope="module")
def keeping_two(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    """A service that keeps two versions of a document."""
    settings = Settings(
        data=tmp_path_factory.mktemp("two"),
        model=str(jina_v3),
        passage_tokens=32,
        keep_versions=2,
    )
    with open_service(settings) as opened:
        yield opened


def restore(collection: Collection, document_id: str, version: int) -> httpx.Response:
    body = {"document_id": document_id, "version": version}
    return collection.http.post(f"/v1/collections/{collection.name}/rollback", json=body)


def versions_of(collection: Collection, document_id: str) -> list[tuple[int, bool]]:
    versions = collection.get(document_id, include="versions")["versions"]
    return [(version["version"], version["live"]) for version in versions]


def test_earlier_version_becomes_the_newest_and_answers(keeping_two: Service) -> None:
    collection = keeping_two.new_collection("rollback")
    collection.add({"id": "a/b", "title": "Tea", "text": "Steep it.", "url": "https://a.example/"})
    collection.add({"id": "a/b", "title": "Coffee", "text": "Grind it."})
    answer = restore(collection, "a/b", 1)
    assert answer.status_code == 202
    collection.finish(answer)
    document = collection.get("a/b", include="text")
    assert (document["live_version"], document["title"], document["text"]) == (
        3,
        "Tea",
        "Steep it.",
    )
    assert document["url"] == "https://a.example/"
    # Of three versions two are kept.
    assert versions_of(collection, "a/b") == [(3, True), (2, False)]
    pruned = restore(collection, "a/b", 1)
    assert (pruned.status_code, pruned.json()["code"]) == (404, "version_not_found")


def test_version_that_failed_cannot_be_rolled_back_to(keeping_two: Service) -> None:
    collection = keeping_two.new_collection("failed")
    collection.add({"id": "a", "text": "Tea."})
    collection.finish(collection.put_file("a", b"%PDF-1.7 broken", "application/pdf"))
    answer = restore(collection, "a", 2)
    assert (answer.status_code, answer.json()["code"]) == (409, "version_not_ready")
    assert collection.get("a")["live_version"] == 1


def test_versions_past_the_number_to_keep_are_erased_with_their_uploads(
    keeping_two: Service,
) -> None:
    collection = keeping_two.new_collection("pruned")
    for number in range(4):
        collection.add({"id": "a", "text": f"Vanishing words number {number}."})
    assert versions_of(collection, "a") == [(4, True), (3, False)]
    with keeping_two.resources.database.read() as session:
        connection = session.connection()
        originals = connection.exec_driver_sql("SELECT data FROM originals").scalars().all()
    assert b"Vanishing words number 3." in originals
    assert b"Vanishing words number 1." not in originals


def test_failed_versions_past_the_number_to_keep_are_erased_though_none_succeeds(
    keeping_two: Service,
) -> None:
    collection = keeping_two.new_collection("failing")
    for text in ("Tea.", "More tea."):
        collection.add({"id": "a", "text": text})
    broken = [b"%PDF-1.7 broken " + str(number).encode() for number in range(4)]
    for data in broken:
        collection.finish(collection.put_file("a", data, "application/pdf"))
    # What can be rolled back to stays.
    assert versions_of(collection, "a") == [(6, False), (5, False), (2, True), (1, False)]
    with keeping_two.resources.database.read() as session:
        originals = session.scalars(select(Original.data)).all()
    assert [data for data in broken if data in originals] == broken[2:]
    collection.add({"id": "a", "text": "Tea at last."})
    assert versions_of(collection, "a") == [(7, True), (6, False)]


def test_same_bytes_under_another_id_are_named_as_duplicates(keeping_two: Service) -> None:
    collection = keeping_two.new_collection("duplicates")
    collection.add({"id": "a", "text": "The same."})
    answer = collection.put("b", text="The same.")
    assert answer.json()["documents"][0]["duplicates"] == ["a"]
    collection.finish(answer)
    assert collection.found("same") == {"a", "b"}
    assert collection.put("c", text="Another.").json()["documents"][0]["duplicates"] == []


def test_full_queue_says_when_to_come_back_and_an_upload_waits_for_it(
    tmp_path: Path, jina_v3: Path
) -> None:
    settings = Settings(data=tmp_path / "data", model=str(jina_v3), passage_tokens=32, max_queue=1)
    with open_service(settings, works=False) as service:
        collection = service.new_collection("full")
        collection.put("first", text="First.")
        refused = collection.put("second", text="Second.")
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) > 0

        waits: list[float] = []

        stack = ExitStack()

        def wait(seconds: float) -> None:
            if not waits:
                stack.enter_context(run_worker(service.resources))
                poll(lambda: collection.get("first")["status"], lambda status: status == "ready")
            waits.append(seconds)

        outcome = Outcome()
        entries = [Entry("second", "second", body={"text": "Second."})]
        with stack, pytest.MonkeyPatch.context() as patch:
            patch.setattr("app.commands.upload.sleep", wait)
            upload(Client(service.http), "full", entries, outcome, lambda _: None)
        assert outcome.counts["ready"] == 1
        assert waits[0] == float(refused.headers["Retry-After"])


def test_change_for_which_nothing_is_read_is_taken_while_the_queue_is_full(
    tmp_path: Path, jina_v3: Path
) -> None:
    settings = Settings(data=tmp_path / "data", model=str(jina_v3), max_queue=1)
    with open_service(settings, works=False) as service:
        collection = service.new_collection("full")
        with run_worker(service.resources):
            collection.add({"id": "a", "text": "Tea."})
        collection.put("b", text="This waits.")
        files = "/v1/vector_stores/full/files"
        path = f"{files}/{service.http.get(files).json()['data'][-1]['id']}"
        assert service.http.post(path, json={"attributes": {"n": 1}}).status_code == 200
        document = collection.document_path("a")
        for change, status in (
            ({"url": "https://example.com/a"}, 200),
            ({"attributes": {"m": 2}}, 200),
            ({"title": "Tea"}, 429),
        ):
            assert service.http.patch(document, json=change).status_code == status
        stored = collection.get("a")
        assert (stored["version"], stored["attributes"]) == (1, {"n": 1, "m": 2})


def test_progress_of_a_job_comes_as_events_and_ends_with_done(keeping_two: Service) -> None:
    collection = keeping_two.new_collection("events")
    job_id = collection.post({"id": "a", "text": "Tea."}).json()["job_id"]
    events: list[tuple[str, dict[str, object]]] = []
    with keeping_two.http.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            field, _, value = line.partition(": ")
            name = value if field == "event" else name
            if field == "data":
                events.append((name, json.loads(value)))
    assert {name for name, _ in events[:-1]} <= {"progress"}
    name, job = events[-1]
    assert name == "done"
    assert job == collection.http.get(f"/v1/jobs/{job_id}").json()
    assert keeping_two.http.get("/v1/jobs/none/events").json()["code"] == "job_not_found"
