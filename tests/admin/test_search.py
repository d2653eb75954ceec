"""The page of search: filters by clicking, and the same request over REST."""

import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.admin.browser import Browser, text_of
from tests.api.service import Service, open_service

HOME = "/admin/collections/help/search"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("search"), model=str(jina_v3))
    with open_service(settings) as opened:
        opened.new_collection("other").add(
            {"id": "x", "text": "Tea.", "attributes": {"secret": "yes"}}
        )
        attributes = [
            {"product": "kettle & pot", "year": 2024},
            {"product": "kettle & pot", "year": 2025, "new": True},
            {"product": "cup", "year": 2025},
        ]
        opened.new_collection("help").add(
            *(
                {"id": f"a{n}", "text": f"Tea number {n}.", "attributes": given}
                for n, given in enumerate(attributes)
            )
        )
        yield opened


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        yield Browser(http)


def links_of(answer: httpx.Response) -> dict[str, str]:
    """Return the links of the card of filters by what they say."""
    card = answer.text.partition('aria-labelledby="filters"')[2].partition("</section>")[0]
    found = re.findall(r'<a class="[^"]*" href="([^"]*)"[^>]*>(.*?)</a>', card, re.DOTALL)
    return {unescape(re.sub("<[^>]+>", "", text)).strip(): unescape(path) for path, text in found}


def hits_of(answer: httpx.Response) -> set[str]:
    return set(re.findall(r"/articles/(a[0-9])", answer.text))


def click(browser: Browser, answer: httpx.Response, text: str) -> httpx.Response:
    opened = browser.visit(HOME + links_of(answer)[text])
    assert opened.status_code == 200, text_of(opened)
    return opened


def test_filters_are_added_and_removed_by_clicking(browser: Browser) -> None:
    page = browser.visit(f"{HOME}?q=tea&max_tokens=500")
    assert links_of(page).keys() >= {"product", "year", "new"}
    assert "secret" not in page.text
    assert hits_of(page) == {"a0", "a1", "a2"}
    products = click(browser, page, "product")
    assert links_of(products).keys() >= {"kettle & pot 2", "cup 1"}
    kettles = click(browser, products, "kettle & pot 2")
    assert hits_of(kettles) == {"a0", "a1"}
    years = click(browser, kettles, "year")
    assert links_of(years).keys() >= {"2024 1", "2025 1"}
    one = click(browser, years, "2025 1")
    assert hits_of(one) == {"a1"}
    assert 'name="max_tokens" type="number" min="1" max="100000" value="500"' in one.text
    flags = click(browser, one, "new")
    assert hits_of(click(browser, flags, "true 1")) == {"a1"}
    fewer = click(browser, one, "product = kettle & pot ×")
    assert hits_of(fewer) == {"a1", "a2"}
    assert hits_of(click(browser, fewer, "year = 2025 ×")) == {"a0", "a1", "a2"}


def test_request_to_copy_finds_what_the_page_shows(browser: Browser, service: Service) -> None:
    years = click(browser, browser.visit(f"{HOME}?q=tea"), "year")
    page = click(browser, years, "2025 2")
    page = click(browser, click(browser, page, "product"), "cup 1")
    curl, python = (
        unescape(one) for one in re.findall(r'<pre tabindex="0">(.*?)</pre>', page.text, re.DOTALL)
    )
    words = shlex.split(curl)
    body = json.loads(words[words.index("-d") + 1])
    assert body["filters"]["type"] == "and"
    answer = service.http.post(words[3], json=body)
    assert [hit["document_id"] for hit in answer.json()["results"]] == ["a2"]
    assert repr(body) in python
    # There is no key to send.
    assert "FOLIO_KEY" not in curl + python


def test_rows_are_shown_under_the_head_of_their_table(service: Service, browser: Browser) -> None:
    """As a chatbot gets them."""
    rows = [f"thing{number},{number} crowns" for number in range(300)]
    table = "\n".join(["Product,Price", *rows]).encode()
    fees = service.new_collection("fees")
    fees.finish(fees.put_file("fees", table, "text/csv"))
    page = browser.visit("/admin/collections/fees/search?q=thing250&max_tokens=300&mode=lexical")
    texts = re.findall(
        r'<blockquote dir="auto">(.*?)</blockquote>|<div class="text" dir="auto">(.*?)</div>',
        page.text,
        re.DOTALL,
    )
    found = [(quote, block) for quote, block in texts if "thing250" in quote + block]
    assert {bool(quote) for quote, _ in found} == {True, False}
    assert all("Product" in quote + block for quote, block in found)


def test_form_keeps_the_filters(browser: Browser) -> None:
    page = click(browser, click(browser, browser.visit(f"{HOME}?q=tea"), "year"), "2024 1")
    form = page.text.partition('role="search"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form))
    asked = {"q": "number", **{name: unescape(value) for name, value in fields.items()}}
    assert hits_of(browser.visit(str(httpx.URL(HOME, params=asked)))) == {"a0"}


def test_article_that_a_filter_keeps_out_is_explained(browser: Browser) -> None:
    given = json.dumps({"type": "eq", "key": "year", "value": 2024})
    page = browser.visit(str(httpx.URL(HOME, params={"q": "tea", "why": "a2", "filter": given})))
    assert "does not meet the filter on year" in text_of(page)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{}",
        "[]",
        "1",
        "{",
        '{"type": "eq", "key": "a"}',
        "[" * 10_000,
        '{"type":"eq","key":"a","value":[1]}',
        '{"type":"eq","key":"a","value":NaN}',
    ],
)
def test_filter_that_is_none_is_a_sentence(browser: Browser, given: str) -> None:
    page = browser.visit(str(httpx.URL(HOME, params={"q": "tea", "filter": given})))
    assert page.status_code == 422
    assert "filter" in text_of(page)


def test_address_has_a_bound_of_filters(browser: Browser) -> None:
    given = json.dumps({"type": "gt", "key": "year", "value": 1})
    for count, status in ((20, 200), (21, 422)):
        params = httpx.QueryParams([("q", "tea"), *(("filter", given) for _ in range(count))])
        assert browser.visit(f"{HOME}?{params}").status_code == status


def test_attributes_of_a_collection_are_listed(service: Service) -> None:
    listed = service.http.get("/v1/collections/help/attributes").json()
    assert set(listed["attributes"]) - {"$language"} == {"new", "product", "year"}
    assert "secret" in service.http.get("/v1/collections/other/attributes").json()["attributes"]
