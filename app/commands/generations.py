"""`folio reembed` and `folio generations`: another model, measured before it answers."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Column, Table

from app.client import Client
from app.errors import FolioError, InvalidRequest
from app.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    err,
    open_client,
    out,
    print_json,
    read_settings,
    reports_errors,
    safe_text,
)

_POLL_SECONDS = 0.3

generations_app = typer.Typer(
    help="List, roll back and remove generations of vectors.", no_args_is_help=True
)

GenerationId = Annotated[int, typer.Argument(metavar="ID", min=1)]


@reports_errors
def reembed(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Build this model beside the one that answers.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Commit of a Hugging Face model.")] = "",
    dimensions: Annotated[
        int | None, typer.Option(help="Cut the vectors to so many dimensions.", min=1)
    ] = None,
    golden_set: Annotated[
        Path | None, typer.Option("--golden", help="What both models are asked first.")
    ] = None,
    collection: Collection = "default",
    margin: Annotated[
        float, typer.Option(help="Largest loss of nDCG@10 to accept.", min=0, max=1)
    ] = 0.02,
    force: Annotated[bool, typer.Option("--force", help="Go over whatever is measured.")] = False,
    as_json: AsJson = False,
) -> None:
    """Embed every article again.

    With --model or --dimensions beside the live vectors, also on a running server: the new ones
    answer only if a golden set shows that they are no worse. Without, offline, with the configured
    model in place of vectors that it cannot use.
    """
    if model is None and dimensions is None:
        _reembed_offline(data, server, as_json=as_json)
        return
    body: dict[str, Any] = {"revision": revision, "margin": margin, "force": force}
    body |= {"model": model, "dimensions": dimensions}
    if golden_set is not None:
        from app.evaluation.golden import read_golden

        body["collection"] = collection
        body["queries"] = [
            {"id": query.id, "query": query.text, "relevant": dict(query.relevant)}
            for query in read_golden(golden_set)
        ]
    with open_client(data, server, key, "folio reembed", embeds=True, works=True) as client:
        made = client.call("POST", "/v1/generations", json=body)
        with Progress(console=err, disable=as_json) as progress:
            generation = _follow(client, made["id"], progress)
    if as_json:
        print_json(generation)
    else:
        out.print(safe_text(f"generation {generation['id']}: {generation['message']}"))
    if not generation["is_live"]:
        raise typer.Exit(1)


@generations_app.command("list")
@reports_errors
def list_generations(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List the generations: which one answers, and what the gates said."""
    with open_client(data, server, key, "folio generations list") as client:
        generations = client.call("GET", "/v1/generations")["generations"]
    if as_json:
        print_json(generations)
        return
    table = Table(
        "id", "state", "model", "dimensions", "articles", Column("why", ratio=1), box=None
    )
    for row in generations:
        table.add_row(
            str(row["id"]),
            "live" if row["is_live"] else row["state"],
            safe_text(row["model"]),
            str(row["dimensions"]),
            f"{row['documents']}/{row['total']}",
            safe_text(row["message"] or ""),
        )
    out.print(table)


@generations_app.command("rollback")
@reports_errors
def roll_back(
    generation_id: GenerationId,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Let a former generation answer again, at once."""
    with open_client(data, server, key, "folio generations rollback") as client:
        row = client.call("POST", f"/v1/generations/{generation_id}/rollback")
    print_json(row) if as_json else out.print(f"generation {generation_id} answers")


@generations_app.command("remove")
@reports_errors
def remove(
    generation_id: GenerationId,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Erase a generation that does not answer."""
    with open_client(data, server, key, "folio generations remove") as client:
        removed = client.call("DELETE", f"/v1/generations/{generation_id}")
    print_json(removed) if as_json else out.print(f"removed generation {generation_id}")


def _follow(client: Client, generation_id: int, progress: Progress) -> dict[str, Any]:
    """Return the generation once it is decided."""
    bar = progress.add_task("embedding", total=None)
    while True:
        generation = client.call("GET", f"/v1/generations/{generation_id}")
        held, total = generation["documents"], generation["total"]
        what = "embedding" if held < total else "measuring"
        progress.update(bar, completed=held, total=total, description=what)
        if generation["state"] == "failed":
            raise FolioError(str(generation["message"]), code="generation_failed")
        if generation["state"] != "building":
            return generation
        sleep(_POLL_SECONDS)


def _reembed_offline(data: Path | None, server: str | None, *, as_json: bool) -> None:
    if server is not None:
        raise InvalidRequest(
            f"{server} cannot do this while it runs: stop it, and run `folio reembed` on its data "
            "folder, without --server and FOLIO_SERVER; or name a model with --model"
        )
    from app.resources import open_resources
    from app.services.generations import reembed as reembed_all

    with (
        open_resources(read_settings(data), holder="folio reembed") as resources,
        Progress(console=err, disable=as_json) as progress,
    ):
        bar = progress.add_task("embedding", total=None)
        result = reembed_all(
            resources,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    if as_json:
        print_json({"documents": result.documents, "fingerprint": result.fingerprint})
    elif result.documents:
        out.print(f"{result.documents} articles now answer from fingerprint {result.fingerprint}")
    else:
        out.print(f"nothing to do: the vectors are of this model ({result.fingerprint})")
