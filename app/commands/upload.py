"""What `folio add` does: find articles, upload them in batches, follow them until they are done."""

import glob
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from time import monotonic, sleep
from typing import Any
from unicodedata import normalize

from app.commands.client import Client, RequestFailed, collection_path
from app.errors import FolioError, InvalidRequest
from ingest.fields import ARTICLE_FIELDS, find_misspelt
from ingest.formats import BUNDLE_SUFFIXES, SUFFIXES
from ingest.names import is_left_out

_BATCH_DOCUMENTS = 64
_BATCH_BYTES = 4 * 2**20
_POLL_SECONDS = 0.2
# Asking costs the processors that read the articles: seldom, where they take long.
_MAX_POLL_SECONDS = 2.0
_POLL_SHARE = 0.03
# A model takes this long to load from a slow disk.
_PATIENCE_SECONDS = 60.0
# What is wrong with an upload; any other failure would meet the next one as well.
_REFUSALS = {400, 409, 413, 415, 422}


@dataclass(frozen=True, slots=True)
class Entry:
    """An article to upload: a file on disk, a line of a JSONL file, or a body as it is sent."""

    id: str
    source: str
    """Where it was found: a path, or `file.jsonl:line`."""
    path: Path | None = None
    body: dict[str, Any] | None = None
    size: int = 0
    offset: int | None = None
    """Where its line begins in the file, in bytes; None where the file is the article."""

    @property
    def is_file(self) -> bool:
        """Whether it is sent as the file that it is."""
        return self.path is not None and self.offset is None


@dataclass(frozen=True, slots=True)
class _Job:
    """A job to follow; `settled` of its documents were ready when it was made."""

    id: str
    settled: int


class NotReading(FolioError):
    """The service has taken articles and cannot read them."""

    status, code = 503, "not_reading"


@dataclass(slots=True)
class Outcome:
    """What became of an `add`."""

    total: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: {"ready": 0, "unchanged": 0, "updated": 0, "failed": 0}
    )
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    misspelt: dict[str, str] = field(default_factory=dict)
    """Names on JSON lines that were taken as attributes, with the field that each looks like."""
    tokens: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def add(self, share: "Outcome") -> None:
        """Count in what became of some of the articles; total, misspelt and seconds stay."""
        for name, count in share.counts.items():
            self.counts[name] += count
        self.failures += share.failures
        self.tokens += share.tokens

    def fail(self, document_id: str, code: str, message: str) -> None:
        self.counts["failed"] += 1
        self.failures.append({"id": document_id, "code": code, "message": message})


def find_entries(patterns: Iterable[str], outcome: Outcome) -> list[Entry]:
    """Return the articles that files, folders, globs and .jsonl files stand for.

    A file's id is its name, or its path relative to the folder that was named. What a folder holds
    beside readable files is noted in `outcome.skipped`; what was named and cannot be read fails,
    and so does an article with the id of another.
    """
    entries: dict[str, Entry] = {}
    for pattern in patterns:
        # A file that is there is meant by its name, brackets and all.
        paths = glob.glob(glob.escape(pattern)) or sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute patterns
        if not paths:
            outcome.fail(pattern, "not_found", "no such file or folder")
        for path in map(Path, paths):
            for entry in _find(path, outcome):
                # The service compares ids in this form.
                first = entries.setdefault(normalize("NFC", entry.id), entry)
                if not _is_same(first, entry):
                    outcome.fail(
                        entry.source, "duplicate_id", f"{first.source} has the same id, {entry.id}"
                    )
    return list(entries.values())


def upload(
    client: Client,
    collection: str,
    entries: list[Entry],
    outcome: Outcome,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Upload `entries` and follow them until each is ready or failed.

    Raises NotReading when the service has taken them and makes nothing of them.
    """
    started = monotonic()
    outcome.total = outcome.done + len(entries)
    jobs: list[_Job] = []
    for batch in make_batches(entries):
        jobs += _upload_batch(client, collection, batch, outcome)
        outcome.seconds = monotonic() - started
        on_progress(outcome)
    ready, tokens = outcome.counts["ready"], 0
    for upload_job in jobs:
        for job in _follow(client, upload_job):
            outcome.counts["ready"] = ready + job["counts"]["ready"] - upload_job.settled
            outcome.tokens = tokens + job["tokens"]
            outcome.seconds = monotonic() - started
            on_progress(outcome)
        ready, tokens = outcome.counts["ready"], outcome.tokens
        for failure in job["errors"]:
            outcome.fail(failure["id"], failure["code"], failure["message"])
        on_progress(outcome)


def wait_for_job(client: Client, job_id: str) -> dict[str, Any]:
    """Return a job once all of it is ready or failed; raises NotReading as `upload` does."""
    *_, job = _follow(client, _Job(job_id, 0))
    return job


def _follow(client: Client, upload_job: _Job) -> Iterator[dict[str, Any]]:
    """Yield the job again and again, the last time when all of it is ready or failed."""
    started = monotonic()
    counts, moved = None, started
    while True:
        job = client.call("GET", f"/v1/jobs/{upload_job.id}")
        yield job
        if not job["counts"]["queued"] and not job["counts"]["processing"]:
            return
        if job["counts"] != counts:
            counts, moved = job["counts"], monotonic()
        elif monotonic() - moved > _PATIENCE_SECONDS:
            _check_ready(client)
        pause = _POLL_SHARE * (monotonic() - started)
        sleep(min(max(pause, _POLL_SECONDS), _MAX_POLL_SECONDS))


def _check_ready(client: Client) -> None:
    try:
        client.call("GET", "/readyz")
    except RequestFailed as error:
        raise NotReading(
            f"nothing is read at present ({error}); what was acknowledged stays queued"
        ) from error


def _find(path: Path, outcome: Outcome) -> Iterator[Entry]:
    """Yield the articles at a path; what keeps it from being read is noted as a failure."""
    found = False
    failed_before = outcome.counts["failed"]
    try:
        if path.is_dir():
            entries = _find_in_folder(path, outcome)
        elif path.suffix.lower() == ".jsonl":
            entries = _read_lines(path, outcome)
        else:
            entries = _take_file(path, outcome)
        for entry in entries:
            found = True
            if _is_unicode(entry.id):
                yield entry
            else:
                outcome.fail(entry.source, "invalid_id", "the name is not UTF-8")
    except OSError as error:
        outcome.fail(str(path), "unreadable_file", error.strerror or str(error))
    if not found and outcome.counts["failed"] == failed_before:
        outcome.fail(str(path), "no_article", "it contains no article")


def _find_in_folder(folder: Path, outcome: Outcome) -> Iterator[Entry]:
    """Yield the articles of a folder; what of it cannot be read fails, and the rest goes on."""

    def fail(error: OSError) -> None:
        outcome.fail(str(error.filename), "unreadable_file", error.strerror or str(error))

    for path in sorted(_list_files(folder, fail)):
        relative = path.relative_to(folder)
        try:
            status = path.stat()
        except FileNotFoundError:
            # A link that leads nowhere.
            continue
        except OSError as error:
            fail(error)
            continue
        readable = path.suffix.lower() in SUFFIXES | BUNDLE_SUFFIXES
        if not S_ISREG(status.st_mode):
            continue
        if readable and not is_left_out(relative.as_posix()):
            yield Entry(relative.as_posix(), str(path), path=path, size=status.st_size)
        else:
            outcome.skipped.append(relative.as_posix())


def _list_files(folder: Path, fail: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield what is in a folder and those below it, but for folders and what is hidden."""
    for above, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(above, name) for name in names if not name.startswith("."))


def _take_file(path: Path, outcome: Outcome) -> Iterator[Entry]:
    size = path.stat().st_size
    if path.suffix.lower() in SUFFIXES | BUNDLE_SUFFIXES:
        yield Entry(path.name, str(path), path=path, size=size)
    else:
        named = path.suffix or "a file without a suffix"
        readable = " ".join(sorted(SUFFIXES | BUNDLE_SUFFIXES))
        message = f"{named} is not supported; supported types: {readable}"
        outcome.fail(str(path), "unsupported_media_type", message)


def _read_lines(path: Path, outcome: Outcome) -> Iterator[Entry]:
    """Yield the articles of a JSONL file; their lines are read again when they are sent."""
    # A pipe gives its lines once.
    is_kept, end = path.is_file(), 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            offset, end = end, end + len(line)
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                article = json.loads(line)
                if isinstance(article, dict):
                    outcome.misspelt |= find_misspelt(article)
                document_id, body = _read_article(article)
                if is_kept:
                    yield Entry(document_id, where, path, size=len(line), offset=offset)
                else:
                    yield Entry(document_id, where, body=body, size=len(line))
            except json.JSONDecodeError as error:
                outcome.fail(where, "invalid_line", f"{error.msg}, at column {error.colno}")
            except (ValueError, RecursionError, InvalidRequest) as error:
                outcome.fail(where, "invalid_line", str(error))


def _read_article(line: Any) -> tuple[str, dict[str, Any]]:
    """Return the id and the body of {"id" or "_id", "text" | "html" | "markdown", "title"?, …}.

    Fields that an article does not have become its attributes.
    """
    if not isinstance(line, dict):
        raise InvalidRequest("the line is not a JSON object")
    document_id = line.pop("id", None) or line.pop("_id", None)
    if not isinstance(document_id, str):
        raise InvalidRequest("the line has no id that is a string")
    body = {key: line.pop(key) for key in list(line) if key in ARTICLE_FIELDS}
    extra = {key: value for key, value in line.items() if value not in (None, {}, [])}
    attributes = body.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise InvalidRequest("the attributes are not a JSON object")
    if extra:
        body["attributes"] = {**extra, **attributes}
    # Lone surrogates and NaN: Python reads them, and JSON has no such thing.
    json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    return document_id, body


def _is_unicode(name: str) -> bool:
    """Return whether a name can be sent: bytes of a file name that are not UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_same(first: Entry, other: Entry) -> bool:
    """Return whether two entries are one: a file, or a line of it, that was named twice."""
    if first is other or first.path is None or other.path is None:
        return first is other
    return (first.path.resolve(), first.offset) == (other.path.resolve(), other.offset)


def make_batches(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield runs of entries of one kind, each of a size that one call takes."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (
            len(batch) == _BATCH_DOCUMENTS
            or size + entry.size > _BATCH_BYTES
            or entry.is_file != batch[0].is_file
        ):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def _upload_batch(
    client: Client, collection: str, batch: list[Entry], outcome: Outcome
) -> list[_Job]:
    """Upload a batch; when it is refused, its articles one by one, to find those at fault."""
    try:
        answer = call_patiently(client, partial(_send, client, collection, batch))
    except FolioError as error:
        if error.status not in _REFUSALS:
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
    # A bundle is one entry and several documents.
    outcome.total += len(answer["documents"]) - len(batch)
    outcome.skipped += answer["left_out"]
    if len(settled) == len(answer["documents"]):
        return []
    return [_Job(answer["job_id"], len(settled))]


def call_patiently(client: Client, upload: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to an upload, waiting as long as the server asks while its queue is full.

    Raises NotReading when nothing takes documents off the queue.
    """
    while True:
        try:
            return upload()
        except RequestFailed as error:
            if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            _check_ready(client)
            sleep(max(error.retry_after_s, _POLL_SECONDS))


def _send(client: Client, collection: str, batch: list[Entry]) -> dict[str, Any]:
    path = f"{collection_path(collection)}/documents"
    if not batch[0].is_file:
        documents = [{"id": entry.id, **_read_body(entry)} for entry in batch]
        return client.call("POST", path, json={"documents": documents})
    files = [
        ("files", (entry.path.name, _read_file(entry.path), "application/octet-stream"))
        for entry in batch
        if entry.path is not None
    ]
    return client.call("POST", path, files=files, data={"id": [entry.id for entry in batch]})


def _read_body(entry: Entry) -> dict[str, Any]:
    """Return the body of an entry that is not a file; raises InvalidRequest if it has changed."""
    if entry.path is None or entry.offset is None:
        return entry.body or {}
    try:
        with entry.path.open("rb") as file:
            file.seek(entry.offset)
            document_id, body = _read_article(json.loads(file.read(entry.size)))
    except OSError as error:
        raise _unreadable(error) from error
    except (ValueError, RecursionError, InvalidRequest) as error:
        raise _changed(entry) from error
    if document_id != entry.id:
        raise _changed(entry)
    return body


def _changed(entry: Entry) -> InvalidRequest:
    return InvalidRequest(f"{entry.source} is not what it was before", code="line_changed")


def _unreadable(error: OSError) -> InvalidRequest:
    return InvalidRequest(error.strerror or str(error), code="unreadable_file")


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(error) from error
