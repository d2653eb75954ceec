"""Jobs as OpenAI's clients know them: batches of files that go into a store together."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from app.db import queries, queue
from app.db.models import Document, JobItem, Version
from app.db.queue import CANCELLED
from app.domain import Status
from app.errors import NotFound
from app.runtime.resources import Resources
from app.services.access.collections import (
    CollectionRef,
)
from app.services.articles.store_files import Page, StoreFile, list_page, with_status


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """How far the files of one attachment are."""

    id: str
    store: str
    created_at: datetime
    counts: dict[Status, int]
    cancelled: int


def get_batch(resources: Resources, ref: CollectionRef, job_id: str) -> BatchInfo:
    """Return how far a batch of the store is; raises NotFound."""
    with resources.database.read() as session:
        job = queries.find_job(session, job_id)
        if job is None or job.collection_id != ref.id:
            raise _missing_batch()
        counts, cancelled = dict.fromkeys(Status, 0), 0
        for version in session.scalars(_select_latest(job_id)):
            counts[Status(version.status)] += 1
            cancelled += version.error_code == CANCELLED
        return BatchInfo(job_id, ref.name, job.created_at, counts, cancelled)


def list_batch_files(
    resources: Resources,
    ref: CollectionRef,
    job_id: str,
    page: Page,
    *,
    status: Status | str | None = None,
) -> tuple[list[StoreFile], bool]:
    """Return the files of a batch by age, and whether there are more of them."""
    get_batch(resources, ref, job_id)
    with resources.database.read() as session:
        statement = _select_latest(job_id).with_only_columns(Document.id)
        chosen = with_status(statement, status)
        return list_page(session, ref, chosen, page, resources.signals.page_edges)


def cancel_batch(resources: Resources, ref: CollectionRef, job_id: str) -> BatchInfo:
    """End what of a batch is not ready yet; raises NotFound."""
    get_batch(resources, ref, job_id)
    with resources.database.write() as session:
        queue.cancel(session, Version.id.in_(queries.select_own_versions(job_id)))
    return get_batch(resources, ref, job_id)


def _select_latest(job_id: str) -> Select[Version]:
    """Return a statement for the latest versions of the documents of a batch.

    Where attributes were changed meanwhile the one that it made was superseded.
    """
    mine = (
        select(Version.document_id)
        .join(JobItem, JobItem.version_id == Version.id)
        .where(JobItem.job_id == job_id)
    )
    return (
        select(Version)
        .join(
            Document,
            (Version.document_id == Document.id) & (Version.number == Document.latest_number),
        )
        .where(Document.id.in_(mine))
    )


def _missing_batch() -> NotFound:
    return NotFound("no such batch in the vector store", code="batch_not_found")
