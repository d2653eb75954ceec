"""Items 6, 11 and 13: files keep the limits of JSON; bodies that are not read are refused."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.domain import MAX_ATTRIBUTES, MAX_URL_LENGTH, is_link
from ingest.folders import read_folder
from ingest.parsers import parse_document
from tests.api.service import Service, open_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("service")
    with open_service(Settings(data=data, model=str(jina_v3))) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["text/markdown", "application/json"])
def test_attributes_of_a_file_keep_the_limits_of_json(kind: str) -> None:
    many: dict[str, object] = {f"key{number}": number for number in range(1000)}
    many |= {
        "k" * 200: 1,
        "long": "x" * 5000,
        "list": list(range(300)),
        "url": "javascript:alert(1)",
    }
    source = json.dumps({"text": "Hot tea", **many})
    if kind == "text/markdown":
        source = f"---\n{json.dumps(many)}\n---\nHot tea\n"
    article = parse_document(kind, source.encode())
    assert article.attributes is not None
    assert len(article.attributes) <= MAX_ATTRIBUTES
    assert not {"k" * 200, "long", "list"} & article.attributes.keys()
    assert article.url is None
    assert any("past the limits" in warning for warning in article.warnings)
    assert max(map(len, article.warnings)) < 2000


@pytest.mark.parametrize(
    "url",
    ["https://a.example/b?c:d", "HTTP://a", "mailto:a@b", "guide/a.html", "/a:b", "?q=a:b", "#a"],
)
def test_links_are_links(url: str) -> None:
    assert is_link(url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " JavaScript:x",
        "java\tscript:x",
        "data:text/html,x",
        "file:///etc",
        "a\nb",
    ],
)
def test_other_schemes_are_none(url: str, service: Service) -> None:
    assert not is_link(url)
    if not service.http.get("/v1/collections/links").is_success:
        service.new_collection("links")
    body = {"text": "tea", "url": url}
    answer = service.http.put("/v1/collections/links/documents/a", json=body)
    assert answer.status_code == 422
    assert parse_document("application/json", json.dumps(body).encode()).url is None


def test_long_url_of_a_file_is_left_out() -> None:
    body = {"text": "tea", "url": "https://a.example/" + "x" * MAX_URL_LENGTH}
    assert parse_document("application/json", json.dumps(body).encode()).url is None


def test_sync_looks_at_sizes_before_it_reads(tmp_path: Path) -> None:
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.truncate(2 * 2**30)
    (tmp_path / "tea.txt").write_text("Hot tea")
    folder = read_folder(tmp_path)
    assert folder.skipped == ["sparse.txt"]
    assert list(folder.files) == ["tea.txt"]


def test_packed_body_is_refused(service: Service) -> None:
    answer = service.http.post(
        "/v1/collections", content=b"x", headers={"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "packed_body")


def test_body_of_two_lengths_closes_the_connection(service: Service) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = (
        b"POST /v1/collections HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + smuggled)
        received = b""
        while piece := connection.recv(4096):
            received += piece
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1") == 1
