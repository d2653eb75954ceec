"""What an article would do to the answers before it is added: pasted, fetched, or dropped."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.admin.access import HOME
from app.admin.dropped import DroppedFiles
from app.admin.pages import ArticleRoute, render
from app.admin.pasted import Address, Text, Title, make_upload
from app.api.access import Opened, WritableCollection
from app.errors import FolioError, TooLarge
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload
from app.services.articles.imports import fetch_article
from app.services.quality.golden_sets import list_golden
from app.services.quality.preflight import Preflight, preflight
from ingest.sandbox import Sandbox

router = APIRouter(prefix=HOME, route_class=ArticleRoute, include_in_schema=False)

_MAX_QUERIES = 100
"""Of the golden set: somebody waits for the page."""
_MAX_MEMBERS = 20
"""Of an archive, for the same reason."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An upload and what it would do, or why it would fail."""

    id: str
    found: Preflight | None
    error: FolioError | None = None


@router.post("/collections/{collection}/preflight")
def check_text(
    request: Request, resources: Opened, collection: WritableCollection, title: Title, text: Text
) -> Response:
    """Show near-duplicates, questions whose answers would change, and what no passage covers."""
    (checked,) = _check(resources, collection, [make_upload(title, text)])
    return _show(request, collection, checked, title=title, text=text)


@router.post("/collections/{collection}/imports/preflight")
def check_page(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    url: Address,
) -> Response:
    """Show the same of a web page."""
    (checked,) = _check(resources, collection, [fetch_article(resources.settings, url.strip())])
    return _show(request, collection, checked, title=url, url=url)


@router.post("/collections/{collection}/files/preflight")
def check_files(
    request: Request, resources: Opened, collection: WritableCollection, dropped: DroppedFiles
) -> Response:
    """Show the same of files that were dropped, each by itself, for the script to put in place."""
    refused = [Checked(one.id, None, one.error) for one in dropped.refused]
    uploads = dropped.uploads
    if len(uploads) > _MAX_MEMBERS:
        many = f"these are {len(uploads)} articles; at most {_MAX_MEMBERS} are checked at once"
        refused.append(Checked(uploads[0].id, None, TooLarge(many)))
        uploads = []
    checked = [*_check(resources, collection, uploads), *refused]
    return render(
        request, "checked.html", collection=collection, checked=checked, left_out=dropped.left_out
    )


def _check(
    resources: Resources, collection: CollectionRef, uploads: Sequence[Upload]
) -> list[Checked]:
    golden = _read_questions(resources, collection)
    # A child of its own: the worker's may be busy with an upload for a minute.
    with closing(Sandbox(resources.settings)) as sandbox:
        return [_check_one(resources, sandbox, collection, upload, golden) for upload in uploads]


def _check_one(
    resources: Resources,
    sandbox: Sandbox,
    collection: CollectionRef,
    upload: Upload,
    golden: Sequence[GoldenQuery],
) -> Checked:
    try:
        return Checked(upload.id, preflight(resources, sandbox, collection, upload, golden))
    except FolioError as error:
        return Checked(upload.id, None, error)


def _show(
    request: Request,
    collection: CollectionRef,
    checked: Checked,
    *,
    title: str,
    text: str | None = None,
    url: str | None = None,
) -> Response:
    if checked.error is not None:
        raise checked.error
    return render(
        request,
        "preflight.html",
        collection=collection,
        found=checked.found,
        title=title,
        text=text,
        url=url,
    )


def _read_questions(resources: Resources, ref: CollectionRef) -> list[GoldenQuery]:
    kept = list_golden(resources.database, ref, limit=_MAX_QUERIES)
    return [
        GoldenQuery(str(one.id), one.query, one.relevant) for one in kept.queries if one.relevant
    ]
