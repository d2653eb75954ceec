"""Every limit is a setting: a small one refuses what the default lets pass."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from app.api.connections import make_protocol
from app.config import Settings
from tests.api.service import Service, open_service

HELP = "/v1/collections/help"
SEARCH, DOCUMENTS = f"{HELP}/search", f"{HELP}/documents"
LIMITS: dict[str, Any] = {
    "max_body_bytes": 8192,
    "max_golden_body_bytes": 4096,
    "max_small_body_bytes": 2048,
    "max_body_parts": 150,
    "max_small_body_parts": 100,
    "max_body_values": 100,
    "max_files_per_upload": 2,
    "max_query_bytes": 64,
    "max_rerank_tokens": 10,
    "session_hours": 0.5,
}


@dataclass(frozen=True, slots=True)
class Services:
    """One with small limits, and one with those that come with Folio."""

    limited: Service
    usual: Service


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("limits")
    with ExitStack() as stack:
        opened = [
            stack.enter_context(
                open_service(Settings(data=folder / name, model=str(jina_v3), **limits))
            )
            for name, limits in (("limited", LIMITS), ("usual", {}))
        ]
        for service in opened:
            service.http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        yield Services(*opened)


def search(query: str, values: int = 1, conditions: int = 1) -> dict[str, Any]:
    condition = {"type": "in", "key": "a", "value": ["b"] * values}
    return {"query": query, "filters": {"type": "or", "filters": [condition] * conditions}}


CASES = [
    ("max_query_bytes", SEARCH, search("x" * 65), 413, "query_too_large"),
    ("max_small_body_bytes", SEARCH, search("x" * 2048), 413, "too_large"),
    ("max_small_body_parts", SEARCH, search("tea", conditions=25), 422, "invalid_request"),
    ("max_body_values", SEARCH, search("tea", values=101), 422, "invalid_request"),
    (
        "max_golden_body_bytes",
        f"{HELP}/golden",
        {"queries": [{"query": "x" * 4096, "relevant": ["a"]}]},
        413,
        "too_large",
    ),
    (
        "max_body_parts",
        DOCUMENTS,
        {"documents": [{"id": f"a{n}", "text": "tea"} for n in range(51)]},
        422,
        "invalid_request",
    ),
    ("max_body_bytes", DOCUMENTS, {"documents": [{"id": "a", "text": "x" * 8192}]}, 413, ""),
    ("max_rerank_tokens", "/v1/rerank", {"query": "a", "documents": ["tea " * 9]}, 413, ""),
]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_small_limit_refuses_what_the_default_lets_pass(
    services: Services, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    refused, taken = (
        each.http.post(path, json=body) for each in (services.limited, services.usual)
    )
    assert refused.status_code == status
    assert not code or refused.json()["code"] == code
    assert taken.json().get("code") != refused.json()["code"], taken.text


def test_form_and_archive_hold_as_many_files_as_is_set(services: Services) -> None:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for n in range(3):
            archive.writestr(f"{n}.txt", "tea")
    form = [("files", (f"{n}.txt", b"tea", "text/plain")) for n in range(3)]
    for files in (form, [("files", ("all.zip", made.getvalue(), "application/zip"))]):
        refused, taken = (
            each.http.post(DOCUMENTS, files=files) for each in (services.limited, services.usual)
        )
        assert 400 <= refused.status_code < 500
        assert taken.is_success


def test_browser_stays_signed_in_as_long_as_is_set(services: Services) -> None:
    answer = services.limited.http.get("/admin/sign-in")
    assert "Max-Age=1800" in answer.headers["set-cookie"]


def test_connections_have_the_deadlines_that_are_set() -> None:
    protocol = make_protocol(Settings(head_seconds=0.5, body_pause_seconds=0.25))
    assert (protocol.head_s, protocol.body_pause_s) == (0.5, 0.25)
