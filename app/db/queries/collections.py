"""Statements over collections: those that are there, and what is left of erased ones."""

from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.db.models import (
    Collection,
    Document,
    EvaluationRow,
    GoldenRow,
    Job,
    KeyCollection,
    LoggedQuery,
    ReparseRow,
    Store,
    utc_now,
)
from app.db.queries.changes import log_all
from app.domain import Progress

IS_THERE = Collection.erased_at.is_(None)
_ERASED = select(Collection.id).where(~IS_THERE)

# What belongs to a collection beside its documents. Versions that are deleted after their jobs have
# no items to be taken out of.
_OWNED: tuple[Any, ...] = (Job, LoggedQuery, EvaluationRow, ReparseRow, GoldenRow)


def is_found() -> ColumnElement[bool]:
    """Return whether a document is in a collection that is there."""
    return Document.collection_id.not_in(_ERASED)


def hide_collection(session: Session, collection: Collection, *, keeps_files: bool) -> None:
    """Make a collection one that nobody finds, and free its name; what it holds stays for now."""
    # No collection can be called that.
    collection.name = f"~{collection.id}"
    collection.description = ""
    collection.erased_at, collection.keeps_files = utc_now(), keeps_files
    for table in (Store, KeyCollection):
        session.execute(delete(table).where(table.collection_id == collection.id))
    for waiting in (EvaluationRow, ReparseRow):
        of_it = waiting.collection_id == collection.id
        session.execute(delete(waiting).where(of_it, waiting.status == Progress.QUEUED))
    # What is remembered of several collections is looked at again.
    log_all(session)


def find_erased(session: Session) -> Collection | None:
    """Return a collection of which something is left, the one that was erased first."""
    return session.scalar(
        select(Collection).where(~IS_THERE).order_by(Collection.erased_at).limit(1)
    )


def delete_owned(session: Session, collection_id: int, *, limit: int) -> bool:
    """Delete some of what belongs to a collection beside its documents; False: nothing does."""
    for table in _OWNED:
        own = select(table.id).where(table.collection_id == collection_id).limit(limit)
        ids = session.scalars(own).all()
        if ids:
            session.execute(delete(table).where(table.id.in_(ids)))
            return True
    return False
