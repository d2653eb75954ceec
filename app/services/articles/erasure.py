"""Erasing many articles, some at a time: those of erased collections, and those of a filter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Collection, Document, UnitRow, Version
from app.domain import Filter
from app.errors import Conflict
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row

SHOWN_IDS = 100
# How long other writers wait for a turn of this, where a few rows take no longer.
_TURN_SECONDS = 0.05
_AT_ONCE = 10
# Between two turns others get theirs.
_PAUSE_SECONDS = 0.005


def erase_collections(resources: Resources, is_stopping: Callable[[], bool]) -> bool:
    """Erase what is left of collections that were erased; False when it was stopped before the end.

    What was cut off goes on at the next call, of any process.
    """
    erases = False
    while _has_erased(resources):
        if is_stopping():
            return False
        erases = True
        with resources.database.write() as session:
            ends = monotonic() + _TURN_SECONDS
            while _erase_next(session) and monotonic() < ends:
                pass
        sleep(_PAUSE_SECONDS)
    if erases:
        resources.erase_deleted()
        resources.generations.live().settle(reads=False)
    return True


def _has_erased(resources: Resources) -> bool:
    with resources.database.read() as session:
        return queries.find_erased(session) is not None


def _erase_next(session: Session) -> bool:
    """Erase a few rows of an erased collection, and at last its own; False when there is none."""
    collection = queries.find_erased(session)
    if collection is None:
        return False
    if queries.delete_owned(session, collection.id, limit=_AT_ONCE):
        return True
    of_it = Document.collection_id == collection.id
    row_ids = session.scalars(select(Document.id).where(of_it).limit(_AT_ONCE)).all()
    if row_ids:
        _erase(session, row_ids, keeps_files=collection.keeps_files)
    else:
        session.execute(delete(Collection).where(Collection.id == collection.id))
    return True


@dataclass(frozen=True, slots=True)
class ErasedByFilter:
    """How many documents a filter picks, how many of them were erased, and some of their ids."""

    matched: int
    deleted: int
    ids: tuple[str, ...]
    """The first SHOWN_IDS of those that it picks, in their order."""
    complete: bool
    """False while a reader keeps deleted content in the log."""


def erase_by_filter(
    resources: Resources, ref: CollectionRef, filters: Filter, *, confirmed: int | None = None
) -> ErasedByFilter:
    """Erase the documents that answer and meet a filter; without a number only count them.

    Those of which nothing has been read yet have no attributes, and are not picked. Raises Conflict
    where their number is not the confirmed one: nothing is erased then. One that meets the filter
    no more when its turn comes is left.
    """
    with resources.database.read() as session:
        picked = queries.filter_live_documents(session, require_row(session, ref).id, filters)
    shown = tuple(external_id for _, external_id in picked[:SHOWN_IDS])
    if confirmed is None:
        return ErasedByFilter(len(picked), 0, shown, complete=True)
    if len(picked) != confirmed:
        raise Conflict(
            f"{len(picked)} documents meet the filter now, not {confirmed}; nothing is erased",
            code="count_changed",
        )
    deleted = _erase_picked(resources, ref, filters, [row_id for row_id, _ in picked])
    complete = resources.erase_deleted()
    resources.generations.live().settle()
    return ErasedByFilter(len(picked), deleted, shown, complete=complete)


def _erase_picked(
    resources: Resources, ref: CollectionRef, filters: Filter, row_ids: Sequence[int]
) -> int:
    deleted, left = 0, list(row_ids)
    while left:
        with resources.database.write() as session:
            collection_id, ends = require_row(session, ref).id, monotonic() + _TURN_SECONDS
            gone: set[str] = set()
            while left:
                among, left = left[:_AT_ONCE], left[_AT_ONCE:]
                some = queries.filter_live_documents(session, collection_id, filters, among)
                _erase(session, [row_id for row_id, _ in some])
                gone.update(external_id for _, external_id in some)
                if monotonic() > ends:
                    break
            queries.forget_reported(session, collection_id, gone)
        deleted += len(gone)
        sleep(_PAUSE_SECONDS)
    return deleted


def _erase(session: Session, row_ids: Sequence[int], *, keeps_files: bool = False) -> None:
    own = Version.document_id.in_(row_ids)
    uploads = session.scalars(select(Version.original_sha256).where(own).distinct()).all()
    of_documents = select(Document.file_id).where(Document.id.in_(row_ids))
    files = session.scalars(of_documents.where(Document.file_id.is_not(None))).all()
    queries.remove_units(session, UnitRow.version_id.in_(select(Version.id).where(own)))
    session.execute(delete(Document).where(Document.id.in_(row_ids)))
    if not keeps_files:
        queries.delete_unused_files(session, files)
    queries.delete_unused_originals(session, uploads)
