"""The command line: `folio`."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from app.client import (
    RequestFailed,
    collection_path,
    document_path,
    key_path,
)
from app.commands import evaluation, feedback, generations, preflight
from app.domain import Mode, Scope, Status
from app.errors import FolioError
from app.explaining import describe_explanation
from app.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    err,
    open_client,
    out,
    print_error,
    print_json,
    read_settings,
    reports_errors,
    safe_text,
)
from app.uploading import Outcome, find_entries, upload, wait_for_job

app = typer.Typer(
    help="Whole-article retrieval for chatbots and agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(generations.generations_app, name="generations")
app.command("eval")(evaluation.evaluate)
app.command("reembed")(generations.reembed)
app.command("preflight")(preflight.preflight)
app.command("golden")(feedback.golden)
app.command("gaps")(feedback.gaps)

SearchMode = Annotated[Mode, typer.Option(help="By meaning, by words, or by both.")]
Filters = Annotated[
    str | None, typer.Option("--filter", help='JSON: {"type": "eq", "key": …, "value": …}')
]


@app.command()
@reports_errors
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    data: Data = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Answer without keys; on loopback only.")
    ] = False,
) -> None:
    """Serve the REST interface."""
    # The service's imports take seconds, and most commands do without.
    from app.main import serve as run_server

    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    # httpx and others would log every request of ours and of the model hub.
    for name in ("httpx", "httpcore", "transformers", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    run_server(read_settings(data), host=host, port=port, no_auth=no_auth)


@app.command()
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
    if as_json:
        print_json(
            {
                **outcome.counts,
                "skipped": outcome.skipped,
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


@app.command()
@reports_errors
def sync(
    folder: Annotated[Path, typer.Argument(help="The folder that the collection mirrors.")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Erase more than half of the articles if need be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a collection hold what a folder holds, and nothing else; heeds .gitignore."""
    from app import mirror

    outcome = Outcome()
    found = mirror.read_folder(folder)
    outcome.skipped = found.skipped
    with open_client(
        data, server, key, "folio sync", embeds=not dry_run, works=not dry_run
    ) as client:
        stored = mirror.list_documents(client, collection)
        plan = mirror.make_plan(found, stored)
        if not dry_run:
            if not force:
                mirror.check_deletions(plan, len(stored))
            client.ensure_collection(collection)
            with _progress(quiet=as_json) as show:
                mirror.apply_plan(client, collection, plan, outcome, show)
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
        for pair in changes["renamed"]:
            out.print(safe_text(f"renamed  {pair['from']} -> {pair['to']}"))
        if dry_run:
            out.print(f"{collection}: nothing was changed (--dry-run)")
        else:
            _print_outcome(outcome, collection)
    if outcome.failures:
        raise typer.Exit(1)


@app.command(name="import-url")
@reports_errors
def import_url(
    urls: Annotated[list[str], typer.Argument(help="Pages, files and sitemaps.", metavar="URL…")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="At most so many pages.", min=1)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Fetch web pages and upload them; of a sitemap, all the pages of its host."""
    from app.importing import import_urls

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


@app.command()
@reports_errors
def search(
    queries: Annotated[list[str], typer.Argument(help="One or more questions.", metavar="QUERY…")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="Articles an answer.", min=1, max=1000)] = 5,
    passages: Annotated[int, typer.Option(help="Passages an article.", min=0, max=100)] = 1,
    mode: SearchMode = Mode.HYBRID,
    filters: Filters = None,
    also_in: Annotated[
        list[str] | None,
        typer.Option(help="Another collection to search with it; repeat for several."),
    ] = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Rank again by the tokens of the best passages.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank the articles for questions. The JSON of several is a list."""
    body: dict[str, Any] = {"limit": limit, "passages": passages, "mode": mode.value}
    body["rerank"] = rerank
    body |= _read_filters(filters) | ({"also_in": also_in} if also_in else {})
    answers = []
    with open_client(data, server, key, "folio search", embeds=True) as client:
        for query in queries:
            path = f"{collection_path(collection)}/search"
            answers.append(client.call("POST", path, json={"query": query, **body}))
            if not as_json:
                _print_answer(answers[-1])
    if as_json:
        print_json(answers if len(queries) > 1 else answers[0])


@app.command()
@reports_errors
def why(
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="Articles an answer.", min=1, max=1000)] = 10,
    mode: SearchMode = Mode.HYBRID,
    filters: Filters = None,
    version: Annotated[int | None, typer.Option(help="Ask for this version.", min=1)] = None,
    key_id: Annotated[
        str | None, typer.Option("--for-key", help="Id of a key: would it see the article?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where an article stands for a question, and why."""
    body = {"query": query, "document_id": document_id, "limit": limit, "mode": mode.value}
    body |= {"version": version, "key_id": key_id, **_read_filters(filters)}
    with open_client(data, server, key, "folio why") as client:
        explanation = client.call("POST", f"{collection_path(collection)}/explain", json=body)
    if as_json:
        print_json(explanation)
        return
    for line in describe_explanation(explanation):
        out.print(safe_text(line), soft_wrap=True)


@app.command()
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
    body = document.pop("text")
    versions = document.pop("versions")
    for name, value in document.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name, safe_text(shown))
    for version in versions:
        live = " (live)" if version["live"] else ""
        table.add_row(f"version {version['version']}", f"{version['status']}{live}")
    out.print(table)
    if body is not None:
        out.print(safe_text("\n" + body), soft_wrap=True)


@app.command(name="list")
@reports_errors
def list_articles(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    status: Annotated[Status | None, typer.Option(help="Only those at this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the articles of a collection."""
    documents: list[dict[str, Any]] = []
    with open_client(data, server, key, "folio list") as client:
        params: dict[str, Any] = {"limit": 1000} | ({"status": status.value} if status else {})
        while True:
            page = client.call("GET", f"{collection_path(collection)}/documents", params=params)
            documents += page["documents"]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
    if as_json:
        print_json(documents)
        return
    # An id that is cut is of no use to the next command.
    table = Table(
        Column("id", overflow="fold"), "status", "version", "title", "tokens", "units", box=None
    )
    for document in documents:
        receipt = document["receipt"] or {}
        table.add_row(
            safe_text(document["id"]),
            _status_text(document),
            str(document["version"]),
            safe_text(document["title"]),
            str(receipt.get("tokens_counted", "")),
            str(receipt.get("units", "")),
        )
    out.print(table)


@app.command()
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
    """Make an earlier version of an article the newest one again."""
    with open_client(data, server, key, "folio rollback", embeds=True, works=True) as client:
        accepted = client.call(
            "POST",
            f"{collection_path(collection)}/rollback",
            json={"document_id": document_id, "version": version},
        )
        job = wait_for_job(client, accepted["job_id"])
    if as_json:
        print_json(accepted)
    elif job["errors"]:
        raise FolioError(job["errors"][0]["message"], code=job["errors"][0]["code"])
    else:
        number = accepted["documents"][0]["version"]
        out.print(safe_text(f"{document_id}: version {number} is what version {version} was"))
    if job["errors"]:
        raise typer.Exit(1)


@app.command()
@reports_errors
def remove(
    document_ids: Annotated[list[str], typer.Argument(metavar="ID…")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Erase articles."""
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


@app.command()
@reports_errors
def status(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Show the collections and how many articles stand where."""
    with open_client(data, server, key, "folio status") as client:
        collections = client.call("GET", "/v1/collections")["collections"]
    if as_json:
        print_json(collections)
        return
    if not collections:
        out.print("no collections yet; `folio add PATH` makes one")
        return
    table = Table("collection", *Status, "description", box=None)
    for collection in collections:
        counts = [str(collection["documents"][name]) for name in Status]
        table.add_row(collection["name"], *counts, safe_text(collection["description"]))
    out.print(table)


@app.command()
@reports_errors
def backup(
    file: Annotated[Path, typer.Argument(help="The new file.")],
    data: Data = None,
    keep_days: Annotated[
        int, typer.Option(help="Restored no more after so many days.", min=1, max=36_500)
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """Copy the data folder into one file, while a server runs or not."""
    from app.db.backup import write_backup

    made = write_backup(read_settings(data).data, file, keep_days=keep_days)
    if as_json:
        print_json(asdict(made))
    else:
        out.print(
            safe_text(
                f"{file}: {made.documents} articles, {made.bytes:,} bytes, SHA-256 {made.sha256}"
            )
        )
        err.print(f"it can be restored until {made.expires_at}; delete it then")


@app.command()
@reports_errors
def restore(
    file: Annotated[Path, typer.Argument(help="What `folio backup` wrote.")],
    data: Data = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the database that is there.")
    ] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Although deleted articles come back with it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into the data folder, once its checksum is right. Offline."""
    from app.db.backup import restore_backup

    folder = read_settings(data).data
    restored = restore_backup(file, folder, replace=replace, allow_expired=expired)
    if as_json:
        print_json(asdict(restored))
    else:
        out.print(safe_text(f"{folder}: {restored.documents} articles as of {restored.created_at}"))


@app.command()
@reports_errors
def doctor(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Say in plain words what is set up and what is wrong."""
    from app.services.doctor import examine, examine_server

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


@keys_app.command("create")
@reports_errors
def create_key(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = Scope.READ,
    collection: Annotated[
        list[str] | None, typer.Option(help="Only in these collections; repeat for several.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Valid for so many days.", min=1, max=36_500)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    body: dict[str, Any] = {"name": name, "scope": scope.value, "collections": collection or None}
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    with open_client(data, server, key, "folio keys create") as client:
        made = client.call("POST", "/v1/keys", json=body)
    if as_json:
        print_json(made)
    else:
        out.print(made["key"], soft_wrap=True)
        err.print("keep it: only its hash is stored")


@keys_app.command("list")
@reports_errors
def list_keys(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List keys, without their secrets."""
    with open_client(data, server, key, "folio keys list") as client:
        keys = client.call("GET", "/v1/keys")["keys"]
    if as_json:
        print_json(keys)
        return
    table = Table("id", "name", "scope", "collections", "expires", "revoked", box=None)
    for row in keys:
        where = "all" if row["collections"] is None else ", ".join(row["collections"])
        expires, revoked = row["expires_at"] or "never", row["revoked_at"] or "no"
        table.add_row(row["id"], safe_text(row["name"]), row["scope"], where, expires, revoked)
    out.print(table)


@keys_app.command("revoke")
@reports_errors
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; the next request with it is refused."""
    with open_client(data, server, key, "folio keys revoke") as client:
        revoked = client.call("DELETE", key_path(key_id))
    print_json(revoked) if as_json else out.print(safe_text(f"revoked {key_id}"))


def _read_filters(filters: str | None) -> dict[str, Any]:
    if filters is None:
        return {}
    try:
        body = {"filters": json.loads(filters)}
        # NaN: Python reads it, and JSON has no such thing.
        json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise FolioError(f"--filter is not JSON: {error}") from None
    return body


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


def _print_outcome(outcome: Outcome, collection: str) -> None:
    parts = [f"{count} {name}" for name, count in outcome.counts.items() if count]
    out.print(
        f"{collection}: {', '.join(parts) or 'nothing to add'} "
        f"({outcome.tokens:,} tokens in {outcome.seconds:.1f} s, "
        f"{outcome.tokens_per_second:,.0f} tokens/s)"
    )
    if outcome.skipped:
        suffixes = sorted(
            {Path(name).suffix.lower() or "without a suffix" for name in outcome.skipped}
        )
        out.print(
            safe_text(
                f"skipped {len(outcome.skipped)} files of other formats: {', '.join(suffixes)}"
            )
        )
    if outcome.failures:
        table = Table(Column("failed", overflow="fold"), "code", "why", box=None)
        for failure in outcome.failures:
            table.add_row(safe_text(failure["id"]), failure["code"], safe_text(failure["message"]))
        err.print(table)


def _print_answer(answer: dict[str, Any]) -> None:
    out.print(safe_text("\n" + answer["query"], "bold"))
    if not answer["results"]:
        out.print("  no article")
    for rank, hit in enumerate(answer["results"], start=1):
        title = hit["title"] or hit["document_id"]
        out.print(
            safe_text(f"{rank:3}. {hit['score']:.3f}  {title}  ")
            + safe_text(hit["document_id"], "dim")
        )
        for passage in hit["passages"]:
            page = f"page {passage['page']}" if passage["page"] else ""
            where = ", ".join(part for part in (passage["heading"], page) if part)
            words = " ".join(passage["text"].split())
            excerpt = words if len(words) <= 280 else words[:279] + "…"
            label = Text(f"     {passage['score']:.3f}  ", "dim") + safe_text(where, "italic")
            out.print(label)
            out.print(safe_text("     " + excerpt, "cyan"))
    took = answer["took_ms"]
    times = ", ".join(f"{stage} {took[stage]:.1f} ms" for stage in ("embed", "search", "rerank"))
    out.print(Text(f"     {times.removesuffix(', rerank 0.0 ms')}", "dim"))


def _status_text(document: dict[str, Any]) -> Text:
    if document["error"] is not None:
        return Text(f"failed: {document['error']['code']}", "red")
    return Text(document["status"])


if __name__ == "__main__":
    app()
