"""Articles from web addresses: the server fetches a page, as `folio import-url` does elsewhere.

Who may write can make the server ask for an address; only those of the public internet, and of
networks that the operator named, are reached (app.services.articles.web_pages).
"""

from app.config import Settings
from app.domain import Attributes
from app.errors import Forbidden, InvalidRequest
from app.services.articles.addresses import parse_networks
from app.services.articles.documents import Upload
from app.services.articles.web_pages import Page, fetch, is_sitemap, make_id
from ingest.formats import find_charset, find_page_charset, resolve_media_type
from ingest.parsers.text import decode_text

_TEXTS = {
    "text/html": "text/html",
    "application/xhtml+xml": "text/html",
    "text/plain": "text/plain",
    "text/markdown": "text/markdown",
}


class ImportsOff(Forbidden):
    """The operator lets the server fetch nothing."""

    code = "imports_off"


def fetch_article(
    settings: Settings,
    url: str,
    *,
    document_id: str | None = None,
    title: str | None = None,
    attributes: Attributes | None = None,
) -> Upload:
    """Return the page at a web address as an upload, under the id of its address if none is given.

    Raises ImportsOff, ForbiddenAddress, FetchFailed, and InvalidRequest for what is not an address
    to fetch or is a sitemap.
    """
    if not settings.imports:
        raise ImportsOff("this server fetches no web addresses (FOLIO_IMPORTS)")
    page = fetch_page(url, settings)
    if is_sitemap(page):
        raise InvalidRequest(
            f"{url} is a sitemap; `folio import-url` fetches all pages that it lists",
            code="is_a_sitemap",
        )
    media_type, data = read_page(page)
    return Upload(
        document_id or make_id(url),
        data,
        media_type,
        title=title,
        url=page.url,
        attributes=attributes,
    )


def read_page(page: Page) -> tuple[str, bytes]:
    """Return the media type and the bytes of a page: text in UTF-8, whatever it came in."""
    media_type = resolve_media_type(page.content_type, page.url.partition("?")[0], page.data)
    text_type = _TEXTS.get(media_type.partition(";")[0])
    if text_type is None:
        return media_type, page.data
    charset = find_charset(page.content_type)
    if text_type == "text/html":
        charset = charset or find_page_charset(page.data)
    text, _ = decode_text(page.data, charset)
    return text_type, text.encode()


def fetch_page(url: str, settings: Settings) -> Page:
    """Return what a URL gives, within the settings; raises as `fetch` does."""
    return fetch(
        url,
        networks=parse_networks(settings.fetch_networks),
        max_bytes=settings.max_body_bytes,
        seconds=settings.fetch_seconds,
        max_redirects=settings.max_redirects,
    )
