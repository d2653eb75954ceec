"""Jobs of a collection: listed newest first, cancelled, tried again; and the files themselves."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import update

from app.config import Settings
from app.db.models import Job, utc_now
from app.services.articles.jobs import forget_jobs
from tests.api.service import Collection, Json, Service, open_service

NOT_A_PDF = b"%PDF-1.7\nnothing"


def list_jobs(collection: Collection, **parameters: str | int | bool) -> Json:
    answer = collection.http.get(f"{collection.path}/jobs", params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_jobs_are_listed_newest_first_page_by_page(collection: Collection) -> None:
    made = [collection.add({"id": f"a{n}", "text": "Tea."})["job_id"] for n in range(3)]
    page = list_jobs(collection, limit=2)
    rest = list_jobs(collection, limit=2, before=page["next_before"])
    assert [job["job_id"] for job in page["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["next_before"] is None
    counts = page["jobs"][0]["counts"]
    assert list(counts) == ["queued", "processing", "ready", "failed", "superseded", "deleted"]
    assert (counts["ready"], sum(counts.values())) == (1, 1)
    assert list_jobs(collection, pending=True)["jobs"] == []


def test_job_of_another_collection_begins_no_page(service: Service, collection: Collection) -> None:
    foreign = service.new_collection("elsewhere").add({"id": "a", "text": "Tea."})["job_id"]
    answer = collection.http.get(f"{collection.path}/jobs", params={"before": foreign})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_job_past_its_time_is_forgotten_once_its_documents_are_settled(
    tmp_path: Path, jina_v3: Path
) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3), job_days=30)
    with open_service(settings, works=False) as service:
        collection = service.new_collection("help")

        def upload(age: timedelta, *, waits: bool = False) -> str:
            job: str = collection.post({"id": f"{age}", "text": "Tea."}).json()["job_id"]
            if not waits:
                service.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
            with service.resources.database.write() as session:
                at = utc_now() - age
                session.execute(update(Job).where(Job.id == job).values(created_at=at))
            return job

        # Of a collection that nobody uploads to any more the newest one stays.
        over, waiting, newest = (
            upload(timedelta(days=days), waits=days == 40) for days in (50, 40, 31)
        )

        def list_left() -> list[str]:
            forget_jobs(service.resources, lambda: False)
            return [job["job_id"] for job in list_jobs(collection)["jobs"]]

        assert list_left() == [newest, waiting]
        answer = service.http.get(f"/v1/jobs/{over}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
        service.http.post(f"/v1/jobs/{waiting}/cancel").raise_for_status()
        recent = upload(timedelta(days=29))
        assert list_left() == [recent]


def test_cancelled_documents_wait_no_longer_and_can_be_tried_again(
    tmp_path: Path, jina_v3: Path
) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3), passage_tokens=32)
    with open_service(settings, works=False) as service:
        collection = service.new_collection("help")
        upload = collection.post(*({"id": f"a{n}", "text": "Tea."} for n in range(2)))
        job = upload.json()["job_id"]
        assert [one["job_id"] for one in list_jobs(collection, pending=True)["jobs"]] == [job]
        ended = service.http.post(f"/v1/jobs/{job}/cancel").json()
        assert ended["counts"]["failed"] == 2
        assert {failure["code"] for failure in ended["errors"]} == {"cancelled"}
        assert list_jobs(collection, pending=True)["jobs"] == []
        again = service.http.post(f"{collection.path}/retry", json={"document_ids": ["a0"]})
        assert again.status_code == 202
        assert [d["status"] for d in again.json()["documents"]] == ["queued"]
    with open_service(settings) as service:
        collection = Collection(service.http, "help")
        assert collection.finish(again)["counts"]["ready"] == 1
        assert [collection.get(one)["status"] for one in ("a0", "a1")] == ["ready", "failed"]


def test_what_is_ready_is_neither_cancelled_nor_read_again(collection: Collection) -> None:
    job = collection.add({"id": "a", "text": "Tea."})
    cancelled = collection.http.post(f"/v1/jobs/{job['job_id']}/cancel").json()
    assert cancelled["counts"]["ready"] == 1
    again = collection.http.post(f"{collection.path}/retry", json={"document_ids": ["a"]}).json()
    assert [(d["status"], d["change"]) for d in again["documents"]] == [("ready", "none")]


def test_everything_that_failed_is_tried_again(collection: Collection) -> None:
    collection.add({"id": "good", "text": "Tea."})
    first = collection.finish(collection.put_file("bad", NOT_A_PDF, "application/pdf"))
    again = collection.finish(collection.http.post(f"{collection.path}/retry", json={}))
    assert [failure["id"] for failure in again["errors"]] == ["bad"]
    assert again["errors"] == first["errors"]
    assert again["job_id"] != first["job_id"]


def test_retry_of_an_unknown_document_changes_nothing(collection: Collection) -> None:
    collection.finish(collection.put_file("bad", NOT_A_PDF, "application/pdf"))
    answer = collection.http.post(
        f"{collection.path}/retry", json={"document_ids": ["bad", "missing"]}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")
    assert collection.get("bad")["status"] == "failed"


@pytest.mark.parametrize("name", ["guide.html", 'a "quoted"; name.html', "manual/Größe 図.html"])
def test_original_comes_as_it_was_uploaded_and_runs_nowhere(
    collection: Collection, name: str
) -> None:
    data = "<meta charset=cp1252><h1>Größe</h1><p>Tea.</p>".encode("cp1252")
    collection.finish(collection.put_file(name, data, "text/html"))
    answer = collection.http.get(collection.document_path(name).replace("documents", "originals"))
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["etag"] == f'"{sha256(data).hexdigest()}"'


def test_original_of_an_earlier_version(collection: Collection) -> None:
    collection.finish(collection.put_file("a", b"First tea.", "text/plain"))
    collection.finish(collection.put_file("a", b"Second tea.", "text/plain"))
    path = f"{collection.path}/originals/a"
    assert collection.http.get(path).content == b"Second tea."
    assert collection.http.get(path, params={"version": 1}).content == b"First tea."
    missing = collection.http.get(path, params={"version": 3})
    assert (missing.status_code, missing.json()["code"]) == (404, "version_not_found")
