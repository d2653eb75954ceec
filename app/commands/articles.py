"""`folio show`, `list`, `rollback` and `remove`: the articles that are there."""

from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from app.commands.client import (
    RequestFailed,
    collection_path,
    document_path,
)
from app.commands.document_text import describe_document
from app.commands.search import Filters, read_filters
from app.commands.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    open_client,
    out,
    print_error,
    print_json,
    reports_errors,
    safe_text,
)
from app.commands.upload import wait_for_job
from app.domain import Status
from app.errors import FolioError

_ID_WIDTH = 48


@reports_errors
def show(
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    text: Annotated[bool, typer.Option("--text", help="Print the text as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show an article: its state, its receipt, its versions."""
    include = "text,versions" if text else "versions"
    with open_client(data, server, key, "folio show") as client:
        path = document_path(collection, document_id)
        document = client.call("GET", path, params={"include": include})
    if as_json:
        print_json(document)
        return
    table = Table(show_header=False, box=None)
    for name, value in describe_document(document):
        table.add_row(safe_text(name), safe_text(value))
    out.print(table)
    if document["text"] is not None:
        out.print(safe_text("\n" + document["text"]), soft_wrap=True)


@reports_errors
def list_articles(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    status: Annotated[Status | None, typer.Option(help="Only documents with this status.")] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="An attribute, $title, $updated_at …; prefix `-` for descending order."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the articles of a collection."""
    with open_client(data, server, key, "folio list") as client:
        documents = client.list_documents(collection, status=status, sort=sort)
    if as_json:
        print_json(documents)
        return
    longest = max((len(document["id"]) for document in documents), default=0)
    table = Table(
        # An id that is cut is of no use to the next command; a title is there to be recognized.
        Column("id", overflow="fold", min_width=min(longest, _ID_WIDTH)),
        "status",
        Column("version", justify="right"),
        Column("tokens", justify="right"),
        Column("title", overflow="ellipsis"),
        box=None,
    )
    for document in documents:
        receipt = document["receipt"] or {}
        title = safe_text(document["title"])
        title.no_wrap, title.overflow = True, "ellipsis"
        table.add_row(
            safe_text(document["id"]),
            _status_text(document),
            str(document["version"]),
            str(receipt.get("tokens_counted", "")),
            title,
        )
    out.print(table)


@reports_errors
def rollback(
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    version: Annotated[int, typer.Argument(help="A version that `folio show` lists.", min=1)],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Restore an earlier version of an article as its newest."""
    with open_client(data, server, key, "folio rollback", embeds=True, works=True) as client:
        accepted = client.call(
            "POST",
            f"{collection_path(collection)}/rollback",
            json={"document_id": document_id, "version": version},
        )
        job = wait_for_job(client, accepted["job_id"])
    if as_json:
        # As it stands now, and not as it was queued.
        status = next(name for name, count in job["counts"].items() if count)
        ended = {"status": status, "error": next(iter(job["errors"]), None)}
        print_json(accepted | {"documents": [accepted["documents"][0] | ended]})
    elif job["errors"]:
        raise FolioError(job["errors"][0]["message"], code=job["errors"][0]["code"])
    else:
        number = accepted["documents"][0]["version"]
        out.print(safe_text(f"{document_id}: version {number} is what version {version} was"))
    if job["errors"]:
        raise typer.Exit(1)


@reports_errors
def remove(
    document_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID…]")] = None,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    filters: Filters = None,
    confirm_count: Annotated[
        int | None,
        typer.Option(help="Erase what the filter picks, if it is this many; else count.", min=0),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Erase articles by their ids, or those that a filter picks."""
    if (filters is None) == (not document_ids):
        raise FolioError("give ids of articles or --filter")
    if filters is None and confirm_count is not None:
        raise FolioError("--confirm-count goes with --filter")
    if filters is not None:
        body = read_filters(filters)
        with open_client(data, server, key, "folio remove") as client:
            params = {} if confirm_count is None else {"confirm_count": confirm_count}
            path = f"{collection_path(collection)}/delete-documents"
            picked = client.call("POST", path, json=body, params=params)
        _print_picked(picked, as_json=as_json)
        return
    document_ids = document_ids or []
    erased = []
    with open_client(data, server, key, "folio remove") as client:
        for document_id in document_ids:
            try:
                erased.append(client.call("DELETE", document_path(collection, document_id)))
            except RequestFailed as error:
                if error.code != "document_not_found":
                    raise
                print_error(f"{document_id}: {error}")
            else:
                if not as_json:
                    out.print(safe_text(f"erased {document_id}"))
    if as_json:
        print_json(erased)
    if len(erased) < len(document_ids):
        raise typer.Exit(1)


def _print_picked(picked: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(picked)
    elif picked["deleted"]:
        out.print(f"erased: {picked['deleted']}")
    else:
        for document_id in picked["ids"]:
            out.print(safe_text(document_id))
        count = picked["matched"]
        out.print(f"articles that meet the filter: {count}; --confirm-count {count} erases them")


def _status_text(document: dict[str, Any]) -> Text:
    if document["error"] is not None:
        return Text(f"failed: {document['error']['code']}", "red")
    return Text(document["status"])
