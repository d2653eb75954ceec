"""`folio preflight`: what an article would do, before it is uploaded."""

from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any

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
def preflight(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    document_id: Annotated[
        str | None, typer.Option("--id", help="The id it would have; its name if not given.")
    ] = None,
    golden_set: Annotated[
        Path | None, typer.Option("--golden", help="Queries whose answers matter.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what adding an article would change: near-duplicates, rankings, uncovered text."""
    body: dict[str, Any] = {
        "id": document_id or file.name,
        "filename": file.name,
        "data": b64encode(file.read_bytes()).decode(),
    }
    if golden_set is not None:
        from app.evaluation.golden import read_golden

        body["queries"] = [
            {"id": query.id, "query": query.text, "relevant": dict(query.relevant)}
            for query in read_golden(golden_set)
        ]
    with open_client(data, server, key, "folio preflight", embeds=True) as client:
        found = client.call("POST", f"{collection_path(collection)}/preflight", json=body)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    verb = "replaces a version of" if found["replaces"] else "would be"
    out.print(
        safe_text(
            f"{verb} {found['id']}: {found['tokens']} tokens, {found['units']} units, "
            f"{found['passages']} passages"
        )
    )
    for warning in found["warnings"]:
        out.print(safe_text(f"warning: {warning}", "yellow"))
    for near in found["near_duplicates"]:
        out.print(
            safe_text(f"near-duplicate: {near['document_id']} ({near['similarity']:.0%} of words)")
        )
    for section in found["uncovered"]:
        out.print(safe_text(f"no passage covers: {section['heading'] or 'the beginning'}"))
    moved = [change for change in found["changes"] if change["before"] != change["after"]]
    out.print(f"{found['asked']} queries asked, the first hit of {len(moved)} would change")
    if found["changes"]:
        table = Table(
            Column("query", overflow="fold"),
            "first before",
            "first after",
            "rank",
            "overtakes",
            box=None,
        )
        for change in found["changes"]:
            table.add_row(
                safe_text(change["query"]),
                safe_text(change["before"] or "nothing"),
                safe_text(change["after"] or "nothing"),
                str(change["rank"] or ""),
                safe_text(", ".join(change["overtaken"])),
            )
        out.print(table)
