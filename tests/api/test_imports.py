"""Pages that the server fetches: what becomes of them, and which addresses it does not reach."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.admin.browser import Browser, open_browser, text_of
from tests.api.service import Collection, Service, open_service
from tests.web_site import serve_site


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serve_site() as url:
        yield url


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Service]:
    """A service that may reach 127.0.0.1 and nothing else of this machine."""
    settings = Settings(
        data=tmp_path_factory.mktemp("imports"),
        model=str(jina_v3),
        passage_tokens=32,
        fetch_networks="127.0.0.1",
        fetch_seconds=2,
        max_body_bytes=4000,
    )
    with open_service(settings) as opened:
        yield opened


def import_page(collection: Collection, url: str, **body: object) -> httpx.Response:
    path = f"{collection.path}/imports"
    return collection.http.post(path, json={"url": url, **body}, params={"wait": 30})


def test_page_becomes_an_article_with_its_address(collection: Collection, site: str) -> None:
    answer = import_page(collection, f"{site}/to-a")
    assert answer.status_code == 200, answer.text
    (accepted,) = answer.json()["documents"]
    assert accepted["id"] == site.removeprefix("http://") + "/to-a"
    document = collection.get(accepted["id"], include="text")
    # In the encoding that the server named, and where its redirect led.
    assert "Caf\u00e9" in document["text"]
    assert document["url"] == f"{site}/a"


def test_page_is_read_in_the_encoding_that_it_names_itself(
    collection: Collection, site: str
) -> None:
    answer = import_page(collection, f"{site}/greek", id="greek")
    assert answer.status_code == 200, answer.text
    assert collection.get("greek")["title"] == "\u03a4\u03c3\u03ac\u03b9"


def test_page_is_stored_under_what_the_caller_says(collection: Collection, site: str) -> None:
    said = {"id": "milk", "title": "Warm milk", "attributes": {"year": 2025}}
    answer = import_page(collection, f"{site}/b.md", **said)
    assert answer.json()["documents"][0]["status"] == "ready"
    document = collection.get("milk")
    assert (document["title"], document["attributes"]) == ("Warm milk", {"year": 2025})
    again = import_page(collection, f"{site}/b.md", **said)
    assert again.json()["documents"][0]["change"] == "none"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/to-metadata", 403, "forbidden_address"),
        ("/to-file", 422, "invalid_request"),
        ("/for-ever", 422, "fetch_failed"),
        ("/missing", 422, "fetch_failed"),
        ("/large", 422, "fetch_failed"),
        ("/trickling-body", 422, "fetch_failed"),
        ("/map.xml", 422, "is_a_sitemap"),
    ],
)
def test_page_that_cannot_be_had_says_why_and_leaves_nothing(
    collection: Collection, site: str, path: str, status: int, code: str
) -> None:
    answer = import_page(collection, site + path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert collection.page()["documents"] == []


@pytest.mark.parametrize(
    "url", ["http://[::1]/", "http://10.0.0.1/", "http://127.0.0.2/", "http://169.254.169.254/"]
)
def test_address_inside_is_refused_and_not_told(collection: Collection, url: str) -> None:
    answer = import_page(collection, url)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_address")


def test_name_that_leads_inside_says_not_where_to(tmp_path: Path, jina_v3: Path) -> None:
    with open_service(Settings(data=tmp_path, model=str(jina_v3)), works=False) as service:
        answer = import_page(service.new_collection("help"), "http://localhost/")
    assert answer.status_code == 403
    assert not re.search(r"127\.|::1", answer.json()["detail"])


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://u:p@a.example/", "//a", "tea"])
def test_what_is_not_an_address_is_refused(collection: Collection, url: str) -> None:
    assert import_page(collection, url).status_code == 422


def test_operator_can_let_the_server_fetch_nothing(
    tmp_path: Path, jina_v3: Path, site: str
) -> None:
    settings = Settings(
        data=tmp_path, model=str(jina_v3), imports=False, fetch_networks="127.0.0.1"
    )
    with open_service(settings, works=False) as service:
        answer = import_page(service.new_collection("help"), f"{site}/a")
        assert (answer.status_code, answer.json()["code"]) == (403, "imports_off")
        with httpx.Client(base_url=service.url, timeout=60) as http:
            page = Browser(http).visit("/admin/collections/help")
    assert "/admin/collections/help/paste" in page.text
    assert "/admin/collections/help/imports" not in page.text


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with open_browser(service.url) as opened:
        yield opened


def test_page_is_checked_and_added_by_its_address(
    browser: Browser, collection: Collection, site: str
) -> None:
    home = f"/admin/collections/{collection.name}"
    checked = browser.send(f"{home}/imports/preflight", url=f"{site}/a")
    assert checked.status_code == 200, text_of(checked)
    assert f'value="{site}/a"' in checked.text
    assert collection.page()["documents"] == []
    added = browser.send(f"{home}/imports", url=f" {site}/a ")
    assert added.status_code == 200, text_of(added)
    assert [document["url"] for document in collection.page()["documents"]] == [f"{site}/a"]
    refused = browser.send(f"{home}/imports", url="http://10.0.0.1/")
    assert refused.status_code == 403
    assert "forbidden_address" in text_of(refused)
    assert "not on the public internet" in text_of(refused)
