"""`folio calibrate`: scores that mean what they say, by questions whose answers are known."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer

from app.commands.client import Client, collection_path
from app.commands.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    err,
    open_client,
    out,
    print_json,
    reports_errors,
    safe_text,
)
from app.errors import InvalidRequest

_POLL_SECONDS = 0.3


@reports_errors
def calibrate(
    golden_set: Annotated[
        Path | None,
        typer.Argument(metavar="[SET]", help="Golden set: JSON lines or a BEIR folder."),
    ] = None,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    golden: Annotated[
        bool, typer.Option("--golden", help="Use the golden set stored with the collection.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget the questions that were given before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate scores on questions whose answers are known; without SET show the calibration.

    A line of SET whose `relevant` is empty is a question that nothing answers. The questions are
    kept, and used again after `folio reembed` and `folio tune`.
    """
    given = (golden_set is not None, golden, forget)
    if sum(given) > 1:
        raise InvalidRequest("give one of SET, --golden and --forget")
    path = f"{collection_path(collection)}/calibration"
    asks = any(given)
    with open_client(data, server, key, "folio calibrate", embeds=asks, works=asks) as client:
        if asks:
            queries: list[dict[str, Any]] | None = None if golden else []
            if golden_set is not None:
                queries = _read_queries(golden_set)
            client.call("POST", path, json={"queries": queries})
            with err.status("asking"):
                found = _follow(client, path)
        else:
            found = client.call("GET", path)
    print_json(found) if as_json else _print(found)


def _read_queries(golden_set: Path) -> list[dict[str, Any]]:
    from app.evaluation.golden import read_labelled

    return [
        {"id": query.id, "query": query.text, "relevant": dict(query.relevant)}
        for query in read_labelled(golden_set)
    ]


def _follow(client: Client, path: str) -> dict[str, Any]:
    """Return what was measured once it is."""
    while True:
        found = client.call("GET", path)
        if not found["is_due"]:
            return found
        sleep(_POLL_SECONDS)


def _print(found: dict[str, Any]) -> None:
    name, measured = found["collection"], found["measured"]
    if measured is None or measured["anchors"] is None:
        out.print(safe_text(f"{name}: scores only rank, nothing is known of what they mean"))
    elif (labels := measured["labels"]) is None:
        out.print(safe_text(f"{name}: measured without labels, {measured['documents']} articles"))
    else:
        out.print(
            safe_text(
                f"{name}: by {labels['queries']} questions with an answer and "
                f"{labels['unanswered']} without, calibration error {labels['error']:.3f}, "
                f"corrected {labels['corrected_error']:.3f}"
            )
        )
