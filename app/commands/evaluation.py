"""`folio eval`: what a golden set says of the search."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from app.commands.client import Client, collection_path
from app.commands.golden_sets import fetch_queries
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
from app.commands.upload import Entry, Outcome, upload
from app.errors import InvalidRequest
from app.evaluation.golden import GoldenQuery, UnreadableSet, read_lines

if TYPE_CHECKING:
    from app.evaluation.runner import Configuration, Found


@reports_errors
def evaluate(
    golden_set: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SET]",
            help="A JSONL file or BEIR folder; without, the golden set of the collection.",
        ),
    ] = None,
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--mode",
            help="`hybrid`, `dense:dimensions=128`, `hybrid:generation=3`; repeat to compare with "
            "the first.",
        ),
    ] = None,
    load: Annotated[
        bool, typer.Option("--load", help="Upload the folder's corpus into the collection first.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a golden set: nDCG, recall, MRR, success, with intervals and a paired comparison."""
    # scipy takes a second to import, and most commands do without.
    from app.evaluation.golden import keep_judged, read_labelled
    from app.evaluation.report import render_report
    from app.evaluation.runner import Configuration, describe
    from app.evaluation.runner import evaluate as run_evaluation

    try:
        configurations = [Configuration.parse(text) for text in compare or ["hybrid"]]
    except ValueError as error:
        raise InvalidRequest(f"--mode: {error}") from None
    if load and golden_set is None:
        raise InvalidRequest("--load needs the folder that holds the corpus")
    labelled = read_labelled(golden_set) if golden_set is not None else ()
    with open_client(data, server, key, "folio eval", embeds=True, works=load) as client:
        if golden_set is None:
            labelled = _fetch_labelled(client, collection)
        golden = keep_judged(labelled, str(golden_set or f"the golden set of {collection}"))
        unanswered = [query.text for query in labelled if not query.relevant]
        if load and golden_set is not None:
            _load_corpus(client, collection, golden_set)
        with Progress(console=err, disable=as_json) as progress:
            known = _list_ids(client, collection)
            ask = partial(_ask, client, f"{collection_path(collection)}/search")
            bar = progress.add_task("asking", total=len(golden) + len(unanswered))
            # Connections, caches and threads of the first search are not part of its time.
            for configuration in configurations:
                ask(golden[0].text, configuration)
            evaluation = run_evaluation(
                golden,
                configurations,
                ask,
                collection=collection,
                document_ids=known,
                unanswered=unanswered,
                on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
    described = describe(evaluation)
    if report is not None:
        report.write_text(render_report(described), encoding="utf-8")
    if as_json:
        print_json(described)
    else:
        print_evaluation(described)
        if report is not None:
            out.print(safe_text(f"report: {report}"))


def _ask(client: Client, path: str, query: str, configuration: "Configuration") -> "Found":
    from app.evaluation.measures import DEPTH
    from app.evaluation.runner import Found

    body: dict[str, Any] = {"query": query, "limit": DEPTH, "passages": 0}
    body["mode"] = configuration.mode.value
    for name in ("dimensions", "generation"):
        if (value := getattr(configuration, name)) is not None:
            body[name] = value
    answer = client.call("POST", path, json=body)
    found = answer["results"]
    first = found[0]["score"] if found else 0.0
    ranking = [hit["document_id"] for hit in found]
    return Found(ranking, first if answer["calibrated"] else None)


def _fetch_labelled(client: Client, collection: str) -> tuple[GoldenQuery, ...]:
    return tuple(
        GoldenQuery(str(number), query["query"], query["relevant"])
        for number, query in enumerate(fetch_queries(client, collection), start=1)
    )


def print_evaluation(evaluation: dict[str, Any]) -> None:
    """Show the figures of an evaluation as tables."""
    names = list(evaluation["runs"][0]["measures"])
    table = Table("configuration", *names, "p50 ms", "p99 ms", "failed", box=None)
    for run in evaluation["runs"]:
        table.add_row(
            run["name"],
            *(_interval(run["measures"][name]) for name in names),
            f"{run['latency_ms']['p50']:.1f}",
            f"{run['latency_ms']['p99']:.1f}",
            str(run["failed"]),
        )
    out.print(table)
    for comparison in evaluation["comparisons"]:
        out.print(f"\n{comparison['other']} against {comparison['first']}:")
        table = Table("measure", "difference", "p", "wins", "losses", "ties", box=None)
        for name, values in comparison["measures"].items():
            difference = values["difference"]
            table.add_row(
                name,
                f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]",
                f"{values['p_value']:.4f}",
                *(str(values[count]) for count in ("wins", "losses", "ties")),
            )
        out.print(table)
    for run in evaluation["runs"]:
        if (calibration := run["calibration"]) is not None:
            print_calibration(run["name"], calibration)
    out.print(f"{evaluation['queries']} queries, 95% intervals")
    if missing := evaluation["missing"]:
        first = ", ".join(missing[:5])
        out.print(
            safe_text(
                f"{len(missing)} relevant documents are not in the collection ({first}…): no "
                "search can find them",
                "yellow",
            )
        )


def print_calibration(name: str, calibration: dict[str, Any]) -> None:
    """Show what scores are worth as probabilities."""
    coverage = calibration["coverage"]
    out.print(
        f"\nscores, {name}: calibration error {calibration['error']:.3f}; with at most 5% wrong "
        f"{coverage['mean']:.0%} can be answered [{coverage['low']:.0%}, {coverage['high']:.0%}]",
        highlight=False,
    )
    if calibration["area"] is not None:
        out.print(
            f"{calibration['unanswered']} queries without an answer: AUC {calibration['area']:.3f}",
            highlight=False,
        )
    table = Table("score of the first hit", "queries", "mean score", "right", box=None)
    for row in calibration["bins"]:
        table.add_row(
            f"{row['low']:.1f} to {row['high']:.1f}",
            str(row["questions"]),
            f"{row['score']:.2f}",
            f"{row['right']:.2f}",
        )
    out.print(table)


def _interval(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _load_corpus(client: Client, collection: str, folder: Path) -> None:
    """Upload the articles of a BEIR folder under their ids."""
    path = next((p for n in ("corpus.jsonl", "docs.jsonl") if (p := folder / n).exists()), None)
    if path is None:
        raise InvalidRequest(f"{folder} holds no corpus.jsonl")
    entries = []
    for number, article in read_lines(path):
        document_id, text = article.get("_id", article.get("id")), article.get("text")
        if document_id is None or not isinstance(text, str):
            raise UnreadableSet(f"{path}:{number}: `_id` and `text` are needed")
        body = {"text": text}
        if article.get("title"):
            body["title"] = article["title"]
        entries.append(Entry(str(document_id), f"{path}:{number}", body=body, size=len(text)))
    client.ensure_collection(collection)
    outcome = Outcome()
    with Progress(console=err) as progress:
        bar = progress.add_task("loading", total=len(entries))
        upload(
            client, collection, entries, outcome, lambda o: progress.update(bar, completed=o.done)
        )
    if outcome.failures:
        first = outcome.failures[0]
        err.print(
            safe_text(
                f"{len(outcome.failures)} articles were not taken ({first['id']}: {first['code']})"
            )
        )


def _list_ids(client: Client, collection: str) -> frozenset[str]:
    """Return the ids of the articles that can be found."""
    documents = client.list_documents(collection)
    return frozenset(document["id"] for document in documents if document["live_version"])
