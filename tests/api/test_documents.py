"""Documents over HTTP: upload in every form, read, list, replace, delete."""

import io
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import select

from app.config import Settings
from app.db.models import UnitRow
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.api.service import Collection, Json, Service, open_service
from tests.databases import collect_statements
from tests.ingest.bad_files import make_zip

NO_COUNTS = {"queued": 0, "processing": 0, "ready": 0, "failed": 0}
NO_JOB_COUNTS = NO_COUNTS | {"superseded": 0, "deleted": 0}


def make_pdf(*pages: str) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(72, 720 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


@pytest.fixture(scope="module")
def idle_service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Service]:
    """A service that ingests only when a test says so."""
    data = tmp_path_factory.mktemp("idle")
    settings = Settings(data=data, model=str(jina_v3), passage_tokens=32)
    with open_service(settings, works=False) as opened:
        yield opened


def work(service: Service, sandbox: Sandbox) -> None:
    """Ingest what is queued."""
    drain_queue(service.resources, sandbox, Event())


def read_units(service: Service) -> list[tuple[int, bytes, bytes]]:
    """Return (id, vector, passage vectors) of everything in the data folder."""
    with service.resources.database.read() as session:
        rows = session.execute(
            select(UnitRow.id, UnitRow.vector, UnitRow.passage_vectors).order_by(UnitRow.id)
        )
        return [(row.id, row.vector, row.passage_vectors) for row in rows]


# Collections


def test_collection_is_made_shown_listed_and_erased(service: Service) -> None:
    made = service.http.post(
        "/v1/collections", json={"name": "manuals", "description": "Manuals of all machines"}
    )
    assert made.status_code == 201
    assert made.json()["name"] == "manuals"
    assert made.json()["description"] == "Manuals of all machines"
    assert made.json()["documents"] == NO_COUNTS
    assert service.http.get("/v1/collections/manuals").json() == made.json()
    assert made.json() in service.http.get("/v1/collections").json()["collections"]
    Collection(service.http, "manuals").add({"id": "a", "text": "Tea."}, {"id": "b", "text": "Hi."})
    erased = service.http.delete("/v1/collections/manuals", params={"confirm": "manuals"})
    assert (erased.status_code, erased.json()) == (200, {"name": "manuals", "documents": 2})
    assert service.http.get("/v1/collections/manuals").status_code == 404
    names = [c["name"] for c in service.http.get("/v1/collections").json()["collections"]]
    assert "manuals" not in names


def test_second_collection_of_one_name_is_a_conflict(collection: Collection) -> None:
    answer = collection.http.post("/v1/collections", json={"name": collection.name})
    assert (answer.status_code, answer.json()["code"]) == (409, "collection_exists")


def test_collection_counts_its_documents_by_status(collection: Collection) -> None:
    collection.finish(
        collection.post({"id": "a", "text": "Tea with milk."}, {"id": "b", "text": " \n"})
    )
    counts = collection.http.get(collection.path).json()["documents"]
    assert counts == NO_COUNTS | {"ready": 1, "failed": 1}


# One document


@pytest.mark.parametrize(
    ("field", "content", "media_type", "title", "text"),
    [
        ("text", "Reset\n\nHold the button.", "text/plain", "Reset", "Reset\n\nHold the button."),
        (
            "markdown",
            "---\nteam: bar\n---\n# Reset\n\nHold the **button**.",
            "text/markdown",
            "Reset",
            "# Reset\n\nHold the **button**.",
        ),
        (
            "html",
            "<html><head><title>Site</title><script>alert(1)</script></head>"
            "<body><h1>Reset</h1><p>Hold the button.</p></body></html>",
            "text/html",
            "Reset",
            "# Reset\n\nHold the button.",
        ),
    ],
)
def test_article_as_json_is_read_by_its_format(
    collection: Collection, field: str, content: str, media_type: str, title: str, text: str
) -> None:
    answer = collection.put("a", **{field: content})
    assert answer.status_code == 202
    (accepted,) = answer.json()["documents"]
    assert accepted == {
        "id": "a",
        "version": 1,
        "status": "queued",
        "change": "content",
        "duplicates": [],
        "error": None,
    }
    job = collection.finish(answer)
    assert job["counts"] == NO_JOB_COUNTS | {"ready": 1}
    assert job["errors"] == []
    assert job["tokens"] > 0
    document = collection.get("a", include="text,versions")
    assert document["status"] == "ready"
    assert document["live_version"] == document["version"] == 1
    assert document["error"] is None
    assert (document["media_type"], document["title"]) == (media_type, title)
    assert document["text"].strip() == text
    assert document["receipt"]["bytes"] == len(content.encode())
    assert document["receipt"]["characters"] == len(document["text"])
    assert document["receipt"]["tokens_embedded"] >= document["receipt"]["tokens_counted"] > 0
    (version,) = document["versions"]
    assert (version["version"], version["live"], version["status"]) == (1, True, "ready")
    assert version["receipt"] == document["receipt"]
    assert collection.found() == {"a"}


def test_text_and_versions_come_only_when_they_are_asked_for(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    assert (collection.get("a")["text"], collection.get("a")["versions"]) == (None, None)
    assert collection.get("a", include="text")["text"] == "Tea."
    assert collection.get("a", include="text")["versions"] is None
    assert collection.get("a", include="versions")["text"] is None
    assert len(collection.get("a", include="versions")["versions"]) == 1


def test_title_url_and_attributes_of_the_caller_win_over_those_of_the_file(
    collection: Collection,
) -> None:
    source = "---\ntitle: Theirs\nurl: https://theirs.example\nlang: en\nyear: 2020\n---\nTea."
    collection.add({"id": "a", "markdown": source})
    theirs = collection.get("a")
    assert (theirs["title"], theirs["url"]) == ("Theirs", "https://theirs.example")
    assert theirs["attributes"] == {"lang": "en", "year": 2020}
    collection.add(
        {
            "id": "a",
            "markdown": source,
            "title": "Ours",
            "url": "https://ours.example",
            "attributes": {"year": 2025},
        }
    )
    ours = collection.get("a")
    assert (ours["title"], ours["url"]) == ("Ours", "https://ours.example")
    assert ours["attributes"] == {"lang": "en", "year": 2025}


@pytest.mark.parametrize(
    ("content_type", "document_id", "data", "media_type", "text"),
    [
        ("text/plain", "a", "Grüße.".encode(), "text/plain", "Grüße."),
        ("text/plain", "a.md", b"# Tea\n\nHot.", "text/markdown", "# Tea\n\nHot."),
        ("text/markdown", "a", b"# Tea\n\nHot.", "text/markdown", "# Tea\n\nHot."),
        ("text/x-markdown", "a", b"# Tea\n\nHot.", "text/markdown", "# Tea\n\nHot."),
        ("text/html; charset=utf-8", "a", b"<p>Tea.</p>", "text/html; charset=utf-8", "Tea."),
        ("application/octet-stream", "a.html", b"<p>Tea.</p>", "text/html", "Tea."),
        (
            "text/plain; charset=iso-8859-1",
            "a",
            "Grüße, täglich".encode("iso-8859-1"),
            "text/plain; charset=iso-8859-1",
            "Grüße, täglich",
        ),
        ("text/plain", "a", b"\xff\xfeT\x00e\x00a\x00", "text/plain", "Tea"),
    ],
)
def test_raw_file_is_read_by_its_content_type_or_its_name(
    collection: Collection,
    content_type: str,
    document_id: str,
    data: bytes,
    media_type: str,
    text: str,
) -> None:
    job = collection.finish(collection.put_file(document_id, data, content_type))
    assert job["errors"] == []
    document = collection.get(document_id, include="text")
    assert (document["media_type"], document["text"]) == (media_type, text)


def test_pdf_answers_with_the_page_of_each_passage(collection: Collection) -> None:
    first, second = "Tea with milk and sugar", "Hold the button for eight seconds"
    pdf = make_pdf(first, second)
    collection.finish(collection.put_file("manual.pdf", pdf, "application/pdf"))
    document = collection.get("manual.pdf", include="text")
    assert document["text"] == f"{first}\n\n{second}"
    assert (document["receipt"]["pages"], document["receipt"]["bytes"]) == (2, len(pdf))
    (hit,) = collection.search(passages=100)["results"]
    pages = {passage["text"].strip(): passage["page"] for passage in hit["passages"]}
    assert pages == {first: 1, second: 2}


# Several documents at once


def test_files_of_a_form_are_named_by_their_file_names(collection: Collection) -> None:
    answer = collection.http.post(
        f"{collection.path}/documents",
        files=[
            ("files", ("guide/tea.md", b"# Tea\n\nHot.", "application/octet-stream")),
            ("files", ("guide/deep/pot.txt", b"Pour it.", "text/plain")),
            ("files", ("manual.pdf", make_pdf("Hold the button"), "application/pdf")),
        ],
    )
    assert answer.status_code == 202
    names = ["guide/tea.md", "guide/deep/pot.txt", "manual.pdf"]
    assert [document["id"] for document in answer.json()["documents"]] == names
    assert collection.finish(answer)["counts"] == NO_JOB_COUNTS | {"ready": 3}
    kinds = [collection.get(name)["media_type"] for name in names]
    assert kinds == ["text/markdown", "text/plain", "application/pdf"]


def test_one_file_of_a_form_is_a_batch_of_one(collection: Collection) -> None:
    answer = collection.http.post(
        f"{collection.path}/documents", files={"files": ("tea.txt", b"Tea.", "text/plain")}
    )
    assert [document["id"] for document in answer.json()["documents"]] == ["tea.txt"]
    collection.finish(answer)
    assert collection.get("tea.txt", include="text")["text"] == "Tea."


def test_ids_of_a_form_go_with_its_files_in_order(collection: Collection) -> None:
    answer = collection.http.post(
        f"{collection.path}/documents",
        data={"id": ["kb/1", "kb/2"]},
        files=[
            ("files", ("one.txt", b"First.", "text/plain")),
            ("files", ("two.txt", b"Second.", "text/plain")),
        ],
    )
    assert collection.finish(answer)["errors"] == []
    texts = [collection.get(name, include="text")["text"] for name in ("kb/1", "kb/2")]
    assert texts == ["First.", "Second."]


def test_batch_says_which_of_its_documents_failed_and_why(collection: Collection) -> None:
    answer = collection.post(
        {"id": "good", "text": "Tea with milk.", "title": "Tea"},
        {"id": "blank", "text": " \n\t"},
        {"id": "page", "html": "<p>Hot.</p>"},
        {"id": "nul", "text": "a\x00b"},
    )
    assert answer.status_code == 202
    assert [(d["id"], d["change"]) for d in answer.json()["documents"]] == [
        ("good", "content"),
        ("blank", "content"),
        ("page", "content"),
        ("nul", "content"),
    ]
    job = collection.finish(answer)
    assert job["job_id"] == answer.json()["job_id"]
    assert job["counts"] == NO_JOB_COUNTS | {"ready": 2, "failed": 2}
    assert [(error["id"], error["code"]) for error in job["errors"]] == [
        ("blank", "empty_document"),
        ("nul", "nul_character"),
    ]
    assert all(error["message"] for error in job["errors"])
    read = [collection.get(name)["receipt"]["tokens_processed"] for name in ("good", "page")]
    assert job["tokens"] == sum(read)


@pytest.mark.parametrize(
    "bad", [{"id": "x" * 257, "text": "Tea."}, {"id": "\x07", "text": "Tea."}, {"id": "b"}]
)
def test_batch_with_one_bad_entry_stores_none(collection: Collection, bad: Json) -> None:
    assert collection.post({"id": "a", "text": "Tea."}, bad).status_code == 422
    assert collection.page()["documents"] == []


# Ids

IDS = [
    "guide/setup/first steps.md",
    "with space",
    "ünïcödé/漢字/🫖",
    "100%",
    "%2F",
    "a%2Fb",
    "a+b&c=d",
    "what?now",
    "#1;v=2",
    "...",
    "documents/a/search",
    'quote"and\\slash',
    "//two//",
    "عربي",
    "x" * 256,
    "é" * 128,
]


@pytest.mark.parametrize("document_id", IDS)
def test_id_of_any_characters_leads_to_its_document(
    collection: Collection, document_id: str
) -> None:
    answer = collection.put(document_id, text="Tea.")
    assert [document["id"] for document in answer.json()["documents"]] == [document_id]
    collection.finish(answer)
    assert collection.get(document_id)["id"] == document_id
    assert [document["id"] for document in collection.page()["documents"]] == [document_id]
    assert collection.found() == {document_id}
    erased = collection.http.delete(collection.document_path(document_id))
    assert (erased.status_code, erased.json()["deleted"]) == (200, document_id)


def test_encoded_slash_and_plain_slash_are_one_id(collection: Collection) -> None:
    collection.finish(collection.put("guide/tea", text="Tea."))
    for path in ("guide/tea", "guide%2Ftea", "guide%2ftea"):
        answer = collection.http.get(f"{collection.path}/documents/{path}")
        assert (answer.status_code, answer.json()["id"]) == (200, "guide/tea")


def test_composed_and_decomposed_ids_are_one_document(collection: Collection) -> None:
    composed = unicodedata.normalize("NFC", "café/ñandú")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    collection.finish(collection.put(decomposed, text="Tea."))
    assert collection.get(decomposed) == collection.get(composed)
    assert collection.get(decomposed)["id"] == composed
    assert collection.put(composed, text="Tea.").json()["documents"][0]["change"] == "none"
    assert collection.http.delete(collection.document_path(decomposed)).status_code == 200
    assert collection.page()["documents"] == []


# Lists


def test_pages_of_a_list_hold_every_document_once_in_the_order_of_ids(
    idle_service: Service,
) -> None:
    collection = idle_service.new_collection("paged")
    ids = sorted([f"doc-{number:03}" for number in range(25)] + ["Ä", "a/b", "漢字"])
    assert collection.post(*({"id": i, "text": f"Tea {i}."} for i in ids[::-1])).status_code == 202
    seen: list[str] = []
    sizes = []
    parameters: dict[str, str | int] = {"limit": 10}
    while True:
        page = collection.page(**parameters)
        seen += [document["id"] for document in page["documents"]]
        sizes.append(len(page["documents"]))
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert sizes == [10, 10, 8]
    assert seen == ids


def test_last_page_that_is_full_has_no_cursor(idle_service: Service) -> None:
    collection = idle_service.new_collection("full-page")
    collection.post(*({"id": str(number), "text": "Tea."} for number in range(4)))
    first = collection.page(limit=2)
    second = collection.page(limit=2, cursor=first["next_cursor"])
    assert (len(second["documents"]), second["next_cursor"]) == (2, None)


def test_cursor_goes_on_after_its_document_was_deleted(idle_service: Service) -> None:
    collection = idle_service.new_collection("hole")
    collection.post(*({"id": name, "text": "Tea."} for name in "abcd"))
    cursor = collection.page(limit=2)["next_cursor"]
    assert collection.http.delete(collection.document_path("b")).status_code == 200
    rest = collection.page(limit=2, cursor=cursor)["documents"]
    assert [document["id"] for document in rest] == ["c", "d"]


def test_list_can_be_restricted_to_a_status(idle_service: Service, sandbox: Sandbox) -> None:
    collection = idle_service.new_collection("by-status")
    collection.post({"id": "ready", "text": "Tea."}, {"id": "failed", "text": " "})
    work(idle_service, sandbox)
    collection.post({"id": "queued", "text": "Tea."})
    for status in ("ready", "failed", "queued"):
        listed = collection.page(status=status)["documents"]
        assert [(d["id"], d["status"]) for d in listed] == [(status, status)]
    assert collection.page(status="processing")["documents"] == []
    work(idle_service, sandbox)


# Waiting for an upload


def test_upload_that_waits_answers_when_the_article_is_found(collection: Collection) -> None:
    answer = collection.http.put(
        collection.document_path("a"), params={"wait": 30}, json={"text": "Tea with milk."}
    )
    assert answer.status_code == 200
    assert [d["status"] for d in answer.json()["documents"]] == ["ready"]
    assert collection.found("tea") == {"a"}


def test_batch_that_waits_answers_with_each_document_and_why_it_failed(
    collection: Collection,
) -> None:
    files = [("files", ("a.md", b"# Tea\n\nHot.")), ("files", ("b.pdf", b"%PDF-1.7 broken"))]
    answer = collection.http.post(f"{collection.path}/documents", params={"wait": 30}, files=files)
    assert answer.status_code == 200
    ready, failed = answer.json()["documents"]
    assert (ready["id"], ready["status"], ready["error"]) == ("a.md", "ready", None)
    assert (failed["id"], failed["status"]) == ("b.pdf", "failed")
    assert failed["error"]["code"] == "unreadable_pdf"


def test_upload_that_waited_long_enough_is_answered_as_it_stands(idle_service: Service) -> None:
    collection = idle_service.new_collection("waiting")
    with collect_statements(idle_service.resources) as statements:
        answer = collection.http.put(
            collection.document_path("a"), params={"wait": 2}, json={"text": "Tea."}
        )
    assert answer.status_code == 202
    assert [d["status"] for d in answer.json()["documents"]] == ["queued"]
    asked = [sql for sql in statements if "job_items" in sql and sql.startswith("SELECT")]
    assert 2 <= len(asked) < 12


def test_bad_line_of_a_file_of_articles_fails_alone_and_by_its_number(
    collection: Collection,
) -> None:
    lines = b'{"id": "a", "text": "Tea."}\n{"id": \n{"text": "x"}\n{"id": "a", "text": "Twice."}\n'
    answer = collection.http.post(
        f"{collection.path}/documents",
        params={"wait": 30},
        files=[("files", ("in.jsonl", lines))],
    )
    assert answer.status_code == 200
    ends = {
        document["id"]: document["error"] and document["error"]["code"]
        for document in answer.json()["documents"]
    }
    refused = dict.fromkeys(("in.jsonl:2", "in.jsonl:3", "in.jsonl:4"), "invalid_line")
    assert ends == {"a": None, **refused}


def test_misspelt_field_of_a_json_file_is_a_warning(collection: Collection) -> None:
    collection.finish(
        collection.http.post(
            f"{collection.path}/documents",
            files=[("files", ("a.json", b'{"text": "Tea.", "Title": "T", "year": 1}'))],
        )
    )
    warnings = collection.get("a.json")["receipt"]["warnings"]
    assert "the field Title was taken as an attribute; perhaps title was meant" in warnings


def test_wait_is_limited(collection: Collection) -> None:
    answer = collection.http.put(
        collection.document_path("a"), params={"wait": 31}, json={"text": "Tea."}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


# Uploading again


def test_same_article_again_changes_nothing(collection: Collection) -> None:
    body = {"text": "Tea with milk.", "title": "Tea", "attributes": {"hot": True}}
    collection.finish(collection.put("a", **body))
    before = collection.get("a", include="text,versions")
    answer = collection.put("a", **body)
    assert answer.status_code == 200
    (accepted,) = answer.json()["documents"]
    assert accepted == {
        "id": "a",
        "version": 1,
        "status": "ready",
        "change": "none",
        "duplicates": [],
        "error": None,
    }
    assert collection.finish(answer)["counts"] == NO_JOB_COUNTS | {"ready": 1}
    assert collection.finish(answer)["tokens"] == 0
    assert collection.get("a", include="text,versions") == before


def test_same_article_again_while_it_is_queued_changes_nothing(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("twice-queued")
    collection.put("a", text="Tea.")
    (accepted,) = collection.put("a", text="Tea.").json()["documents"]
    assert accepted == {
        "id": "a",
        "version": 1,
        "status": "queued",
        "change": "none",
        "duplicates": [],
        "error": None,
    }
    work(idle_service, sandbox)
    assert len(collection.get("a", include="versions")["versions"]) == 1


def test_new_attributes_and_url_are_searchable_at_once_and_leave_version_and_vectors(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("metadata")
    collection.put("a", text="Tea.", url="https://old.example", attributes={"lang": "en", "y": 1})
    work(idle_service, sandbox)
    units = read_units(idle_service)
    answer = collection.put("a", text="Tea.", url="https://new.example", attributes={"lang": "de"})
    assert answer.status_code == 200
    (accepted,) = answer.json()["documents"]
    assert accepted == {
        "id": "a",
        "version": 1,
        "status": "ready",
        "change": "metadata",
        "duplicates": [],
        "error": None,
    }

    def with_attribute(key: str, value: object) -> set[str]:
        return collection.found(filters={"type": "eq", "key": key, "value": value})

    assert with_attribute("lang", "de") == {"a"}
    assert with_attribute("lang", "en") == with_attribute("y", 1) == set()
    (hit,) = collection.search()["results"]
    assert (hit["version"], hit["url"]) == (1, "https://new.example")
    assert hit["attributes"] == {"lang": "de"}
    assert collection.get("a")["attributes"] == {"lang": "de"}
    assert read_units(idle_service) == units


def test_new_title_makes_a_new_version_with_new_vectors(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("title")
    collection.put("a", text="Tea.", title="Pot")
    work(idle_service, sandbox)
    units = read_units(idle_service)
    answer = collection.put("a", text="Tea.", title="Coffee")
    assert answer.status_code == 202
    (accepted,) = answer.json()["documents"]
    assert (accepted["version"], accepted["change"]) == (2, "content")
    work(idle_service, sandbox)
    document = collection.get("a", include="versions")
    assert (document["live_version"], document["title"]) == (2, "Coffee")
    assert [version["live"] for version in document["versions"]] == [True, False]
    after = read_units(idle_service)
    assert len(after) == len(units)
    assert {vector for _, vector, _ in after} != {vector for _, vector, _ in units}


def test_old_version_answers_while_a_new_one_is_queued(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("replace")
    collection.put("a", text="Old tea.", title="Old", attributes={"v": 1})
    work(idle_service, sandbox)
    assert collection.put("a", text="New tea.", title="New", attributes={"v": 2}).is_success
    document = collection.get("a", include="text,versions")
    assert (document["version"], document["status"], document["live_version"]) == (2, "queued", 1)
    assert (document["text"], document["title"]) == ("Old tea.", "Old")
    assert document["attributes"] == {"v": 1}
    (hit,) = collection.search()["results"]
    assert (hit["version"], hit["title"], hit["attributes"]) == (1, "Old", {"v": 1})
    assert hit["passages"][0]["text"] == "Old tea."
    assert collection.found(filters={"type": "eq", "key": "v", "value": 2}) == set()
    work(idle_service, sandbox)
    (hit,) = collection.search()["results"]
    assert (hit["version"], hit["title"], hit["attributes"]) == (2, "New", {"v": 2})
    assert hit["passages"][0]["text"] == "New tea."
    assert collection.get("a", include="text")["text"] == "New tea."


def test_first_version_is_not_found_before_it_is_ready(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("first")
    upload = collection.put("a", text="Tea.")
    document = collection.get("a", include="text")
    assert (document["status"], document["live_version"]) == ("queued", None)
    assert (document["text"], document["receipt"]) == (None, None)
    assert collection.found() == set()
    job = collection.http.get(f"/v1/jobs/{upload.json()['job_id']}").json()
    assert (job["counts"], job["tokens"]) == (NO_JOB_COUNTS | {"queued": 1}, 0)
    work(idle_service, sandbox)
    assert collection.found() == {"a"}


def test_versions_that_follow_each_other_fast_end_at_the_last(collection: Collection) -> None:
    uploads = [collection.put("a", text=f"Tea number {number}.") for number in range(5)]
    for upload in uploads:
        collection.finish(upload)
    document = collection.get("a", include="text,versions")
    assert (document["live_version"], document["text"]) == (5, "Tea number 4.")
    assert [version["live"] for version in document["versions"]] == [True] + [False] * 4
    numbers = [version["version"] for version in document["versions"]]
    assert all(later == earlier + 1 for later, earlier in pairwise(numbers))
    assert [hit["version"] for hit in collection.search()["results"]] == [5]


# Failing and trying again


def test_failed_document_says_why_and_is_read_again_when_uploaded_again(
    collection: Collection,
) -> None:
    broken = b"%PDF-1.7\nnot a PDF"
    job = collection.finish(collection.put_file("a.pdf", broken, "application/pdf"))
    assert job["counts"] == NO_JOB_COUNTS | {"failed": 1}
    (error,) = job["errors"]
    assert (error["id"], error["code"]) == ("a.pdf", "unreadable_pdf")
    document = collection.get("a.pdf", include="text,versions")
    assert (document["status"], document["live_version"], document["text"]) == (
        "failed",
        None,
        None,
    )
    shared = ("code", "message", "stage")
    assert document["error"] == {name: error[name] for name in shared}
    assert document["versions"][0]["error"] == document["error"]
    assert collection.found() == set()
    # The very same bytes are no "no change" after a failure.
    again = collection.put_file("a.pdf", broken, "application/pdf")
    assert again.status_code == 202
    assert again.json()["documents"][0]["version"] == 2
    collection.finish(again)
    collection.finish(collection.put_file("a.pdf", make_pdf("Tea"), "application/pdf"))
    document = collection.get("a.pdf", include="versions")
    assert (document["status"], document["error"], document["live_version"]) == ("ready", None, 3)
    assert [v["status"] for v in document["versions"]] == ["ready", "failed", "failed"]
    assert collection.found() == {"a.pdf"}


def test_failed_new_version_leaves_the_old_one_answering(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Old tea."})
    collection.finish(collection.put("a", text=" \n "))
    document = collection.get("a", include="text")
    assert (document["version"], document["status"], document["live_version"]) == (2, "failed", 1)
    assert document["error"]["code"] == "empty_document"
    assert document["text"] == "Old tea."
    (hit,) = collection.search()["results"]
    assert (hit["document_id"], hit["version"]) == ("a", 1)


def test_member_of_an_archive_without_a_byte_fails_alone(collection: Collection) -> None:
    archive = make_zip({"tea.md": "# Tea", "empty.md": "", "empty.jsonl": "", "empty.zip": ""})
    files = {"files": ("z.zip", archive)}
    job = collection.finish(collection.http.post(f"{collection.path}/documents", files=files))
    assert {error["id"]: error["code"] for error in job["errors"]} == {
        f"z.zip/empty.{suffix}": "empty_document" for suffix in ("md", "jsonl", "zip")
    }
    assert collection.found() == {"z.zip/tea.md"}


def test_scan_without_text_fails_by_name(collection: Collection) -> None:
    job = collection.finish(collection.put_file("scan.pdf", make_pdf(""), "application/pdf"))
    assert [error["code"] for error in job["errors"]] == ["no_text"]


# Deleting


def test_deleted_document_is_gone_with_a_receipt(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Old tea."}, {"id": "b", "text": "Milk."})
    collection.add({"id": "a", "text": "Tea.\n\nMore tea, and more.", "title": "Tea"})
    receipt = collection.get("a")["receipt"]
    erased = collection.http.delete(collection.document_path("a"))
    assert erased.status_code == 200
    answer = erased.json()
    assert answer.pop("bytes") > len("Old tea." + 2 * "Tea.\n\nMore tea, and more.") + 4 * 32
    assert answer == {
        "deleted": "a",
        "versions": 2,
        "units": receipt["units"],
        "passages": receipt["passages"],
        "complete": True,
    }
    for method in ("GET", "DELETE"):
        answer = collection.http.request(method, collection.document_path("a"))
        assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")
    assert collection.found() == {"b"}
    assert [document["id"] for document in collection.page()["documents"]] == ["b"]
    assert collection.http.get(collection.path).json()["documents"] == NO_COUNTS | {"ready": 1}


def test_document_deleted_while_it_is_queued_never_appears(
    idle_service: Service, sandbox: Sandbox
) -> None:
    collection = idle_service.new_collection("gone-early")
    upload = collection.put("a", text="Early tea.")
    erased = collection.http.delete(collection.document_path("a"))
    assert erased.json() == {
        "deleted": "a",
        "versions": 1,
        "units": 0,
        "passages": 0,
        "bytes": len("Early tea."),
        "complete": True,
    }
    work(idle_service, sandbox)
    assert collection.found() == set()
    assert collection.http.get(collection.document_path("a")).status_code == 404
    job = collection.http.get(f"/v1/jobs/{upload.json()['job_id']}")
    assert (job.status_code, job.json()["errors"]) == (200, [])


def test_deleted_document_can_be_uploaded_again_as_new(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    collection.http.delete(collection.document_path("a"))
    answer = collection.put("a", text="Tea.")
    assert answer.json()["documents"][0]["change"] == "content"
    assert answer.json()["documents"][0]["version"] == 1
    collection.finish(answer)
    assert collection.found() == {"a"}
