"""`folio reembed`, `folio tune` and `folio generations`: what is measured before it answers."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Column, Table

from app.commands.client import Client
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
    read_settings,
    reports_errors,
    safe_text,
)
from app.errors import FolioError, InvalidRequest

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
    force: Annotated[bool, typer.Option("--force", help="Switch even if the gate fails.")] = False,
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
        body |= {"collection": collection, "queries": _read_queries(golden_set)}
    with open_client(data, server, key, "folio reembed", embeds=True, works=True) as client:
        _build(client, "/v1/generations", body, as_json=as_json)


@reports_errors
def tune(
    golden_set: Annotated[
        Path | None,
        typer.Argument(metavar="[SET]", help="Golden set to train on: JSON lines or BEIR."),
    ] = None,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    gate: Annotated[
        Path | None,
        typer.Option("--gate", help="Golden set that decides; else a third of SET, held out."),
    ] = None,
    feedback: Annotated[bool, typer.Option(help="Also train on feedback.")] = True,
    margin: Annotated[
        float, typer.Option(help="Largest loss of nDCG@10 to accept.", min=0, max=1)
    ] = 0.02,
    force: Annotated[bool, typer.Option("--force", help="Switch even if the gate fails.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune the model on questions asked here and the articles that answer them.

    Only the adapter that reads questions is trained: no article is embedded again. The result is a
    generation that answers only if a golden set shows that it is no worse; `folio generations
    rollback` takes it back.
    """
    body: dict[str, Any] = {"collection": collection, "feedback": feedback}
    body |= {"margin": margin, "force": force}
    body["queries"] = [] if golden_set is None else _read_queries(golden_set)
    body["gate"] = [] if gate is None else _read_queries(gate)
    with open_client(data, server, key, "folio tune", embeds=True, works=True) as client:
        _build(client, "/v1/tunings", body, as_json=as_json)


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
    """Erase a generation that is not live."""
    with open_client(data, server, key, "folio generations remove") as client:
        removed = client.call("DELETE", f"/v1/generations/{generation_id}")
    print_json(removed) if as_json else out.print(f"removed generation {generation_id}")


def _read_queries(golden_set: Path) -> list[dict[str, Any]]:
    from app.evaluation.golden import read_golden

    return [
        {"id": query.id, "query": query.text, "relevant": dict(query.relevant)}
        for query in read_golden(golden_set)
    ]


def _build(client: Client, path: str, body: dict[str, Any], *, as_json: bool) -> None:
    """Ask for a generation, follow it until it is decided, and print what was decided."""
    made = client.call("POST", path, json=body)
    with Progress(console=err, disable=as_json) as progress:
        generation = _follow(client, made["id"], progress)
    if as_json:
        print_json(generation)
    else:
        out.print(safe_text(f"generation {generation['id']}: {generation['message']}"))
    if not generation["is_live"]:
        raise typer.Exit(1)


def _follow(client: Client, generation_id: int, progress: Progress) -> dict[str, Any]:
    """Return the generation once it is decided."""
    bar = progress.add_task("embedding", total=None)
    while True:
        generation = client.call("GET", f"/v1/generations/{generation_id}")
        what, done, total = _describe_step(generation)
        progress.update(bar, completed=done, total=total, description=what)
        if generation["state"] == "failed":
            raise FolioError(str(generation["message"]), code="generation_failed")
        if generation["state"] != "building":
            return generation
        sleep(_POLL_SECONDS)


def _describe_step(generation: dict[str, Any]) -> tuple[str, int, int | None]:
    """Return what is done at present, how much of it, and of how much."""
    held, total, training = generation["documents"], generation["total"], generation["training"]
    if training is not None:
        # Before the first step, negatives are mined: nobody knows yet how many steps there are.
        what = "training" if training["total"] else "asking"
        return what, training["done"], training["total"] or None
    if generation["vectors_of"] is not None and generation["tuning"] is None:
        return "waiting", 0, None
    return ("embedding" if held < total else "measuring"), held, total


def _reembed_offline(data: Path | None, server: str | None, *, as_json: bool) -> None:
    if server is not None:
        raise InvalidRequest(
            f"{server} cannot do this while it runs: stop it, and run `folio reembed` on its data "
            "folder, without --server and FOLIO_SERVER; or name a model with --model"
        )
    from app.runtime.resources import open_resources
    from app.services.quality.reembedding import reembed as reembed_all

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
