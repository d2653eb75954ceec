"""Putting files into a store, each as a document of its collection."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Collection, Document, File
from app.domain import Attributes, Scope
from app.errors import Conflict, InvalidRequest, NotFound
from app.runtime.resources import Resources
from app.services.access.collections import (
    CollectionRef,
    require_row,
)
from app.services.access.principal import Principal
from app.services.articles.documents import (
    Upload,
    check_queue,
    queue_uploads,
)
from app.services.articles.files import (
    find_file,
)
from app.services.articles.originals import read_original
from ingest.ids import normalize_id


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is to go into a store."""

    file_id: str
    attributes: Attributes | None = None


def attach_files(
    resources: Resources,
    principal: Principal,
    ref: CollectionRef,
    attachments: Sequence[Attachment],
) -> str:
    """Queue files as documents of a store, as one job, whose id is returned.

    All of them or, on an error, none; of a file that is named twice what is said last holds. Raises
    NotFound for a file that the caller does not see, and QueueFull.
    """
    principal.require_scope(Scope.WRITE)
    with resources.database.write() as session:
        check_queue(session, resources.settings.max_queue)
        collection = require_row(session, ref)
        named = {attachment.file_id: attachment for attachment in attachments}
        uploads = _read_attachments(session, principal, collection, named.values())
        accepted = queue_uploads(session, collection, uploads)
    resources.signals.work_arrived.set()
    return accepted.job_id


def _read_attachments(
    session: Session,
    principal: Principal,
    collection: Collection,
    attachments: Iterable[Attachment],
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
            "the store holds another document with this file's id", code="file_exists_in_store"
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
