"""Collections and articles as resources of the Model Context Protocol."""

import json
from collections.abc import Callable
from typing import Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.resources import ResourceSecurity
from mcp_types import INTERNAL_ERROR, ListResourcesResult, Resource
from starlette.concurrency import run_in_threadpool

from app.api.mcp.library import FindLibrary, make_id, make_uri
from app.api.problems import UNEXPECTED, log_unexpected
from app.errors import FolioError


def add_resources(server: MCPServer[Any], find_library: FindLibrary) -> None:
    """Let a server show the collections of whoever asks, and the articles in them."""

    async def list_collections(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
        # What the SDK lists is the same for everybody; a key sees its own collections.
        if ctx.method != "resources/list":
            return await call_next(ctx)
        try:
            names = await run_in_threadpool(find_library(ctx.request).list_collections)
        except FolioError as error:
            raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
        return ListResourcesResult(
            resources=[
                Resource(uri=f"folio://{name}", name=name, mime_type="application/json")
                for name in names
            ]
        )

    server.middleware.append(list_collections)

    @server.resource(
        "folio://{collection}/{id}",
        name="article",
        description="The text of an article; its id is percent-encoded",
        mime_type="text/plain",
        # An id is looked up and opens no file: `/a` and `c:a` are ids as any other.
        security=ResourceSecurity(reject_path_traversal=False, reject_absolute_paths=False),
    )
    async def article(collection: str, id: str, ctx: Context[Any, Any]) -> str:
        library = find_library(ctx.request_context.request)
        return await _read(lambda: library.fetch(collection, id).text)

    @server.resource(
        "folio://{collection}",
        name="collection",
        description="The first articles of a collection: ids and titles",
        mime_type="application/json",
    )
    async def collection(collection: str, ctx: Context[Any, Any]) -> str:
        library = find_library(ctx.request_context.request)

        def run() -> str:
            listed = library.list_documents(collection)
            return json.dumps([_describe(collection, id_, title) for id_, title in listed])

        return await _read(run)


def _describe(collection: str, document_id: str, title: str) -> dict[str, str]:
    return {
        "id": make_id(collection, document_id),
        "title": title,
        "uri": make_uri(collection, document_id),
    }


async def _read(run: Callable[[], str]) -> str:
    try:
        return await run_in_threadpool(run)
    except FolioError as error:
        kind = ResourceNotFoundError if error.status == 404 else ResourceError
        raise kind(str(error)) from error
    except Exception as error:  # noqa: BLE001  # the SDK would log what it quotes of a question
        log_unexpected(error)
        raise ResourceError(UNEXPECTED) from None
