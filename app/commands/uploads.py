"""`folio add`, `sync`, `import-url` and `backfill`: articles into a collection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

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
from app.commands.upload import Outcome, find_entries, upload
from ingest.folders import NOT_UTF8, UNREADABLE


@reports_errors
def add(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs and .jsonl files.")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Upload articles and follow them until each is ready or failed."""
    outcome = Outcome()
    entries = find_entries(paths, outcome)
    if entries:
        with open_client(data, server, key, "folio add", embeds=True, works=True) as client:
            client.ensure_collection(collection)
            with _progress(quiet=as_json) as show:
                upload(client, collection, entries, outcome, show)
    _tell_outcome(outcome, collection, as_json=as_json)


@reports_errors
def backfill(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs and .jsonl files.")],
    collection: Collection = "default",
    workers: Annotated[
        int, typer.Option(help="Processes that parse and embed, on any nodes.", min=1)
    ] = 1,
    cpus: Annotated[float, typer.Option(help="Processors of each.", min=0.01)] = 1.0,
    gpus: Annotated[float, typer.Option(help="GPUs of each; may be a fraction.", min=0.0)] = 0.0,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster to join, `host:port`; else one on this machine."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add very many articles to a shared database, on many nodes, over Ray."""
    from app.commands import backfill as bulk

    outcome = Outcome()
    entries = find_entries(paths, outcome)
    if entries:
        pool = bulk.Workers(workers, cpus, gpus, address)
        with (
            bulk.join_cluster(read_settings(None), collection, pool) as cluster,
            _progress(quiet=as_json) as show,
        ):
            bulk.backfill(cluster, entries, outcome, show)
    _tell_outcome(outcome, collection, as_json=as_json)


@reports_errors
def sync(
    folder: Annotated[Path, typer.Argument(help="The folder that the collection mirrors.")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Allow erasing more than half of the articles.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a collection hold what a folder holds, and nothing else; heeds .gitignore."""
    from app.commands.sync import apply_plan, plan_sync
    from ingest.folders import require_folder

    outcome = Outcome()
    # Before anything is opened, so that a wrong path is said at once.
    require_folder(folder)
    with open_client(
        data, server, key, "folio sync", embeds=not dry_run, works=not dry_run
    ) as client:
        plan = plan_sync(client, folder, collection, outcome, force=force or dry_run)
        if not dry_run:
            with _progress(quiet=as_json) as show:
                apply_plan(client, collection, plan, outcome, show)
    changes = plan.describe()
    if as_json:
        print_json(
            {"dry_run": dry_run, **changes, "skipped": outcome.skipped}
            | {"failures": outcome.failures}
        )
    else:
        for what in ("added", "changed", "deleted"):
            for name in changes[what]:
                out.print(safe_text(f"{what}  {name}"))
        for name in changes["failed"]:
            out.print(safe_text(f"failed before, unchanged  {name}"))
        for name in outcome.skipped:
            out.print(safe_text(f"skipped  {name}"))
        for pair in changes["renamed"]:
            out.print(safe_text(f"renamed  {pair['from']} -> {pair['to']}"))
        if dry_run:
            out.print(f"{collection}: nothing was changed (--dry-run)")
        else:
            _print_outcome(outcome, collection)
    if outcome.failures:
        raise typer.Exit(1)


@reports_errors
def import_url(
    urls: Annotated[list[str], typer.Argument(help="Pages, files and sitemaps.", metavar="URL…")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="Maximum number of pages.", min=1)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Fetch web pages and upload them; of a sitemap, all the pages of its host."""
    from app.commands.import_url import import_urls

    outcome = Outcome()
    settings = read_settings(data)
    with open_client(data, server, key, "folio import-url", embeds=True, works=True) as client:
        client.ensure_collection(collection)
        import_urls(client, collection, urls, outcome, settings=settings, limit=limit)
    if as_json:
        print_json({**outcome.counts, "failures": outcome.failures})
    else:
        _print_outcome(outcome, collection)
    if outcome.failures:
        raise typer.Exit(1)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=err,
        disable=quiet,
    ) as progress:
        bar = progress.add_task("adding", total=None, speed="")

        def update(outcome: Outcome) -> None:
            speed = f"{outcome.tokens_per_second:,.0f} tokens/s"
            progress.update(bar, completed=outcome.done, total=outcome.total, speed=speed)

        yield update


def _tell_outcome(outcome: Outcome, collection: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                **outcome.counts,
                "skipped": outcome.skipped,
                "misspelt": outcome.misspelt,
                "failures": outcome.failures,
                "tokens": outcome.tokens,
                "seconds": round(outcome.seconds, 3),
                "tokens_per_second": round(outcome.tokens_per_second, 1),
            }
        )
    else:
        _print_outcome(outcome, collection)
    if outcome.failures:
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome, collection: str) -> None:
    parts = [f"{count} {name}" for name, count in outcome.counts.items() if count]
    out.print(
        f"{collection}: {', '.join(parts) or 'nothing to add'} "
        f"({outcome.tokens:,} tokens in {outcome.seconds:.1f} s, "
        f"{outcome.tokens_per_second:,.0f} tokens/s)"
    )
    unnamed = [name for name in outcome.skipped if name.endswith((NOT_UTF8, UNREADABLE))]
    others = [name for name in outcome.skipped if name not in unnamed]
    if others:
        suffixes = sorted({Path(name).suffix.lower() or "without a suffix" for name in others})
        out.print(safe_text(f"skipped {len(others)} files of other formats: {', '.join(suffixes)}"))
    for name in unnamed:
        err.print(safe_text(f"left out: {name}"))
    for name, field in outcome.misspelt.items():
        err.print(
            safe_text(f"warning: {name} was taken as an attribute; perhaps {field} was meant")
        )
    if outcome.failures:
        table = Table(Column("failed", overflow="fold"), "code", "why", box=None)
        for failure in outcome.failures:
            table.add_row(safe_text(failure["id"]), failure["code"], safe_text(failure["message"]))
        err.print(table)
