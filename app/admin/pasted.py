"""An article that is pasted: what it would do to the answers, and storing it."""

from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.formats import as_segment
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Opened, WritableCollection
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload, put_documents
from app.services.quality.golden_sets import list_golden
from app.services.quality.preflight import preflight
from ingest.sandbox import Sandbox

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

_MAX_QUERIES = 100
"""Of the golden set: somebody waits for the page."""


Title = Annotated[str, Form(min_length=1, max_length=1024)]
"""The first characters of it are the article's id."""
Text = Annotated[str, Form(min_length=1)]


@router.post("/collections/{collection}/paste")
def upload_text(
    request: Request, resources: Opened, collection: WritableCollection, title: Title, text: Text
) -> Response:
    """Take an article."""
    upload = _make_upload(title, text)
    put_documents(resources, collection, [upload])
    path = f"{HOME}/collections/{collection.name}/articles/{as_segment(upload.id)}"
    return redirect(request, path, "Stored. It is searched once it has been read.")


@router.post("/collections/{collection}/preflight")
def check_text(
    request: Request, resources: Opened, collection: WritableCollection, title: Title, text: Text
) -> Response:
    """Show near-duplicates, questions whose answers would change, and what no passage covers."""
    golden = _read_questions(resources, collection)
    # A child of its own: the worker's may be busy with an upload for a minute.
    with closing(Sandbox(resources.settings)) as sandbox:
        found = preflight(resources, sandbox, collection, _make_upload(title, text), golden)
    return render(
        request, "preflight.html", collection=collection, found=found, title=title, text=text
    )


def _make_upload(title: str, text: str) -> Upload:
    return Upload(title[:200], text.encode(), "text/markdown", title=title)


def _read_questions(resources: Resources, ref: CollectionRef) -> list[GoldenQuery]:
    kept = list_golden(resources.database, ref, limit=_MAX_QUERIES)
    return [
        GoldenQuery(str(one.id), one.query, one.relevant) for one in kept.queries if one.relevant
    ]
