"""Fetching web pages for `folio import-url`, and only from where it is allowed.

Every address that a name resolves to must be global, or in a network that the operator named; the
connection goes to the address that was checked; and each redirect is checked again.
"""

import ipaddress
import socket
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias
from urllib.parse import urljoin
from xml.etree.ElementTree import ParseError

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.errors import FolioError, InvalidRequest

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_REDIRECTS = 5
_SECONDS = 30.0
_SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
_MAX_SITEMAPS = 50
# RFC 6052: an IPv4 address in its last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddress(FolioError):
    """A URL leads where this service may not go."""

    status, code = 403, "forbidden_address"


class FetchFailed(FolioError):
    """A page did not come: no answer, an error, too much of it, or too slowly."""

    status, code = 502, "fetch_failed"


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL gave, after its redirects."""

    url: str
    content_type: str
    data: bytes


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks as `10.0.0.0/8, ::1`; raises InvalidRequest."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidRequest(f"FOLIO_FETCH_NETWORKS: {error}") from error


def fetch(url: str, *, networks: tuple[Network, ...], max_bytes: int) -> Page:
    """Return what a URL gives; raises ForbiddenAddress, FetchFailed or InvalidRequest.

    `networks` may be reached although they are not global.
    """
    deadline = monotonic() + _SECONDS
    with httpx.Client(
        follow_redirects=False,
        # A proxy would resolve names by itself.
        trust_env=False,
        timeout=10.0,
        headers={"User-Agent": "folio", "Accept-Encoding": "identity"},
    ) as http:
        for _ in range(_MAX_REDIRECTS + 1):
            parsed = _parse(url)
            address = check_host(parsed.host, _port(parsed), networks)
            try:
                page, location = _request(http, parsed, address, max_bytes, deadline)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise FetchFailed(f"{url} does not answer: {reason}") from error
            if page is not None:
                return page
            url = urljoin(url, location)
    raise FetchFailed(f"{url} redirects more than {_MAX_REDIRECTS} times")


def check_host(host: str, port: int, networks: tuple[Network, ...]) -> str:
    """Return the address to connect to; raises ForbiddenAddress unless all of them are allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchFailed(f"there is no host {host}") from error
    # A scope such as %eth0 only link-local addresses have.
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not is_allowed(address, networks):
            raise ForbiddenAddress(
                f"{host} is {address}, which is not on the public internet; "
                "FOLIO_FETCH_NETWORKS names the networks that are allowed beside it"
            )
    return str(addresses[0])


def is_allowed(address: Address, networks: tuple[Network, ...]) -> bool:
    """Return whether an address, and the IPv4 address that it may stand for, can be reached."""
    if any(address in network for network in networks):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_allowed(inner, networks)
    return address.is_global and not address.is_multicast


def read_sitemap(page: Page, *, networks: tuple[Network, ...], max_bytes: int) -> list[str] | None:
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
                if len(seen) > _MAX_SITEMAPS:
                    raise FetchFailed(f"{page.url} lists more than {_MAX_SITEMAPS} sitemaps")
                waiting.append(fetch(location, networks=networks, max_bytes=max_bytes))
        is_sitemap = is_sitemap or kind != ""
    return list(found) if is_sitemap else None


def make_id(url: str) -> str:
    """Return the document id of a URL: host, path and query."""
    parsed = httpx.URL(url)
    query = f"?{parsed.query.decode()}" if parsed.query else ""
    return f"{parsed.netloc.decode()}{parsed.path.rstrip('/')}{query}"


def _read_locations(data: bytes) -> tuple[str, list[str]]:
    head = data[:1024]
    if b"<urlset" not in head and b"<sitemapindex" not in head:
        return "", []
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise FetchFailed(f"the sitemap is no well-formed XML ({type(error).__name__})") from error
    kind = str(root.tag).removeprefix(_SITEMAP)
    locations = [(node.text or "").strip() for node in root.iter(f"{_SITEMAP}loc")]
    return (kind, locations) if kind in {"urlset", "sitemapindex"} else ("", [])


def _same_host(url: str, other: str) -> bool:
    try:
        return httpx.URL(url).netloc == httpx.URL(other).netloc
    except httpx.InvalidURL:
        return False


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"{url} is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidRequest(f"{url}: only http and https are fetched")
    if parsed.userinfo:
        raise InvalidRequest("a URL with a password in it is not fetched")
    return parsed


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _request(
    http: httpx.Client, url: httpx.URL, address: str, max_bytes: int, deadline: float
) -> tuple[Page | None, str]:
    """Return the page, or None and where it redirects to."""
    with http.stream(
        "GET",
        url.copy_with(host=address, fragment=None),
        headers={"Host": url.netloc.decode()},
        # The certificate is checked against the name, not the address.
        extensions={"sni_hostname": url.host},
    ) as answer:
        location = answer.headers.get("location", "")
        if answer.is_redirect and location:
            return None, location
        if not answer.is_success:
            raise FetchFailed(f"{url} answers HTTP {answer.status_code}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed(f"{url} is packed, although that was not asked for")
        data = b""
        for piece in answer.iter_raw():
            data += piece
            if len(data) > max_bytes:
                raise FetchFailed(f"{url} has more than {max_bytes} bytes")
            if monotonic() > deadline:
                raise FetchFailed(f"{url} took longer than {_SECONDS:g} s")
        return Page(str(url), answer.headers.get("content-type", ""), data), ""
