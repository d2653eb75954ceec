"""Hostile text everywhere at once, in a real Chromium: none runs, and none breaks the layout."""

from typing import Any
from urllib.parse import quote, urlencode

import httpx

from app.domain import Scope
from app.services.access.keys import create_key
from tests.admin.test_pages import HOSTILE
from tests.api.service import Json, Service, poll
from tests.browser.driver import (
    console_errors,
    drop,
    look_at,
    make_collection,
    needs_chromium,
    wait_for,
)

pytestmark = needs_chromium

LONG = "W" * 64
HOME = f"/collections/{LONG}"


def test_hostile_text_neither_runs_nor_breaks_a_page(service: Service, chromium: Any) -> None:
    """As title, id, attribute, text, question, golden question, file name, description, key."""
    key = fill_with_hostile_text(service)
    make_collection(service, chromium, "dropped")
    names = [f"{text[:200]}.md" for text in HOSTILE]
    drop(chromium, [[name, "%PDF-1.7 and no more"] for name in names])
    said = wait_for(chromium, "#upload-state", ", 0 to go")
    assert said.startswith(f"{len(names)} files: ")
    evaluation = measure(service, key)
    # The limit of a page is one without its data.
    faults = look_at(service, chromium, list_paths(evaluation), max_bytes=1_000_000)
    assert faults == []
    assert console_errors(chromium) == []
    # One that ran would have opened a dialog, whose driver refuses all that follows, or gone away.
    assert chromium.current_url.startswith(service.url)


def fill_with_hostile_text(service: Service) -> str:
    """Store it everywhere; returns a key whose own name is hostile, too."""
    database = service.resources.database
    _, key = create_key(database, name=HOSTILE[0], scope=Scope.ADMIN)
    for text in HOSTILE:
        create_key(database, name=text[:256], scope=Scope.READ)
    with open_client(service, key) as http:
        made = {"name": LONG, "description": " ".join(HOSTILE)}
        assert http.post("/v1/collections", json=made).is_success
        documents: list[Json] = [
            {
                "id": text[:60],
                "title": text,
                "text": f"# {text}\n\n{text} tea.",
                "attributes": {"note": text, text[:128]: "named"},
            }
            for text in HOSTILE
        ]
        path = f"/v1/collections/{LONG}"
        added = http.post(f"{path}/documents", json={"documents": documents}, params={"wait": "30"})
        assert added.status_code == 200, added.text
        for text in HOSTILE:
            assert http.post(f"{path}/search", json={"query": text}).is_success
            golden = {"query": f"{text} tea?", "relevant": {text[:60]: 1}}
            assert http.post(f"{path}/golden", json={"queries": [golden]}).is_success
    return key


def measure(service: Service, key: str) -> str:
    """Measure the golden set; returns the path of the evaluation."""
    with open_client(service, key) as http:
        golden = [{"query": f"{text} tea?", "relevant": [text[:60]]} for text in HOSTILE]
        body = {"collection": LONG, "queries": golden}
        started = http.post("/v1/evaluations", json=body)
        assert started.is_success, started.text
        path = f"/v1/evaluations/{started.json()['id']}"
        poll(lambda: http.get(path).json()["status"], lambda status: status == "done")
    return f"/evaluations/{started.json()['id']}"


def list_paths(evaluation: str) -> list[str]:
    searches = [
        urlencode({"q": text, "why": text[:60], "by": "note"})
        for text in (HOSTILE[0], HOSTILE[26], HOSTILE[28])
    ]
    articles = [quote(HOSTILE[number][:60], safe="") for number in (2, 26, 28)]
    return [
        "",
        HOME,
        *(f"{HOME}/articles/{article}" for article in articles),
        *(f"{HOME}/search?{search}" for search in searches),
        f"{HOME}/questions",
        f"{HOME}/golden",
        f"{HOME}/uploads",
        "/collections/dropped",
        "/collections/dropped/uploads",
        "/quality",
        evaluation,
        "/operations",
    ]


def open_client(service: Service, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=service.url, headers=headers, timeout=60)
