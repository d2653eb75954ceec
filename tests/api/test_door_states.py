"""Doors and keys in any order: each door answers with what its key covers, and with all of that.

`FOLIO_TEST_DOOR_STEPS=10000` runs the long form (`make doors`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from os import environ
from pathlib import Path
from typing import Any, ClassVar

import httpx
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key
from tests.api.service import Json, Service, open_service, poll

STEPS = int(environ.get("FOLIO_TEST_DOOR_STEPS", "100"))
NAMES = ("left", "right")
OTHER = {"left": "right", "right": "left"}
IDS = ("a", "b", "c")
MAX_FILES = 4
QUERY = "tea"

names = st.sampled_from(NAMES)
ids = st.sampled_from(IDS)
whose = st.sampled_from(["own", "admin"])
picks = st.integers(0, 99)


@dataclass(slots=True)
class StoredFile:
    name: str
    text: str
    uploader: str
    """The collection of the key that uploaded it, or `admin`."""


@dataclass(slots=True)
class Shelf:
    """What a collection should hold: texts by document id, and the files that some are made of."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Ids of files by document id."""


@dataclass(frozen=True, slots=True)
class Client:
    """A caller with one key."""

    http: httpx.Client
    key: str

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        answer = self.http.request(method, path, headers=headers, **options)
        assert answer.status_code < 500, (method, path, answer.text)
        return answer

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.send(method, path, **options)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    def call(self, tool: str, **arguments: object) -> Json:
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        }
        return dict(self.ask("POST", "/mcp", json=request)["result"])


# Each returns the texts that a door finds in a collection.


def find_native(client: Client, name: str) -> set[str]:
    body = {"query": QUERY, "limit": 100}
    found = client.ask("POST", f"/v1/collections/{name}/search", json=body)
    return {hit["passages"][0]["text"] for hit in found["results"]}


def find_in_store(client: Client, name: str) -> set[str]:
    body = {"query": QUERY, "max_num_results": 50}
    found = client.ask("POST", f"/v1/vector_stores/{name}/search", json=body)
    return {hit["content"][0]["text"] for hit in found["data"]}


def find_by_dify(client: Client, name: str) -> set[str]:
    setting = {"top_k": 100, "score_threshold": 0.0}
    body = {"knowledge_id": name, "query": QUERY, "retrieval_setting": setting}
    return {
        record["content"]
        for record in client.ask("POST", "/v1/dify/retrieval", json=body)["records"]
    }


def find_by_open_webui(client: Client, name: str) -> set[str]:
    body = {"query": QUERY, "count": 50}
    found = client.ask("POST", f"/v1/openwebui/{name}/search", json=body)
    return {result["snippet"] for result in found}


def find_by_mcp(client: Client, name: str) -> set[str]:
    found = client.call("search", query=QUERY, collection=name, limit=50)
    ids = [one["id"] for one in found["structuredContent"]["results"]]
    return {client.call("fetch", id=id_)["structuredContent"]["text"] for id_ in ids}


DOORS: tuple[Callable[[Client, str], set[str]], ...] = (
    find_native,
    find_in_store,
    find_by_dify,
    find_by_open_webui,
    find_by_mcp,
)


class Doors(RuleBasedStateMachine):
    """Two collections, each with a key of its own, and an admin; beside them plain dictionaries."""

    steps: ClassVar[int] = 0
    numbers: ClassVar["count[int]"] = count()

    def __init__(self, http: httpx.Client, keys: dict[str, str]) -> None:
        super().__init__()
        self.admin = Client(http, keys["admin"])
        self.own = {name: Client(http, keys[name]) for name in NAMES}
        self.shelves = {name: Shelf() for name in NAMES}
        self.files: dict[str, StoredFile] = {}

    def teardown(self) -> None:
        for file in self.admin.ask("GET", "/v1/files")["data"]:
            self.admin.ask("DELETE", f"/v1/files/{file['id']}")

    # What callers do

    @rule(name=names, document_id=ids, caller=whose)
    def put(self, name: str, document_id: str, caller: str) -> None:
        text = self._new_text(name)
        path = f"/v1/collections/{name}/documents/{document_id}"
        self._caller(name, caller).ask("PUT", path, json={"text": text})
        self.shelves[name].texts[document_id] = text
        self._wait(name)

    @rule(name=names, caller=whose, in_batch=st.booleans())
    def upload_file(self, name: str, caller: str, *, in_batch: bool) -> None:
        if len(self.files) >= MAX_FILES:
            return
        client, text = self._caller(name, caller), self._new_text(name)
        filename = f"{next(self.numbers)}.txt"
        form = {"files": {"file": (filename, text.encode())}, "data": {"purpose": "assistants"}}
        file_id = client.ask("POST", "/v1/files", **form)["id"]
        self.files[file_id] = StoredFile(filename, text, name if caller == "own" else "admin")
        # Another key cannot put it anywhere before a collection of its own holds it.
        foreign = self.own[OTHER[name]]
        path = f"/v1/vector_stores/{OTHER[name]}/files"
        assert foreign.send("POST", path, json={"file_id": file_id}).status_code == 404
        self._attach(client, name, file_id, in_batch=in_batch)

    @rule(name=names, pick=picks, in_batch=st.booleans())
    def share_file(self, name: str, pick: int, *, in_batch: bool) -> None:
        if self.files:
            self._attach(self.admin, name, sorted(self.files)[pick % len(self.files)], in_batch)

    @rule(name=names, pick=picks, caller=whose)
    def detach_file(self, name: str, pick: int, caller: str) -> None:
        shelf = self.shelves[name]
        if not shelf.files:
            return
        document_id = sorted(shelf.files)[pick % len(shelf.files)]
        file_id = shelf.files[document_id]
        path = f"/v1/vector_stores/{name}/files/{file_id}"
        self._caller(name, caller).ask("DELETE", path)
        self._forget(name, document_id)
        assert self.admin.send("GET", f"/v1/files/{file_id}").is_success

    @rule(name=names, pick=picks, caller=whose)
    def delete_document(self, name: str, pick: int, caller: str) -> None:
        shelf = self.shelves[name]
        if not shelf.texts:
            return
        document_id = sorted(shelf.texts)[pick % len(shelf.texts)]
        file_id = shelf.files.get(document_id)
        path = f"/v1/collections/{name}/documents/{document_id}"
        self._caller(name, caller).ask("DELETE", path)
        self._forget(name, document_id)
        if file_id is not None and file_id not in self.shelves[OTHER[name]].files.values():
            del self.files[file_id]

    @rule(pick=picks)
    def delete_file(self, pick: int) -> None:
        """By the admin: whatever is a file, those that came as documents as well."""
        listed = self.admin.ask("GET", "/v1/files")["data"]
        if not listed:
            return
        chosen = sorted(listed, key=lambda file: str(file["id"]))[pick % len(listed)]
        text = self.admin.send("GET", f"/v1/files/{chosen['id']}/content").text
        self.admin.ask("DELETE", f"/v1/files/{chosen['id']}")
        self.files.pop(chosen["id"], None)
        for name, shelf in self.shelves.items():
            for document_id in [id_ for id_, stored in shelf.texts.items() if stored == text]:
                self._forget(name, document_id)

    @rule(name=names, pick=picks)
    def intrude(self, name: str, pick: int) -> None:
        """With the key of one collection into the other one, through each door."""
        client, theirs = self.own[name], OTHER[name]
        answers = [
            client.send("POST", f"/v1/collections/{theirs}/search", json={"query": QUERY}),
            client.send("POST", f"/v1/vector_stores/{theirs}/search", json={"query": QUERY}),
            client.send("POST", f"/v1/openwebui/{theirs}/search", json={"query": QUERY}),
            client.send(
                "POST", "/v1/dify/retrieval", json={"knowledge_id": theirs, "query": QUERY}
            ),
            client.send("DELETE", f"/v1/collections/{theirs}/documents/{IDS[pick % len(IDS)]}"),
        ]
        hidden = sorted(set(self.files) - self._visible_files(name))
        for file_id in hidden:
            path = f"/v1/files/{file_id}"
            answers += [client.send("GET", f"{path}/content"), client.send("DELETE", path)]
        assert {answer.status_code for answer in answers} == {404}
        for document_id in sorted(self.shelves[theirs].texts):
            told = client.call("fetch", id=f"{theirs}/{document_id}")
            assert told["isError"], told
        assert client.call("retrieve", query=QUERY, collection=theirs)["isError"]

    # What must hold after each of them

    @invariant()
    def every_door_finds_what_its_key_covers_and_nothing_else(self) -> None:
        type(self).steps += 1
        door = DOORS[self.steps % len(DOORS)]
        for name, shelf in self.shelves.items():
            assert door(self.own[name], name) == {*shelf.texts.values()}, door.__name__

    @invariant()
    def lists_are_those_of_the_model(self) -> None:
        for name, shelf in self.shelves.items():
            listed = self.own[name].ask("GET", f"/v1/collections/{name}/documents")["documents"]
            assert {document["id"] for document in listed} == {*shelf.texts}
            page = self.own[name].ask("GET", f"/v1/vector_stores/{name}/files?limit=100")
            in_store = {file["id"] for file in page["data"]}
            assert len(in_store) == len(shelf.texts)
            assert {id_ for id_ in in_store if id_ in self.files} == {*shelf.files.values()}
            seen = {file["id"] for file in self.own[name].ask("GET", "/v1/files")["data"]}
            assert seen == in_store | self._visible_files(name)

    # Steps of the above

    def _caller(self, name: str, caller: str) -> Client:
        return self.own[name] if caller == "own" else self.admin

    def _new_text(self, name: str) -> str:
        return f"Tea number {next(self.numbers)} of {name}."

    def _attach(self, client: Client, name: str, file_id: str, in_batch: bool) -> None:
        if in_batch:
            path = f"/v1/vector_stores/{name}/file_batches"
            client.ask("POST", path, json={"file_ids": [file_id]})
        else:
            client.ask("POST", f"/v1/vector_stores/{name}/files", json={"file_id": file_id})
        file = self.files[file_id]
        self.shelves[name].texts[file.name] = file.text
        self.shelves[name].files[file.name] = file_id
        self._wait(name)

    def _forget(self, name: str, document_id: str) -> None:
        del self.shelves[name].texts[document_id]
        self.shelves[name].files.pop(document_id, None)

    def _visible_files(self, name: str) -> set[str]:
        """Return the files that a key sees: those of its collection, and those it uploaded."""
        uploaded = {file_id for file_id, file in self.files.items() if file.uploader == name}
        return {*self.shelves[name].files.values()} | uploaded

    def _wait(self, name: str) -> None:
        path = f"/v1/collections/{name}/documents"
        poll(
            lambda: {d["status"] for d in self.admin.ask("GET", path)["documents"]},
            lambda states: states <= {"ready"},
        )


def check_doors(service: Service, keys: dict[str, str], *, steps: int) -> None:
    """Run the machine until it took so many steps."""

    class OpenDoors(Doors):
        def __init__(self) -> None:
            super().__init__(service.http, keys)

    settings = hypothesis.settings(
        max_examples=4,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
    )
    while OpenDoors.steps < steps:
        run_state_machine_as_test(OpenDoors, settings=settings)


def test_doors_agree_and_keys_hold_whatever_is_done(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3), passage_tokens=32)
    with open_service(settings, requires_keys=True) as service:
        database = service.resources.database
        keys = {"admin": create_key(database, scope=Scope.ADMIN)[1]}
        service.http.headers["Authorization"] = f"Bearer {keys['admin']}"
        for name in NAMES:
            service.new_collection(name)
            keys[name] = create_key(database, scope=Scope.WRITE, collections=[name])[1]
        check_doors(service, keys, steps=STEPS)
