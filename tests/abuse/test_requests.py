"""What one caller can cost the others by requests alone: each has a bound."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from json import dumps, loads
from pathlib import Path
from sys import getrefcount
from threading import Event, Semaphore, Thread
from time import process_time
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp

from app.api.bodies import MAX_ERRORS, BodyLimits, parse_json
from app.api.connections import DeadlineProtocol
from app.api.fairness import Fairness
from app.api.json_signs import count_outside_texts
from app.api.v1.search import SearchIn
from app.config import Settings
from app.errors import FolioError
from tests.api.service import Service, open_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("abuse")
    settings = Settings(data=data, model=str(jina_v3), query_log_days=1)
    with open_service(settings) as opened:
        yield opened


def test_wrong_body_is_answered_in_few_words(service: Service) -> None:
    service.http.post("/v1/collections", json={"name": "errors"})
    body = "{" + ",".join(f'"f{n}": 1' for n in range(900)) + "}"
    answer = _post(service, "errors/search", body)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, MAX_ERRORS)
    assert len(answer.content) < 8192


def _post(service: Service, path: str, body: str | bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return service.http.post(f"/v1/collections/{path}", content=body, headers=headers)


_NAMES = ",".join(f'"f{n}": 1' for n in range(80_000))
_ZEROS = ",".join(["0"] * 500_000)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("search", f"{{{_NAMES}}}"),
        ("search", f'{{"filters": {{{_NAMES}}}}}'),
        ("preflight", f'{{"id": "a", "data": "VGVh", "queries": [{_ZEROS}]}}'),
        ("preflight", f'{{"queries": [{{"query": "tea", "relevant": [{_ZEROS}]}}]}}'),
        ("preflight", f'{{"attributes": {{"a": [{_ZEROS}]}}}}'),
        ("documents", f'{{"documents": [{",".join(["[1]"] * 2_000_000)}]}}'),
    ],
    ids=["names", "names below", "items", "items below", "values", "lists"],
)
def test_wrong_body_costs_the_others_little(service: Service, route: str, body: str) -> None:
    service.http.post("/v1/collections", json={"name": "costs"})
    content = body.encode()
    before = process_time()
    answer = _post(service, f"costs/{route}", content)
    # With all errors made it was 2.5 s in which no other thread ran, of the lists 1.2 and .5 GB.
    assert process_time() - before < 1.0
    assert answer.status_code == 422
    assert len(answer.content) < 8192


def test_text_that_looks_like_many_parts_is_none(service: Service) -> None:
    service.http.post("/v1/collections", json={"name": "texts"})
    body = dumps({"query": r'[tea]: "{1, 2}" \ ' * 30_000})
    assert _post(service, "texts/search", body).status_code == 413


@pytest.mark.parametrize(
    "text",
    [
        dumps({"a": '[{:,"[', "b": ["\\", '\\"', 1, {"c:": "é,"}]}),
        '{"' + "x" * 300_000 + '": "[,", "b": [1, 2]}',
        "[[], [], {}]",
    ],
    ids=["escapes", "a text over several slices", "no texts"],
)
def test_parts_are_counted_outside_of_texts(text: str) -> None:
    signs = dumps(_without_texts(loads(text)), separators=(",", ":")).replace('""', "")
    for sign in "[{:,":
        assert count_outside_texts(text.encode(), sign.encode()) == signs.count(sign)


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        # Two names without letters would be one.
        return {str(n): _without_texts(part) for n, part in enumerate(value.values())}
    return [_without_texts(part) for part in value] if isinstance(value, list) else 0


async def _refuse(body: bytes) -> None:
    with suppress(RequestValidationError):
        await parse_json(SearchIn, body, BodyLimits(10**6, 2000, 2000))


@pytest.mark.parametrize("body", [b'{"query": 1}', b"{", b"[" * 3000], ids=["type", "end", "parts"])
def test_wrong_body_is_let_go_with_its_answer(body: bytes) -> None:
    held = bytes(bytearray(body))
    before = getrefcount(held)
    gc.disable()
    try:
        asyncio.run(_refuse(held))
        # A cycle would keep it until the next collection of all objects.
        assert getrefcount(held) == before
    finally:
        gc.enable()


def test_metrics_have_no_label_that_a_caller_wrote(service: Service) -> None:
    service.http.request("INVENTED", "/healthz")
    service.http.get("/metrics")
    before = len(service.http.get("/metrics").content)
    for number in range(200):
        service.http.request(f"INVENTED{number}", "/healthz")
    after = service.http.get("/metrics").text
    assert "INVENTED" not in after
    assert len(after) - before < 1000


def test_question_to_two_collections_logs_the_hits_of_its_own_only(service: Service) -> None:
    for name in ("mine", "theirs"):
        service.new_collection(name).add({"id": f"{name}-tea", "text": "Tea with milk."})
    asked = service.http.post(
        "/v1/collections/mine/search", json={"query": "tea", "also_in": ["theirs"], "limit": 5}
    ).json()
    assert {hit["collection"] for hit in asked["results"]} == {"mine", "theirs"}
    told = {"query_id": asked["query_id"], "helpful": False}
    assert service.http.post("/v1/feedback", json=told).is_success
    gaps = service.http.get("/v1/collections/mine/gaps").json()["gaps"]
    assert gaps
    assert "theirs-tea" not in str(gaps)


@pytest.mark.parametrize("document_id", [".", "..", "a/../b", "./a", "a/."])
def test_id_that_clients_read_as_a_folder_is_refused(service: Service, document_id: str) -> None:
    service.http.post("/v1/collections", json={"name": "dots"})
    documents = [{"id": document_id, "text": "Tea."}]
    answer = service.http.post("/v1/collections/dots/documents", json={"documents": documents})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_id")


def test_collection_with_documents_goes_only_by_its_repeated_name(service: Service) -> None:
    collection = service.new_collection("kept")
    collection.add({"id": "a", "text": "Tea."})
    # What a client makes of DELETE /v1/collections/kept/documents/..
    slip = service.http.delete("/v1/collections/kept/documents/..")
    assert (slip.status_code, slip.json()["code"]) == (405, "method_not_allowed") or (
        slip.status_code,
        slip.json()["code"],
    ) == (409, "not_confirmed")
    refused = service.http.delete("/v1/collections/kept", params={"confirm": "kep"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_confirmed")
    assert collection.get("a")["id"] == "a"
    assert service.http.delete("/v1/collections/kept", params={"confirm": "kept"}).is_success


def test_method_that_does_not_exist_closes_the_connection(service: Service) -> None:
    for path in ("/healthz", "/v1/collections", "/v1/models", "/nothing"):
        answer = service.http.request("BREW", path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["Connection"] == "close"
        assert "GET" in answer.headers["Allow"]


class Impatient(DeadlineProtocol):
    head_s = 0.3
    body_pause_s = 0.3


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /v1/collections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_connection_that_does_not_say_what_it_wants_is_closed(
    service: Service, begun: bytes
) -> None:
    with serve_impatiently(service.app) as (host, port):
        with socket.create_connection((host, port), timeout=30) as connection:
            connection.sendall(begun)
            while connection.recv(4096):
                pass
        with httpx.Client(base_url=f"http://{host}:{port}") as http:
            assert http.get("/healthz").is_success
            assert http.get("/healthz").is_success


@contextmanager
def serve_impatiently(
    app: ASGIApp, protocol: type[DeadlineProtocol] = Impatient
) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=protocol, log_level="warning", lifespan="off", access_log=False
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def test_body_of_a_request_that_waits_its_turn_is_waited_for() -> None:
    overdue, begun, release = Semaphore(0), Event(), Event()

    class Watched(Impatient):
        def _close(self) -> None:
            super()._close()
            overdue.release()

    door = FastAPI()

    @door.get("/slow")
    def answer_slowly() -> None:
        begun.set()
        assert release.wait(60)

    @door.post("/length")
    async def measure(request: Request) -> int:
        return len(await request.body())

    def refuse(_path: str, error: FolioError, headers: dict[str, str]) -> Response:
        return Response(str(error), error.status, headers)

    app = Fairness(door, Settings(max_requests_per_key=1), None, frozenset(), refuse)
    with serve_impatiently(app, Watched) as (host, port), ThreadPoolExecutor(2) as pool:
        url = f"http://{host}:{port}"
        try:
            first = pool.submit(httpx.get, f"{url}/slow", timeout=60)
            assert begun.wait(30)
            # More than the server takes from the socket before the request has its turn.
            body = bytes(2**24)
            second = pool.submit(httpx.post, f"{url}/length", content=body, timeout=60)
            for _ in range(2):
                assert overdue.acquire(timeout=30)
        finally:
            release.set()
        assert first.result().is_success
        assert second.result().json() == len(body)
