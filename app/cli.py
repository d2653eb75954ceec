"""The command line: `folio`."""

import json
import logging
import re
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from app.client import (
    Client,
    RequestFailed,
    collection_path,
    connect,
    document_path,
    key_path,
)
from app.config import Settings
from app.domain import Mode, Scope, Status
from app.errors import FolioError, InvalidRequest
from app.explaining import describe_explanation
from app.uploading import Outcome, find_entries, upload

P = ParamSpec("P")

app = typer.Typer(
    help="Whole-article retrieval for chatbots and agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

# A line for a program must not be broken where a terminal's would end.
_PIPE_WIDTH = 1000
out = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(
    stderr=True,
    markup=False,
    highlight=False,
    width=None if sys.stderr.isatty() else _PIPE_WIDTH,
)

# What a terminal obeys instead of showing it, and what no encoding has.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Of these, what json.dumps leaves as it is.
_CONTROL_IN_JSON = re.compile(r"[\x7f-\x9f\ud800-\udfff]")

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="FOLIO_DATA", help="Data folder, used directly without --server."
    ),
]
Server = Annotated[
    str | None, typer.Option("--server", envvar="FOLIO_SERVER", help="URL of a running server.")
]
ApiKey = Annotated[
    str | None, typer.Option("--key", envvar="FOLIO_KEY", help="API key for the server.")
]
Collection = Annotated[str, typer.Option("--collection", help="The knowledge base.")]
SearchMode = Annotated[Mode, typer.Option(help="By meaning, by words, or by both.")]
Filters = Annotated[
    str | None, typer.Option("--filter", help='JSON: {"type": "eq", "key": …, "value": …}')
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def _reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Print what went wrong as one sentence and exit with 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FolioError as error:
            _print_error(str(error))
        except UnicodeEncodeError as error:
            # From an argument or a file name, as the shell gave it.
            unknown = error.object[error.start : error.end]
            _print_error(f"{unknown!a} cannot be written in {error.encoding}")
        except BrokenPipeError:
            # Who reads the output has seen enough; typer ends quietly.
            raise
        except OSError as error:
            _print_error(": ".join(str(part) for part in (error.filename, error.strerror) if part))
        except sqlite3.Error as error:
            _print_error(f"the database cannot be opened: {error}; `folio doctor` says more")
        except KeyboardInterrupt:
            err.print("stopped; what was acknowledged is kept, and what is queued goes on later")
            raise typer.Exit(130) from None
        else:
            return
        raise typer.Exit(1) from None

    return run


@app.command()
@_reports_errors
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
    run_server(_settings(data), host=host, port=port, no_auth=no_auth)


@app.command()
@_reports_errors
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
        with _connect(data, server, key, "folio add", embeds=True, works=True) as client:
            client.ensure_collection(collection)
            with _progress(quiet=as_json) as show:
                upload(client, collection, entries, outcome, show)
    if as_json:
        _print_json(
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
@_reports_errors
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
    with _connect(data, server, key, "folio search", embeds=True) as client:
        for query in queries:
            path = f"{collection_path(collection)}/search"
            answers.append(client.call("POST", path, json={"query": query, **body}))
            if not as_json:
                _print_answer(answers[-1])
    if as_json:
        _print_json(answers if len(queries) > 1 else answers[0])


@app.command()
@_reports_errors
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
    with _connect(data, server, key, "folio why") as client:
        explanation = client.call("POST", f"{collection_path(collection)}/explain", json=body)
    if as_json:
        _print_json(explanation)
        return
    for line in describe_explanation(explanation):
        out.print(_text(line), soft_wrap=True)


@app.command()
@_reports_errors
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
    with _connect(data, server, key, "folio show") as client:
        path = document_path(collection, document_id)
        document = client.call("GET", path, params={"include": include})
    if as_json:
        _print_json(document)
        return
    table = Table(show_header=False, box=None)
    body = document.pop("text")
    versions = document.pop("versions")
    for name, value in document.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name, _text(shown))
    for version in versions:
        live = " (live)" if version["live"] else ""
        table.add_row(f"version {version['version']}", f"{version['status']}{live}")
    out.print(table)
    if body is not None:
        out.print(_text("\n" + body), soft_wrap=True)


@app.command(name="list")
@_reports_errors
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
    with _connect(data, server, key, "folio list") as client:
        params: dict[str, Any] = {"limit": 1000} | ({"status": status.value} if status else {})
        while True:
            page = client.call("GET", f"{collection_path(collection)}/documents", params=params)
            documents += page["documents"]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
    if as_json:
        _print_json(documents)
        return
    # An id that is cut is of no use to the next command.
    table = Table(
        Column("id", overflow="fold"), "status", "version", "title", "tokens", "units", box=None
    )
    for document in documents:
        receipt = document["receipt"] or {}
        table.add_row(
            _text(document["id"]),
            _status_text(document),
            str(document["version"]),
            _text(document["title"]),
            str(receipt.get("tokens_counted", "")),
            str(receipt.get("units", "")),
        )
    out.print(table)


@app.command()
@_reports_errors
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
    with _connect(data, server, key, "folio remove") as client:
        for document_id in document_ids:
            try:
                erased.append(client.call("DELETE", document_path(collection, document_id)))
            except RequestFailed as error:
                if error.code != "document_not_found":
                    raise
                _print_error(f"{document_id}: {error}")
            else:
                if not as_json:
                    out.print(_text(f"erased {document_id}"))
    if as_json:
        _print_json(erased)
    if len(erased) < len(document_ids):
        raise typer.Exit(1)


@app.command()
@_reports_errors
def status(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Show the collections and how many articles stand where."""
    with _connect(data, server, key, "folio status") as client:
        collections = client.call("GET", "/v1/collections")["collections"]
    if as_json:
        _print_json(collections)
        return
    if not collections:
        out.print("no collections yet; `folio add PATH` makes one")
        return
    table = Table("collection", *Status, "description", box=None)
    for collection in collections:
        counts = [str(collection["documents"][name]) for name in Status]
        table.add_row(collection["name"], *counts, _text(collection["description"]))
    out.print(table)


@app.command()
@_reports_errors
def reembed(data: Data = None, server: Server = None, as_json: AsJson = False) -> None:
    """Embed every article again with the configured model, then switch to it. Offline."""
    if server is not None:
        raise InvalidRequest(
            f"{server} cannot do this while it runs: stop it, and run `folio reembed` on its data "
            "folder, without --server and FOLIO_SERVER"
        )
    from app.resources import open_resources
    from app.services.generations import reembed as reembed_all

    with (
        open_resources(_settings(data), holder="folio reembed") as resources,
        Progress(console=err, disable=as_json) as progress,
    ):
        bar = progress.add_task("embedding", total=None)
        result = reembed_all(
            resources,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    if as_json:
        _print_json({"documents": result.documents, "fingerprint": result.fingerprint})
    elif result.documents:
        out.print(f"{result.documents} articles now answer from fingerprint {result.fingerprint}")
    else:
        out.print(f"nothing to do: the vectors are of this model ({result.fingerprint})")


@app.command()
@_reports_errors
def doctor(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Say in plain words what is set up and what is wrong."""
    from app.services.doctor import examine, examine_server

    if server is None:
        findings = list(examine(_settings(data)))
    else:
        with _connect(data, server, key, "folio doctor") as client:
            findings = list(examine_server(partial(client.call, "GET"), server))
    if as_json:
        _print_json([{"level": f.level, "topic": f.topic, "text": f.text} for f in findings])
    else:
        styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
        for finding in findings:
            label = Text(f"{finding.level:8}{finding.topic:11}", style=styles[finding.level])
            out.print(label + _text(finding.text), soft_wrap=True)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


@keys_app.command("create")
@_reports_errors
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
    with _connect(data, server, key, "folio keys create") as client:
        made = client.call("POST", "/v1/keys", json=body)
    if as_json:
        _print_json(made)
    else:
        out.print(made["key"], soft_wrap=True)
        err.print("keep it: only its hash is stored")


@keys_app.command("list")
@_reports_errors
def list_keys(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List keys, without their secrets."""
    with _connect(data, server, key, "folio keys list") as client:
        keys = client.call("GET", "/v1/keys")["keys"]
    if as_json:
        _print_json(keys)
        return
    table = Table("id", "name", "scope", "collections", "expires", "revoked", box=None)
    for row in keys:
        where = "all" if row["collections"] is None else ", ".join(row["collections"])
        expires, revoked = row["expires_at"] or "never", row["revoked_at"] or "no"
        table.add_row(row["id"], _text(row["name"]), row["scope"], where, expires, revoked)
    out.print(table)


@keys_app.command("revoke")
@_reports_errors
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; the next request with it is refused."""
    with _connect(data, server, key, "folio keys revoke") as client:
        revoked = client.call("DELETE", key_path(key_id))
    _print_json(revoked) if as_json else out.print(_text(f"revoked {key_id}"))


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


def _settings(data: Path | None) -> Settings:
    try:
        return Settings() if data is None else Settings(data=data)
    except ValidationError as error:
        problems = [f"FOLIO_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise InvalidRequest("; ".join(problems)) from error


@contextmanager
def _connect(
    data: Path | None,
    server: str | None,
    key: str | None,
    command: str,
    *,
    embeds: bool = False,
    works: bool = False,
) -> Iterator[Client]:
    with connect(
        _settings(data), server=server, key=key, command=command, embeds=embeds, works=works
    ) as client:
        try:
            yield client
        except KeyboardInterrupt:
            if works and server is None:
                # Safe at any moment, and some articles take minutes.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                err.print("stopping after the article in work; Ctrl-C again stops at once")
            raise


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
            _text(f"skipped {len(outcome.skipped)} files of other formats: {', '.join(suffixes)}")
        )
    if outcome.failures:
        table = Table(Column("failed", overflow="fold"), "code", "why", box=None)
        for failure in outcome.failures:
            table.add_row(_text(failure["id"]), failure["code"], _text(failure["message"]))
        err.print(table)


def _print_answer(answer: dict[str, Any]) -> None:
    out.print(_text("\n" + answer["query"], "bold"))
    if not answer["results"]:
        out.print("  no article")
    for rank, hit in enumerate(answer["results"], start=1):
        title = hit["title"] or hit["document_id"]
        out.print(
            _text(f"{rank:3}. {hit['score']:.3f}  {title}  ") + _text(hit["document_id"], "dim")
        )
        for passage in hit["passages"]:
            page = f"page {passage['page']}" if passage["page"] else ""
            where = ", ".join(part for part in (passage["heading"], page) if part)
            words = " ".join(passage["text"].split())
            excerpt = words if len(words) <= 280 else words[:279] + "…"
            label = Text(f"     {passage['score']:.3f}  ", "dim") + _text(where, "italic")
            out.print(label)
            out.print(_text("     " + excerpt, "cyan"))
    took = answer["took_ms"]
    times = ", ".join(f"{stage} {took[stage]:.1f} ms" for stage in ("embed", "search", "rerank"))
    out.print(Text(f"     {times.removesuffix(', rerank 0.0 ms')}", "dim"))


def _status_text(document: dict[str, Any]) -> Text:
    if document["error"] is not None:
        return Text(f"failed: {document['error']['code']}", "red")
    return Text(document["status"])


def _text(words: str, style: str = "") -> Text:
    """Return words of others for the terminal, which shows their control characters as �."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", words), style)


def _print_error(message: str) -> None:
    err.print(Text("error: ", "bold red") + _text(message), soft_wrap=True)


def _print_json(value: Any) -> None:
    def escape(match: re.Match[str]) -> str:
        return f"\\u{ord(match[0]):04x}"

    document = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(_CONTROL_IN_JSON.sub(escape, document) + "\n")


if __name__ == "__main__":
    app()
