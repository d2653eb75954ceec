"""`folio import-url`, against a real web server on loopback that has to be allowed first."""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import pytest

from app.config import Settings
from app.errors import FolioError, InvalidRequest
from app.services.articles.addresses import (
    ForbiddenAddress,
    UnknownHost,
    is_allowed,
    parse_networks,
)
from app.services.articles.web_pages import FetchFailed, Page, fetch, is_sitemap, read_sitemap
from ingest.worker import run_worker
from tests.api.service import Collection, open_service
from tests.cli.command import Ran, folio
from tests.web_site import PIECES, serve_site

Ask = Callable[..., Ran]
LOOPBACK = parse_networks("127.0.0.1")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The URL of the web server."""
    with serve_site() as url:
        yield url


def ids_of(collection: Collection) -> set[str]:
    return {document["id"] for document in collection.page(limit=1000)["documents"]}


def test_pages_of_a_sitemap_come_with_their_urls(
    ask: Ask, collection: Collection, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_FETCH_NETWORKS", "127.0.0.1")
    ran = ask("import-url", f"{site}/index.xml", "--json")
    assert (ran.code, ran.json["ready"], ran.json["failures"]) == (0, 2, [])
    host = site.removeprefix("http://")
    assert ids_of(collection) == {f"{host}/a", f"{host}/b.md"}
    document = collection.get(f"{host}/a", include="text")
    assert document["url"] == f"{site}/a"
    assert "Caf\u00e9" in document["text"]
    again = ask("import-url", f"{site}/a", "--json").json
    assert (again["unchanged"], again["ready"]) == (1, 0)


def test_as_many_pages_as_the_limit_come_and_of_more_none(
    ask: Ask, collection: Collection, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_FETCH_NETWORKS", "127.0.0.1")
    ran = ask("import-url", f"{site}/a", f"{site}/index.xml", "--limit", "1")
    assert ran.error == "there are more than 1 pages; --limit raises that"
    assert ids_of(collection) == set()
    # Two pages, one of them named and listed; the sitemaps are none.
    ran = ask("import-url", f"{site}/a", f"{site}/index.xml", "--limit", "2", "--json")
    assert (ran.code, ran.json["ready"]) == (0, 2)


def test_pages_wait_while_the_queue_is_full(
    tmp_path: Path, jina_v3: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_FETCH_NETWORKS", "127.0.0.1")
    settings = Settings(data=tmp_path / "data", model=str(jina_v3), max_queue=1)
    with open_service(settings, works=False) as service, ExitStack() as stack:
        waits: list[float] = []

        def wait(seconds: float) -> None:
            if not waits:
                stack.enter_context(run_worker(service.resources))
            waits.append(seconds)
            sleep(0.01)

        monkeypatch.setattr("app.commands.upload.sleep", wait)
        target = ("--server", service.url, "--collection", "full")
        ran = folio("import-url", f"{site}/index.xml", *target, "--json")
        # As long as the answer says.
        assert waits[0] == 10
    assert (ran.code, ran.json["ready"]) == (0, 2)


def test_loopback_is_refused_unless_it_is_allowed(
    ask: Ask, collection: Collection, site: str
) -> None:
    ran = ask("import-url", f"{site}/a", "--json")
    assert ran.code == 1
    assert [failure["code"] for failure in ran.json["failures"]] == ["forbidden_address"]
    assert ids_of(collection) == set()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/to-metadata", ForbiddenAddress),
        ("/to-file", InvalidRequest),
        ("/for-ever", FetchFailed),
        ("/to-nonsense", FetchFailed),
        ("/to-wrong-port", InvalidRequest),
        ("/large", FetchFailed),
        ("/missing", FetchFailed),
    ],
)
def test_redirect_is_checked_again_and_too_much_is_refused(
    site: str, path: str, error: type[FolioError]
) -> None:
    with pytest.raises(error):
        fetch(site + path, networks=LOOPBACK, max_bytes=4000)


def test_redirect_within_what_is_allowed_is_followed(site: str) -> None:
    page = fetch(f"{site}/to-a", networks=LOOPBACK, max_bytes=4000)
    assert page.url == f"{site}/a"
    with pytest.raises(FetchFailed, match="more than 0 times"):
        fetch(f"{site}/to-a", networks=LOOPBACK, max_bytes=4000, max_redirects=0)


def test_so_many_sitemaps_are_read() -> None:
    def list_two_more(url: str) -> Page:
        below = "".join(f"<sitemap><loc>{url}{n}</loc></sitemap>" for n in (1, 2))
        schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
        data = f'<sitemapindex xmlns="{schema}">{below}</sitemapindex>'
        return Page(url, "text/xml", data.encode())

    with pytest.raises(FetchFailed, match="more than 7 sitemaps"):
        read_sitemap(
            list_two_more("https://a.example/"), max_sitemaps=7, fetch_listed=list_two_more
        )


def test_a_sitemap_is_told_by_its_first_tag_and_the_rest_is_not_parsed() -> None:
    def tells(data: str) -> bool:
        return is_sitemap(Page("https://a.example/", "text/xml", data.encode()))

    schema = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    assert tells(f"<urlset {schema}><url>{'<a/>' * 10_000}</b>")
    assert not tells(f"<html><!-- <urlset {schema}> --></html>")
    assert not tells(f"An article that quotes `<urlset {schema}>`")
    for broken in (
        f"<!-- <urlset {schema}>",
        f'<?xml version="1.0" encoding="hex"?><urlset {schema}/>',
    ):
        with pytest.raises(FetchFailed, match="not well-formed"):
            tells(broken)


@pytest.mark.parametrize("path", ["/trickling-headers", "/trickling-body"])
def test_page_that_takes_too_long_is_given_up(site: str, path: str) -> None:
    # It would never end by itself.
    with pytest.raises(FetchFailed, match=r"took longer than 0\.5 s"):
        fetch(site + path, networks=LOOPBACK, max_bytes=4000, seconds=0.5)


def test_page_in_many_small_pieces_takes_no_longer_than_its_bytes(site: str) -> None:
    page = fetch(f"{site}/in-pieces", networks=LOOPBACK, max_bytes=10_000_000)
    assert len(page.data) == PIECES * 10


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.example/", "//a", "http://u:p@a/", "http://xn--a/"]
)
def test_other_schemes_and_passwords_are_no_url_to_fetch(url: str) -> None:
    with pytest.raises(InvalidRequest):
        fetch(url, networks=(), max_bytes=10)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  # refused, not bound to
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:101:101::",
        "2001:0:7f00:1::",
        "64:ff9b:1::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "::ffff:0:7f00:1",
        "::ffff:0:101:101",
        "::127.0.0.1",
        "fec0::1",
        "5f00::1",
        "3fff::1",
        "100::1",
        "2001:db8::1",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.1",
        "240.0.0.1",
    ],
)
def test_address_that_is_not_global_is_refused_in_every_spelling(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost"])
def test_other_spellings_of_loopback_are_resolved_before_they_are_checked(host: str) -> None:
    with pytest.raises((ForbiddenAddress, UnknownHost)):
        fetch(f"http://{host}/", networks=(), max_bytes=10)


def test_global_address_is_allowed() -> None:
    assert is_allowed(ipaddress.ip_address("1.1.1.1"), ())
    assert is_allowed(ipaddress.ip_address("2606:4700::1111"), ())
    assert is_allowed(ipaddress.ip_address("64:ff9b::101:101"), ())
    assert is_allowed(ipaddress.ip_address("::ffff:1.1.1.1"), ())
