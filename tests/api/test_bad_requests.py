"""Bad input over HTTP: each gets its own problem document, and nothing that was sent comes back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.service import Collection, Json, Service, open_service
from tests.databases import is_postgresql

UNSAID = "zanzibar7431"
"""Stands in queries, texts, titles and attributes; no answer may hold it."""

MAX_BODY_BYTES = 2 * 2**20
JSON_TYPE = {"Content-Type": "application/json"}
SEARCH, DOCUMENTS, DOCUMENT = "/c/search", "/c/documents", "/c/documents/new"
"""Paths below; `/c` stands for the collection that is there."""


@dataclass(frozen=True)
class Case:
    """A request and the problem that answers it."""

    what: str
    method: str
    path: str
    status: int
    code: str
    json: object = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    detail: str = ""

    def send(self, http: httpx.Client) -> httpx.Response:
        path = self.path.replace("/c/", "/v1/collections/help/", 1)
        if self.content is None and self.json is not None:
            return http.request(
                self.method,
                path,
                content=json.dumps(self.json).encode(),
                headers=JSON_TYPE | self.headers,
            )
        return http.request(self.method, path, content=self.content, headers=self.headers)


def as_json(what: str, path: str, body: object, **expected: str) -> Case:
    """Return a case of well-formed JSON that is refused with 422."""
    method = "PUT" if path == DOCUMENT else "POST"
    return Case(what, method, path, 422, expected.pop("code", "invalid_request"), body, **expected)  # type: ignore[arg-type]


def as_bytes(what: str, path: str, body: bytes, status: int, code: str) -> Case:
    """Return a case of a body that is no JSON, or not of the kind that json.dumps writes."""
    method = "PUT" if path == DOCUMENT else "POST"
    return Case(what, method, path, status, code, content=body, headers=JSON_TYPE)


def nest_filters(depth: int) -> Json:
    filters: Json = {"type": "eq", "key": "a", "value": UNSAID}
    for _ in range(depth):
        filters = {"type": "and", "filters": [filters, {"type": "eq", "key": "b", "value": 1}]}
    return filters


def any_of(filters: list[Json]) -> Json:
    return {"type": "or", "filters": filters}


def search(what: str, **body: object) -> Case:
    return as_json(what, SEARCH, {"query": UNSAID, **body})


def search_with(what: str, filters: object) -> Case:
    return search(f"filter: {what}", filters=filters)


def document(what: str, **body: object) -> Case:
    return as_json(what, DOCUMENT, {"text": UNSAID, **body})


def form(what: str, status: int, code: str, *parts: bytes, boundary: str = "b") -> Case:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    content_type = (
        f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    )
    return Case(
        f"form: {what}",
        "POST",
        DOCUMENTS,
        status,
        code,
        content=body,
        headers={"Content-Type": content_type},
    )


def part(name: str, content: str = "x", filename: str | None = None, kind: str = "") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    disposition += f'; filename="{filename}"' if filename is not None else ""
    return f"{disposition}\r\n{kind}\r\n{content}".encode()


ONE: Json = {"type": "eq", "key": "a", "value": 1}
SURROGATE = "\ud800"  # json.dumps writes it as an escape; it is no character
HUGE = 10**30
BRACKETS = b"[" * 100_000
DEEP = b'{"query":' * 100_000

BAD_ENTRIES: list[tuple[str, Json, str]] = [
    ("no id", {}, "invalid_request"),
    ("id is a number", {"id": 7}, "invalid_request"),
    ("empty id", {"id": ""}, "invalid_request"),
    ("id of 257 characters", {"id": "i" * 257}, "invalid_request"),
    ("id of 258 bytes", {"id": "é" * 129}, "invalid_id"),
    ("id with a control character", {"id": "a\x1bb"}, "invalid_id"),
    ("id with a NUL", {"id": "a\x00"}, "invalid_id"),
    ("id with a line break", {"id": "a\nb"}, "invalid_id"),
    ("id with a lone surrogate", {"id": "a\ud800"}, "invalid_request"),
    ("unknown field", {"id": "a", "body": UNSAID}, "invalid_request"),
    ("empty text", {"id": "a", "text": ""}, "empty_document"),
]
"""Members of a batch, beside their text."""

CASES = [
    # Search: the query
    as_json("no query", SEARCH, {}),
    as_json("query is null", SEARCH, {"query": None}),
    as_json("query is a number", SEARCH, {"query": 7}),
    as_json("query is a list", SEARCH, {"query": [UNSAID]}),
    as_json("query is empty", SEARCH, {"query": ""}, code="empty_query"),
    as_json("query is blank", SEARCH, {"query": " \t\n"}, code="empty_query"),
    as_json("NUL in the query", SEARCH, {"query": UNSAID + "\x00"}, code="nul_character"),
    as_json("lone surrogate in the query", SEARCH, {"query": UNSAID + SURROGATE}),
    as_json("low surrogate in the query", SEARCH, {"query": "\udfff" + UNSAID}),
    as_json("body is a list", SEARCH, [UNSAID]),
    as_json("body is a string", SEARCH, UNSAID),
    as_bytes("body is null", SEARCH, b"null", 422, "invalid_request"),
    # Search: the other fields
    search("unknown field", top_k=3),
    search("limit of 0", limit=0),
    search("negative limit", limit=-1),
    search("limit of 1001", limit=1001),
    search("limit of 10^30", limit=HUGE),
    search("limit with a fraction", limit=1.5),
    search("limit is no number", limit=UNSAID),
    search("limit is NaN", limit=float("nan")),
    search("limit is Infinity", limit=float("inf")),
    search("limit is null", limit=None),
    search("negative passages", passages=-1),
    search("passages of 101", passages=101),
    search("passages of 10^30", passages=HUGE),
    search("min_score is NaN", min_score=float("nan")),
    search("min_score is Infinity", min_score=float("inf")),
    search("min_score is -Infinity", min_score=float("-inf")),
    search("min_score is no number", min_score=UNSAID),
    # Filters of a search
    search_with("a string", UNSAID),
    search_with("a list", [{"type": "eq", "key": "a", "value": UNSAID}]),
    search_with("empty", {}),
    search_with("no type", {"key": "a", "value": UNSAID}),
    search_with("unknown type", {"type": "like", "key": "a", "value": UNSAID}),
    search_with("unknown field", {"type": "eq", "key": "a", "value": UNSAID, "boost": 2}),
    search_with("no key", {"type": "eq", "value": UNSAID}),
    search_with("empty key", {"type": "eq", "key": "", "value": UNSAID}),
    search_with("long key", {"type": "eq", "key": "k" * 129, "value": UNSAID}),
    search_with("no value", {"type": "eq", "key": "a"}),
    search_with("null value", {"type": "eq", "key": "a", "value": None}),
    search_with("object value", {"type": "eq", "key": "a", "value": {"a": UNSAID}}),
    search_with("list value of eq", {"type": "eq", "key": "a", "value": [UNSAID]}),
    search_with("scalar value of in", {"type": "in", "key": "a", "value": UNSAID}),
    search_with("1001 values of in", {"type": "in", "key": "a", "value": [1] * 1001}),
    search_with("null among values of in", {"type": "in", "key": "a", "value": [UNSAID, None]}),
    search_with("no filters of and", {"type": "and", "filters": []}),
    search_with("33 filters of or", any_of([ONE] * 33)),
    search_with("NaN", {"type": "eq", "key": "a", "value": float("nan")}),
    search_with("Infinity", {"type": "gt", "key": "a", "value": float("inf")}),
    search_with("10^30", {"type": "eq", "key": "a", "value": HUGE}),
    search_with("2^53 + 1", {"type": "eq", "key": "a", "value": 2**53 + 1}),
    search_with("surrogate value", {"type": "eq", "key": "a", "value": SURROGATE + UNSAID}),
    search_with("surrogate key", {"type": "eq", "key": SURROGATE, "value": UNSAID}),
    search_with("surrogate in a list", {"type": "in", "key": "a", "value": [SURROGATE]}),
    search_with("300 levels", nest_filters(300)),
    search_with("150 levels", nest_filters(150)),
    search_with("32 x 32 x 16 conditions", any_of([any_of([any_of([ONE] * 16)] * 32)] * 32)),
    search_with("16 x 1000 values", any_of([ONE | {"type": "in", "value": [*range(1000)]}] * 16)),
    # Sizes in a search
    Case(
        "query over 32 KB",
        "POST",
        SEARCH,
        413,
        "query_too_large",
        {"query": UNSAID + "a" * 32 * 1024},
        detail="32768",
    ),
    Case(
        "query over 32 KB in bytes, not in characters",
        "POST",
        SEARCH,
        413,
        "query_too_large",
        {"query": UNSAID + "é" * 17 * 1024},
    ),
    Case("search body over 1 MiB", "POST", SEARCH, 413, "", {"query": UNSAID + "a" * 2**20}),
    # JSON as such
    as_bytes("no body", SEARCH, b"", 422, "invalid_request"),
    as_bytes("no JSON", SEARCH, UNSAID.encode(), 422, "invalid_request"),
    as_bytes("half an object", SEARCH, b'{"query": "' + UNSAID.encode(), 422, "invalid_request"),
    as_bytes("two values", SEARCH, b'{"query": "a"} {"query": "b"}', 422, "invalid_request"),
    as_bytes("100,000 brackets", SEARCH, BRACKETS, 422, "invalid_request"),
    as_bytes("100,000 objects", SEARCH, DEEP, 422, "invalid_request"),
    as_bytes("bytes that are no UTF-8", SEARCH, b'{"query": "\xff\xfe"}', 422, ""),
    as_bytes("a number of 5,000 digits", SEARCH, b'{"limit":' + b"9" * 5000 + b"}", 422, ""),
    Case("no type", "POST", SEARCH, 415, "unsupported_media_type", content=b'{"query": "a"}'),
    Case(
        "JSON sent as text",
        "POST",
        SEARCH,
        415,
        "unsupported_media_type",
        content=b'{"query": "a"}',
        headers={"Content-Type": "text/plain"},
    ),
    # One document
    as_json("no content", DOCUMENT, {"title": UNSAID}),
    document("two contents", html=UNSAID),
    document("three contents", html=UNSAID, markdown=UNSAID),
    document("unknown field", body=UNSAID),
    document("text is a number", text=7),
    document("text is a list", text=[UNSAID]),
    document("lone surrogate in the text", text=UNSAID + SURROGATE),
    document("lone surrogate in the title", title=UNSAID + SURROGATE),
    document("lone surrogate in the url", url=UNSAID + SURROGATE),
    document("lone surrogate in an attribute", attributes={"a": UNSAID + SURROGATE}),
    document("lone surrogate in a list attribute", attributes={"a": [UNSAID + SURROGATE]}),
    document("lone surrogate in an attribute's key", attributes={SURROGATE: UNSAID}),
    document("long title", title=UNSAID + "t" * 1024),
    document("long url", url=UNSAID + "u" * 2048),
    document("title is a number", title=7),
    document("attributes is a list", attributes=[UNSAID]),
    document("null attribute", attributes={"a": None}),
    document("object attribute", attributes={"a": {"b": UNSAID}}),
    document("list in a list attribute", attributes={"a": [[UNSAID]]}),
    document("empty list attribute", attributes={"a": []}),
    document("attribute without a key", attributes={"": UNSAID}),
    document("long key of an attribute", attributes={"k" * 129: UNSAID}),
    document("long attribute", attributes={"a": UNSAID * 400}),
    document("65 attributes", attributes={str(number): 1 for number in range(65)}),
    document("257 values of an attribute", attributes={"a": [1] * 257}),
    document("NaN attribute", attributes={"a": float("nan")}),
    document("Infinity attribute", attributes={"a": float("inf")}),
    document("10^30 attribute", attributes={"a": HUGE}),
    document("-10^30 attribute", attributes={"a": -HUGE}),
    document("2^53 + 1 attribute", attributes={"a": 2**53 + 1}),
    document("10^30 in a list attribute", attributes={"a": [HUGE]}),
    as_json("empty text", DOCUMENT, {"text": ""}, code="empty_document"),
    as_json("empty html", DOCUMENT, {"html": ""}, code="empty_document"),
    as_bytes("document: no body", DOCUMENT, b"", 422, "invalid_request"),
    as_bytes("document: no JSON", DOCUMENT, UNSAID.encode(), 422, "invalid_request"),
    as_bytes("document: 100,000 brackets", DOCUMENT, BRACKETS, 422, "invalid_request"),
    as_bytes("document: 100,000 objects", DOCUMENT, DEEP, 422, "invalid_request"),
    as_bytes("document: NaN", DOCUMENT, b'{"text": NaN}', 422, "invalid_request"),
    as_bytes("document: no UTF-8", DOCUMENT, b'{"text": "\xff"}', 422, "invalid_request"),
    # Raw files
    Case(
        "empty file",
        "PUT",
        DOCUMENT,
        422,
        "empty_document",
        content=b"",
        headers={"Content-Type": "text/plain"},
    ),
    Case("file without a type", "PUT", DOCUMENT, 415, "unsupported_media_type", content=b"x"),
    *(
        Case(
            f"file of the type {kind}",
            "PUT",
            DOCUMENT,
            415,
            "unsupported_media_type",
            content=UNSAID.encode(),
            headers={"Content-Type": kind},
            detail="text/markdown",
        )
        for kind in ("image/png", "nonsense", "text/", "/", "a/b/c", ";;;")
    ),
    Case(
        "archive under one id",
        "PUT",
        DOCUMENT,
        415,
        "unsupported_media_type",
        content=UNSAID.encode(),
        headers={"Content-Type": "application/zip"},
        detail="several ids",
    ),
    Case(
        "file over the limit",
        "PUT",
        DOCUMENT,
        413,
        "",
        content=b"a" * (MAX_BODY_BYTES + 1),
        headers={"Content-Type": "text/plain"},
    ),
    Case("JSON over the limit", "PUT", DOCUMENT, 413, "", {"text": "a" * MAX_BODY_BYTES}),
    # Batches
    as_json("no documents", DOCUMENTS, {}),
    as_json("empty batch", DOCUMENTS, {"documents": []}),
    as_json("documents is an object", DOCUMENTS, {"documents": {"id": "a", "text": UNSAID}}),
    as_json(
        "1001 documents",
        DOCUMENTS,
        {"documents": [{"id": str(number), "text": "x"} for number in range(1001)]},
    ),
    as_json("unknown field beside the batch", DOCUMENTS, {"documents": [], "wait": True}),
    *(
        as_json(f"batch: {what}", DOCUMENTS, {"documents": [{"text": UNSAID} | entry]}, code=code)
        for what, entry, code in BAD_ENTRIES
    ),
    *(
        as_json(
            f"the same id twice: {what}",
            DOCUMENTS,
            {"documents": [{"id": first, "text": UNSAID}, {"id": second, "text": "x"}]},
            code="duplicate_id",
        )
        for what, first, second in [
            ("equal", "a", "a"),
            ("composed and decomposed", "caf\u00e9", "cafe\u0301"),
        ]
    ),
    Case("batch without a type", "POST", DOCUMENTS, 415, "unsupported_media_type", content=b"{}"),
    Case(
        "batch as text",
        "POST",
        DOCUMENTS,
        415,
        "unsupported_media_type",
        content=UNSAID.encode(),
        headers={"Content-Type": "text/plain"},
    ),
    # Forms
    *[
        form(
            f"charset {charset}",
            415,
            "unsupported_media_type",
            part("files", UNSAID, filename=name),
            boundary=f"b; charset={charset}",
        )
        for charset, name in (("idna", "xn--a.txt"), ("undefined", "a.txt"), ("utf-7", "+2AA-.txt"))
    ],
    form("nothing", 422, "invalid_request"),
    form("no file", 422, "invalid_request", part("id", "a")),
    form("unknown field", 422, "invalid_request", part("title", UNSAID)),
    form(
        "more ids than files",
        422,
        "invalid_request",
        part("id", "a"),
        part("id", "b"),
        part("files", UNSAID, "a.txt"),
    ),
    form("the same name twice", 422, "duplicate_id", *[part("files", "x", "a.txt")] * 2),
    form("empty file", 422, "empty_document", part("files", "", "a.txt")),
    form("file without a name", 415, "unsupported_media_type", part("files", UNSAID, "")),
    form("type that is not read", 415, "unsupported_media_type", part("files", "x", "a.exe")),
    form("name with a control character", 422, "invalid_id", part("files", "x", "a\x07.txt")),
    form("no boundary", 400, "bad_request", part("files", UNSAID, "a.txt"), boundary=""),
    form("other boundary", 400, "bad_request", part("files", UNSAID, "a.txt"), boundary="c"),
    form("part without a name", 400, "bad_request", b"Content-Disposition: form-data\r\n\r\nx"),
    form("part without headers", 400, "bad_request", UNSAID.encode()),
    form("1001 files", 400, "", *(part("files", "x", f"{n}.txt") for n in range(1001))),
    Case(
        "form over the limit",
        "POST",
        DOCUMENTS,
        413,
        "",
        content=b"--b\r\n" + part("files", "a" * MAX_BODY_BYTES, "a.txt") + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    # Ids in paths
    *(
        Case(f"{method} {what}", method, f"/c/documents/{path}", 422, "invalid_id", body)
        for what, path in [
            ("id of 258 bytes", "%C3%A9" * 129),
            ("id of 257 bytes", "i" * 257),
            ("id with a control character", "a%07b"),
            ("id with a NUL", "a%00b"),
            ("id with a delete character", "a%7Fb"),
            ("id with a C1 character", "a%C2%85b"),
            ("no id", ""),
        ]
        for method, body in [("PUT", {"text": UNSAID}), ("GET", None), ("DELETE", None)]
    ),
    # Reading
    Case("unknown document", "GET", "/c/documents/nope", 404, "document_not_found"),
    Case("unknown document, to erase", "DELETE", "/c/documents/nope", 404, "document_not_found"),
    Case("include of foo", "GET", "/c/documents/kept?include=foo", 422, "invalid_request"),
    Case("include of text and foo", "GET", "/c/documents/kept?include=text,f", 422, ""),
    Case("list: limit of 0", "GET", "/c/documents?limit=0", 422, "invalid_request"),
    Case("list: negative limit", "GET", "/c/documents?limit=-1", 422, "invalid_request"),
    Case("list: limit of 1001", "GET", "/c/documents?limit=1001", 422, "invalid_request"),
    Case("list: limit of 10^30", "GET", f"/c/documents?limit={HUGE}", 422, "invalid_request"),
    Case("list: limit is NaN", "GET", "/c/documents?limit=NaN", 422, "invalid_request"),
    Case("list: unknown status", "GET", "/c/documents?status=lost", 422, "invalid_request"),
    *(
        Case(f"cursor {what}", "GET", f"/c/documents?cursor={cursor}", 422, "invalid_cursor")
        for what, cursor in [
            ("of one character", "a"),
            ("that is no base64", "!!!!"),
            ("with characters that base64 has not", "YQ*"),
            ("that is a NUL", "%00"),
            ("that is no ASCII", "%C3%A9"),
            ("that holds no UTF-8", "_w"),
        ]
    ),
    Case("cursor of 513 characters", "GET", f"/c/documents?cursor={'a' * 513}", 422, ""),
    # What is not there
    Case("unknown job", "GET", "/v1/jobs/nope", 404, "job_not_found"),
    *(
        Case(
            f"unknown collection: {method} {path}", method, path, 404, "collection_not_found", body
        )
        for method, path, body in [
            ("GET", "/v1/collections/nope", None),
            ("DELETE", "/v1/collections/nope", None),
            ("GET", "/v1/collections/nope/documents", None),
            ("POST", "/v1/collections/nope/documents", {"documents": [{"id": "a", "text": "x"}]}),
            ("GET", "/v1/collections/nope/documents/a", None),
            ("PUT", "/v1/collections/nope/documents/a", {"text": UNSAID}),
            ("DELETE", "/v1/collections/nope/documents/a", None),
            ("POST", "/v1/collections/nope/search", {"query": UNSAID}),
            ("GET", "/v1/collections/Help", None),
        ]
    ),
    Case(
        "collection of a NUL",
        "GET",
        "/v1/collections/%00",
        *((422, "zero_byte") if is_postgresql() else (404, "collection_not_found")),
    ),
    Case("unknown route outside", "POST", "/nothing/at/all", 404, "not_found"),
    Case("unknown method of a route", "PATCH", "/v1/collections", 405, "method_not_allowed"),
    Case("method of no standard", "BREW", "/v1/collections", 405, "method_not_allowed"),
    Case("writing to a route that reads", "DELETE", "/healthz", 405, "method_not_allowed"),
    Case("reading a route that searches", "GET", SEARCH, 405, "method_not_allowed"),
    # Collections and keys
    *(
        as_json(f"collection: {what}", "/v1/collections", body)
        for what, body in [
            ("no name", {}),
            ("unknown field", {"name": "new", "model": "x"}),
            ("empty name", {"name": ""}),
            ("name with a slash", {"name": "a/b"}),
            ("name with a line break", {"name": "a\n"}),
            ("name that begins with a dot", {"name": ".."}),
            ("name of 65 characters", {"name": "n" * 65}),
            ("name with a surrogate", {"name": "a\ud800"}),
            ("name beyond ASCII", {"name": "ä"}),
            ("surrogate in the description", {"name": "new", "description": SURROGATE}),
            ("long description", {"name": "new", "description": "d" * 4097}),
        ]
    ),
    *(
        as_json(f"key: {what}", "/v1/keys", body)
        for what, body in [
            ("unknown field", {"role": "read"}),
            ("unknown scope", {"scope": "root"}),
            ("no collections", {"collections": []}),
            ("101 collections", {"collections": ["help"] * 101}),
            ("surrogate in the name", {"name": SURROGATE}),
            ("surrogate in a collection", {"collections": [SURROGATE]}),
            ("time without a zone", {"expires_at": "2100-01-01T00:00:00"}),
            ("no time", {"expires_at": "tomorrow"}),
            ("a time beyond the calendar", {"expires_at": 1e300}),
            ("a time that is NaN", {"expires_at": float("nan")}),
        ]
    ),
    as_json("key: past", "/v1/keys", {"expires_at": "2000-01-01T00:00:00Z"}, code="invalid_expiry"),
    Case("key: other collection", "POST", "/v1/keys", 404, "", {"collections": ["nope"]}),
    Case("key: unknown", "DELETE", "/v1/keys/nope", 404, "key_not_found"),
]


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Service]:
    """A service that takes bodies of 2 MiB, with one document in the collection `help`."""
    settings = Settings(
        data=tmp_path_factory.mktemp("bad"), model=str(jina_v3), max_body_bytes=MAX_BODY_BYTES
    )
    with open_service(settings) as opened:
        opened.new_collection("help").add({"id": "kept", "text": "Tea."})
        yield opened


@pytest.fixture
def kept(service: Service) -> Iterator[Collection]:
    """The collection `help`, with no more than its one document before and after the test."""
    collection = Collection(service.http, "help")
    yield collection
    for found in collection.page()["documents"]:
        if found["id"] != "kept":
            service.http.delete(collection.document_path(found["id"]))
    for found in service.http.get("/v1/collections").json()["collections"]:
        if found["name"] != "help":
            service.http.delete(
                f"/v1/collections/{found['name']}", params={"confirm": found["name"]}
            )


def check_problem(answer: httpx.Response, status: int) -> Json:
    """Return the problem document of an answer with `status`."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Json = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= problem.keys()
    assert problem["status"] == status
    assert problem["title"] == HTTPStatus(status).phrase
    assert all(isinstance(problem[key], str) and problem[key] for key in ("type", "detail", "code"))
    for error in problem.get("errors", []):
        assert list(error) == ["field", "message"]
    return problem


def test_unknown_path_under_v1_is_told_as_clients_of_openai_read_it(service: Service) -> None:
    answer = service.http.get("/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_request_gets_its_problem_and_changes_nothing(
    service: Service, kept: Collection, case: Case
) -> None:
    answer = case.send(service.http)
    problem = check_problem(answer, case.status)
    assert problem["code"] == case.code or not case.code
    assert case.detail in problem["detail"]
    assert UNSAID not in answer.text
    assert len(answer.content) < 20_000
    assert [document["id"] for document in kept.page()["documents"]] == ["kept"]
    assert [c["name"] for c in service.http.get("/v1/collections").json()["collections"]] == [
        "help"
    ]
    assert kept.found() == {"kept"}


def test_query_past_the_window_is_refused_with_its_count_and_the_limit(service: Service) -> None:
    query = f"{UNSAID} " + "tea " * 8000
    answer = service.http.post("/v1/collections/help/search", json={"query": query})
    problem = check_problem(answer, 422)
    assert problem["code"] == "text_too_long"
    assert "8192" in problem["detail"]
    counts = [int(word) for word in problem["detail"].replace(";", " ").split() if word.isdigit()]
    assert max(counts) > 8192
    assert UNSAID not in answer.text


def test_body_of_unknown_length_over_the_limit_is_refused(
    service: Service, kept: Collection
) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 2):
            yield b"a" * 65536

    answer = service.http.put(
        kept.document_path("new"), content=stream(), headers={"Content-Type": "text/plain"}
    )
    check_problem(answer, 413)
    assert [document["id"] for document in kept.page()["documents"]] == ["kept"]


def test_body_of_exactly_the_limit_is_taken(kept: Collection) -> None:
    # NUL bytes, so that nothing of it is embedded.
    answer = kept.put_file("new", bytes(MAX_BODY_BYTES), "text/plain")
    assert answer.status_code == 202
    assert [error["code"] for error in kept.finish(answer)["errors"]] == ["nul_character"]


@pytest.mark.parametrize(
    "expiry", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999-00:01"]
)
def test_expiry_past_the_end_of_the_calendar_is_refused(service: Service, expiry: str) -> None:
    check_problem(service.http.post("/v1/keys", json={"expires_at": expiry}), 422)


def test_expiry_at_the_end_of_the_calendar_is_kept(service: Service) -> None:
    answer = service.http.post("/v1/keys", json={"expires_at": "9999-12-31T23:59:59Z"})
    assert answer.status_code == 201
    keys = service.http.get("/v1/keys").raise_for_status().json()["keys"]
    assert "9999-12-31T23:59:59Z" in {key["expires_at"] for key in keys}


def test_method_that_is_not_allowed_names_those_that_are(service: Service) -> None:
    answer = service.http.request("PATCH", "/v1/collections")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    ("what", "code", "send"),
    [
        ("NUL in the text", "nul_character", {"text": f"{UNSAID}\x00b"}),
        ("blank text", "empty_document", {"text": " \n\t\u3000"}),
        ("page without text", "empty_document", {"html": "<script>tea()</script>"}),
        ("250 nested elements", "too_deep", {"html": "<div>" * 300 + UNSAID}),
    ],
)
def test_article_that_cannot_be_read_fails_by_name_and_quotes_nothing(
    kept: Collection, what: str, code: str, send: Json
) -> None:
    job = kept.finish(kept.put("unreadable", **send))
    assert [(error["id"], error["code"]) for error in job["errors"]] == [("unreadable", code)]
    assert UNSAID not in json.dumps(job), what
    assert kept.found() == {"kept"}
