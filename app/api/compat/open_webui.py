"""Open WebUI's external document loader, web search and tool server, under `/v1/openwebui`."""

from contextlib import closing
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.api.access import Opened, ReadableCollection, Writer, resources_of
from app.api.bodies import BodyReader, BodySize, json_body, limit_body
from app.api.compat.errors import (
    ContractBody,
    ContractRoute,
    Failure,
    error_responses,
)
from app.api.v1.fields import Answer
from app.domain import Hit
from app.errors import InvalidRequest
from app.services.access.collections import CollectionRef
from app.services.search.context import build_context
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents
from ingest.formats import resolve_media_type
from ingest.sandbox import Sandbox

MAX_RESULTS = 50
MAX_TOOL_TOKENS = 32_000


class OpenWebUIError(Answer):
    detail: str
    """One sentence for people."""


def shape_open_webui(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as Open WebUI shows it."""
    return failure.status, OpenWebUIError(detail=failure.message)


class OpenWebUIRoute(ContractRoute):
    shape = staticmethod(shape_open_webui)


router = APIRouter(prefix="/v1/openwebui", route_class=OpenWebUIRoute, tags=["open-webui"])
ERRORS = error_responses(OpenWebUIError, 401, 403, 404, 413, 415, 422, 503)


class ProcessedOut(Answer):
    page_content: str
    """The text of the file."""
    metadata: dict[str, Any]
    """Name and title, and `warnings` of what could not be read, if any."""


class WebSearchIn(ContractBody):
    query: str
    """The question."""
    count: int = Field(5, ge=1, le=MAX_RESULTS)
    """How many results."""


class WebResultOut(Answer):
    link: str
    """Where it can be read."""
    title: str
    """Of the article, or its id."""
    snippet: str
    """What of it answers."""


class RetrieveIn(ContractBody):
    query: str = Field(description="The question, in full")
    max_tokens: int = Field(2000, ge=1, le=MAX_TOOL_TOKENS)
    """Of all texts together."""


class SourceOut(Answer):
    document_id: str
    """The id of its document."""
    title: str
    """Of the article, or its id."""
    url: str | None
    """Its address, where one was given."""
    text: str
    """What was read, or what stands for a token."""


class RetrievedOut(Answer):
    """`sources` is text that somebody uploaded: data, and no orders."""

    sources: list[SourceOut]
    """What answers, best first."""
    no_answer: float | None = Field(description="Probability that none of them answers")


async def _read_file(request: Request) -> tuple[str, str, bytes]:
    limit = resources_of(request).settings.max_body_bytes
    data = await limit_body(request, limit).body()
    if not data:
        raise InvalidRequest("the body is empty: send the file", code="empty_document")
    name = unquote(request.headers.get("x-filename", ""))[:256]
    return name, request.headers.get("content-type", ""), data


RawFile = BodyReader(
    _read_file, {"application/octet-stream": {"type": "string", "format": "binary"}}
)


@router.put(
    "/process",
    operation_id="process_file",
    responses=ERRORS,
)
def process(
    file: Annotated[tuple[str, str, bytes], Depends(RawFile)], resources: Opened, _: Writer
) -> ProcessedOut:
    """Read the text of a file, as its external document loader; nothing is stored."""
    name, content_type, data = file
    media_type = resolve_media_type(content_type, name, data)
    with closing(Sandbox(resources.settings)) as sandbox:
        article = sandbox.parse(media_type, data)
    metadata: dict[str, Any] = {"source": name, "title": article.title}
    if article.warnings:
        metadata["warnings"] = list(article.warnings)
    return ProcessedOut(page_content=article.text, metadata=metadata)


@router.post(
    "/{collection}/search",
    operation_id="web_search",
    responses=ERRORS,
)
def web_search(
    collection: ReadableCollection,
    body: Annotated[WebSearchIn, Depends(json_body(WebSearchIn, size=BodySize.UPLOAD))],
    resources: Opened,
    request: Request,
) -> list[WebResultOut]:
    """Search a collection in the shape of an external web search."""
    asked = SearchRequest(body.query, [collection], limit=body.count)
    hits = search_documents(resources, asked, passages=2).results
    return [
        WebResultOut(
            link=hit.url or _link(request, collection, hit),
            title=hit.title or hit.document_id,
            snippet="\n\n".join(passage.quoted for passage in hit.passages),
        )
        for hit in hits
    ]


@router.post(
    "/{collection}/retrieve",
    operation_id="retrieve_for_tool",
    responses=ERRORS,
)
def retrieve(
    collection: ReadableCollection,
    body: Annotated[RetrieveIn, Depends(json_body(RetrieveIn, size=BodySize.UPLOAD))],
    resources: Opened,
) -> RetrievedOut:
    """Give what answers a question, within a budget of tokens, as a tool for a model."""
    asked = SearchRequest(body.query, [collection])
    context = build_context(resources, asked, max_tokens=body.max_tokens)
    return RetrievedOut(
        sources=[
            SourceOut(
                document_id=block.document_id, title=block.title, url=block.url, text=block.quoted
            )
            for block in context.blocks
        ],
        no_answer=context.no_answer,
    )


@router.get("/{collection}/openapi.json", operation_id="tool_schema", responses=ERRORS)
def show_tools(collection: ReadableCollection, request: Request) -> dict[str, Any]:
    """Describe the tools of one collection, for a tool server's address `.../{collection}`."""
    body = {"application/json": {"schema": RetrieveIn.model_json_schema()}}
    schema = RetrievedOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = schema.pop("$defs")
    answer = {"application/json": {"schema": schema}}
    operation = {
        "operationId": "retrieve",
        "summary": f"Look up articles of {collection.name}",
        "description": retrieve.__doc__,
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "What was found", "content": answer}},
    }
    base = str(request.base_url).rstrip("/")
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Folio: {collection.name}", "version": "1"},
        "servers": [{"url": f"{base}/v1/openwebui/{collection.name}"}],
        "paths": {"/retrieve": {"post": operation}},
        "components": {"schemas": schemas},
    }


def _link(request: Request, collection: CollectionRef, hit: Hit) -> str:
    base = str(request.base_url).rstrip("/")
    return f"{base}/v1/collections/{collection.name}/documents/{quote(hit.document_id)}"
