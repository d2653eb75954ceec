"""A real service on a loopback port, in a thread of the tests or in a process of its own."""

import os
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import randbelow
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import uvicorn
from fastapi import FastAPI

from app.application import create_app
from app.config import Settings
from app.runtime.resources import Resources, open_resources
from tests.databases import on_test_database

T = TypeVar("T")
Json = dict[str, Any]

START_SECONDS = 180.0
"""Until a server process answers; other work may leave it little of the processors."""

FOLIO = str(Path(sysconfig.get_path("scripts")) / "folio")
"""The console script, as an operator runs it."""


def poll(read: Callable[[], T], until: Callable[[T], bool], *, seconds: float = 60.0) -> T:
    """Read until the value is as wanted; fails with the last value at the deadline."""
    deadline = monotonic() + seconds
    while not until(value := read()):
        assert monotonic() < deadline, f"after {seconds:g} s still {value!r}"
        sleep(0.01)
    return value


# In a thread of the tests


@dataclass(frozen=True, slots=True)
class Service:
    """The application behind a real port, and a client to it."""

    resources: Resources
    app: FastAPI
    url: str
    http: httpx.Client

    def new_collection(self, name: str) -> "Collection":
        answer = self.http.post("/v1/collections", json={"name": name})
        assert answer.status_code == 201, answer.text
        return Collection(self.http, name)


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection of a service, as a client works with it."""

    http: httpx.Client
    name: str

    @property
    def path(self) -> str:
        return f"/v1/collections/{self.name}"

    def document_path(self, document_id: str) -> str:
        """Return the path of a document, with every reserved character encoded."""
        return f"{self.path}/documents/{quote(document_id, safe='')}"

    def put(self, document_id: str, /, **body: object) -> httpx.Response:
        return self.http.put(self.document_path(document_id), json=body)

    def put_file(self, document_id: str, data: bytes, content_type: str) -> httpx.Response:
        return self.http.put(
            self.document_path(document_id), content=data, headers={"Content-Type": content_type}
        )

    def post(self, *documents: Json) -> httpx.Response:
        return self.http.post(f"{self.path}/documents", json={"documents": documents})

    def add(self, *documents: Json) -> Json:
        """Upload a batch and wait until each document is ready; returns the job."""
        job = self.finish(self.post(*documents))
        assert job["errors"] == []
        return job

    def finish(self, upload: httpx.Response) -> Json:
        """Wait until the documents of an upload are ready or failed; returns the job."""
        assert upload.status_code in {200, 202}, upload.text
        path = f"/v1/jobs/{upload.json()['job_id']}"

        def read() -> Json:
            answer = self.http.get(path)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        return poll(read, lambda job: not job["counts"]["queued"] + job["counts"]["processing"])

    def get(self, document_id: str, *, include: str = "") -> Json:
        answer = self.http.get(self.document_path(document_id), params={"include": include})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def page(self, **parameters: str | int) -> Json:
        answer = self.http.get(f"{self.path}/documents", params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def search(self, query: str = "tea", **options: object) -> Json:
        answer = self.http.post(f"{self.path}/search", json={"query": query, **options})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def found(self, query: str = "tea", **options: object) -> set[str]:
        """Return the ids that a search answers with."""
        return {hit["document_id"] for hit in self.search(query, **options)["results"]}


@contextmanager
def serve_app(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve `app` from a thread on a loopback port, a free one for 0; yields its URL."""
    # With the protocol named: asyncio turns Nagle's delay of 40 ms off for such sockets only.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # Requests that come before the server accepts wait in the backlog.
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        )
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="test-server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def open_service(
    settings: Settings, *, requires_keys: bool = False, works: bool = True, loads: bool = True
) -> Iterator[Service]:
    """Open the data folder and serve it; `loads` has the model ready before the first request."""
    with open_resources(on_test_database(settings), holder="the tests") as resources:
        if loads:
            resources.generations.live().engine()
        app = create_app(resources, requires_keys=requires_keys, works=works)
        with serve_app(app) as url, httpx.Client(base_url=url, timeout=60.0) as http:
            yield Service(resources, app, url, http)


# In a process of its own


def folio_environment(**variables: str | Path) -> dict[str, str]:
    """Return this process's environment with no Folio setting but `variables`."""
    # Unbuffered output hides what is not written until a process ends.
    others = ("FOLIO_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    # One thread each: the models of these tests are so small that more only wait for each other.
    # A wide terminal, so that no line of an answer is broken.
    fixed = {"OMP_NUM_THREADS": "1", "COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"}
    return kept | fixed | {name: str(value) for name, value in variables.items()}


# One after another: of ports drawn at random two servers would now and then be given the same one,
# as each takes seconds until it listens. From where does not depend on a seed that a test sets.
_PORTS = count(randbelow(12_000))


def find_free_port() -> int:
    """Return a loopback port that nobody listens on now.

    It is none of those that Linux gives to outgoing connections, which could take it meanwhile.
    """
    while True:
        port = 20_000 + next(_PORTS) % 12_000
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """`folio serve` in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> int:
        """End it as an operating system does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def is_up(self) -> bool:
        """Return whether it answers; fails with its log when it has ended."""
        return self._answers("/healthz")

    def is_ready(self) -> bool:
        """Return whether it answers questions; fails with its log when it has ended."""
        return self._answers("/readyz")

    def read_log(self) -> str:
        """Return what it has said; fails with it when it has ended."""
        said = self.log.read_text(encoding="utf-8")
        assert self.process.poll() is None, said
        return said

    def _answers(self, path: str) -> bool:
        self.read_log()
        try:
            return httpx.get(f"{self.url}{path}").is_success
        except httpx.TransportError:
            return False


@contextmanager
def run_server(
    data: Path,
    *arguments: str,
    log: Path,
    environment: Mapping[str, str],
    program: Sequence[str] = (FOLIO,),
    cwd: Path | None = None,
    waits: bool = True,
) -> Iterator[ServerProcess]:
    """Run `folio serve` until the block ends; yields once it answers, without `waits` at once."""
    port = find_free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "serve", "--data", str(data), "--port", str(port), *arguments],
            cwd=cwd,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
        )
        server = ServerProcess(process, f"http://127.0.0.1:{port}", log)
        try:
            if waits:
                poll(server.is_up, bool, seconds=START_SECONDS)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
