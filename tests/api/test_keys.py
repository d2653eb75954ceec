"""Who may do what: every route, scope and collection, and keys from their making to their end."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.db import models
from app.db.backup import write_backup
from app.db.models import Key, utc_now
from app.domain import GenerationState, Progress
from app.errors import FolioError
from app.runtime.generations import describe_generation
from app.runtime.resources import open_resources
from app.services.access.keys import install_admin_key
from app.services.quality.reparse import NOTHING_FOUND
from tests.api.service import (
    FOLIO,
    Collection,
    Json,
    Service,
    folio_environment,
    open_service,
    poll,
    run_server,
)

OPEN = {("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/health")}
COLLECTION = "/v1/collections/{collection}"
BACKUPS = "/v1/backups"
STORE = "/v1/vector_stores/{vector_store_id}"
# Which scope each route needs, said a second time: a mistake in the routes must not repeat here.
NEEDED = {
    ("GET", "/v1/collections"): "read",
    ("POST", "/v1/collections"): "admin",
    ("GET", COLLECTION): "read",
    ("DELETE", COLLECTION): "admin",
    ("GET", f"{COLLECTION}/attributes"): "read",
    ("GET", f"{COLLECTION}/documents"): "read",
    ("POST", f"{COLLECTION}/documents"): "write",
    ("GET", f"{COLLECTION}/documents/{{id}}"): "read",
    ("PUT", f"{COLLECTION}/documents/{{id}}"): "write",
    ("DELETE", f"{COLLECTION}/documents/{{id}}"): "write",
    ("PATCH", f"{COLLECTION}/documents/{{id}}"): "write",
    ("POST", f"{COLLECTION}/delete-documents"): "write",
    ("POST", f"{COLLECTION}/rollback"): "write",
    ("POST", f"{COLLECTION}/search"): "read",
    ("POST", f"{COLLECTION}/context"): "read",
    ("POST", f"{COLLECTION}/explain"): "read",
    ("POST", "/v1/rerank"): "read",
    ("POST", "/v1/embeddings"): "read",
    ("POST", "/v2/rerank"): "read",
    ("POST", "/v2/embed"): "read",
    ("POST", "/v1/embed"): "read",
    ("POST", "/v1/check-api-key"): "read",
    ("POST", "/"): "read",
    ("POST", "/embed"): "read",
    ("POST", "/embed_all"): "read",
    ("POST", "/similarity"): "read",
    ("POST", "/rerank"): "read",
    ("POST", "/tokenize"): "read",
    ("GET", "/info"): "read",
    ("POST", "/api/embed"): "read",
    ("POST", "/api/embeddings"): "read",
    ("POST", "/api/show"): "read",
    ("GET", "/api/tags"): "read",
    ("GET", "/api/ps"): "read",
    ("GET", "/api/version"): "read",
    ("POST", "/v1/dify/retrieval"): "read",
    ("PUT", "/v1/openwebui/process"): "write",
    ("POST", "/v1/openwebui/{collection}/search"): "read",
    ("POST", "/v1/openwebui/{collection}/retrieve"): "read",
    ("GET", "/v1/openwebui/{collection}/openapi.json"): "read",
    ("GET", "/v1/files"): "read",
    ("POST", "/v1/files"): "write",
    ("GET", "/v1/files/{file_id}"): "read",
    ("GET", "/v1/files/{file_id}/content"): "read",
    ("DELETE", "/v1/files/{file_id}"): "write",
    ("GET", "/v1/vector_stores"): "read",
    ("POST", "/v1/vector_stores"): "admin",
    ("GET", STORE): "read",
    ("POST", STORE): "admin",
    ("DELETE", STORE): "admin",
    ("POST", f"{STORE}/search"): "read",
    ("GET", f"{STORE}/files"): "read",
    ("POST", f"{STORE}/files"): "write",
    ("GET", f"{STORE}/files/{{file_id}}"): "read",
    ("POST", f"{STORE}/files/{{file_id}}"): "write",
    ("DELETE", f"{STORE}/files/{{file_id}}"): "write",
    ("GET", f"{STORE}/files/{{file_id}}/content"): "read",
    ("POST", f"{STORE}/file_batches"): "write",
    ("GET", f"{STORE}/file_batches/{{batch_id}}"): "read",
    ("POST", f"{STORE}/file_batches/{{batch_id}}/cancel"): "write",
    ("GET", f"{STORE}/file_batches/{{batch_id}}/files"): "read",
    ("GET", "/v1/models"): "read",
    ("GET", "/v1/models/{id}"): "read",
    ("PATCH", COLLECTION): "admin",
    ("GET", f"{COLLECTION}/statistics"): "read",
    ("POST", f"{COLLECTION}/preflight"): "write",
    ("POST", f"{COLLECTION}/imports"): "write",
    ("GET", f"{COLLECTION}/originals/{{id}}"): "read",
    ("GET", f"{COLLECTION}/jobs"): "read",
    ("POST", f"{COLLECTION}/retry"): "write",
    ("POST", "/v1/jobs/{job_id}/cancel"): "write",
    ("POST", f"{COLLECTION}/reparses"): "admin",
    ("GET", f"{COLLECTION}/reparses/{{reparse_id}}"): "admin",
    ("GET", "/v1/jobs/{job_id}"): "read",
    ("GET", "/v1/jobs/{job_id}/events"): "read",
    ("GET", BACKUPS): "admin",
    ("POST", BACKUPS): "admin",
    ("GET", f"{BACKUPS}/{{backup}}"): "admin",
    ("DELETE", f"{BACKUPS}/{{backup}}"): "admin",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/{key_id}"): "admin",
    ("POST", "/v1/feedback"): "read",
    ("GET", f"{COLLECTION}/golden"): "write",
    ("GET", f"{COLLECTION}/golden/suggestions"): "write",
    ("POST", f"{COLLECTION}/golden"): "write",
    ("PUT", f"{COLLECTION}/golden/{{query_id}}"): "write",
    ("DELETE", f"{COLLECTION}/golden/{{query_id}}"): "write",
    ("GET", f"{COLLECTION}/gaps"): "write",
    ("GET", f"{COLLECTION}/questions"): "write",
    ("GET", f"{COLLECTION}/queries"): "write",
    ("DELETE", f"{COLLECTION}/queries"): "admin",
    ("GET", f"{COLLECTION}/calibration"): "admin",
    ("POST", f"{COLLECTION}/calibration"): "admin",
    ("GET", "/v1/evaluations"): "admin",
    ("POST", "/v1/evaluations"): "admin",
    ("GET", "/v1/evaluations/{evaluation_id}"): "admin",
    ("DELETE", "/v1/evaluations/{evaluation_id}"): "admin",
    ("GET", "/v1/generations"): "admin",
    ("POST", "/v1/generations"): "admin",
    ("POST", "/v1/tunings"): "admin",
    ("GET", "/v1/generations/{generation_id}"): "admin",
    ("POST", "/v1/generations/{generation_id}/rollback"): "admin",
    ("DELETE", "/v1/generations/{generation_id}"): "admin",
}
# Allowed, and refused then for what it asks: a generation that is built would change the service.
REFUSED_LATER = {
    # Nothing works here, so no version was ever ready.
    ("POST", f"{COLLECTION}/rollback"): 409,
    # Without the document that they found.
    ("GET", f"{COLLECTION}/questions"): 422,
    # Nothing was embedded, so there is nothing to measure.
    ("GET", f"{COLLECTION}/calibration"): 404,
    ("POST", f"{COLLECTION}/calibration"): 404,
    # No model is called `a`.
    ("GET", "/v1/models/{id}"): 404,
    # Without a file.
    ("PUT", "/v1/openwebui/process"): 422,
    # Without a form.
    ("POST", "/v1/files"): 415,
    # No query of that id was logged.
    ("POST", "/v1/feedback"): 404,
    ("POST", "/v1/generations"): 422,
    ("POST", "/v1/tunings"): 422,
    # Only http and https are fetched.
    ("POST", f"{COLLECTION}/imports"): 422,
    ("POST", "/v1/generations/{generation_id}/rollback"): 409,
    # It holds a document, and its name was not repeated.
    ("DELETE", COLLECTION): 409,
}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/v2/rerank"): {"query": "tea", "documents": ["tea"]},
    ("POST", "/v2/embed"): {"texts": ["tea"], "input_type": "search_query"},
    ("POST", "/v1/embed"): {"texts": ["tea"]},
    ("POST", "/"): {"inputs": "tea"},
    ("POST", "/embed"): {"inputs": "tea"},
    ("POST", "/embed_all"): {"inputs": "tea"},
    ("POST", "/similarity"): {"inputs": {"source_sentence": "tea", "sentences": ["milk"]}},
    ("POST", "/rerank"): {"query": "tea", "texts": ["tea"]},
    ("POST", "/tokenize"): {"inputs": "tea"},
    ("POST", "/api/embed"): {"model": "", "input": "tea"},
    ("POST", "/api/embeddings"): {"model": "", "prompt": "tea"},
    ("POST", "/api/show"): {"model": ""},
    ("POST", "/v1/dify/retrieval"): {"knowledge_id": "own", "query": "tea"},
    ("POST", "/v1/openwebui/{collection}/search"): {"query": "tea"},
    ("POST", "/v1/openwebui/{collection}/retrieve"): {"query": "tea"},
    ("POST", "/v1/collections"): {"name": "made"},
    ("POST", f"{COLLECTION}/documents"): {"documents": [{"id": "b", "text": "Tea."}]},
    ("PUT", f"{COLLECTION}/documents/{{id}}"): {"text": "Tea."},
    ("POST", f"{COLLECTION}/search"): {"query": "tea"},
    ("POST", "/v1/vector_stores"): {"name": "made"},
    ("POST", STORE): {"metadata": {"team": "care"}},
    ("POST", f"{STORE}/search"): {"query": "tea"},
    ("POST", f"{STORE}/files"): {"file_id": "{file_id}"},
    ("POST", f"{STORE}/files/{{file_id}}"): {"attributes": {"year": 2025}},
    ("POST", f"{STORE}/file_batches"): {"file_ids": ["{file_id}"]},
    ("POST", f"{COLLECTION}/context"): {"query": "tea", "max_tokens": 99},
    ("POST", f"{COLLECTION}/explain"): {"query": "tea", "document_id": "a"},
    ("POST", f"{COLLECTION}/rollback"): {"document_id": "a", "version": 1},
    ("POST", f"{COLLECTION}/retry"): {"document_ids": ["a"]},
    ("PATCH", f"{COLLECTION}/documents/{{id}}"): {"url": "https://example.com/tea"},
    ("POST", f"{COLLECTION}/delete-documents"): {
        "filters": {"type": "eq", "key": "$id", "value": "a"}
    },
    ("POST", "/v1/embeddings"): {"input": "tea"},
    ("POST", "/v1/rerank"): {"query": "tea", "documents": ["tea"]},
    ("PATCH", COLLECTION): {"description": "Told anew"},
    ("POST", f"{COLLECTION}/imports"): {"url": "ftp://127.0.0.1/"},
    ("POST", f"{COLLECTION}/preflight"): {"id": "b.txt", "data": "VGVhLg=="},
    ("POST", f"{COLLECTION}/reparses"): {},
    ("POST", BACKUPS): {},
    ("POST", "/v1/keys"): {"name": "made"},
    ("POST", "/v1/feedback"): {"query_id": "none", "helpful": True},
    ("POST", f"{COLLECTION}/golden"): {"queries": [{"query": "tea", "relevant": ["a"]}]},
    ("PUT", f"{COLLECTION}/golden/{{query_id}}"): {"query": "teas", "relevant": []},
    ("POST", f"{COLLECTION}/calibration"): {"queries": []},
    ("POST", "/v1/evaluations"): {
        "collection": "own",
        "queries": [{"query": "tea", "relevant": ["a"]}],
    },
    ("POST", "/v1/generations"): {"dimensions": 16},
    ("POST", "/v1/tunings"): {"collection": "own"},
}
# The file is named in the body: what a key may write is looked up with it.
FILES = {operation for operation in NEEDED if operation[1].startswith("/v1/files")}
FILES.add(("PUT", "/v1/openwebui/process"))
SCOPES = ["read", "write", "admin"]
COVERED = {"all": None, "own": ["own"], "other": ["other"], "both": ["other", "own"]}


@dataclass(frozen=True)
class Guarded:
    """A service that wants keys, and one of each kind: by (scope, what it covers)."""

    service: Service
    admin: httpx.Client
    keys: dict[tuple[str, str], str]

    def ask(self, method: str, path: str, key: str | None, body: Json | None) -> httpx.Response:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if path.endswith("/events"):
            # Only how it begins: nothing works here that would end the job.
            with self.service.http.stream(method, path, headers=headers) as begun:
                return begun
        return self.service.http.request(method, path, headers=headers, json=body)

    def restore(self) -> Json:
        """Have `own` and `other` with a document each; returns (job id, id of a spare key)."""
        ids = {}
        for name in ("own", "other"):
            if self.admin.get(f"/v1/collections/{name}").status_code == 404:
                assert self.admin.post("/v1/collections", json={"name": name}).is_success
                # Keys end with their collection, so those that cover it are made again.
                for (scope, covers), _ in list(self.keys.items()):
                    if name in (COVERED[covers] or []):
                        self.keys[scope, covers] = self.make_key(scope, COVERED[covers])
        for name in ("own", "other"):
            put = self.admin.put(f"/v1/collections/{name}/documents/a", json={"text": "Tea."})
            assert put.is_success
            ids[name] = put.json()["job_id"]
        self.admin.delete("/v1/collections/made?confirm=made")
        return ids

    def names(self, jobs: Json) -> dict[str, Any]:
        """Return what stands in paths and bodies for the parts of `own`."""
        return {
            "collection": "own",
            "vector_store_id": "own",
            "file_id": self.find_file("own"),
            "batch_id": f"vsfb_{jobs['own']}",
            "id": "a",
            "job_id": jobs["own"],
            "key_id": self.make_key("read", None).split("_")[1],
            "evaluation_id": self.make_evaluation(),
            "reparse_id": self.make_reparse(),
            "generation_id": self.make_generation(),
            "query_id": self.make_golden(),
            "backup": self.make_backup(),
        }

    def make_backup(self) -> str:
        """Return the name of a backup."""
        data, name = self.service.resources.settings.data, "kb.folio"
        file = data / "backups" / name
        if not self.service.resources.database.is_shared and not file.exists():
            file.parent.mkdir(exist_ok=True)
            write_backup(data, file, keep_days=1)
        return name

    def make_golden(self) -> int:
        """Return the id of the one question of the golden set of `own`."""
        path = "/v1/collections/own/golden"
        for query in self.admin.get(path).json()["queries"]:
            assert self.admin.delete(f"{path}/{query['id']}").is_success
        body = {"queries": [{"query": "milk", "relevant": ["a"]}]}
        assert self.admin.post(path, json=body).is_success
        return int(self.admin.get(path).json()["queries"][0]["id"])

    def find_file(self, name: str) -> str:
        """Return the id by which the document of a collection is a file."""
        listed = self.admin.get(f"/v1/vector_stores/{name}/files").json()
        return str(listed["data"][0]["id"])

    def make_evaluation(self) -> str:
        """Return the id of an evaluation that is done."""
        with self.service.resources.database.write() as session:
            own = select(models.Collection.id).where(models.Collection.name == "own")
            row = models.EvaluationRow(
                id=uuid4().hex,
                collection_id=session.scalars(own).one(),
                status=Progress.DONE,
                request={},
                result={},
            )
            session.add(row)
            return row.id

    def make_reparse(self) -> str:
        """Return the id of a reparse that is done; so are the others, which nothing works on."""
        with self.service.resources.database.write() as session:
            session.execute(update(models.ReparseRow).values(status=Progress.DONE))
            own = select(models.Collection.id).where(models.Collection.name == "own")
            row = models.ReparseRow(
                id=uuid4().hex,
                collection_id=session.scalars(own).one(),
                status=Progress.DONE,
                applies=False,
                golden={"queries": []},
                found=NOTHING_FOUND,
            )
            session.add(row)
            return row.id

    def make_generation(self) -> int:
        """Return the id of a generation that nothing came of."""
        resources = self.service.resources
        with resources.database.write() as session:
            row = describe_generation(
                resources.generations.live().checkpoint(),
                resources.settings,
                engine="",
                is_live=False,
            )
            row.state = GenerationState.FAILED
            session.add(row)
            session.flush()
            return row.id

    def make_key(self, scope: str, collections: list[str] | None, **more: object) -> str:
        made = self.admin.post(
            "/v1/keys", json={"scope": scope, "collections": collections, **more}
        )
        assert made.status_code == 201, made.text
        return str(made.json()["key"])


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "admin.key"
    file.write_text(token_hex(32))
    settings = Settings(data=folder / "data", model=str(jina_v3))
    with open_service(settings, requires_keys=True, works=False) as opened:
        install_admin_key(opened.resources.database, file)
        headers = {"Authorization": f"Bearer {file.read_text()}"}
        with httpx.Client(base_url=opened.url, headers=headers, timeout=60.0) as admin:
            guarded = Guarded(opened, admin, {})
            guarded.restore()
            for scope, covers in product(SCOPES, COVERED):
                guarded.keys[scope, covers] = guarded.make_key(scope, COVERED[covers])
            yield guarded


def operations(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (method, path template) of everything in the OpenAPI document."""
    for path, methods in service.app.openapi()["paths"].items():
        for method in methods:
            yield method.upper(), path


def body_of(operation: tuple[str, str], names: dict[str, Any]) -> Json | None:
    """Return the body of an operation with the file that it names."""
    body = json.dumps(BODIES.get(operation)).replace("{file_id}", names["file_id"])
    made: Json | None = json.loads(body)
    return made


# The matrix


def test_every_route_of_the_interface_has_a_line_in_the_matrix(guarded: Guarded) -> None:
    assert set(operations(guarded.service)) == OPEN | NEEDED.keys()


def test_every_route_says_in_the_schema_whether_it_needs_a_key(guarded: Guarded) -> None:
    document = guarded.service.app.openapi()
    for method, path in operations(guarded.service):
        operation = document["paths"][path][method.lower()]
        wanted: list[dict[str, list[str]]] = [] if (method, path) in OPEN else [{"key": []}]
        assert operation.get("security", []) == wanted, (method, path)


def expect(operation: tuple[str, str], scope: str | None, covers: str) -> int | None:
    """Return the status that refuses the operation on the collection `own`, None if allowed."""
    if operation in OPEN:
        return None
    if scope is None:
        return 401
    covered = COVERED[covers]
    if operation == ("POST", "/v1/dify/retrieval"):
        # The body names it.
        return 404 if covered is not None and "own" not in covered else None
    has_collection = bool(re.search(r"\{(collection|vector_store_id|job_id)\}", operation[1]))
    if operation in FILES:
        if SCOPES.index(scope) < SCOPES.index(NEEDED[operation]):
            return 403
        names_file = "{file_id}" in operation[1]
        return 404 if names_file and covered is not None and "own" not in covered else None
    if has_collection and covered is not None and "own" not in covered:
        return 404
    if SCOPES.index(scope) < SCOPES.index(NEEDED[operation]):
        return 403
    if not has_collection and covered is not None and NEEDED[operation] != "read":
        return 403
    return None


def test_each_key_may_do_exactly_what_its_scope_and_collections_say(guarded: Guarded) -> None:
    wrong = []
    asked = 0
    database = guarded.service.resources.database
    callers: list[tuple[str | None, str]] = [(None, "none"), *product(SCOPES, COVERED)]
    for operation, (scope, covers) in product(operations(guarded.service), callers):
        names = guarded.names(guarded.restore())
        key = None if scope is None else guarded.keys[scope, covers]
        answer = guarded.ask(
            operation[0], operation[1].format(**names), key, body_of(operation, names)
        )
        asked += 1
        expected = expect(operation, scope, covers)
        expected = REFUSED_LATER.get(operation) if expected is None else expected
        if expected is None and operation[1].startswith(BACKUPS) and database.is_shared:
            # PostgreSQL has tools of its own for them.
            expected = 422
        right = answer.is_success if expected is None else answer.status_code == expected
        if not right:
            wrong.append((*operation, scope, covers, answer.status_code, expected))
    assert wrong == []
    assert asked == len(OPEN | NEEDED.keys()) * 13


def test_refused_request_changes_nothing(guarded: Guarded) -> None:
    guarded.restore()

    def state() -> list[Json]:
        paths = ["/v1/collections", "/v1/collections/own/documents", "/v1/keys"]
        shown: list[Json] = [guarded.admin.get(path).json() for path in paths]
        for key in shown[-1]["keys"]:
            # It is noted now and then, of whoever asks here too.
            del key["last_used_at"]
        return shown

    before = state()
    spare = guarded.admin.get("/v1/keys").json()["keys"][-1]["id"]
    for operation in NEEDED:
        path = operation[1].format(
            collection="own",
            id="a",
            job_id="x",
            key_id=spare,
            evaluation_id="x",
            reparse_id="x",
            generation_id=1,
            query_id=1,
            vector_store_id="own",
            file_id=guarded.find_file("own"),
            batch_id="vsfb_x",
            backup="kb.folio",
        )
        guarded.ask(operation[0], path, None, BODIES.get(operation))
        guarded.ask(operation[0], path, guarded.keys["admin", "other"], BODIES.get(operation))
        if NEEDED[operation] != "read":
            guarded.ask(operation[0], path, guarded.keys["read", "own"], BODIES.get(operation))
    assert state() == before


def test_collection_of_others_is_answered_like_one_that_does_not_exist(guarded: Guarded) -> None:
    guarded.restore()
    key = guarded.keys["admin", "own"]
    for operation in NEEDED:
        if not re.search(r"\{(collection|vector_store_id)\}", operation[1]):
            continue
        answers = []
        for name in ("other", "nope"):
            path = operation[1].format(
                collection=name,
                vector_store_id=name,
                id="a",
                file_id="x",
                batch_id="x",
                reparse_id="x",
                query_id=1,
            )
            answer = guarded.ask(operation[0], path, key, BODIES.get(operation))
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


def test_search_reaches_no_further_collection_than_the_key_does(guarded: Guarded) -> None:
    guarded.restore()
    bodies: dict[str, Json] = {"search": {}, "context": {"max_tokens": 99}}
    for scope, route in product(SCOPES, bodies):
        answers = []
        for name in ("other", "nope"):
            body = {"query": "tea", "also_in": [name], **bodies[route]}
            key = guarded.keys[scope, "own"]
            answer = guarded.ask("POST", f"/v1/collections/own/{route}", key, body)
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


def test_key_of_one_collection_lists_neither_others_nor_their_jobs(guarded: Guarded) -> None:
    jobs = guarded.restore()
    for scope in SCOPES:
        key = guarded.keys[scope, "own"]
        listed = guarded.ask("GET", "/v1/collections", key, None).json()["collections"]
        assert [collection["name"] for collection in listed] == ["own"]
        assert guarded.ask("GET", f"/v1/jobs/{jobs['own']}", key, None).status_code == 200
        foreign = guarded.ask("GET", f"/v1/jobs/{jobs['other']}", key, None)
        unknown = guarded.ask("GET", "/v1/jobs/nope", key, None)
        assert (foreign.status_code, foreign.json()) == (404, unknown.json())


def test_key_does_not_pass_to_a_collection_that_takes_the_name_of_an_erased_one(
    guarded: Guarded,
) -> None:
    guarded.admin.post("/v1/collections", json={"name": "short"})
    key = guarded.make_key("admin", ["short"])
    assert guarded.ask("GET", "/v1/collections/short", key, None).status_code == 200
    erased = guarded.ask("DELETE", "/v1/collections/short?confirm=short", key, None)
    assert erased.status_code == 200
    guarded.admin.post("/v1/collections", json={"name": "short"})
    assert guarded.ask("GET", "/v1/collections/short", key, None).status_code == 404
    assert guarded.ask("GET", "/v1/collections", key, None).json()["collections"] == []
    guarded.admin.delete("/v1/collections/short?confirm=short")


# The key comes before the body


def send_head(url: str, method: str, path: str, *headers: str) -> bytes:
    """Send a request's head and no body; returns the first line of the answer and its headers."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=10) as connection:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection.recv(4096)


@pytest.mark.parametrize(
    "length",
    [
        ("Content-Length: 1000000",),
        ("Transfer-Encoding: chunked",),
        ("Content-Length: 1000000", "Expect: 100-continue"),
    ],
    ids=["announced", "streamed", "after 100-continue"],
)
@pytest.mark.parametrize(
    ("kind", "status"),
    [(None, 401), ("garbage", 401), (("read", "own"), 403), (("admin", "other"), 404)],
    ids=["no key", "garbage", "read", "other collection"],
)
def test_refusal_comes_before_the_body_is_read(
    guarded: Guarded,
    kind: tuple[str, str] | str | None,
    status: int,
    length: tuple[str, ...],
) -> None:
    guarded.restore()
    headers = ["Content-Type: application/json", *length]
    if kind is not None:
        key = kind if isinstance(kind, str) else guarded.keys[kind]
        headers.append(f"Authorization: Bearer {key}")
    for method, path in [
        ("PUT", "/v1/collections/own/documents/a"),
        ("POST", "/v1/collections/own/documents"),
    ]:
        answer = send_head(guarded.service.url, method, path, *headers)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_form_is_not_read_without_a_key(guarded: Guarded) -> None:
    answer = send_head(
        guarded.service.url,
        "POST",
        "/v1/collections/own/documents",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 1000000",
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_bad_body_without_a_key_is_unauthorized_and_not_invalid(guarded: Guarded) -> None:
    for operation, body in BODIES.items():
        path = operation[1].format(
            collection="own", id="a", query_id="1", vector_store_id="own", file_id="x", batch_id="x"
        )
        answer = guarded.ask(operation[0], path, "garbage", {"unknown": body})
        assert answer.status_code == 401


# The life of a key


def test_key_is_shown_once_and_then_only_described(guarded: Guarded) -> None:
    made = guarded.admin.post(
        "/v1/keys", json={"name": "chatbot", "scope": "write", "collections": ["own"]}
    ).json()
    secret = made.pop("key")
    assert re.fullmatch(r"folio_[a-z0-9]+_[A-Za-z0-9_-]{43}", secret)
    assert made["id"] == secret.split("_")[1]
    assert (made["name"], made["scope"], made["collections"]) == ("chatbot", "write", ["own"])
    assert (made["expires_at"], made["revoked_at"]) == (None, None)
    listed = guarded.admin.get("/v1/keys")
    assert made in listed.json()["keys"]
    assert secret.split("_", 2)[2] not in listed.text


def test_two_keys_are_never_alike(guarded: Guarded) -> None:
    keys = {guarded.make_key("read", None) for _ in range(20)}
    assert len({key.split("_", 2)[1] for key in keys}) == 20
    assert len({key.split("_", 2)[2] for key in keys}) == 20


def test_revoked_key_is_refused_at_the_next_request(guarded: Guarded) -> None:
    key = guarded.make_key("read", None)
    assert guarded.ask("GET", "/v1/collections", key, None).status_code == 200
    revoked = guarded.admin.delete(f"/v1/keys/{key.split('_')[1]}")
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"] is not None
    check_refused(guarded, f"Bearer {key}")
    again = guarded.admin.delete(f"/v1/keys/{key.split('_')[1]}")
    assert again.json() == revoked.json()


def test_expired_key_is_refused(guarded: Guarded) -> None:
    expiry = datetime.now(UTC) + timedelta(days=1)
    key = guarded.make_key("read", None, expires_at=expiry.isoformat())
    assert guarded.ask("GET", "/v1/collections", key, None).status_code == 200
    with guarded.service.resources.database.write() as session:
        session.get_one(Key, key.split("_")[1]).expires_at = utc_now()
    check_refused(guarded, f"Bearer {key}")


def test_key_with_a_later_expiry_works(guarded: Guarded) -> None:
    expiry = datetime.now(UTC) + timedelta(days=1)
    key = guarded.make_key("read", None, expires_at=expiry.isoformat())
    assert guarded.ask("GET", "/v1/collections", key, None).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer garbage",
        "Bearer folio_",
        "Bearer folio__",
        "Bearer folio_operator_" + "a" * 43,
        "Bearer operator",
        "Bearer " + "x" * 8000,
        "Bearer ' OR 1=1 --",
        "Bearer \xe9\xff",
        "ID {id}",
        "Bearer {id}",
        "Bearer folio_{id}_" + "a" * 43,
        "Bearer folio_{id}_",
        "Bearer {key}x",
        "Bearer {key} {key}",
        "Basic {key}",
        "{key}",
    ],
)
def test_anything_but_a_valid_key_is_refused(guarded: Guarded, header: str) -> None:
    key = guarded.keys["admin", "all"]
    check_refused(guarded, header.format(key=key, id=key.split("_")[1]))


def check_refused(guarded: Guarded, header: str) -> None:
    answer = guarded.service.http.get(
        "/v1/collections", headers={b"Authorization": header.encode("latin-1")}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"
    token = header.rpartition(" ")[2]
    assert len(token) < 8 or token not in answer.text


def test_scheme_is_read_in_any_case(guarded: Guarded) -> None:
    key = guarded.keys["read", "all"]
    for scheme in ("bearer", "BEARER", "Bearer "):
        answer = guarded.service.http.get(
            "/v1/collections", headers={"Authorization": f"{scheme} {key}"}
        )
        assert answer.status_code == 200


# PostgreSQL's files are not in it.
@pytest.mark.data_folder
def test_no_part_of_a_secret_is_in_the_data_folder(guarded: Guarded) -> None:
    keys = [*guarded.keys.values(), guarded.admin.headers["authorization"].partition(" ")[2]]
    folder = guarded.service.resources.settings.data
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"own" in stored
    for key in keys:
        secret = key.rpartition("_")[2] if key.count("_") == 2 else key.split("_", 2)[-1]
        assert secret[:16].encode() not in stored
        assert key.encode() not in stored


# The admin key file


def test_key_of_the_file_is_replaced_when_the_file_changes(tmp_path: Path, jina_v3: Path) -> None:
    file = tmp_path / "admin.key"
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    tokens = [
        f"folio_first_{token_urlsafe(32)}",
        token_hex(16),
        "any;secret:of-32-characters!&more",
        f"folio_second_{token_urlsafe(32)}",
        f"folio_second_{token_urlsafe(32)}",
    ]
    with open_service(settings, requires_keys=True, works=False, loads=False) as opened:

        def status_of(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return opened.http.get("/v1/keys", headers=headers).status_code

        for position, token in enumerate(tokens):
            # Some editors begin a file with a mark of its encoding.
            file.write_text(f"{token}\n", encoding="utf-8-sig" if position % 2 else "utf-8")
            install_admin_key(opened.resources.database, file)
            # A restart with the same file changes nothing.
            install_admin_key(opened.resources.database, file)
            expected = [200 if other == position else 401 for other in range(len(tokens))]
            assert [status_of(other) for other in tokens] == expected
        listed = opened.http.get("/v1/keys", headers={"Authorization": f"Bearer {tokens[-1]}"})
        assert [key["scope"] for key in listed.json()["keys"]] == ["admin"]


def test_other_keys_outlive_a_change_of_the_file(tmp_path: Path, jina_v3: Path) -> None:
    file = tmp_path / "admin.key"
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, requires_keys=True, works=False, loads=False) as opened:
        file.write_text(token_hex(32))
        install_admin_key(opened.resources.database, file)
        headers = {"Authorization": f"Bearer {file.read_text()}"}
        made = opened.http.post("/v1/keys", headers=headers, json={"scope": "read"}).json()
        file.write_text(token_hex(32))
        install_admin_key(opened.resources.database, file)
        mine = {"Authorization": f"Bearer {made['key']}"}
        assert opened.http.get("/v1/collections", headers=mine).status_code == 200


def test_key_of_the_file_that_was_revoked_stays_revoked(tmp_path: Path, jina_v3: Path) -> None:
    file = tmp_path / "admin.key"
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, requires_keys=True, works=False, loads=False) as opened:
        file.write_text(token_hex(32))
        install_admin_key(opened.resources.database, file)
        headers = {"Authorization": f"Bearer {file.read_text()}"}
        (key,) = opened.http.get("/v1/keys", headers=headers).json()["keys"]
        assert opened.http.delete(f"/v1/keys/{key['id']}", headers=headers).status_code == 200
        install_admin_key(opened.resources.database, file)
        assert opened.http.get("/v1/keys", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"a" * 31,
        b"two words " + b"a" * 40,
        b"a" * 20 + b"\n" + b"b" * 20,
        b"\xff" * 40,
    ],
)
def test_weak_or_unreadable_key_file_is_refused_without_quoting_it(
    tmp_path: Path, jina_v3: Path, content: bytes
) -> None:
    file = tmp_path / "admin.key"
    file.write_bytes(content)
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_resources(settings) as resources:
        with pytest.raises(FolioError) as caught:
            install_admin_key(resources.database, file)
        assert str(file) in str(caught.value)
        assert len(content) < 6 or content.decode("latin-1") not in str(caught.value)


# `folio serve`


def serve_and_expect_refusal(data: Path, *arguments: str, **variables: str | Path) -> str:
    """Run `folio serve`, which must end at once with 1; returns what it said."""
    ended = subprocess.run(
        [FOLIO, "serve", "--data", str(data), *arguments],
        env=folio_environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.split())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  # what must be refused
def test_server_that_can_be_reached_from_outside_does_not_start_without_keys(
    tmp_path: Path, jina_v3: Path, host: str
) -> None:
    said = serve_and_expect_refusal(tmp_path, "--host", host, "--port", "1", FOLIO_MODEL=jina_v3)
    assert said.startswith(f"error: {host} can be reached from outside")
    assert "folio keys create --scope admin" in said
    assert "FOLIO_ADMIN_KEY_FILE" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "folio.example"])  # noqa: S104
def test_server_that_can_be_reached_from_outside_always_wants_keys(
    tmp_path: Path, jina_v3: Path, host: str
) -> None:
    said = serve_and_expect_refusal(
        tmp_path, "--host", host, "--port", "1", "--no-auth", FOLIO_MODEL=jina_v3
    )
    assert "--no-auth" in said
    assert host in said
    assert "loopback" in said


def test_server_refuses_a_short_admin_key(tmp_path: Path, jina_v3: Path) -> None:
    file = tmp_path / "admin.key"
    file.write_text("hunter2hunter2")
    said = serve_and_expect_refusal(
        tmp_path / "data", FOLIO_MODEL=jina_v3, FOLIO_ADMIN_KEY_FILE=file
    )
    assert "at least 32 characters" in said
    assert "hunter2" not in said


def test_running_server_takes_the_key_of_its_file_and_logs_no_key(
    tmp_path: Path, jina_v3: Path
) -> None:
    file = tmp_path / "admin.key"
    token = f"folio_root_{token_urlsafe(32)}"
    file.write_text(token)
    environment = folio_environment(FOLIO_MODEL=jina_v3, FOLIO_ADMIN_KEY_FILE=file)
    log = tmp_path / "log"
    wrong = token_urlsafe(32)
    with run_server(tmp_path / "data", log=log, environment=environment) as server:
        poll(server.is_ready, bool)
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60.0) as http:
            made = http.post("/v1/keys", json={"scope": "read"}).json()["key"]
            collection = Collection(http, "help")
            http.post("/v1/collections", json={"name": "help"})
            collection.add({"id": "a", "text": "Tea with zanzibar7431."})
            assert collection.found("zanzibar7431") == {"a"}
            http.post("/v1/collections/help/search", json={"query": "zanzibar7431", "x": 1})
            for secret in (wrong, made):
                http.get("/v1/keys", headers={"Authorization": f"Bearer {secret}"})
                http.get(f"/v1/collections/{secret}")
        assert httpx.get(f"{server.url}/v1/keys").status_code == 401
        written = log.read_text(encoding="utf-8")
        assert "answers" in written
        for secret in (token, wrong, made, made.split("_", 2)[2], "zanzibar7431"):
            assert secret not in written
        stored = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
        for secret in (token.split("_", 2)[2], made.split("_", 2)[2], wrong):
            assert secret.encode() not in stored
