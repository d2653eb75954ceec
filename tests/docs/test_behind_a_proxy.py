"""The nginx configuration of the how-to page, word for word but for names and ports."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key
from tests.admin.browser import Browser
from tests.api.service import Collection, find_free_port, open_service, poll
from tests.docs.test_readme import blocks_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("nginx") and shutil.which("openssl")),
        reason="needs nginx and openssl: apt-get install nginx-light openssl",
    ),
]
_NAME = "kb.example.com"
_BODY_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Door:
    """Folio as the internet sees it."""

    http: httpx.Client
    token: str

    @property
    def collection(self) -> Collection:
        return Collection(self.http, "help")


def make_certificate(folder: Path) -> None:
    names = ("-subj", f"/CN={_NAME}", "-addext", f"subjectAltName=DNS:{_NAME}")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def run_nginx(folder: Path, folio_port: int) -> Iterator[int]:
    """Run nginx with the page's configuration; yields its port."""
    make_certificate(folder)
    port = find_free_port()
    (page,) = blocks_of("docs/how-to/behind-a-proxy.md", "nginx")
    for documented, ours in (
        ("127.0.0.1:8000", f"127.0.0.1:{folio_port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/certs/{_NAME}.pem", str(folder / "cert.pem")),
        (f"/etc/ssl/private/{_NAME}.key", str(folder / "key.pem")),
    ):
        assert page.count(documented) == 1, documented
        page = page.replace(documented, ours)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log {folder / 'log'};\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}\n{page} }}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", folder / "log"])
    try:
        poll(lambda: (folder / "pid").exists() or process.poll() is not None, bool)
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("proxy")
    settings = Settings(
        data=folder / "data",
        model=str(jina_v3),
        mcp_hosts=_NAME,
        metrics_need_key=True,
        docs_need_key=True,
        passage_tokens=32,
    )
    with open_service(settings, requires_keys=True) as service:
        _, token = create_key(service.resources.database, scope=Scope.ADMIN)
        folio_port = httpx.URL(service.url).port
        assert folio_port is not None
        with run_nginx(folder, folio_port) as port:
            trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
            # The name is the certificate's, and the address this machine's.
            http = httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                headers={"Host": _NAME, "Authorization": f"Bearer {token}"},
                verify=trusted,
                timeout=60,
            )
            http.event_hooks["request"] = [_name_the_server]
            with http:
                http.post("/v1/collections", json={"name": "help"}).raise_for_status()
                yield Door(http, token)


def _name_the_server(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = _NAME


def test_articles_of_any_id_are_uploaded_and_found(door: Door) -> None:
    collection = door.collection
    for name in ("plain", "a/b//c", "50% off", "tea?milk#1", "Grüße"):
        collection.finish(collection.put(name, text=f"Tea of {name} with milk."))
        assert collection.get(name)["id"] == name
    assert collection.found("tea", limit=10) >= {"plain", "a/b//c", "50% off", "Grüße"}


def test_upload_of_the_largest_size_passes_and_a_larger_one_is_refused(door: Door) -> None:
    # Folio's own answer shows that it passed; reading 64 MiB is not what is looked at here.
    largest = door.collection.put_file("large", b"x" * _BODY_BYTES, "application/x-unknown")
    assert largest.status_code == 415
    assert largest.headers["content-type"] == "application/problem+json"
    larger = door.collection.put_file("larger", b"x" * (_BODY_BYTES + 1), "application/x-unknown")
    assert larger.status_code == 413


def test_events_of_a_job_arrive_while_it_runs(door: Door) -> None:
    documents = [{"id": f"e{n}", "text": f"Tea number {n}. " * 50} for n in range(20)]
    job = door.collection.post(*documents).raise_for_status().json()["job_id"]
    seen = []
    with door.http.stream("GET", f"/v1/jobs/{job}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        for line in events.iter_lines():
            seen.append(line)
            if line.startswith("event: done"):
                break
    assert any(line.startswith("data: ") for line in seen)


def test_admin_signs_in_over_tls_with_a_secure_cookie(door: Door) -> None:
    browser = Browser(door.http)
    del door.http.headers["Authorization"]
    try:
        first = door.http.get("/admin/sign-in")
        assert "Secure" in first.headers["set-cookie"]
        assert first.headers["strict-transport-security"]
        assert browser.sign_in(door.token).is_success
        shown = browser.visit("/admin/collections/help/search?q=tea")
        assert shown.url.path == "/admin/collections/help/search"
        assert f"https://{_NAME}" in shown.text
    finally:
        door.http.headers["Authorization"] = f"Bearer {door.token}"


def test_strangers_are_let_in_to_health_alone(door: Door) -> None:
    stranger = {"Authorization": "Bearer made-up"}
    for path, status in (
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/openapi.json", 401),
        ("/docs", 401),
        ("/v1/collections", 401),
        ("/mcp", 401),
    ):
        assert door.http.get(path, headers=stranger).status_code == status, path


def test_mcp_answers_to_the_public_name(door: Door) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accepted = {"Accept": "application/json, text/event-stream"}
    answer = door.http.post("/mcp", json=hello, headers=accepted)
    assert answer.status_code == 200, answer.text
