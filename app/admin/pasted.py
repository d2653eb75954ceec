"""Articles that are pasted, and those of a web address."""

import unicodedata
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Form, Request, Response
from pydantic import BeforeValidator

from app.admin.access import HOME
from app.admin.formats import as_segment
from app.admin.pages import ArticleRoute, redirect
from app.api.access import Opened, WritableCollection
from app.domain import MAX_URL_LENGTH
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload, put_documents
from app.services.articles.imports import fetch_article
from ingest.ids import MAX_ID_BYTES

router = APIRouter(prefix=HOME, route_class=ArticleRoute, include_in_schema=False)


def _join_words(title: str) -> str:
    return " ".join(title.split())


Title: TypeAlias = Annotated[str, Form(min_length=1, max_length=1024), BeforeValidator(_join_words)]
"""As much of it as an id may have is the article's id."""
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
    name = unicodedata.normalize("NFC", title).encode()[:MAX_ID_BYTES]
    # A character that was cut is left out.
    return Upload(name.decode(errors="ignore"), text.encode(), "text/markdown", title=title)


def _store(
    request: Request, resources: Resources, collection: CollectionRef, upload: Upload
) -> Response:
    (accepted,) = put_documents(resources, collection, [upload]).documents
    path = f"{HOME}/collections/{collection.name}/articles/{as_segment(accepted.id)}"
    return redirect(request, path, "Stored. It is searched once it has been read.")
