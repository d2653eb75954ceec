"""The jobs of a collection: listed, ended, tried again where they failed, and forgotten at last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.orm import Session, aliased

from app.db import queries, queue
from app.db.database import Database
from app.db.models import Document, Job, JobItem, ReparseRow, Version, utc_now
from app.domain import Progress, Status
from app.errors import InvalidRequest, NotFound
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import (
    Accepted,
    AcceptedUploads,
    Change,
    JobInfo,
    add_job,
    check_queue,
    get_job,
)
from ingest.ids import normalize_id

_PENDING = (Status.QUEUED, Status.PROCESSING)
# Other writers wait, and a job may have thousands of documents.
_FORGOTTEN_AT_ONCE = 100

_Newer = aliased(Job)


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job, and how many of its documents stand at each status or are no more."""

    job_id: str
    created_at: datetime
    counts: dict[str, int]


def list_jobs(
    database: Database,
    ref: CollectionRef,
    *,
    pending: bool = False,
    limit: int = 100,
    before: str | None = None,
) -> list[JobSummary]:
    """Return jobs, newest first; `before` is the id of the last one of the page before.

    With `pending` only those of which a document waits or is worked on. Raises InvalidRequest where
    `before` is not a job of the collection.
    """
    with database.read() as session:
        chosen = select(Job).where(Job.collection_id == require_row(session, ref).id)
        if pending:
            waiting = (
                select(JobItem.job_id)
                .join(Version, Version.id == JobItem.version_id)
                .where(Version.status.in_(_PENDING))
            )
            chosen = chosen.where(Job.id.in_(waiting))
        if before is not None:
            last = session.get(Job, before)
            if last is None or last.collection_id != ref.id:
                raise InvalidRequest(
                    "`before` is not a job of this collection", code="invalid_cursor"
                )
            is_older = (Job.created_at < last.created_at) | (
                (Job.created_at == last.created_at) & (Job.id < last.id)
            )
            chosen = chosen.where(is_older)
        jobs = session.scalars(chosen.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit))
        return _summarize(session, jobs.all())


def _summarize(session: Session, jobs: Sequence[Job]) -> list[JobSummary]:
    counts = queries.count_job_documents(session, [job.id for job in jobs])
    return [JobSummary(job.id, job.created_at, counts[job.id]) for job in jobs]


def cancel_job(database: Database, ref: CollectionRef, job_id: str) -> JobInfo:
    """End what of a job is not ready yet: it fails as `cancelled`, and can be tried again.

    What answered before goes on answering. Raises NotFound.
    """
    with database.write() as session:
        job = session.get(Job, job_id)
        if job is None or job.collection_id != ref.id:
            raise NotFound("no such job", code="job_not_found")
        queue.cancel(session, Version.id.in_(queries.select_own_versions(job_id)))
    return get_job(database, ref, job_id)


def forget_jobs(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    """Delete the jobs that are past their time and of which nothing waits or is worked on.

    Reports of reparses go with them.
    """
    before = utc_now() - timedelta(days=resources.settings.job_days)
    _forget_reparses(resources, before)
    while not is_stopping():
        with resources.database.read() as session:
            if session.scalar(_select_over(before, 1)) is None:
                return
        resources.signals.priority.yield_to_requests()
        with resources.database.write() as session:
            over = _select_over(before, _FORGOTTEN_AT_ONCE)
            session.execute(delete(Job).where(Job.id.in_(over)))


def _forget_reparses(resources: Resources, before: datetime) -> None:
    """Delete old reports, each of which an erasure reads while other writers wait."""
    over = ReparseRow.finished_at < before
    with resources.database.read() as session:
        if session.scalar(select(ReparseRow.id).where(over).limit(1)) is None:
            return
    with resources.database.write() as session:
        session.execute(delete(ReparseRow).where(over))


def _select_over(before: datetime, limit: int) -> Select[str]:
    waits = exists().where(
        JobItem.job_id == Job.id,
        Version.id == JobItem.version_id,
        Version.status.in_(_PENDING),
    )
    # A reparse adds documents to its job as it goes on.
    grows = exists().where(ReparseRow.id == Job.id, ReparseRow.status == Progress.QUEUED)
    # The newest one says when the collection was uploaded to.
    has_newer = exists().where(
        _Newer.collection_id == Job.collection_id, _Newer.created_at > Job.created_at
    )
    return (
        select(Job.id)
        .where(Job.created_at < before, has_newer, ~waits, ~grows)
        .order_by(Job.created_at)
        .limit(limit)
    )


def retry_documents(
    resources: Resources, ref: CollectionRef, document_ids: Sequence[str] | None = None
) -> AcceptedUploads:
    """Queue the latest uploads of documents once more where they failed; None names all of them.

    Of those that are named, one that did not fail stays as it is. Raises NotFound, and QueueFull
    while too many documents wait.
    """
    wanted = None if document_ids is None else {normalize_id(one) for one in document_ids}
    with resources.database.write() as session:
        check_queue(session, resources.settings.max_queue)
        found = _find_latest(session, require_row(session, ref).id, wanted)
        if wanted is not None and (missing := wanted - {latest.document_id for latest in found}):
            raise NotFound(
                f"{len(missing)} of the documents are not there", code="document_not_found"
            )
        queue.requeue_failed(session, [one.version_id for one in found if one.has_failed])
        accepted = _make_job(session, ref, found)
    resources.signals.work_arrived.set()
    return accepted


class _Latest(NamedTuple):
    """The latest version of a document, without what was read of it."""

    document_id: str
    version_id: int
    number: int
    status: Status

    @property
    def has_failed(self) -> bool:
        return self.status == Status.FAILED


def _find_latest(session: Session, collection_id: int, wanted: set[str] | None) -> list[_Latest]:
    """Return the latest versions of some documents, or of all whose latest one failed."""
    chosen = (
        select(Document.external_id, Version.id, Version.number, Version.status)
        .join(Version, Version.document_id == Document.id)
        .where(Document.collection_id == collection_id, Version.number == Document.latest_number)
        .order_by(Version.id)
    )
    if wanted is None:
        chosen = chosen.where(Version.status == Status.FAILED)
    else:
        chosen = chosen.where(Document.external_id.in_(wanted))
    return [_Latest(*row) for row in session.execute(chosen)]


def _make_job(session: Session, ref: CollectionRef, found: Sequence[_Latest]) -> AcceptedUploads:
    job = add_job(session, ref.id)
    accepted = []
    for ordinal, latest in enumerate(found):
        change: Change = "content" if latest.has_failed else "none"
        status = Status.QUEUED if latest.has_failed else Status(latest.status)
        session.add(
            JobItem(job_id=job.id, ordinal=ordinal, version_id=latest.version_id, change=change)
        )
        accepted.append(Accepted(latest.document_id, latest.number, status, change))
    return AcceptedUploads(job.id, tuple(accepted))
