"""Fetching web pages, and only from where it is allowed.

Every address that a name resolves to must be global, or in a network that the operator named; the
connection goes to the address that was checked; and each redirect is checked again.
"""

import ssl
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from time import monotonic
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import ParseError

import httpcore
import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse

from app.errors import FolioError, InvalidRequest
from app.services.articles.addresses import Network, check_host

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEAD_BYTES = 1024
_SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


class FetchFailed(FolioError):
    """A page did not come: no answer, an error, too much of it, or too slowly."""

    status, code = 422, "fetch_failed"


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL gave, after its redirects."""

    url: str
    content_type: str
    data: bytes


class _CheckedBackend(httpcore.SyncBackend):
    """Connects to addresses that are allowed, and lets nothing take longer than the deadline."""

    def __init__(self, networks: tuple[Network, ...], deadline: float) -> None:
        self._networks = networks
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        # The address that was checked, not the name, which may have another one by then.
        address = check_host(host, port, self._networks)
        stream = super().connect_tcp(
            address, port, _seconds_until(self._deadline), local_address, socket_options
        )
        return _TimedStream(stream, self._deadline)


class _TimedStream(httpcore.NetworkStream):
    """A connection on which every step has the time that is left, and no more."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _seconds_until(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _seconds_until(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(
            ssl_context, server_hostname, _seconds_until(self._deadline)
        )
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _seconds_until(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise httpcore.TimeoutException
    return left


def fetch(
    url: str,
    *,
    networks: tuple[Network, ...],
    max_bytes: int,
    seconds: float = 30.0,
    max_redirects: int = 5,
) -> Page:
    """Return what a URL gives; raises ForbiddenAddress, FetchFailed or InvalidRequest.

    `networks` may be reached although they are not global. `seconds` are for everything together,
    redirects too.
    """
    backend = _CheckedBackend(networks, monotonic() + seconds)
    # It knows of no proxy, which would resolve names by itself.
    with httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=backend
    ) as pool:
        for _ in range(max_redirects + 1):
            parsed = _parse(url)
            try:
                page, location = _request(pool, parsed, max_bytes)
            except httpcore.TimeoutException as error:
                raise FetchFailed(f"{url} took longer than {seconds:g} s") from error
            except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
                reason = str(error) or type(error).__name__
                raise FetchFailed(f"{url} does not answer: {reason}") from error
            if page is not None:
                return page
            url = _join(url, location)
    raise FetchFailed(f"{url} redirects more than {max_redirects} times")


def read_sitemap(
    page: Page, *, max_sitemaps: int, fetch_listed: Callable[[str], Page]
) -> list[str] | None:
    """Return the URLs of a sitemap and of those that it lists; None for any other page.

    Only those of the sitemap's own host, as the protocol has it (sitemaps.org).
    """
    found: dict[str, None] = {}
    waiting, seen = [page], {page.url}
    is_sitemap = False
    while waiting:
        current = waiting.pop()
        kind, locations = _read_locations(current.data)
        if kind == "urlset":
            found |= dict.fromkeys(u for u in locations if _same_host(u, page.url))
        elif kind == "sitemapindex":
            for location in locations:
                if location in seen or not _same_host(location, page.url):
                    continue
                seen.add(location)
                if len(seen) > max_sitemaps:
                    raise FetchFailed(f"{page.url} lists more than {max_sitemaps} sitemaps")
                waiting.append(fetch_listed(location))
        is_sitemap = is_sitemap or kind != ""
    return list(found) if is_sitemap else None


def is_sitemap(page: Page) -> bool:
    """Return whether a page is a list of pages or of such lists; no more than its head is parsed.

    A server asks it of what a stranger's site sent, in the process that answers.
    """
    return _find_kind(page.data) != ""


def make_id(url: str) -> str:
    """Return the document id of a URL: host, path and query."""
    parsed = httpx.URL(url)
    query = f"?{parsed.query.decode()}" if parsed.query else ""
    return f"{parsed.netloc.decode()}{parsed.path.rstrip('/')}{query}"


def _read_locations(data: bytes) -> tuple[str, list[str]]:
    if not (kind := _find_kind(data)):
        return "", []
    with _well_formed():
        root = fromstring(data)
    return kind, [(node.text or "").strip() for node in root.iter(f"{_SITEMAP}loc")]


def _find_kind(data: bytes) -> str:
    """Return `urlset` or `sitemapindex` by the first tag, "" for any other page."""
    head = data[:_HEAD_BYTES]
    # An article may quote one.
    if not head.removeprefix(BOM_UTF8).lstrip().startswith(b"<"):
        return ""
    if b"<urlset" not in head and b"<sitemapindex" not in head:
        return ""
    with _well_formed():
        _, root = next(iterparse(BytesIO(data), events=("start",)))
    kind = str(root.tag).removeprefix(_SITEMAP)
    return kind if kind in {"urlset", "sitemapindex"} else ""


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    # The last for an encoding that is none, or none of text.
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FetchFailed(f"the sitemap is not well-formed XML ({type(error).__name__})") from error


def _same_host(url: str, other: str) -> bool:
    try:
        return httpx.URL(url).netloc == httpx.URL(other).netloc
    except httpx.InvalidURL:
        return False


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchFailed(f"{url} redirects to what is not a URL") from error


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        # A name in Punycode is decoded when it is asked for.
        host = parsed.host
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequest(f"{url} is not a URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not host:
        raise InvalidRequest(f"{url}: only http and https are fetched")
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise InvalidRequest(f"{url}: invalid port {parsed.port}")
    if parsed.userinfo:
        raise InvalidRequest("a URL with a password in it is not fetched")
    return parsed


def _request(
    pool: httpcore.ConnectionPool, url: httpx.URL, max_bytes: int
) -> tuple[Page | None, str]:
    """Return the page, or None and where it redirects to."""
    with pool.stream(
        "GET",
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers={
            "Host": url.netloc.decode(),
            "User-Agent": "folio",
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
    ) as answer:
        headers = httpx.Headers(answer.headers)
        location = headers.get("location", "")
        if answer.status in _REDIRECTS and location:
            return None, location
        if not 200 <= answer.status < 300:
            raise FetchFailed(f"{url} answers HTTP {answer.status}")
        if headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed(f"{url} is compressed, although that was not asked for")
        data = bytearray()
        for piece in answer.iter_stream():
            data += piece
            if len(data) > max_bytes:
                raise FetchFailed(f"{url} has more than {max_bytes} bytes")
        return Page(str(url), headers.get("content-type", ""), bytes(data)), ""
