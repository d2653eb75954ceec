"""What `folio add` does: find articles, upload them in batches, follow them until they are done."""

import glob
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from app.client import Client, RequestFailed, collection_path
from app.errors import InvalidRequest
from ingest.formats import SUFFIXES

_BATCH_DOCUMENTS = 64
_BATCH_BYTES = 4 * 2**20
_POLL_SECONDS = 0.2
_FIELDS = {"text", "html", "markdown", "title", "url", "attributes"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An article to upload: a file on disk, or the body of one line of a JSONL file."""

    id: str
    path: Path | None = None
    body: dict[str, Any] | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A job to follow; `settled` of its documents were ready when it was made."""

    id: str
    settled: int


@dataclass(slots=True)
class Outcome:
    """What became of an `add`."""

    total: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: {"ready": 0, "unchanged": 0, "updated": 0, "failed": 0}
    )
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def fail(self, document_id: str, code: str, message: str) -> None:
        self.counts["failed"] += 1
        self.failures.append({"id": document_id, "code": code, "message": message})


def find_entries(patterns: Iterable[str], outcome: Outcome) -> list[Entry]:
    """Return the articles that files, folders, globs and .jsonl files stand for.

    A file's id is its name, or its path relative to the folder that was named. What a folder holds
    beside readable files is noted in `outcome.skipped`; what was named and cannot be read fails.
    """
    entries: list[Entry] = []
    for pattern in patterns:
        paths = [Path(pattern)]
        if not paths[0].exists():
            paths = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute patterns
        if not paths:
            outcome.fail(pattern, "not_found", "no such file or folder")
        for path in paths:
            if path.is_dir():
                entries += _find_in_folder(path, outcome)
            elif path.suffix.lower() == ".jsonl":
                entries += _read_lines(path, outcome)
            else:
                entries.append(Entry(path.name, path=path, size=path.stat().st_size))
    return entries


def upload(
    client: Client,
    collection: str,
    entries: list[Entry],
    outcome: Outcome,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Upload `entries` and follow them until each is ready or failed."""
    started = monotonic()
    outcome.total = outcome.done + len(entries)
    jobs: list[_Job] = []
    for batch in _batches(entries):
        jobs += _upload_batch(client, collection, batch, outcome)
        outcome.seconds = monotonic() - started
        on_progress(outcome)
    ready, tokens = outcome.counts["ready"], 0
    for upload_job in jobs:
        while True:
            job = client.call("GET", f"/v1/jobs/{upload_job.id}")
            outcome.counts["ready"] = ready + job["counts"]["ready"] - upload_job.settled
            outcome.tokens = tokens + job["tokens"]
            outcome.seconds = monotonic() - started
            on_progress(outcome)
            if not job["counts"]["queued"] and not job["counts"]["processing"]:
                break
            sleep(_POLL_SECONDS)
        ready, tokens = outcome.counts["ready"], outcome.tokens
        for failure in job["errors"]:
            outcome.fail(failure["id"], failure["code"], failure["message"])
        on_progress(outcome)


def _find_in_folder(folder: Path, outcome: Outcome) -> Iterator[Entry]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        if path.suffix.lower() in SUFFIXES:
            yield Entry(relative.as_posix(), path=path, size=path.stat().st_size)
        else:
            outcome.skipped.append(relative.as_posix())


def _read_lines(path: Path, outcome: Outcome) -> Iterator[Entry]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                yield _read_line(json.loads(line), len(line))
            except (ValueError, RecursionError, InvalidRequest) as error:
                outcome.fail(where, "invalid_line", str(error))


def _read_line(line: Any, size: int) -> Entry:
    """Return the article on a line: {"id" or "_id", "text" | "html" | "markdown", "title"?, …}.

    Fields that an article does not have become its attributes.
    """
    if not isinstance(line, dict):
        raise InvalidRequest("the line is not a JSON object")
    document_id = line.pop("id", None) or line.pop("_id", None)
    if not isinstance(document_id, str):
        raise InvalidRequest("the line has no id")
    body = {key: line.pop(key) for key in list(line) if key in _FIELDS}
    extra = {key: value for key, value in line.items() if value not in (None, {}, [])}
    if extra:
        body["attributes"] = {**extra, **(body.get("attributes") or {})}
    return Entry(document_id, body=body, size=size)


def _batches(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield runs of entries of one kind within the limits, no id twice in one."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (
            len(batch) == _BATCH_DOCUMENTS
            or size + entry.size > _BATCH_BYTES
            or (entry.path is None) != (batch[0].path is None)
            or any(entry.id == other.id for other in batch)
        ):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def _upload_batch(
    client: Client, collection: str, batch: list[Entry], outcome: Outcome
) -> "list[_Job]":
    """Upload a batch; when it is refused, its articles one by one, to find those at fault."""
    try:
        answer = _send(client, collection, batch)
    except RequestFailed as error:
        if error.status not in {400, 409, 413, 415, 422}:
            raise
        if len(batch) == 1:
            outcome.fail(batch[0].id, error.code, str(error))
            return []
        return [
            job for entry in batch for job in _upload_batch(client, collection, [entry], outcome)
        ]
    settled = [d["change"] for d in answer["documents"] if d["status"] == "ready"]
    outcome.counts["unchanged"] += settled.count("none")
    outcome.counts["updated"] += settled.count("metadata")
    if len(settled) == len(batch):
        return []
    return [_Job(answer["job_id"], len(settled))]


def _send(client: Client, collection: str, batch: list[Entry]) -> dict[str, Any]:
    path = f"{collection_path(collection)}/documents"
    if batch[0].path is None:
        documents = [{"id": entry.id, **(entry.body or {})} for entry in batch]
        return client.call("POST", path, json={"documents": documents})
    files = [
        ("files", (entry.path.name, entry.path.read_bytes(), "application/octet-stream"))
        for entry in batch
        if entry.path is not None
    ]
    return client.call("POST", path, files=files, data={"id": [entry.id for entry in batch]})
