"""`folio golden`: the golden set that a collection keeps."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.client import Client, collection_path
from app.commands.terminal import (
    ApiKey,
    Collection,
    Data,
    Server,
    open_client,
    out,
    reports_errors,
    safe_text,
)
from app.errors import InvalidRequest


@reports_errors
def golden(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines to write, or to add.")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    suggested: Annotated[
        bool,
        typer.Option("--suggested", help="Write what feedback says of other questions instead."),
    ] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Add the questions of FILE to the golden set.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over FILE where it is there.")
    ] = False,
) -> None:
    """Write the golden set of a collection to a file, or add a file to it."""
    if add and (suggested or replace):
        raise InvalidRequest("--add reads FILE; --suggested and --replace write it")
    # A set that was written by hand is one forgotten option away.
    if file.is_file() and not (add or replace):
        raise InvalidRequest(
            f"{file} is there: --add adds it to the golden set, --replace writes over it"
        )
    with open_client(data, server, key, "folio golden") as client:
        if add:
            added = add_queries(client, collection, file)
            out.print(
                f"{added['added']} added, {added['changed']} changed; "
                f"the golden set has {added['total']} questions"
            )
            return
        if suggested:
            path = f"{collection_path(collection)}/golden/suggestions"
            queries = client.call("GET", path)["queries"]
        else:
            queries = fetch_queries(client, collection)
    lines = [json.dumps(query, ensure_ascii=False) + "\n" for query in queries]
    file.write_text("".join(lines), encoding="utf-8")
    review = "; read them before you trust them" if suggested else ""
    out.print(safe_text(f"{len(lines)} queries in {file}{review}"))


def fetch_queries(client: Client, collection: str) -> list[dict[str, Any]]:
    """Return the golden set that a collection keeps, as `folio eval` reads a file."""
    path = f"{collection_path(collection)}/golden"
    queries: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = client.call("GET", path, params={"limit": 1000, "after": after})
        queries += [{"query": q["query"], "relevant": q["relevant"]} for q in page["queries"]]
        after = page["following"]
    return queries


def add_queries(client: Client, collection: str, file: Path) -> dict[str, Any]:
    """Add a golden set in a file or a BEIR folder to the one of a collection."""
    from app.evaluation.golden import read_labelled

    body = [
        {"query": query.text, "relevant": dict(query.relevant)} for query in read_labelled(file)
    ]
    added: dict[str, Any] = client.call(
        "POST", f"{collection_path(collection)}/golden", json={"queries": body}
    )
    return added
