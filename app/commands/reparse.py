"""`folio reparse`: stored uploads are read anew, once it is seen what that would change."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Column, Table

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
from app.errors import FolioError

_POLL_SECONDS = 0.3
_SHOWN = 20


@reports_errors
def reparse(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    apply: Annotated[
        bool, typer.Option("--apply", help="Make new versions of what reads differently.")
    ] = False,
    golden_set: Annotated[
        Path | None, typer.Option("--golden", help="Queries to ask before and after, in a report.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Parse all stored uploads again, as this version of Folio reads them.

    Without --apply it only shows what would change. With it, what reads differently gets a new
    version, and the old one answers until that is ready; what reads alike is left alone.
    """
    body: dict[str, Any] = {"apply": apply}
    if golden_set is not None:
        from app.evaluation.golden import read_golden

        body["queries"] = [
            {"id": query.id, "query": query.text, "relevant": dict(query.relevant)}
            for query in read_golden(golden_set)
        ]
    with (
        open_client(data, server, key, "folio reparse", embeds=True, works=True) as client,
        Progress(console=err, disable=as_json) as progress,
    ):
        path = f"{collection_path(collection)}/reparses"
        done = _follow(client, path, body, progress)
        job = _follow_job(client, done["id"], progress) if apply else None
    if as_json:
        print_json({**done, "job": job})
    else:
        _print(done, job)
    if job is not None and job["errors"]:
        raise typer.Exit(1)


def _follow(client: Client, path: str, body: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Start a reparse and return it once it is done."""
    found = client.call("POST", path, json=body)
    bar = progress.add_task("reading", total=found["documents"])
    while found["status"] == "queued":
        sleep(_POLL_SECONDS)
        found = client.call("GET", f"{path}/{found['id']}")
        counts = found["found"]
        progress.update(bar, completed=counts["read"] + counts["waiting"])
    if found["status"] == "failed":
        raise FolioError(str(found["message"]), code="reparse_failed")
    return found


def _follow_job(client: Client, job_id: str, progress: Progress) -> dict[str, Any]:
    """Return the job of the new versions once all are ready or failed."""
    bar = progress.add_task("embedding", total=None)
    while True:
        job = client.call("GET", f"/v1/jobs/{job_id}")
        counts = job["counts"]
        progress.update(
            bar, completed=counts["ready"] + counts["failed"], total=sum(counts.values())
        )
        if not counts["queued"] and not counts["processing"]:
            return job
        sleep(_POLL_SECONDS)


def _print(done: dict[str, Any], job: dict[str, Any] | None) -> None:
    found = done["found"]
    verb = "read" if done["applies"] else "would read"
    out.print(
        f"{found['read']} articles read: {found['unchanged']} as they are stored, "
        f"{found['changed']} {verb} differently, {found['unreadable']} cannot be read, "
        f"{found['waiting']} left to the queue"
    )
    _print_changes(found)
    for failure in found["failures"][:_SHOWN]:
        out.print(safe_text(f"{failure['id']}: {failure['code']}: {failure['message']}", "yellow"))
    if found["answers"] is not None:
        _print_answers(found["answers"])
    if done["message"]:
        out.print(safe_text(done["message"], "yellow"))
    if job is not None:
        out.print(f"{job['counts']['ready']} new versions answer, {job['counts']['failed']} failed")
        for failure in job["errors"][:_SHOWN]:
            err.print(safe_text(f"{failure['id']}: {failure['code']}: {failure['message']}"))
    elif found["changed"]:
        out.print("nothing was changed; --apply makes the new versions")


def _print_changes(found: dict[str, Any]) -> None:
    if not found["changes"]:
        return
    table = Table(Column("article", overflow="fold"), "words", "headings", "wording kept", box=None)
    # What changes most is what to look at.
    for change in sorted(found["changes"], key=lambda change: change["similarity"])[:_SHOWN]:
        before = "none" if change["words_before"] is None else change["words_before"]
        table.add_row(
            safe_text(change["id"]),
            f"{before} → {change['words_after']}",
            f"{change['headings_before']} → {change['headings_after']}",
            f"{change['similarity']:.0%}",
        )
    out.print(table)
    if found["changed"] > _SHOWN:
        out.print(f"… and {found['changed'] - _SHOWN} more; --json lists them")


def _print_answers(answers: dict[str, Any]) -> None:
    out.print(
        f"{answers['asked']} queries: nDCG@10 {answers['ndcg_before']:.3f} → "
        f"{answers['ndcg_after']:.3f}, another first hit for {len(answers['moved'])}"
    )
    for moved in answers["moved"][:_SHOWN]:
        first, then = moved["before"] or "nothing", moved["after"] or "nothing"
        out.print(safe_text(f"{moved['query']}: {first} → {then}"))
