"""Erasing the articles that a filter picks, once their number is confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Document, UnitRow, Version
from app.domain import Filter
from app.errors import Conflict
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row

SHOWN_IDS = 100
# Databases bound how many values one statement holds.
_AT_ONCE = 1000


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
    where their number is not the confirmed one: nothing is erased then.
    """
    if confirmed is None:
        with resources.database.read() as session:
            picked = _pick(session, ref, filters)
        return ErasedByFilter(len(picked), 0, _shown(picked), complete=True)
    with resources.database.write() as session:
        picked = _pick(session, ref, filters)
        if len(picked) != confirmed:
            raise Conflict(
                f"{len(picked)} documents meet the filter now, not {confirmed}; nothing is erased",
                code="count_changed",
            )
        _erase(session, [row_id for row_id, _ in picked])
        queries.forget_reported(session, ref.id, {external_id for _, external_id in picked})
    complete = resources.erase_deleted()
    resources.generations.live().settle()
    return ErasedByFilter(len(picked), len(picked), _shown(picked), complete=complete)


def _pick(session: Session, ref: CollectionRef, filters: Filter) -> list[tuple[int, str]]:
    """Return row and external ids, in the order of the latter."""
    return queries.filter_live_documents(session, require_row(session, ref).id, filters)


def _shown(picked: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(external_id for _, external_id in picked[:SHOWN_IDS])


def _erase(session: Session, row_ids: Sequence[int]) -> None:
    for first in range(0, len(row_ids), _AT_ONCE):
        some = row_ids[first : first + _AT_ONCE]
        own = Version.document_id.in_(some)
        uploads = session.scalars(select(Version.original_sha256).where(own).distinct()).all()
        of_documents = select(Document.file_id).where(Document.id.in_(some))
        files = session.scalars(of_documents.where(Document.file_id.is_not(None))).all()
        queries.remove_units(session, UnitRow.version_id.in_(select(Version.id).where(own)))
        session.execute(delete(Document).where(Document.id.in_(some)))
        queries.delete_unused_files(session, files)
        queries.delete_unused_originals(session, uploads)
