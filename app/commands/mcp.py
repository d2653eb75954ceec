"""`folio mcp`: the tools of the Model Context Protocol over standard input and output."""

import os
from importlib.metadata import version
from typing import Annotated

import typer

from app.commands.terminal import ApiKey, Data, Server, open_client, reports_errors


@reports_errors
def mcp(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="A collection that may be read; repeat for several, none: all."),
    ] = None,
) -> None:
    """Serve the tools to a program that starts this one, such as Claude Desktop or an editor."""
    key = key or os.environ.get("FOLIO_API_KEY")
    # A second to import, for this command alone.
    import anyio

    from app.api.mcp.tools import make_server
    from app.commands.remote_library import RemoteLibrary

    with open_client(data, server, key, "folio mcp", embeds=server is None) as client:
        library = RemoteLibrary(client, collection or [])
        tools = make_server(lambda _request: library, version=version("folio-kb"))
        anyio.run(tools.run_stdio_async)
