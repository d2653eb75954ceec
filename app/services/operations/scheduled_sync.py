"""The sync that a running server does by itself, again and again: `folio sync` without a hand."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from app.db.database import Duty
from app.db.models import utc_now
from app.errors import FolioError, NotFound, QueueFull
from app.runtime.resources import Resources
from app.runtime.signals import SyncReport
from app.services.access.collections import CollectionRef, recall_named
from app.services.articles.collections import create_collection
from app.services.articles.documents import (
    Upload,
    delete_document,
    get_job,
    list_documents,
    put_documents,
)
from ingest.folders import FolderFile, Plan, StoredFile, make_plan, read_folder
from ingest.formats import resolve_media_type

logger = logging.getLogger("folio")

_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.2
_PAGE = 1000


class Stopped(Exception):
    """The process ends; the next sync goes on from what is stored."""


@dataclass(slots=True)
class _Uploads:
    """Jobs to follow, and the ids whose upload or reading failed."""

    jobs: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


@contextmanager
def run_scheduled_sync(resources: Resources) -> Iterator[None]:
    """Mirror the configured folder while the block runs; without one do nothing."""
    if resources.settings.sync_folder is None:
        yield
        return
    stopping = Event()
    # A daemon, so that an upload that is followed does not hold up the end of the process.
    thread = Thread(target=_keep_synced, args=(resources, stopping), name="folio-sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_STOP_SECONDS)


def sync_once(resources: Resources, stopping: Event) -> SyncReport:
    """Mirror the configured folder and say what came of it; the reason of a failure is logged.

    Raises Stopped once `stopping` is set.
    """
    settings = resources.settings
    assert settings.sync_folder is not None
    try:
        folder = read_folder(settings.sync_folder, max_bytes=settings.max_body_bytes)
        for name in sorted(folder.unread):
            logger.error("the scheduled sync cannot read %s", name)
        collection = _ensure_collection(resources, settings.sync_collection)
        plan = make_plan(folder, _list_stored(resources, collection))
        failed = _apply(resources, collection, plan, stopping)
    except FolioError as error:
        logger.error("the scheduled sync failed: %s", error)
        return SyncReport(utc_now(), error.code)
    except Stopped:
        raise
    # Whatever a disk does: the next one may go well.
    except Exception as error:  # noqa: BLE001
        logger.error("the scheduled sync failed: %s", type(error).__name__)
        return SyncReport(utc_now(), "internal_error")
    return SyncReport(
        utc_now(),
        None,
        added=len(plan.added),
        changed=len(plan.changed),
        renamed=len(plan.renamed),
        deleted=len(plan.deleted),
        failed=len(failed) + len(folder.unread),
    )


def _ensure_collection(resources: Resources, name: str) -> CollectionRef:
    with resources.database.read() as session:
        found = recall_named(session, name)
    if found is not None:
        return found
    create_collection(resources.database, name)
    return _ensure_collection(resources, name)


def _list_stored(resources: Resources, collection: CollectionRef) -> dict[str, StoredFile]:
    stored: dict[str, StoredFile] = {}
    cursor: str | None = None
    while True:
        page, cursor = list_documents(resources.database, collection, limit=_PAGE, cursor=cursor)
        stored |= {
            document.id: StoredFile(document.sha256, document.status == "failed")
            for document in page
        }
        if cursor is None:
            return stored


def _apply(
    resources: Resources, collection: CollectionRef, plan: Plan, stopping: Event
) -> set[str]:
    """Upload, wait until all of it is read, then erase; returns the ids that failed."""
    uploads = _Uploads()
    for file in plan.uploads:
        _upload(resources, collection, file, uploads, stopping)
    _follow(resources, collection, uploads, stopping)
    for document_id in plan.erasures(uploads.failed):
        with suppress(NotFound):
            delete_document(resources, collection, document_id)
    return uploads.failed


def _upload(
    resources: Resources,
    collection: CollectionRef,
    file: FolderFile,
    uploads: _Uploads,
    stopping: Event,
) -> None:
    """Store one file, waiting while the queue is full; one that is refused fails alone."""
    while True:
        try:
            data = file.path.read_bytes()
            media_type = resolve_media_type("", file.id, data)
            upload = Upload(file.id, data, media_type, filename=file.path.name)
            accepted = put_documents(resources, collection, [upload])
            uploads.jobs.append(accepted.job_id)
        except QueueFull as error:
            _pause(stopping, error.retry_after_s)
            continue
        except (FolioError, OSError) as error:
            logger.error("the scheduled sync cannot upload %s: %s", file.id, type(error).__name__)
            uploads.failed.add(file.id)
        return


def _follow(
    resources: Resources, collection: CollectionRef, uploads: _Uploads, stopping: Event
) -> None:
    for job_id in uploads.jobs:
        while (job := get_job(resources.database, collection, job_id)).is_pending:
            _pause(stopping, _POLL_SECONDS)
        uploads.failed.update(error.id for error in job.errors)


def _pause(stopping: Event, seconds: float) -> None:
    if stopping.wait(seconds):
        raise Stopped


def _keep_synced(resources: Resources, stopping: Event) -> None:
    with suppress(Stopped):
        while not stopping.is_set():
            if resources.database.leads(Duty.SYNC):
                resources.signals.last_sync = sync_once(resources, stopping)
            stopping.wait(60 * resources.settings.sync_minutes)
