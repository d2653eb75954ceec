"""Collections as OpenAI's clients know them: vector stores of files.

A store's id is the collection's name, and a file in it is a document: one that came in by another
way is a file in its store as well.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Collection, Document, File, JobItem, Store, UnitRow, Version, utc_now
from app.domain import Attributes, Scope, Status
from app.errors import Conflict, InvalidRequest, NotFound
from app.runtime.resources import Resources
from app.services.access.collections import (
    CollectionRef,
    list_allowed,
    require_row,
)
from app.services.access.principal import Principal
from app.services.articles.documents import (
    Upload,
    check_queue,
    delete_document,
    normalize_id,
    put_documents,
    queue_uploads,
    read_text,
)
from app.services.articles.files import (
    document_number,
    file_id_of,
    find_file,
    find_latest,
)
from app.services.articles.originals import read_original

CANCELLED = "cancelled"
"""Code of the error of a version that was taken out of the queue."""
_TOUCH_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A collection with what those clients keep of it."""

    id: str
    name: str
    description: str
    metadata: Mapping[str, Any]
    created_at: datetime
    last_active_at: datetime
    expires_days: int | None
    counts: dict[Status, int]
    cancelled: int
    """Of those that failed."""
    usage_bytes: int

    @property
    def expires_at(self) -> datetime | None:
        if self.expires_days is None:
            return None
        return self.last_active_at + timedelta(days=self.expires_days)

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= utc_now()


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store: where its latest version stands."""

    id: str
    store: str
    created_at: datetime
    status: Status
    error_code: str | None
    error_message: str | None
    attributes: Attributes
    filename: str
    usage_bytes: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is to go into a store."""

    file_id: str
    attributes: Attributes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a list begins and how long it is; `after` and `before` are ids."""

    limit: int = 20
    after: str | None = None
    before: str | None = None
    descending: bool = True


# Stores


def create_store(
    resources: Resources,
    *,
    name: str,
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
    expires_days: int | None = None,
) -> StoreInfo:
    """Make a store, which is a collection of a name that nobody else has."""
    with resources.database.write() as session:
        collection = Collection(name=f"vs_{secrets.token_hex(12)}", description=description)
        session.add(collection)
        session.flush()
        session.add(
            Store(
                collection_id=collection.id,
                name=name,
                notes=dict(metadata or {}),
                expires_days=expires_days,
            )
        )
        session.flush()
        return _describe_store(session, collection)


def get_store(resources: Resources, ref: CollectionRef) -> StoreInfo:
    """Return a store; raises NotFound when it was erased meanwhile."""
    with resources.database.read() as session:
        return _describe_store(session, require_row(session, ref))


def list_stores(
    resources: Resources, principal: Principal, page: Page
) -> tuple[list[StoreInfo], bool]:
    """Return the stores that the caller's key covers by age, and whether there are more."""
    with resources.database.read() as session:
        ids = {ref.name: ref.id for ref in list_allowed(session, principal)}
        shown, more = _cut(sorted(ids.values()), page, ids)
        rows = [session.get_one(Collection, number) for number in shown]
        return [_describe_store(session, row) for row in rows], more


def update_store(resources: Resources, ref: CollectionRef, changes: Mapping[str, Any]) -> StoreInfo:
    """Change `name`, `metadata`, `expires_days`: those that are given."""
    with resources.database.write() as session:
        collection = require_row(session, ref)
        store = _require_store(session, collection)
        store.name = changes.get("name", store.name)
        store.notes = changes.get("metadata", store.notes)
        store.expires_days = changes.get("expires_days", store.expires_days)
        store.last_active_at = utc_now()
        session.flush()
        return _describe_store(session, collection)


def use_store(resources: Resources, ref: CollectionRef) -> None:
    """Note that a store is used; raises Conflict when its time is over."""
    with resources.database.read() as session:
        store = session.get(Store, ref.id)
        if store is None or store.expires_days is None:
            return
        now, used, days = utc_now(), store.last_active_at, store.expires_days
    if used + timedelta(days=days) <= now:
        raise InvalidRequest("the vector store has expired", code="vector_store_expired")
    # Days are counted: it need not be written at every use.
    if used + _TOUCH_AFTER <= now:
        with resources.database.write() as session:
            session.execute(
                update(Store).where(Store.collection_id == ref.id).values(last_active_at=now)
            )


# Files in them


def attach_files(
    resources: Resources,
    principal: Principal,
    ref: CollectionRef,
    attachments: Sequence[Attachment],
) -> str:
    """Queue files as documents of a store, as one job, whose id is returned.

    All of them or, on an error, none. Raises NotFound for a file that the caller does not see, and
    QueueFull.
    """
    principal.require_scope(Scope.WRITE)
    with resources.database.write() as session:
        check_queue(session, resources.settings.max_queue)
        collection = require_row(session, ref)
        uploads = _read_attachments(session, principal, collection, attachments)
        accepted = queue_uploads(session, collection, uploads)
    resources.signals.work_arrived.set()
    return accepted.job_id


def get_store_file(resources: Resources, ref: CollectionRef, file_id: str) -> StoreFile:
    """Return a file of a store; raises NotFound."""
    with resources.database.read() as session:
        document = _require_document(session, ref, file_id)
        return _describe_files(session, ref, [document.id])[0]


def list_store_files(
    resources: Resources, ref: CollectionRef, page: Page, *, status: Status | str | None = None
) -> tuple[list[StoreFile], bool]:
    """Return the files of a store by age, and whether there are more of them."""
    with resources.database.read() as session:
        statement = (
            select(Document.id)
            .join(
                Version,
                (Version.document_id == Document.id) & (Version.number == Document.latest_number),
            )
            .where(Document.collection_id == ref.id)
        )
        return _list_page(session, ref, _with_status(statement, status), page)


def read_store_file(
    resources: Resources, ref: CollectionRef, file_id: str
) -> tuple[StoreFile, str]:
    """Return a file of a store with the text that answers; raises NotFound, CorruptData."""
    with resources.database.read() as session:
        document = _require_document(session, ref, file_id)
        live = queries.find_live_version(session, document.id)
        text = "" if live is None else read_text(session, live.id, document.external_id)
        return _describe_files(session, ref, [document.id])[0], text


def update_store_file(
    resources: Resources, ref: CollectionRef, file_id: str, attributes: Attributes
) -> StoreFile:
    """Replace the attributes of a file of a store, which filters see at once."""
    with resources.database.read() as session:
        document = _require_document(session, ref, file_id)
        latest = queries.find_latest_version(session, document)
        assert latest is not None
        upload = Upload(
            document.external_id,
            read_original(session, latest.original_sha256),
            latest.media_type,
            filename=latest.filename,
            file_id=document.file_id,
            **{**latest.declared, "attributes": dict(attributes)},
        )
    put_documents(resources, ref, [upload])
    return get_store_file(resources, ref, file_id)


def detach_file(resources: Resources, ref: CollectionRef, file_id: str) -> None:
    """Take a file out of a store; the file itself stays, but for one that is only a document."""
    with resources.database.read() as session:
        document_id = _require_document(session, ref, file_id).external_id
    delete_document(resources, ref, document_id, keeps_file=True)


# Batches: the files of one job


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
        for _, _, version in queries.list_job_versions(session, job_id):
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
        statement = (
            select(Document.id)
            .join(Version, Version.document_id == Document.id)
            .join(JobItem, JobItem.version_id == Version.id)
            .where(JobItem.job_id == job_id, Document.collection_id == ref.id)
        )
        return _list_page(session, ref, _with_status(statement, status), page)


def cancel_batch(resources: Resources, ref: CollectionRef, job_id: str) -> BatchInfo:
    """Take what still waits of a batch out of the queue; what is worked on goes on."""
    get_batch(resources, ref, job_id)
    with resources.database.write() as session:
        mine = select(JobItem.version_id).where(JobItem.job_id == job_id)
        session.execute(
            update(Version)
            .where(Version.id.in_(mine), Version.status == Status.QUEUED)
            .values(
                status=Status.FAILED,
                error_code=CANCELLED,
                error_message="the batch was cancelled before its turn",
            )
        )
    return get_batch(resources, ref, job_id)


def _read_attachments(
    session: Session,
    principal: Principal,
    collection: Collection,
    attachments: Sequence[Attachment],
) -> Iterator[tuple[str, Upload]]:
    """Yield (document id, upload) of each file; one at a time, since they may be large."""
    for attachment in attachments:
        file = find_file(session, principal, attachment.file_id)
        if isinstance(file, Document):
            yield _copy_document(session, collection, file, attachment)
            continue
        data = read_original(session, file.original_sha256)
        document_id = _choose_id(session, collection, file)
        yield (
            document_id,
            Upload(
                document_id,
                data,
                file.media_type,
                filename=file.filename,
                attributes=attachment.attributes,
                file_id=file.id,
            ),
        )


def _copy_document(
    session: Session, collection: Collection, document: Document, attachment: Attachment
) -> tuple[str, Upload]:
    """Return a document as an upload into a collection: its own, or another one."""
    latest = queries.find_latest_version(session, document)
    if latest is None:
        raise NotFound("the file holds nothing", code="file_not_found")
    declared = dict(latest.declared)
    if attachment.attributes is not None:
        declared["attributes"] = dict(attachment.attributes)
    data = read_original(session, latest.original_sha256)
    upload = Upload(
        document.external_id, data, latest.media_type, filename=latest.filename, **declared
    )
    there = queries.find_document(session, collection.id, document.external_id)
    if there is not None and there.id != document.id:
        raise Conflict(
            "the store holds another document of this file's id", code="file_exists_in_store"
        )
    return document.external_id, upload


def _choose_id(session: Session, collection: Collection, file: File) -> str:
    """Return the id of the document that a file becomes in a collection.

    That is its name, so that the same article is the same document through every door; its own id
    where another file or another text has that name already.
    """
    mine = session.scalar(
        select(Document.external_id).where(
            Document.collection_id == collection.id, Document.file_id == file.id
        )
    )
    if mine is not None:
        return mine
    try:
        name = normalize_id(file.filename)
    except InvalidRequest:
        return file.id
    there = queries.find_document(session, collection.id, name)
    if there is None:
        return name
    latest = queries.find_latest_version(session, there)
    same = latest is not None and latest.original_sha256 == file.original_sha256
    return name if same and there.file_id is None else file.id


def _require_document(session: Session, ref: CollectionRef, file_id: str) -> Document:
    number = document_number(file_id)
    condition = (
        Document.file_id == file_id
        if number is None
        else (Document.id == number) & Document.file_id.is_(None)
    )
    document = session.scalar(select(Document).where(Document.collection_id == ref.id, condition))
    if document is None:
        raise NotFound("there is no such file in the vector store", code="file_not_found")
    return document


def _with_status(statement: Select[int], status: Status | str | None) -> Select[int]:
    """Narrow a list to a status; CANCELLED and FAILED are two there."""
    if status is None:
        return statement
    if status == CANCELLED:
        return statement.where(Version.error_code == CANCELLED)
    if status == Status.FAILED:
        return statement.where(
            Version.status == Status.FAILED, Version.error_code.is_distinct_from(CANCELLED)
        )
    if status == Status.READY:
        return statement.where(Version.status == Status.READY)
    return statement.where(Version.status.in_((Status.QUEUED, Status.PROCESSING)))


def _list_page(
    session: Session, ref: CollectionRef, statement: Select[int], page: Page
) -> tuple[list[StoreFile], bool]:
    # Rows are numbered in the order in which they came.
    backwards = page.before is not None and page.after is None
    for edge, is_after in ((page.after, True), (page.before, False)):
        if edge is not None:
            number = _require_document(session, ref, edge).id
            is_lower = page.descending == is_after
            statement = statement.where(Document.id < number if is_lower else Document.id > number)
    falls = page.descending != backwards
    statement = statement.order_by(Document.id.desc() if falls else Document.id)
    ids = session.scalars(statement.limit(page.limit + 1)).all()
    shown = list(ids[: page.limit])
    if backwards:
        shown.reverse()
    return _describe_files(session, ref, shown), len(ids) > page.limit


def _cut(numbers: Sequence[int], page: Page, ids: Mapping[str, int]) -> tuple[list[int], bool]:
    """Return the page of some rows' numbers, which rise; raises NotFound for an unknown edge."""
    ordered = list(reversed(numbers)) if page.descending else list(numbers)
    for edge in (page.after, page.before):
        if edge is not None and edge not in ids:
            raise NotFound("there is no vector store of that id", code="vector_store_not_found")
    if page.after is not None:
        ordered = ordered[ordered.index(ids[page.after]) + 1 :]
    if page.before is not None:
        ordered = ordered[: ordered.index(ids[page.before])] if ids[page.before] in ordered else []
        if page.after is None:
            return ordered[-page.limit :], len(ordered) > page.limit
    return ordered[: page.limit], len(ordered) > page.limit


def _describe_files(
    session: Session, ref: CollectionRef, document_ids: Sequence[int]
) -> list[StoreFile]:
    usage = _measure(session, Document.id.in_(document_ids))
    found = {
        document.id: StoreFile(
            file_id_of(document),
            ref.name,
            document.created_at,
            Status(version.status),
            version.error_code,
            version.error_message,
            version.attributes,
            version.filename or document.external_id,
            usage.get(document.id, 0),
        )
        for document, version, _ in find_latest(session, Document.id.in_(document_ids))
    }
    return [found[number] for number in document_ids if number in found]


def _measure(session: Session, condition: ColumnElement[bool]) -> dict[int, int]:
    """Return the bytes of the vectors of each document that meets the condition."""
    rows = session.execute(
        select(
            Version.document_id,
            func.sum(func.length(UnitRow.vector) + func.length(UnitRow.passage_vectors)),
        )
        .join(Version, Version.id == UnitRow.version_id)
        .join(Document, Document.id == Version.document_id)
        .where(condition)
        .group_by(Version.document_id)
    )
    return {number: int(size) for number, size in rows}


def _describe_store(session: Session, collection: Collection) -> StoreInfo:
    store = session.get(Store, collection.id)
    counts = queries.count_by_status(session, collection.id)
    cancelled: int | None = 0
    if counts[Status.FAILED]:
        cancelled = session.scalar(
            select(func.count())
            .select_from(Document)
            .join(
                Version,
                (Version.document_id == Document.id) & (Version.number == Document.latest_number),
            )
            .where(Document.collection_id == collection.id, Version.error_code == CANCELLED)
        )
    return StoreInfo(
        collection.name,
        store.name if store else collection.name,
        collection.description,
        store.notes if store else {},
        collection.created_at,
        store.last_active_at if store else collection.created_at,
        store.expires_days if store else None,
        counts,
        cancelled or 0,
        sum(_measure(session, Document.collection_id == collection.id).values()),
    )


def _require_store(session: Session, collection: Collection) -> Store:
    """Return what is kept of a collection; one that came by another way gets a row."""
    store = session.get(Store, collection.id)
    if store is None:
        store = Store(collection_id=collection.id, name=collection.name, notes={})
        session.add(store)
        session.flush()
    return store


def _missing_batch() -> NotFound:
    return NotFound("there is no such batch in the vector store", code="batch_not_found")


@dataclass(frozen=True, slots=True)
class FileName:
    """How a document is known as a file."""

    id: str
    filename: str


def find_files(
    resources: Resources, ref: CollectionRef, document_ids: Sequence[str]
) -> dict[str, FileName]:
    """Return the files of documents of a store, by document id."""
    if not document_ids:
        return {}
    with resources.database.read() as session:
        rows = session.execute(
            select(Document, Version.filename)
            .join(
                Version,
                (Version.document_id == Document.id) & (Version.number == Document.latest_number),
            )
            .where(Document.collection_id == ref.id, Document.external_id.in_(document_ids))
        )
        return {
            document.external_id: FileName(file_id_of(document), name or document.external_id)
            for document, name in rows
        }
