"""`folio serve`, `status`, `doctor`, `backup` and `restore`: the service and its data folder."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from app.commands.client import collection_path
from app.commands.terminal import (
    ApiKey,
    AsJson,
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
from app.config import Settings
from app.domain import Status

# Exit codes above it name the signal that ended a process, as a shell reports them.
_SIGNALLED = 128


@reports_errors
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    data: Data = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Accept requests without a key; on loopback only.")
    ] = False,
    no_work: Annotated[
        bool, typer.Option("--no-work", help="Leave ingestion to `folio work`.")
    ] = False,
) -> None:
    """Serve the REST interface."""
    # The service's imports take seconds, and most commands do without.
    from app.main import serve as run_server

    _log_to_stderr()
    with _leaving():
        settings = read_settings(data)
        run_server(settings, host=host, port=port, no_auth=no_auth, works=not no_work)


@reports_errors
def work() -> None:
    """Read what is uploaded to a shared database, beside any number of others; answer nobody."""
    from app.main import work as run_work

    _log_to_stderr()
    with _leaving():
        run_work(read_settings(None))


@reports_errors
def embed_server(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8001,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Answer without the key; on loopback only.")
    ] = False,
) -> None:
    """Run the model alone, for servers and workers that ask it (FOLIO_MODEL_API=folio)."""
    from app.embedding_server import serve_embeddings

    _log_to_stderr()
    with _leaving():
        serve_embeddings(read_settings(None), host=host, port=port, no_auth=no_auth)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    # httpx and others would log every request of ours and of the model hub, and the SDK of MCP what
    # its callers wrote.
    quiet = ("httpx", "httpx2", "httpcore", "transformers", "alembic", "mcp", "python_multipart")
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def _leaving() -> Iterator[None]:
    try:
        yield
    except SystemExit as ended:
        _leave(ended)
        raise


def _leave(ended: SystemExit) -> None:
    """End the process at once where a signal ended the server: all that it holds is closed.

    A model that is being loaded then has threads of its own, and taking the interpreter down under
    them ends in `terminate called without an active exception`.
    """
    if isinstance(ended.code, int) and ended.code > _SIGNALLED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)


@reports_errors
def status(
    collection: Annotated[
        str | None, typer.Argument(help="Its sizes, languages and failures instead.")
    ] = None,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show the collections and how many articles stand where, or what one of them comes to."""
    with open_client(data, server, key, "folio status") as client:
        if collection is not None:
            sums = client.call("GET", f"{collection_path(collection)}/statistics")
            print_json(sums) if as_json else _print_statistics(sums)
            return
        collections = client.call("GET", "/v1/collections")["collections"]
    if as_json:
        print_json(collections)
        return
    if not collections:
        out.print("no collections yet; `folio add PATH` makes one")
        return
    table = Table("collection", *Status, "description", box=None)
    for one in collections:
        counts = [str(one["documents"][name]) for name in Status]
        table.add_row(one["name"], *counts, safe_text(one["description"]))
    out.print(table)


def _print_statistics(sums: dict[str, Any]) -> None:
    languages = ", ".join(
        f"{one['language'] or 'unsure'} {one['documents']:,}" for one in sums["languages"]
    )
    out.print(f"uploads: {sums['bytes']:,} bytes, the last one {sums['last_upload_at'] or 'never'}")
    out.print(f"texts: {sums['tokens']:,} tokens; languages: {languages or 'none'}")
    for one in sums["failures"]:
        out.print(safe_text(f"{one['documents']:,} failed: {one['message']} ({one['code']})"))


def _read_folder_settings(data: Path | None) -> Settings:
    from app.db.backup import require_data_folder

    settings = read_settings(data)
    if data is None:
        require_data_folder(settings)
    return settings


@reports_errors
def backup(
    file: Annotated[Path, typer.Argument(help="The new file.")],
    data: Data = None,
    keep_days: Annotated[
        int,
        typer.Option(
            help="Days until it expires and can no longer be restored.", min=1, max=36_500
        ),
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """Back up the data folder to one file, whether or not a server is running."""
    from app.db.backup import write_backup
    from app.db.backup_archive import read_backup_key

    settings = _read_folder_settings(data)
    signing_key = read_backup_key(settings.backup_key_file)
    made = write_backup(settings.data, file, keep_days=keep_days, signing_key=signing_key)
    if as_json:
        print_json(asdict(made))
    else:
        out.print(
            safe_text(
                f"{file}: {made.documents} articles, {made.bytes:,} bytes, SHA-256 {made.sha256}"
            )
        )
        err.print(f"it can be restored until {made.expires_at}; delete it then")


@reports_errors
def restore(
    file: Annotated[Path, typer.Argument(help="What `folio backup` wrote.")],
    data: Data = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the existing database.")
    ] = False,
    expired: Annotated[
        bool,
        typer.Option(
            "--expired", help="Restore it even if it has expired: deleted articles come back."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into the data folder after verifying it. Stop the server first."""
    from app.db.backup import restore_backup
    from app.db.backup_archive import read_backup_key

    settings = _read_folder_settings(data)
    restored = restore_backup(
        file,
        settings.data,
        replace=replace,
        allow_expired=expired,
        signing_key=read_backup_key(settings.backup_key_file),
    )
    backup = restored.backup
    if as_json:
        brought = {"signed": restored.signed, "keys": restored.keys, "triggers": restored.triggers}
        print_json(asdict(backup) | brought)
        return
    out.print(safe_text(f"{settings.data}: {backup.documents} articles as of {backup.created_at}"))
    for key in restored.keys:
        err.print(safe_text(f"it brings the key {key}"))
    for trigger in restored.triggers:
        err.print(safe_text(f"it brings a {trigger}, which is not of Folio: look at it first"))


@reports_errors
def migrate_to(
    target: Annotated[str, typer.Argument(help="`postgresql://…`, or a data folder.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Copy everything into an empty database: from the data folder to PostgreSQL, or back."""
    from app.services.operations.move import move_to

    copied = move_to(
        read_settings(data),
        target,
        lambda table, rows: err.print(f"{table}: {rows}") if rows % 10_000 == 0 else None,
    )
    if as_json:
        print_json([asdict(table) for table in copied])
        return
    for table in copied:
        out.print(f"{table.table}: {table.rows} rows, SHA-256 {table.sha256[:16]} on both sides")


@reports_errors
def doctor(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Check the setup and report problems in plain words."""
    from app.services.operations.doctor import examine, examine_server

    if server is None:
        findings = list(examine(read_settings(data)))
    else:
        with open_client(data, server, key, "folio doctor") as client:
            findings = list(examine_server(partial(client.call, "GET"), server))
    if as_json:
        print_json([{"level": f.level, "topic": f.topic, "text": f.text} for f in findings])
    else:
        styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
        for finding in findings:
            label = Text(f"{finding.level:8}{finding.topic:11}", style=styles[finding.level])
            out.print(label + safe_text(finding.text), soft_wrap=True)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)
