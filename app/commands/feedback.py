"""`folio gaps`: the articles to write."""

from typing import Annotated

import typer
from rich.table import Column, Table

from app.commands.client import collection_path
from app.commands.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    open_client,
    out,
    print_json,
    reports_errors,
    safe_text,
)


@reports_errors
def gaps(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    below: Annotated[
        float, typer.Option(help="A first hit that scores less is no answer.", min=0, max=1)
    ] = 0.1,
    as_json: AsJson = False,
) -> None:
    """List the articles to write: subjects of questions that found nothing good."""
    with open_client(data, server, key, "folio gaps", embeds=True) as client:
        path = f"{collection_path(collection)}/gaps"
        found = client.call("GET", path, params={"below": below})["gaps"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("no gaps: every logged question found something, or the query log is off")
        return
    table = Table("asked", Column("examples", overflow="fold"), "nearest article", box=None)
    for gap in found:
        table.add_row(
            str(gap["count"]),
            safe_text("\n".join(gap["examples"])),
            safe_text("\n".join(gap["nearest"][:2])),
        )
    out.print(table)
