"""The route that makes an article of a web page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from app.api.access import GuardedRoute, Opened, WritableCollection
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.document_schemas import UploadOut
from app.api.v1.fields import COLLECTION, AttributesIn, Body, Title
from app.api.v1.uploads import DONE, Wait, answer_upload
from app.domain import MAX_URL_LENGTH
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import AcceptedUploads, put_documents
from app.services.articles.imports import fetch_article

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)


class ImportIn(Body):
    url: str = Field(
        min_length=1, max_length=MAX_URL_LENGTH, examples=["https://help.example.com/reset"]
    )
    """The page: http or https, on the public internet or in a network that the operator named."""
    id: str | None = Field(None, min_length=1, max_length=256, examples=["manual/reset"])
    """Null: host, path and query of `url`."""
    title: Title | None = None
    """Null: the page's own."""
    attributes: AttributesIn | None = None
    """As in an upload."""


@router.post(
    COLLECTION + "/imports",
    status_code=202,
    responses=problem_responses(404, 413, 415, 422, 429, 503, 507) | DONE,
)
async def import_page(
    collection: WritableCollection,
    body: Annotated[ImportIn, Depends(json_body(ImportIn))],
    resources: Opened,
    response: Response,
    wait: Wait = 0,
) -> UploadOut:
    """Fetch a web page and upload it; nothing is stored of one that cannot be fetched.

    200 when nothing is left to do, 202 when it is queued: stored, and searchable later.
    """
    accepted = await run_in_threadpool(_import, resources, collection, body)
    return await answer_upload(resources.database, accepted, wait, response)


def _import(resources: Resources, collection: CollectionRef, body: ImportIn) -> AcceptedUploads:
    upload = fetch_article(
        resources.settings,
        body.url,
        document_id=body.id,
        title=body.title,
        attributes=body.attributes,
    )
    return put_documents(resources, collection, [upload])
