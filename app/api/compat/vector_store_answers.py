"""How collections and documents are told as OpenAI's stores, files and batches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from app.api.compat.vector_store_schemas import (
    BatchOut,
    ExpiresAfter,
    FileCounts,
    LastError,
    State,
    StoreFileOut,
    StoreFilesOut,
    StoreOut,
)
from app.db.queue import CANCELLED
from app.domain import Status
from app.errors import NotFound
from app.services.articles.store_batches import BatchInfo
from app.services.articles.store_files import StoreFile
from app.services.articles.stores import StoreInfo

_BATCH_PREFIX = "vsfb_"
STATES: dict[str, Status | str] = {
    "in_progress": Status.PROCESSING,
    "completed": Status.READY,
    "failed": Status.FAILED,
    "cancelled": CANCELLED,
}
# Of the codes of versions that failed; any other is the server's.
_UNREADABLE = {"unsupported_media_type": "unsupported_file"}
_SERVER_CODES = {"internal_error", "too_many_attempts", "corrupt_data"}


def describe_store(info: StoreInfo) -> StoreOut:
    """Return a collection as a vector store."""
    counts = _count(info.counts, info.cancelled)
    state: Literal["in_progress", "completed", "expired"] = "completed"
    if info.is_expired:
        state = "expired"
    elif counts.in_progress:
        state = "in_progress"
    return StoreOut(
        id=info.id,
        created_at=_seconds(info.created_at),
        name=info.name,
        description=info.description,
        usage_bytes=info.usage_bytes,
        file_counts=counts,
        status=state,
        metadata=dict(info.metadata),
        last_active_at=_seconds(info.last_active_at),
        expires_after=None if info.expires_days is None else ExpiresAfter(days=info.expires_days),
        expires_at=None if info.expires_at is None else _seconds(info.expires_at),
    )


def describe_store_file(file: StoreFile) -> StoreFileOut:
    """Return a document as a file of a vector store."""
    state: State = "in_progress"
    error = None
    if file.status is Status.READY:
        state = "completed"
    elif file.status is Status.FAILED and file.error_code == CANCELLED:
        state = "cancelled"
    elif file.status is Status.FAILED:
        state, error = "failed", _describe_error(file)
    return StoreFileOut(
        id=file.id,
        created_at=_seconds(file.created_at),
        vector_store_id=file.store,
        status=state,
        last_error=error,
        usage_bytes=file.usage_bytes,
        attributes=flatten(file.attributes),
    )


def describe_batch(batch: BatchInfo) -> BatchOut:
    """Return a job as a batch of files."""
    counts = _count(batch.counts, batch.cancelled)
    state: State = "completed"
    if counts.in_progress:
        state = "in_progress"
    elif counts.total and counts.cancelled == counts.total:
        state = "cancelled"
    elif counts.total and counts.failed == counts.total:
        state = "failed"
    return BatchOut(
        id=_BATCH_PREFIX + batch.id,
        created_at=_seconds(batch.created_at),
        vector_store_id=batch.store,
        status=state,
        file_counts=counts,
    )


def flatten(attributes: Any) -> dict[str, Any]:
    """Return attributes as those clients know them, which have no lists."""
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in attributes.items()
    }


def _describe_error(file: StoreFile) -> LastError:
    code: Any = _UNREADABLE.get(file.error_code or "", "invalid_file")
    if (file.error_code or "internal_error") in _SERVER_CODES:
        code = "server_error"
    return LastError(code=code, message=file.error_message or file.error_code or "unknown")


def _count(counts: dict[Status, int], cancelled: int) -> FileCounts:
    return FileCounts(
        in_progress=counts[Status.QUEUED] + counts[Status.PROCESSING],
        completed=counts[Status.READY],
        failed=counts[Status.FAILED] - cancelled,
        cancelled=cancelled,
        total=sum(counts.values()),
    )


def list_files(found: Sequence[StoreFile], more: bool) -> StoreFilesOut:
    return StoreFilesOut(
        data=[describe_store_file(file) for file in found], **first_and_last(found), has_more=more
    )


def first_and_last(found: Sequence[StoreInfo] | Sequence[StoreFile]) -> dict[str, Any]:
    ids = [item.id for item in found]
    return {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}


def job_of(batch_id: str) -> str:
    job_id = batch_id.removeprefix(_BATCH_PREFIX)
    if job_id == batch_id:
        raise NotFound("no such batch in the vector store", code="batch_not_found")
    return job_id


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
