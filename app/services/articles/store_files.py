"""Documents as OpenAI's clients know them: the files of a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Document, UnitRow, Version
from app.db.queue import CANCELLED
from app.domain import Attributes, Status
from app.errors import NotFound
from app.index.byte_cache import MISSING, ByteCache
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import (
    delete_document,
    queue_change,
    read_text,
    upload_again,
)
from app.services.articles.files import document_number, file_id_of, find_latest
from app.services.articles.originals import read_original

_VECTOR_BYTES = func.sum(func.length(UnitRow.vector) + func.length(UnitRow.passage_vectors))


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
class Page:
    """Where a page of a list begins and how long it is; `after` and `before` are ids."""

    limit: int = 20
    after: str | None = None
    before: str | None = None
    descending: bool = True


# Files of a store


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
        chosen = with_status(statement, status)
        return list_page(session, ref, chosen, page, resources.signals.page_edges)


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
    with resources.database.write() as session:
        document = _require_document(session, ref, file_id)
        latest = queries.find_latest_version(session, document)
        assert latest is not None
        data = read_original(session, latest.original_sha256)
        upload = upload_again(document, latest, data, attributes=dict(attributes))
        queue_change(
            session, require_row(session, ref), upload, max_queue=resources.settings.max_queue
        )
    resources.signals.work_arrived.set()
    return get_store_file(resources, ref, file_id)


def detach_file(resources: Resources, ref: CollectionRef, file_id: str) -> None:
    """Take a file out of a store; the file itself stays, but for one that is only a document."""
    with resources.database.read() as session:
        document_id = _require_document(session, ref, file_id).external_id
    delete_document(resources, ref, document_id, keeps_file=True)


# What the lists of files and of batches share


def _require_document(session: Session, ref: CollectionRef, file_id: str) -> Document:
    number = document_number(file_id)
    condition = (
        Document.file_id == file_id
        if number is None
        else (Document.id == number) & Document.file_id.is_(None)
    )
    document = session.scalar(select(Document).where(Document.collection_id == ref.id, condition))
    if document is None:
        raise NotFound("no such file in the vector store", code="file_not_found")
    return document


def with_status(statement: Select[int], status: Status | str | None) -> Select[int]:
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


def list_page(
    session: Session, ref: CollectionRef, statement: Select[int], page: Page, edges: ByteCache
) -> tuple[list[StoreFile], bool]:
    # Rows are numbered in the order in which they came.
    backwards = page.before is not None and page.after is None
    for edge, is_after in ((page.after, True), (page.before, False)):
        if edge is not None:
            number = _find_place(session, ref, edge, edges)
            is_lower = page.descending == is_after
            statement = statement.where(Document.id < number if is_lower else Document.id > number)
    falls = page.descending != backwards
    statement = statement.order_by(Document.id.desc() if falls else Document.id)
    ids = session.scalars(statement.limit(page.limit + 1)).all()
    shown = list(ids[: page.limit])
    if backwards:
        shown.reverse()
    files = _describe_files(session, ref, shown)
    for end in {0, -1} if files else ():
        edges.put((ref.id, files[end].id), shown[end])
    return files, len(ids) > page.limit


def _find_place(session: Session, ref: CollectionRef, file_id: str, edges: ByteCache) -> int:
    """Return the number of a file's row, also of one that a page began or ended with."""
    try:
        return _require_document(session, ref, file_id).id
    except NotFound:
        number = edges.find((ref.id, file_id))
        if number is MISSING:
            raise
        return int(number)


def _describe_files(
    session: Session, ref: CollectionRef, document_ids: Sequence[int]
) -> list[StoreFile]:
    usage = measure(session, Document.id.in_(document_ids))
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


def measure(session: Session, condition: ColumnElement[bool]) -> dict[int, int]:
    """Return the bytes of the vectors of each document that meets the condition."""
    rows = session.execute(
        select(
            Version.document_id,
            _VECTOR_BYTES,
        )
        .join(Version, Version.id == UnitRow.version_id)
        .join(Document, Document.id == Version.document_id)
        .where(condition)
        .group_by(Version.document_id)
    )
    return {number: int(size) for number, size in rows}


def measure_store(session: Session, collection_id: int) -> int:
    """Return the bytes of the vectors of all documents of a collection."""
    return (
        session.scalar(
            select(_VECTOR_BYTES)
            .join(Version, Version.id == UnitRow.version_id)
            .join(Document, Document.id == Version.document_id)
            .where(Document.collection_id == collection_id)
        )
        or 0
    )


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
