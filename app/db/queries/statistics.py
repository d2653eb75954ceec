"""What the articles of a collection come to, and why some of them failed."""

from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import Session

from app.db.models import RECEIPTS_INDEX, Document, Job, Version
from app.db.queries.changes import LogPosition, log_position
from app.db.queries.collections import is_found
from app.db.queries.documents import LIVE, UNREADY, count_by_status
from app.domain import Status


class LanguageSums(NamedTuple):
    """The live documents of one language, and the sums of their receipts."""

    language: str | None
    documents: int
    bytes: int
    tokens: int


class FailureSums(NamedTuple):
    """The documents whose latest upload failed with one code, and what one of them was told."""

    code: str
    documents: int
    message: str


class CollectionSize(NamedTuple):
    """The live documents of a collection, and how new they are."""

    documents: int
    newest: int
    """The greatest id of a live version."""


# Once through the receipts, in SQLite in their index, which it does not choose by itself.
_SUM_RECEIPTS = (
    select(
        Version.receipt["language"].as_string().label("language"),
        func.count(),
        func.coalesce(func.sum(Version.receipt["bytes"].as_integer()), 0),
        func.coalesce(func.sum(Version.receipt["tokens_counted"].as_integer()), 0),
    )
    .join(Document, Document.id == Version.document_id)
    .where(Document.collection_id == bindparam("collection_id"), LIVE)
    # By its name: PostgreSQL takes the key, sent twice, for two expressions.
    .group_by("language")
    .with_hint(Version, f"INDEXED BY {RECEIPTS_INDEX}", "sqlite")
)
_SUM_FAILURES = (
    select(Version.error_code, func.count(), func.min(Version.error_message))
    .join(
        Document,
        and_(Document.id == Version.document_id, Document.latest_number == Version.number),
    )
    .where(
        UNREADY,
        Version.status == Status.FAILED,
        Document.collection_id == bindparam("collection_id"),
    )
    .group_by(Version.error_code)
)


StateMark: TypeAlias = tuple[LogPosition, int | None, tuple[int, ...]]


def mark_state(session: Session, collection_id: int) -> StateMark:
    """Return what is another value once the sums of a collection's receipts may be others.

    Units that come and go are logged. A version that takes over the units of the one before has an
    id that was not there before, and counts at another status when it is ready.
    """
    return (
        log_position(session),
        session.scalar(select(func.max(Version.id))),
        tuple(count_by_status(session, collection_id).values()),
    )


def sum_receipts(session: Session, collection_id: int) -> list[LanguageSums]:
    """Return the sums of a collection's live documents by detected language, most first."""
    rows = session.execute(_SUM_RECEIPTS, {"collection_id": collection_id})
    sums = [LanguageSums(row[0], *map(int, row[1:])) for row in rows]
    return sorted(sums, key=lambda one: (-one.documents, one.language or ""))


def sum_failures(session: Session, collection_id: int) -> list[FailureSums]:
    """Return how many documents failed with each code, most first."""
    rows = session.execute(_SUM_FAILURES, {"collection_id": collection_id})
    sums = [FailureSums(code or "", count, message or "") for code, count, message in rows]
    return sorted(sums, key=lambda one: (-one.documents, one.code))


def find_last_upload(session: Session, collection_id: int) -> datetime | None:
    """Return when the newest job of a collection was made."""
    return session.scalar(
        select(func.max(Job.created_at)).where(Job.collection_id == collection_id)
    )


def measure_sizes(session: Session, collection_id: int | None = None) -> dict[int, CollectionSize]:
    """Return the sizes of collections with a live document by id: of all, or of one."""
    chosen = is_found() if collection_id is None else Document.collection_id == collection_id
    live = (
        select(Document.collection_id, func.count(), func.max(Version.id))
        .join(Version, Version.document_id == Document.id)
        .where(LIVE, chosen)
        .group_by(Document.collection_id)
    )
    return {row[0]: CollectionSize(*row[1:]) for row in session.execute(live)}


def count_newer(session: Session, collection_id: int, version_id: int) -> int:
    """Return how many live documents of a collection have a version after this one."""
    newer = (
        select(func.count())
        .select_from(Version)
        .join(Document, Document.id == Version.document_id)
        .where(LIVE, Version.id > version_id, Document.collection_id == collection_id)
    )
    return session.scalars(newer).one()
