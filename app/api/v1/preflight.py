"""The route that says what an article would do."""

import base64
import binascii
from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from app.api.access import GuardedRoute, Opened, WritableCollection, resources_of
from app.api.bodies import is_json, limit_body, parse_json, takes
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, AttributesIn, Body, Title, Url
from app.api.v1.golden_sets import GoldenQueryIn, read_queries
from app.errors import InvalidRequest, UnsupportedMediaType
from app.services.articles.documents import Upload
from app.services.quality.preflight import preflight
from ingest.formats import resolve_media_type
from ingest.sandbox import Sandbox

router = APIRouter(prefix="/v1", route_class=GuardedRoute, responses=problem_responses(401, 403))

MAX_QUERIES = 500


class PreflightIn(Body):
    id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    data: str = Field(min_length=1, description="The file, in base64", examples=["VGVhLg=="])
    filename: str = Field("", max_length=256, examples=["reset.txt"])
    media_type: str = Field("", max_length=128, pattern=r"^[A-Za-z0-9.+/;= _-]*$")
    title: Title | None = None
    url: Url | None = None
    attributes: AttributesIn | None = None
    queries: list[GoldenQueryIn] = Field([], max_length=MAX_QUERIES)


class TwinOut(Answer):
    document_id: str
    similarity: float


class ChangeOut(Answer):
    """A query whose answers would change; `rank` is where the article would stand, from 1."""

    query: str
    golden: bool
    before: str | None
    after: str | None
    rank: int | None
    overtaken: list[str]
    first_is_relevant: bool | None


class UncoveredOut(Answer):
    heading: str
    start: int
    end: int


class PreflightOut(Answer):
    id: str
    replaces: bool
    twins: list[TwinOut]
    asked: int
    changes: list[ChangeOut]
    uncovered: list[UncoveredOut]
    tokens: int
    units: int
    passages: int
    warnings: list[str]


async def _read(request: Request) -> PreflightIn:
    if not is_json(request):
        raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
    max_bytes = resources_of(request).settings.max_body_bytes
    return await parse_json(PreflightIn, await limit_body(request, max_bytes).body())


@router.post(
    "/collections/{collection}/preflight",
    openapi_extra=takes(PreflightIn),
    responses=problem_responses(404, 413, 415, 422, 503, 507),
    tags=["documents"],
)
def check_article(
    collection: WritableCollection,
    body: Annotated[PreflightIn, Depends(_read)],
    resources: Opened,
) -> PreflightOut:
    """Say what an article would do to the answers, without uploading it."""
    try:
        data = base64.b64decode(body.data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("data is not base64") from None
    upload = Upload(
        body.id,
        data,
        resolve_media_type(body.media_type, body.filename or body.id, data),
        filename=body.filename,
        title=body.title,
        url=body.url,
        attributes=body.attributes,
    )
    # A child of its own: the worker's may be busy with an upload for a minute.
    with closing(Sandbox(resources.settings)) as sandbox:
        found = preflight(resources, sandbox, collection, upload, read_queries(body.queries))
    return PreflightOut.model_validate(found)
