"""What `folio import-url` does: fetch pages here, and upload them as `folio add` does."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from app.commands.client import Client, document_path
from app.commands.upload import NotReading, Outcome, call_patiently, wait_for_job
from app.config import Settings
from app.errors import FolioError
from app.services.articles.imports import fetch_page, read_page
from app.services.articles.web_pages import Page, make_id, read_sitemap

_FIELDS = {"text/html": "html", "text/plain": "text", "text/markdown": "markdown"}


def import_urls(
    client: Client,
    collection: str,
    urls: Sequence[str],
    outcome: Outcome,
    *,
    settings: Settings,
    limit: int,
) -> None:
    """Fetch and upload pages, and wait for them; what cannot be fetched or read fails by its URL.

    Raises FolioError when there are more than `limit` pages, those of sitemaps included: nothing is
    uploaded then. Raises NotReading as `upload` does.
    """
    jobs = []
    for url, fetched in _find_pages(urls, outcome, settings=settings, limit=limit).items():
        try:
            page = fetched or fetch_page(url, settings)
            upload = partial(_upload, client, collection, url, page)
            jobs.append(call_patiently(client, upload))
        except NotReading:
            raise
        except FolioError as error:
            outcome.fail(url, error.code, str(error))
    for accepted in jobs:
        _follow(client, accepted, outcome)


def _find_pages(
    urls: Sequence[str], outcome: Outcome, *, settings: Settings, limit: int
) -> dict[str, Page | None]:
    """Return the pages that are named or that named sitemaps list; of the former what they hold."""
    pages: dict[str, Page | None] = {}
    named = dict.fromkeys(urls)
    for url in named:
        try:
            page = fetch_page(url, settings)
            listed = _find_listed(page, settings)
        except FolioError as error:
            outcome.fail(url, error.code, str(error))
            continue
        # What is named as well has its own turn.
        pages |= (
            {url: page} if listed is None else {one: None for one in listed if one not in named}
        )
        if len(pages) > limit:
            raise FolioError(f"there are more than {limit} pages; --limit raises that")
    return pages


def _find_listed(page: Page, settings: Settings) -> list[str] | None:
    return read_sitemap(
        page,
        max_sitemaps=settings.max_sitemaps,
        fetch_listed=lambda url: fetch_page(url, settings),
    )


def _upload(client: Client, collection: str, url: str, page: Page) -> dict[str, Any]:
    """Upload a page under the id of the URL that was asked for."""
    media_type, data = read_page(page)
    field = _FIELDS.get(media_type)
    path = document_path(collection, make_id(url))
    if field is None:
        return client.call("PUT", path, content=data, headers={"Content-Type": media_type})
    return client.call("PUT", path, json={field: data.decode(), "url": page.url})


def _follow(client: Client, accepted: dict[str, Any], outcome: Outcome) -> None:
    change = accepted["documents"][0]["change"]
    if change != "content":
        outcome.counts["unchanged" if change == "none" else "updated"] += 1
        return
    job = wait_for_job(client, accepted["job_id"])
    outcome.counts["ready"] += job["counts"]["ready"]
    outcome.tokens += job["tokens"]
    for failure in job["errors"]:
        outcome.fail(failure["id"], failure["code"], failure["message"])
