"""Articles that are pasted, and those of a web address."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.formats import as_segment
from app.admin.pages import ArticleRoute, redirect
from app.api.access import Opened, WritableCollection
from app.domain import MAX_URL_LENGTH
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload, put_documents
from app.services.articles.imports import fetch_article

router = APIRouter(prefix=HOME, route_class=ArticleRoute, include_in_schema=False)

Title: TypeAlias = Annotated[str, Form(min_length=1, max_length=1024)]
"""The first characters of it are the article's id."""
Text: TypeAlias = Annotated[str, Form(min_length=1)]
Address: TypeAlias = Annotated[str, Form(min_length=1, max_length=MAX_URL_LENGTH)]


@router.post("/collections/{collection}/paste")
def upload_text(
    request: Request, resources: Opened, collection: WritableCollection, title: Title, text: Text
) -> Response:
    """Take an article."""
    return _store(request, resources, collection, make_upload(title, text))


@router.post("/collections/{collection}/imports")
def import_page(
    request: Request, resources: Opened, collection: WritableCollection, url: Address
) -> Response:
    """Fetch a web page and take it."""
    upload = fetch_article(resources.settings, url.strip())
    return _store(request, resources, collection, upload)


def make_upload(title: str, text: str) -> Upload:
    """Return what was pasted as an upload."""
    return Upload(title[:200], text.encode(), "text/markdown", title=title)


def _store(
    request: Request, resources: Resources, collection: CollectionRef, upload: Upload
) -> Response:
    (accepted,) = put_documents(resources, collection, [upload]).documents
    path = f"{HOME}/collections/{collection.name}/articles/{as_segment(accepted.id)}"
    return redirect(request, path, "Stored. It is searched once it has been read.")
