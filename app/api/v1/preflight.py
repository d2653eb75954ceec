"""The route that says what an article would do."""

import base64
import binascii
from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import GuardedRoute, Opened, WritableCollection
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, AttributesIn, Body, Title, Url
from app.api.v1.golden_sets import GoldenQueryIn, read_queries
from app.errors import InvalidRequest
from app.services.articles.documents import Upload
from app.services.quality.preflight import preflight
from ingest.formats import resolve_media_type
from ingest.sandbox import Sandbox

router = APIRouter(prefix="/v1", route_class=GuardedRoute, responses=problem_responses(401, 403))

MAX_QUERIES = 500
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"


class PreflightIn(Body):
    id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    """Under which it would be uploaded."""
    data: str = Field(
        min_length=1,
        description="The file, in base64",
        examples=["VGVhLg=="],
        json_schema_extra={"contentEncoding": "base64", "pattern": _BASE64},
    )
    filename: str = Field("", max_length=256, examples=["reset.txt"])
    """Tells the format where `media_type` does not."""
    media_type: str = Field("", max_length=128, pattern=r"^[A-Za-z0-9.+/;= _-]*$")
    """Empty: told by the content and the name."""
    title: Title | None = None
    """As in an upload."""
    url: Url | None = None
    """As in an upload."""
    attributes: AttributesIn | None = None
    """As in an upload."""
    queries: list[GoldenQueryIn] = Field([], max_length=MAX_QUERIES)
    """A golden set to ask before and after."""


class NearDuplicateOut(Answer):
    document_id: str
    """An article that says nearly the same."""
    similarity: float
    """How much of their wording is the same, 0 to 1."""


class ChangeOut(Answer):
    """A query whose answers would change; `rank` is where the article would stand, from 1."""

    query: str
    """The question that was asked."""
    golden: bool
    """Whether it is of the golden set."""
    before: str | None
    """The first hit now."""
    after: str | None
    """The first hit with the article."""
    rank: int | None
    """Where the article would stand, from 1."""
    overtaken: list[str]
    """Articles that it would overtake."""
    first_is_relevant: bool | None
    """Whether the golden set names the new first hit."""


class UncoveredOut(Answer):
    heading: str
    """The section that no passage covers."""
    start: int
    """Where it begins in the text, in code points."""
    end: int
    """Where it ends, exclusive."""


class PreflightOut(Answer):
    id: str
    """The document that was asked about."""
    replaces: bool
    """Whether there is a document with this id."""
    near_duplicates: list[NearDuplicateOut]
    """Near-duplicates of it."""
    asked: int
    """How many questions were asked."""
    changes: list[ChangeOut]
    """The questions whose answers would change."""
    uncovered: list[UncoveredOut]
    """Sections that no passage covers."""
    tokens: int
    """Of its text."""
    units: int
    """Vectors that it would have."""
    passages: int
    """Passages that it would have."""
    warnings: list[str]
    """As its receipt would name them."""


@router.post(
    "/collections/{collection}/preflight",
    responses=problem_responses(404, 413, 415, 422, 503, 507),
    tags=["documents"],
)
def check_article(
    collection: WritableCollection,
    body: Annotated[PreflightIn, Depends(json_body(PreflightIn, size=BodySize.UPLOAD))],
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
