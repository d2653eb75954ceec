"""Statements over collections, documents, versions and jobs."""

from collections.abc import Sequence, Set
from unicodedata import normalize

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased, load_only

from app.db.dialects import byte_length
from app.db.models import (
    Attribute,
    Collection,
    Document,
    File,
    Job,
    JobItem,
    Original,
    ReparseRow,
    UnitRow,
    Version,
)
from app.db.queries.changes import log_attributes
from app.db.queries.collections import is_found
from app.db.queries.filters import as_columns
from app.db.queries.streams import split_bound
from app.db.queries.vectors import remove_units
from app.domain import (
    LANGUAGE_KEY,
    Attributes,
    Status,
)

# In the very words of the partial indexes, as SQLite compares them.
UNREADY = text("versions.status IN ('queued', 'processing', 'failed')")
LIVE = text("versions.is_live")
"""SQLAlchemy compares with 1, which are other words."""


SUPERSEDED, DELETED = "superseded", "deleted"
"""What becomes of documents of a job that nobody waits for any more."""

# Made once: every new alias makes its attributes anew, which takes longer than the query.
_Other, _OtherDocument = aliased(Version), aliased(Document)


def find_collection(session: Session, name: str) -> Collection | None:
    return session.scalar(select(Collection).where(Collection.name == name))


def find_document(session: Session, collection_id: int, external_id: str) -> Document | None:
    return session.scalar(
        select(Document).where(
            Document.collection_id == collection_id, Document.external_id == external_id
        )
    )


# What is shown of a version, without its text.
LIGHT = (
    Version.id,
    Version.document_id,
    Version.number,
    Version.status,
    Version.is_live,
    Version.original_sha256,
    Version.title,
    Version.url,
    Version.attributes,
    Version.receipt,
    Version.stage,
    Version.error_code,
    Version.error_message,
    Version.created_at,
    Version.ready_at,
    Version.media_type,
    Version.filename,
)


def list_documents(
    session: Session, collection_id: int, *, status: Status | None, after: str, limit: int
) -> Sequence[tuple[Document, Version]]:
    """Return documents with their latest version (without its text), in the order of their ids."""
    statement = (
        select(Document, Version)
        .join(
            Version,
            and_(Version.document_id == Document.id, Version.number == Document.latest_number),
        )
        .options(load_only(*LIGHT))
        .where(Document.collection_id == collection_id, Document.external_id > after)
        .order_by(Document.external_id)
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(Version.status == status)
    return [(document, version) for document, version in session.execute(statement)]


def list_versions(session: Session, document_id: int) -> Sequence[Version]:
    """Return the versions of a document without their text, newest first."""
    return session.scalars(
        select(Version)
        .options(load_only(*LIGHT))
        .where(Version.document_id == document_id)
        .order_by(Version.number.desc())
    ).all()


def find_live_versions(session: Session, document_ids: Sequence[int]) -> dict[int, Version]:
    """Return the live version of each document that has one, without its text."""
    found: dict[int, Version] = {}
    for some in split_bound(document_ids):
        versions = session.scalars(
            select(Version)
            .options(load_only(*LIGHT))
            .where(Version.document_id.in_(some), Version.is_live)
        )
        found.update((version.document_id, version) for version in versions)
    return found


def find_live_version(session: Session, document_id: int) -> Version | None:
    """Return the version of a document that answers, whole."""
    return session.scalar(
        select(Version).where(Version.document_id == document_id, Version.is_live)
    )


def find_latest_version(session: Session, document: Document) -> Version | None:
    return session.scalar(
        select(Version).where(
            Version.document_id == document.id, Version.number == document.latest_number
        )
    )


def count_by_status(session: Session, collection_id: int | None = None) -> dict[Status, int]:
    """Return how many documents are at each status, by their latest version.

    Most are ready: those are what the others leave, so that only the others are read.
    """
    documents = select(func.count()).select_from(Document)
    is_latest = exists().where(
        Document.id == Version.document_id, Document.latest_number == Version.number
    )
    chosen = is_found() if collection_id is None else Document.collection_id == collection_id
    documents, is_latest = documents.where(chosen), is_latest.where(chosen)
    unready = (
        select(Version.status, func.count()).where(UNREADY, is_latest).group_by(Version.status)
    )
    counts = dict.fromkeys(Status, 0)
    counts.update({Status(status): count for status, count in session.execute(unready)})
    counts[Status.READY] = (session.scalar(documents) or 0) - sum(counts.values())
    return counts


def store_original(session: Session, sha256: str, data: bytes) -> None:
    # Also over bytes that are there already and went bad on the disk.
    session.merge(Original(sha256=sha256, data=data))


def delete_unused_originals(session: Session, among: Sequence[str] | None = None) -> int:
    """Delete the uploads that no version and no file needs any more; returns their bytes.

    `among` names those that it can be, so that not all have to be looked at.
    """
    unused = ~exists().where(Version.original_sha256 == Original.sha256)
    unused &= ~exists().where(File.original_sha256 == Original.sha256)
    if among is None:
        return _delete_originals(session, unused)
    return sum(
        _delete_originals(session, unused & Original.sha256.in_(some))
        for some in split_bound(among)
    )


def _delete_originals(session: Session, condition: ColumnElement[bool]) -> int:
    size = session.scalar(select(func.sum(func.length(Original.data))).where(condition))
    session.execute(delete(Original).where(condition))
    return size or 0


def delete_unused_files(session: Session, among: Sequence[str | None]) -> None:
    """Delete those of some files that no document is made of any more."""
    for some in split_bound(among):
        session.execute(
            delete(File).where(File.id.in_(some), ~exists().where(Document.file_id == File.id))
        )


def forget_reported(session: Session, collection_id: int, external_ids: Set[str]) -> None:
    """Take documents that are erased out of what reparses list: it holds their titles."""
    reparses = select(ReparseRow).where(ReparseRow.collection_id == collection_id)
    for reparse in session.scalars(reparses):
        found = reparse.found
        kept = {
            listed: [one for one in found[listed] if one["id"] not in external_ids]
            for listed in ("changes", "failures")
        }
        reparse.found = found | kept


def count_bytes(session: Session, document_id: int) -> int:
    """Return the bytes of the texts and vectors of all versions of a document."""
    texts = session.scalar(
        select(func.sum(byte_length(Version.text))).where(Version.document_id == document_id)
    )
    vectors = session.scalar(
        select(func.sum(func.length(UnitRow.vector) + func.length(UnitRow.passage_vectors)))
        .join(Version, Version.id == UnitRow.version_id)
        .where(Version.document_id == document_id)
    )
    return (texts or 0) + (vectors or 0)


def quarantine_version(session: Session, version_id: int, message: str) -> None:
    """Take a damaged version out of every answer; its document then says why it is not there."""
    version = session.get(Version, version_id)
    if version is None or not version.is_live:
        return
    version.is_live = False
    version.status = Status.FAILED
    version.error_code = "corrupt_data"
    version.error_message = message
    remove_units(session, UnitRow.version_id == version.id)
    replace_attributes(session, version.document_id, {})


def delete_old_versions(
    session: Session, document_id: int, *, keep: int, only_failed: bool = False
) -> list[str]:
    """Delete the versions before the newest `keep` that are done with; returns their uploads.

    The live one stays, and so does what is queued or worked on; with `only_failed` all but
    what failed.
    """
    own = select(Version.id).where(Version.document_id == document_id)
    done = Version.status.in_((Status.READY, Status.FAILED))
    kept = own.where(done).order_by(Version.number.desc()).limit(keep)
    over = Version.status == Status.FAILED if only_failed else done
    old = own.where(over, ~Version.is_live, Version.id.not_in(kept))
    uploads: list[str] = []
    for some in split_bound(session.scalars(old).all()):
        items = update(JobItem).where(JobItem.version_id.in_(some))
        session.execute(items.values(is_superseded=True))
        deleted = session.connection().execute(
            delete(Version).where(Version.id.in_(some)).returning(Version.original_sha256)
        )
        uploads += deleted.scalars()
    return uploads


def find_existing(
    session: Session, collection_id: int, external_ids: Set[str], *, is_live: bool = False
) -> set[str]:
    """Return which of these documents a collection has; with `is_live` those that searches find."""
    wanted, found = sorted(external_ids), set[str]()
    statement = select(Document.external_id).where(Document.collection_id == collection_id)
    if is_live:
        statement = statement.join(Version, Version.document_id == Document.id).where(
            Version.is_live
        )
    for some in split_bound(wanted):
        found.update(session.scalars(statement.where(Document.external_id.in_(some))))
    return found


def find_duplicates(session: Session, version_id: int, *, limit: int) -> list[str]:
    """Return ids of other documents of the collection whose newest upload has the same bytes.

    Some of them where there are more than `limit`: in the order of ids SQLite would go through the
    whole collection.
    """
    return sorted(
        session.scalars(
            select(_OtherDocument.external_id)
            .select_from(Version)
            .join(Document, Document.id == Version.document_id)
            .join(_Other, _Other.original_sha256 == Version.original_sha256)
            .join(
                _OtherDocument,
                and_(
                    _OtherDocument.id == _Other.document_id,
                    _OtherDocument.latest_number == _Other.number,
                ),
            )
            .where(
                Version.id == version_id,
                # Not by the index on collections, which holds every document of one.
                _OtherDocument.collection_id + 0 == Document.collection_id,
                _OtherDocument.id != Document.id,
            )
            .limit(limit)
        )
    )


def replace_attributes(session: Session, document_id: int, attributes: Attributes) -> None:
    """Store what filters look up of a live document."""
    session.execute(delete(Attribute).where(Attribute.document_id == document_id))
    rows = [
        {"document_id": document_id, "key": normalize("NFC", key), **as_columns(value)}
        for key, values in attributes.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    if rows:
        session.execute(insert(Attribute), rows)
    log_attributes(session, document_id)


def looked_up(version: Version) -> Attributes:
    """Return what filters look up of a version: its attributes, and its language."""
    language = (version.receipt or {}).get("language")
    detected = {} if language is None else {LANGUAGE_KEY: language}
    return {**detected, **version.attributes}


def find_job(session: Session, job_id: str) -> Job | None:
    return session.get(Job, job_id)


def count_job_documents(session: Session, job_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return for each job how many of its documents stand at each status, or are no more.

    `superseded` were replaced before they were read, or since; `deleted` were erased.
    """
    state = case(
        (JobItem.is_superseded, SUPERSEDED), (Version.id.is_(None), DELETED), else_=Version.status
    ).label("state")
    rows = session.execute(
        select(JobItem.job_id, state, func.count())
        .outerjoin(Version, Version.id == JobItem.version_id)
        .where(JobItem.job_id.in_(job_ids))
        .group_by(JobItem.job_id, state)
    )
    counts = {job_id: dict.fromkeys((*Status, SUPERSEDED, DELETED), 0) for job_id in job_ids}
    for job_id, found, count in rows:
        counts[job_id][found] = count
    return counts


def count_job_tokens(session: Session, job_id: str) -> int:
    """Return how many tokens the model has read for a job."""
    tokens = session.scalar(
        select(func.sum(Version.receipt["tokens_processed"].as_integer()))
        .join(JobItem, JobItem.version_id == Version.id)
        .where(JobItem.job_id == job_id, JobItem.change == "content")
    )
    return int(tokens or 0)


def select_own_versions(job_id: str) -> Select[int | None]:
    """Return a statement for the versions that a job made or tries again, and not only awaits."""
    return select(JobItem.version_id).where(JobItem.job_id == job_id, JobItem.change != "none")


def list_job_versions(
    session: Session, job_id: str, *, status: Status | None = None
) -> Sequence[tuple[str, Version]]:
    """Return (external id, version) of the items of a job, in the order of the upload."""
    statement = (
        select(Document.external_id, Version)
        .select_from(JobItem)
        .join(Version, Version.id == JobItem.version_id)
        .join(Document, Document.id == Version.document_id)
        .options(load_only(*LIGHT))
        .where(JobItem.job_id == job_id)
        .order_by(JobItem.ordinal)
    )
    if status is not None:
        statement = statement.where(Version.status == status)
    return [(external_id, version) for external_id, version in session.execute(statement)]
