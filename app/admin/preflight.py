"""What a pasted article would do to the answers, before it is stored."""

from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, render
from app.api.access import Opened, WritableCollection
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload
from app.services.quality.golden_sets import list_golden
from app.services.quality.preflight import preflight
from ingest.sandbox import Sandbox

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

_MAX_QUERIES = 100
"""Of the golden set: somebody waits for the page."""


def make_upload(title: str, text: str) -> Upload:
    """Return an article that was pasted; its title is its id."""
    return Upload(title[:200], text.encode(), "text/markdown", title=title)


@router.post("/collections/{collection}/preflight")
def check_text(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    title: Annotated[str, Form(min_length=1, max_length=1024)],
    text: Annotated[str, Form(min_length=1)],
) -> Response:
    """Show near-duplicates, questions whose answers would change, and what no passage covers."""
    golden = _read_questions(resources, collection)
    # A child of its own: the worker's may be busy with an upload for a minute.
    with closing(Sandbox(resources.settings)) as sandbox:
        found = preflight(resources, sandbox, collection, make_upload(title, text), golden)
    return render(
        request, "preflight.html", collection=collection, found=found, title=title, text=text
    )


def _read_questions(resources: Resources, ref: CollectionRef) -> list[GoldenQuery]:
    kept = list_golden(resources.database, ref, limit=_MAX_QUERIES)
    return [
        GoldenQuery(str(one.id), one.query, one.relevant) for one in kept.queries if one.relevant
    ]
