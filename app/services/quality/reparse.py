"""A collection read anew from its uploads, in slices of the background thread.

What reads as it is stored is left alone. By itself a reparse only reports; one that applies queues
a new version of what reads differently, and what is stored answers until that is ready.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import queries, queue
from app.db.database import Database
from app.db.models import Document, Job, JobItem, ReparseRow, utc_now
from app.domain import Progress
from app.errors import Conflict, FolioError, NotFound, ParserUnavailable, StorageFailed, StorageFull
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, recall_collection, require_row
from app.services.articles.documents import add_version, upload_again
from app.services.quality.evaluations import dump_golden, load_golden
from app.services.quality.reparse_answers import MAX_DOCUMENTS, predict_answers
from app.services.quality.reread import (
    Difference,
    Source,
    Unread,
    find_source,
    list_next,
    read_anew,
)
from app.services.search.pipeline import check_query
from ingest.sandbox import Sandbox

logger = logging.getLogger("folio")

MAX_LISTED = 1000
"""So many changes and so many failures are listed; all are counted."""
# New uploads stand behind what a reparse has queued.
_MAX_WAITING = 64
_SLICE_DOCUMENTS = 64
_SLICE_SECONDS = 5.0
_NOT_ITS_FAULT = (ParserUnavailable, StorageFull, StorageFailed)
NOTHING_FOUND: dict[str, Any] = {
    **dict.fromkeys(("read", "unchanged", "changed", "unreadable", "waiting"), 0),
    "changes": [],
    "failures": [],
    "answers": None,
}


@dataclass(frozen=True, slots=True)
class ReparseInfo:
    """Where a reparse stands, and what it has found so far."""

    id: str
    collection: str
    status: Progress
    applies: bool
    documents: int
    found: dict[str, Any]
    message: str | None
    created_at: datetime
    finished_at: datetime | None


def start_reparse(
    resources: Resources, ref: CollectionRef, *, applies: bool, golden: Sequence[GoldenQuery] = ()
) -> ReparseInfo:
    """Have the background thread read a collection anew; raises Conflict while one does."""
    for query in golden:
        check_query(resources.settings, query.text)
    with resources.database.write() as session:
        collection = require_row(session, ref)
        if session.scalar(_waiting().where(ReparseRow.collection_id == collection.id)):
            raise Conflict(f"{ref.name} is already being reparsed", code="reparse_running")
        row = ReparseRow(
            id=uuid.uuid4().hex,
            collection_id=collection.id,
            status=Progress.QUEUED,
            applies=applies,
            golden={"queries": dump_golden(golden)},
            found=NOTHING_FOUND,
        )
        session.add(row)
        if applies:
            session.add(Job(id=row.id, collection_id=collection.id))
        session.flush()
        info = _describe(session, row, collection.name)
    resources.signals.tasks_arrived.set()
    return info


def get_reparse(database: Database, ref: CollectionRef, reparse_id: str) -> ReparseInfo:
    """Return a reparse of a collection; raises NotFound."""
    with database.read() as session:
        row = session.get(ReparseRow, reparse_id)
        if row is None or row.collection_id != ref.id:
            raise NotFound("no such reparse", code="reparse_not_found")
        return _describe(session, row, ref.name)


def reparse_some(resources: Resources, is_stopping: Callable[[], bool]) -> bool:
    """Read some documents of the oldest reparse; False when there is nothing to do at present."""
    with resources.database.read() as session:
        row = session.scalar(_waiting().order_by(ReparseRow.created_at).limit(1))
        if row is None or (row.applies and queue.count_pending(session) >= _MAX_WAITING):
            return False
        reparse_id = row.id
        documents = [
            document.id
            for document in list_next(
                session, row.collection_id, after=row.last_document, limit=_SLICE_DOCUMENTS
            )
        ]
    # A child of its own: the worker's may be busy with an upload for a minute.
    with closing(Sandbox(resources.settings)) as sandbox:
        try:
            if documents:
                _read_slice(resources, sandbox, reparse_id, documents, is_stopping)
            else:
                _finish(resources, sandbox, reparse_id)
        except _NOT_ITS_FAULT:
            raise
        except FolioError as error:
            _end(resources.database, reparse_id, failed=str(error))
        # The thread must outlive it, and its message may quote a document.
        except Exception as error:  # noqa: BLE001
            logger.error("a reparse failed: %s", type(error).__name__)
            _end(resources.database, reparse_id, failed=f"unexpected {type(error).__name__}")
    return True


def _read_slice(
    resources: Resources,
    sandbox: Sandbox,
    reparse_id: str,
    documents: Sequence[int],
    is_stopping: Callable[[], bool],
) -> None:
    """Read documents for a few seconds, and store what was found with what it queues."""
    ends = monotonic() + _SLICE_SECONDS
    results: list[tuple[int, Source | None, Difference | Unread | None]] = []
    for document_id in documents:
        if is_stopping() or monotonic() > ends:
            break
        resources.signals.priority.yield_to_requests()
        with resources.database.read() as session:
            source = find_source(session, session.get(Document, document_id))
        result = None if source is None else read_anew(sandbox, source)
        results.append((document_id, source, result))
    with resources.database.write() as session:
        row = session.get(ReparseRow, reparse_id)
        # Its collection may be gone, and it with it.
        if row is None or not results:
            return
        found = row.found
        for document_id, source, result in results:
            # Deleted since it was read, its title must not come back with the report.
            if session.get(Document, document_id) is None:
                continue
            found = _count(found, source, result)
            if row.applies and source is not None and isinstance(result, Difference):
                _queue_version(session, row, source)
        row.found, row.last_document = found, results[-1][0]
    resources.signals.work_arrived.set()


def _count(
    found: dict[str, Any], source: Source | None, result: Difference | Unread | None
) -> dict[str, Any]:
    if source is None:
        return found | {"waiting": found["waiting"] + 1}
    found = found | {"read": found["read"] + 1}
    if result is None:
        return found | {"unchanged": found["unchanged"] + 1}
    number, listed = (
        ("changed", "changes") if isinstance(result, Difference) else ("unreadable", "failures")
    )
    entries = [*found[listed], asdict(result)][:MAX_LISTED]
    return found | {number: found[number] + 1, listed: entries}


def _queue_version(session: Session, row: ReparseRow, source: Source) -> None:
    """Queue what a document was read from as its newest version, unless there is a newer one."""
    document = session.get(Document, source.document_id)
    if document is None or document.latest_number != source.version:
        return
    latest = queries.find_latest_version(session, document)
    assert latest is not None
    # Its url and attributes may have changed since it was read, which makes no new version.
    upload = upload_again(document, latest, source.upload.data)
    version = add_version(session, document, upload, source.sha256)
    ordinal = session.scalar(
        select(func.count()).select_from(JobItem).where(JobItem.job_id == row.id)
    )
    session.add(
        JobItem(job_id=row.id, ordinal=ordinal or 0, version_id=version.id, change="content")
    )


def _finish(resources: Resources, sandbox: Sandbox, reparse_id: str) -> None:
    """Ask the golden set of one that only reports, and end it."""
    with resources.database.read() as session:
        row = session.get(ReparseRow, reparse_id)
        if row is None:
            return
        golden = load_golden(row.golden["queries"])
        ref = recall_collection(session, row.collection_id)
        applies, found = row.applies, row.found
    message, answers = None, None
    if golden and not applies and found["changed"] > MAX_DOCUMENTS:
        message = f"the golden set was not asked: at most {MAX_DOCUMENTS} changes can be tried"
    elif golden and not applies:
        changed = [change["id"] for change in found["changes"]]
        answers = asdict(predict_answers(resources, sandbox, ref, changed, golden))
    _end(resources.database, reparse_id, message=message, answers=answers)


def _end(
    database: Database,
    reparse_id: str,
    *,
    message: str | None = None,
    failed: str | None = None,
    answers: dict[str, Any] | None = None,
) -> None:
    with database.write() as session:
        row = session.get(ReparseRow, reparse_id)
        if row is not None:
            row.status = Progress.DONE if failed is None else Progress.FAILED
            row.message, row.finished_at = failed or message, utc_now()
            row.found = {**row.found, "answers": answers}


def _waiting() -> Any:
    return select(ReparseRow).where(ReparseRow.status == Progress.QUEUED)


def _describe(session: Session, row: ReparseRow, collection: str) -> ReparseInfo:
    documents = sum(queries.count_by_status(session, row.collection_id).values())
    return ReparseInfo(
        row.id,
        collection,
        Progress(row.status),
        row.applies,
        documents,
        row.found,
        row.message,
        row.created_at,
        row.finished_at,
    )
