"""Articles: upload, read, list, delete, and how an upload is getting on."""

import base64
import binascii
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, TypeAlias
from zlib import crc32

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from app.db import queries, queue
from app.db.checksums import is_known, metadata_crc32
from app.db.database import Database
from app.db.models import (
    Collection,
    Document,
    Job,
    JobItem,
    PassageRow,
    UnitRow,
    Version,
)
from app.domain import Attributes, Stage, Status
from app.errors import CorruptData, InvalidRequest, NotFound, QueueFull
from app.runtime.index_follower import quarantine
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from ingest.commit import is_intact
from ingest.ids import normalize_id

_MAX_DUPLICATES = 10
_RETRY_AFTER_S = 10

Change: TypeAlias = Literal["none", "metadata", "content"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came, and what the caller says about it."""

    id: str
    data: bytes
    media_type: str
    filename: str = ""
    title: str | None = None
    url: str | None = None
    attributes: Attributes | None = None
    file_id: str | None = None
    """The stored file that this is, where it came by way of one."""
    is_member: bool = False
    """Whether it came with others in one file: where there is nothing in it, it fails alone."""

    def declared(self) -> dict[str, Any]:
        values = {"title": self.title, "url": self.url, "attributes": self.attributes}
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an upload did to a document: its version, where it stands, and what changed.

    `duplicates` are some other documents of the collection with the same bytes, for people.
    """

    id: str
    version: int
    status: Status
    change: Change
    duplicates: tuple[str, ...] = ()
    error: "Failure | None" = None
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class AcceptedUploads:
    """The answer to an upload call: durable when it is given."""

    job_id: str
    documents: tuple[Accepted, ...]

    @property
    def is_pending(self) -> bool:
        """Whether a document has yet to become ready or to fail."""
        return any(d.status in {Status.QUEUED, Status.PROCESSING} for d in self.documents)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version failed, and at which stage."""

    code: str
    message: str
    stage: Stage | None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A document of a job that failed."""

    id: str
    code: str
    message: str
    stage: Stage | None


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a document, without its text."""

    version: int
    status: Status
    live: bool
    title: str
    url: str | None
    media_type: str
    created_at: datetime
    ready_at: datetime | None
    receipt: dict[str, Any] | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document: where its latest version stands, and what answers for it.

    Title, url, attributes, receipt and text are those of the live version where there is one.
    """

    id: str
    version: int
    status: Status
    error: Failure | None
    live_version: int | None
    title: str
    url: str | None
    attributes: Attributes
    media_type: str
    sha256: str
    """Of the bytes of the latest upload."""
    receipt: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    text: str | None = None
    versions: tuple[VersionInfo, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobInfo:
    """How far the documents of one upload call are."""

    job_id: str
    collection: str
    counts: dict[str, int]
    """How many stand at each status, and how many are `superseded` or `deleted`."""
    errors: tuple[JobFailure, ...]
    tokens: int
    """Tokens that the model has read for this job."""

    @property
    def is_pending(self) -> bool:
        """Whether a document of it still waits or is worked on."""
        return bool(self.counts[Status.QUEUED] or self.counts[Status.PROCESSING])


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt of a deletion.

    `bytes` counts uploads, texts and vectors. `complete` says that no file holds any of it; while
    it is false the log still does, and the server empties it as soon as no reader needs it.
    """

    deleted: str
    versions: int
    units: int
    passages: int
    bytes: int
    complete: bool


def put_documents(
    resources: Resources, ref: CollectionRef, uploads: Sequence[Upload]
) -> AcceptedUploads:
    """Store uploads and queue what has to be read; all of them or, on an error, none.

    The answer is given after the commit. The same bytes with the same title under a known id are
    not read again, unless what is stored of them is damaged: nothing changes, or only url and
    attributes do. Raises QueueFull while too many documents wait.
    """
    ids = check_uploads(uploads)
    with resources.database.write() as session:
        check_queue(session, resources.settings.max_queue)
        accepted = queue_uploads(session, require_row(session, ref), zip(ids, uploads, strict=True))
    resources.signals.work_arrived.set()
    return accepted


def check_uploads(uploads: Sequence[Upload]) -> list[str]:
    """Return the ids in NFC; raises InvalidRequest for what could not be stored."""
    ids = [normalize_id(upload.id) for upload in uploads]
    twice = next((one for one, count in Counter(ids).items() if count > 1), None)
    if twice is not None:
        raise InvalidRequest(f"the id {twice} occurs twice in one upload", code="duplicate_id")
    for upload in uploads:
        if not upload.data and not upload.is_member:
            raise InvalidRequest(f"{upload.id} is empty", code="empty_document")
    return ids


def queue_uploads(
    session: Session, collection: Collection, uploads: Iterable[tuple[str, Upload]]
) -> AcceptedUploads:
    """Store uploads under their ids as one job; each is asked for when its turn has come."""
    job = add_job(session, collection.id)
    put = []
    for ordinal, (document_id, upload) in enumerate(uploads):
        version, change = put_version(session, collection, document_id, upload)
        session.add(JobItem(job_id=job.id, ordinal=ordinal, version_id=version.id, change=change))
        put.append((document_id, version, change))
    session.flush()
    accepted = [
        Accepted(
            document_id,
            version.number,
            version.status,
            change,
            tuple(queries.find_duplicates(session, version.id, limit=_MAX_DUPLICATES)),
        )
        for document_id, version, change in put
    ]
    return AcceptedUploads(job.id, tuple(accepted))


def upload_again(document: Document, version: Version, data: bytes, **changes: Any) -> Upload:
    """Return what a version was made of as it came, but for `changes` of what was said of it."""
    return Upload(
        document.external_id,
        data,
        version.media_type,
        filename=version.filename,
        file_id=document.file_id,
        **{**version.declared, **changes},
    )


def add_job(session: Session, collection_id: int) -> Job:
    """Store a job, which has no documents yet."""
    job = Job(id=uuid.uuid4().hex, collection_id=collection_id)
    session.add(job)
    session.flush()
    return job


def get_document(
    database: Database,
    ref: CollectionRef,
    document_id: str,
    *,
    with_text: bool = False,
    with_versions: bool = False,
) -> DocumentInfo:
    """Return a document; raises NotFound. One whose text fails its checksum is quarantined."""
    try:
        return _read_document(
            database,
            ref,
            document_id,
            with_text=with_text,
            with_versions=with_versions,
        )
    except CorruptData as damage:
        if damage.version_id is None:
            raise
        quarantine(database, damage.version_id, str(damage))
        return _read_document(
            database, ref, document_id, with_text=False, with_versions=with_versions
        )


def _read_document(
    database: Database,
    ref: CollectionRef,
    document_id: str,
    *,
    with_text: bool,
    with_versions: bool,
) -> DocumentInfo:
    with database.read() as session:
        document = require_document(session, ref, document_id)
        versions = queries.list_versions(session, document.id)
        live = next((version for version in versions if version.is_live), None)
        text = None
        if live is not None:
            if not is_known(session, live):
                raise damaged_metadata(document.external_id, version_id=live.id)
            text = read_text(session, live.id, document.external_id) if with_text else None
        described = tuple(describe_version(v) for v in versions) if with_versions else None
        return describe_document(document, versions[0], live, text=text, versions=described)


def list_documents(
    database: Database,
    ref: CollectionRef,
    *,
    status: Status | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[DocumentInfo], str | None]:
    """Return documents in the order of their ids, and the next page's cursor if there is one."""
    after = _decode_cursor(cursor) if cursor else ""
    with database.read() as session:
        rows = queries.list_documents(
            session, require_row(session, ref).id, status=status, after=after, limit=limit + 1
        )
        page = rows[:limit]
        live = queries.find_live_versions(session, [document.id for document, _ in page])
        documents = [describe_document(doc, latest, live.get(doc.id)) for doc, latest in page]
    more = len(rows) > limit
    return documents, _encode_cursor(documents[-1].id) if more else None


def delete_document(
    resources: Resources, ref: CollectionRef, document_id: str, *, keeps_file: bool = False
) -> Erased:
    """Erase a document: rows, vectors, original and log; says whether all of it is gone.

    The file that it was made of goes with it, unless another collection needs it or `keeps_file`.
    """
    with resources.database.write() as session:
        document = require_document(session, ref, document_id)
        erased = erase_document(session, document, keeps_file=keeps_file)
    complete = resources.erase_deleted()
    resources.generations.live().settle()
    return replace(erased, complete=complete)


def erase_document(session: Session, document: Document, *, keeps_file: bool) -> Erased:
    """Erase the rows of a document; what the log still holds is left to the caller."""
    versions = select(Version.id).where(Version.document_id == document.id)
    units = select(UnitRow.id).where(UnitRow.version_id.in_(versions))
    passages = session.scalar(
        select(func.count()).select_from(PassageRow).where(PassageRow.unit_id.in_(units))
    )
    size = queries.count_bytes(session, document.id)
    uploads = session.scalars(
        select(Version.original_sha256).where(Version.document_id == document.id)
    ).all()
    unit_count = queries.remove_units(session, UnitRow.version_id.in_(versions))
    queries.forget_reported(session, document.collection_id, {document.external_id})
    file_id = document.file_id
    session.delete(document)
    session.flush()
    if file_id is not None and not keeps_file:
        queries.delete_unused_files(session, [file_id])
    size += queries.delete_unused_originals(session, uploads)
    return Erased(
        document.external_id, len(uploads), unit_count, passages or 0, size, complete=False
    )


def get_job(database: Database, ref: CollectionRef, job_id: str) -> JobInfo:
    """Return how far a job of the collection is; raises NotFound."""
    with database.read() as session:
        job = queries.find_job(session, job_id)
        if job is None or job.collection_id != ref.id:
            raise NotFound("no such job", code="job_not_found")
        counts = queries.count_job_documents(session, [job_id])[job_id]
        errors = tuple(
            JobFailure(
                external_id, version.error_code or "", version.error_message or "", version.stage
            )
            for external_id, version in queries.list_job_versions(
                session, job_id, status=Status.FAILED
            )
            if version.error_code != queries.SUPERSEDED
        )
        tokens = queries.count_job_tokens(session, job_id)
        return JobInfo(job.id, ref.name, counts, errors, tokens)


def refresh_upload(database: Database, upload: AcceptedUploads) -> AcceptedUploads:
    """Return an upload with its documents as they stand now; erased ones are left out."""
    with database.read() as session:
        now = dict(queries.list_job_versions(session, upload.job_id))
        documents = tuple(
            replace(document, status=Status(version.status), error=_error_of(version))
            for document in upload.documents
            if (version := now.get(document.id)) is not None
        )
    return replace(upload, documents=documents)


def read_text(session: Session, version_id: int, document_id: str) -> str:
    """Return the text of a ready version; raises CorruptData when it fails its checksum."""
    text, checksum = session.execute(
        select(Version.text, Version.text_crc32).where(Version.id == version_id)
    ).one()
    return require_intact(text, checksum, document_id, version_id=version_id)


def require_intact(
    text: str | None, checksum: int | None, document_id: str, *, version_id: int
) -> str:
    """Return the stored text of a ready version; raises CorruptData when its checksum differs."""
    if text is None or crc32(text.encode()) != checksum:
        raise CorruptData(
            f"the stored text of {document_id} fails its checksum; upload the document again",
            version_id=version_id,
        )
    return text


def damaged_metadata(document_id: str, *, version_id: int) -> CorruptData:
    """Return what is said of a version whose metadata, or whose document, is another one."""
    return CorruptData(
        f"what is stored of {document_id} fails its checksum; upload the document again",
        version_id=version_id,
    )


def queue_change(
    session: Session, collection: Collection, upload: Upload, *, max_queue: int
) -> AcceptedUploads:
    """Store what was changed of one document; raises QueueFull only if it has to be read for it."""
    pending = queue.count_pending(session)
    accepted = queue_uploads(session, collection, [(upload.id, upload)])
    if accepted.documents[0].change == "content":
        _check_pending(pending, max_queue)
    return accepted


def check_queue(session: Session, max_queue: int) -> None:
    """Raise QueueFull while as many documents wait as may.

    One call can go over the bound: a call larger than it would else never be taken.
    """
    _check_pending(queue.count_pending(session), max_queue)


def _check_pending(pending: int, max_queue: int) -> None:
    if pending >= max_queue:
        raise QueueFull(
            f"the queue is full: {pending:,} documents wait, and at most {max_queue:,} may; "
            f"try again in {_RETRY_AFTER_S} s",
            _RETRY_AFTER_S,
        )


def put_version(
    session: Session, collection: Collection, document_id: str, upload: Upload
) -> tuple[Version, Change]:
    """Return the version that now stands for the upload, and what it changed."""
    digest = sha256(upload.data).hexdigest()
    declared = upload.declared()
    document = queries.find_document(session, collection.id, document_id)
    if document is None:
        document = Document(collection_id=collection.id, external_id=document_id)
        session.add(document)
        session.flush()
    if upload.file_id is not None:
        document.file_id = upload.file_id
    latest = queries.find_latest_version(session, document)
    if (
        latest is not None
        and latest.status != Status.FAILED
        and (latest.original_sha256, latest.media_type) == (digest, upload.media_type)
        and is_intact(session, latest)
    ):
        # As JSON: in Python True is 1, and a filter tells them apart.
        if _as_json(latest.declared) == _as_json(declared):
            return latest, "none"
        if latest.declared.get("title") == declared.get("title") and latest.is_live:
            _update_metadata(session, latest, declared)
            return latest, "metadata"
    return add_version(session, document, upload, digest), "content"


def add_version(session: Session, document: Document, upload: Upload, digest: str) -> Version:
    """Queue an upload as the newest version of a document, whatever it had before."""
    queue.supersede(session, document.id)
    queries.store_original(session, digest, upload.data)
    # Other bytes are not those of the file that it was made of.
    document.file_id = upload.file_id
    document.latest_number += 1
    version = Version(
        document_id=document.id,
        number=document.latest_number,
        status=Status.QUEUED,
        original_sha256=digest,
        media_type=upload.media_type,
        filename=upload.filename,
        declared=upload.declared(),
        title=upload.title or "",
        url=upload.url,
        attributes=dict(upload.attributes or {}),
    )
    session.add(version)
    session.flush()
    return version


def _as_json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _update_metadata(session: Session, version: Version, declared: dict[str, Any]) -> None:
    parsed = version.parsed or {}
    version.declared = declared
    version.url = declared.get("url") or parsed.get("url")
    version.attributes = {**parsed.get("attributes", {}), **declared.get("attributes", {})}
    # To Python true is 1: what changed from one to the other would not be stored.
    for column in ("declared", "attributes"):
        flag_modified(version, column)
    version.metadata_crc32 = metadata_crc32(session, version)
    queries.replace_attributes(session, version.document_id, queries.looked_up(version))


def require_document(session: Session, ref: CollectionRef, document_id: str) -> Document:
    """Return a document's row; raises NotFound."""
    collection = require_row(session, ref)
    document = queries.find_document(session, collection.id, normalize_id(document_id))
    if document is None:
        raise NotFound(f"no such document in {ref.name}", code="document_not_found")
    return document


def describe_document(
    document: Document,
    latest: Version,
    live: Version | None,
    *,
    text: str | None = None,
    versions: tuple[VersionInfo, ...] | None = None,
) -> DocumentInfo:
    """Return what is told of a document by its latest and its live version."""
    shown = live or latest
    return DocumentInfo(
        id=document.external_id,
        version=latest.number,
        status=Status(latest.status),
        error=_error_of(latest),
        live_version=live.number if live else None,
        title=shown.title,
        url=shown.url,
        attributes=shown.attributes,
        media_type=shown.media_type,
        sha256=latest.original_sha256,
        receipt=shown.receipt,
        created_at=document.created_at,
        updated_at=shown.ready_at or shown.created_at,
        text=text,
        versions=versions,
    )


def describe_version(version: Version) -> VersionInfo:
    """Return what is told of a version, without its text."""
    return VersionInfo(
        version=version.number,
        status=Status(version.status),
        live=version.is_live,
        title=version.title,
        url=version.url,
        media_type=version.media_type,
        created_at=version.created_at,
        ready_at=version.ready_at,
        receipt=version.receipt,
        error=_error_of(version),
    )


def _error_of(version: Version) -> Failure | None:
    if version.error_code is None:
        return None
    return Failure(version.error_code, version.error_message or "", version.stage)


def _encode_cursor(document_id: str) -> str:
    return base64.urlsafe_b64encode(document_id.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> str:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        return normalize_id(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
    except (binascii.Error, ValueError, InvalidRequest):
        raise InvalidRequest("the cursor is not valid", code="invalid_cursor") from None
