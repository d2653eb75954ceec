"""`folio import-url`, against a real web server on loopback that has to be allowed first."""

import ipaddress
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app.commands import fetch as fetching
from app.commands.fetch import FetchFailed, ForbiddenAddress, fetch, is_allowed, parse_networks
from app.errors import FolioError, InvalidRequest
from tests.api.service import Collection
from tests.cli.command import Ran

Ask = Callable[..., Ran]
LOOPBACK = parse_networks("127.0.0.1")
_SITEMAP = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{1}</{0}>'


class Handler(BaseHTTPRequestHandler):
    """Pages, a sitemap, redirects, and answers that never end."""

    def do_GET(self) -> None:
        here = f"http://{self.headers['Host']}"
        pages = {
            "/a": (
                "text/html; charset=iso-8859-1",
                "<h1>Caf\u00e9</h1><p>Steep it.</p>",
                "latin-1",
            ),
            "/b.md": ("text/markdown", "# Milk\n\nWarm it.", "utf-8"),
            "/index.xml": (
                "text/xml",
                _SITEMAP.format("sitemapindex", f"<sitemap><loc>{here}/map.xml</loc></sitemap>"),
                "utf-8",
            ),
            "/map.xml": (
                "text/xml",
                _SITEMAP.format(
                    "urlset",
                    "".join(
                        f"<url><loc>{url}</loc></url>"
                        for url in (f"{here}/a", f"{here}/b.md", "http://other.example/c")
                    ),
                ),
                "utf-8",
            ),
        }
        redirects = {
            "/to-a": "/a",
            "/to-metadata": "http://169.254.169.254/latest",
            "/to-file": "file:///etc/passwd",
            "/for-ever": "/for-ever",
        }
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.end_headers()
        elif self.path in pages:
            kind, text, encoding = pages[self.path]
            self._send(kind, text.encode(encoding))
        elif self.path == "/large":
            self._send("text/plain", b"x" * 5000)
        else:
            self.send_error(404)

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The URL of the web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


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


def test_page_that_takes_too_long_is_given_up(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_SECONDS", -1.0)
    with pytest.raises(FetchFailed, match="took longer"):
        fetch(f"{site}/a", networks=LOOPBACK, max_bytes=4000)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/", "//a", "http://u:p@a/"])
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
    ],
)
def test_address_that_is_not_global_is_refused_in_every_spelling(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost"])
def test_other_spellings_of_loopback_are_resolved_before_they_are_checked(host: str) -> None:
    with pytest.raises((ForbiddenAddress, FetchFailed)):
        fetch(f"http://{host}/", networks=(), max_bytes=10)


def test_global_address_is_allowed() -> None:
    assert is_allowed(ipaddress.ip_address("1.1.1.1"), ())
    assert is_allowed(ipaddress.ip_address("2606:4700::1111"), ())
