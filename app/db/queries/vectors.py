"""Statements over generations, units and passages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, bindparam, delete, insert, select
from sqlalchemy.orm import Session

from app.db.models import (
    Change,
    Document,
    Generation,
    PassageRow,
    UnitRow,
    Version,
)
from app.db.queries.streams import split_bound, stream_some
from app.domain import (
    Passage,
    Span,
)


def find_live_generation(session: Session) -> Generation | None:
    return session.scalar(select(Generation).where(Generation.is_live))


def remove_units(session: Session, *conditions: ColumnElement[bool]) -> int:
    """Delete the units that meet `conditions` and log each of them; returns how many."""
    gone = (
        select(UnitRow.id, Version.document_id)
        .join(Version, Version.id == UnitRow.version_id)
        .where(*conditions)
    )
    session.execute(insert(Change).from_select(["unit_id", "document_id"], gone))
    deleted: CursorResult[Any] = session.connection().execute(delete(UnitRow).where(*conditions))
    return deleted.rowcount


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """A unit's vector as it lies in the database, not yet checked."""

    unit_id: int
    document_id: int
    external_id: str
    collection_id: int
    version_id: int
    vector: bytes
    vector_crc32: int


def live_units(
    session: Session, generation_id: int, unit_ids: Sequence[int] | None = None
) -> Iterator[StoredUnit]:
    """Yield the units of live versions in a generation; `unit_ids` restricts to some of them."""
    statement = (
        select(
            UnitRow.id,
            Document.id,
            Document.external_id,
            Document.collection_id,
            Version.id,
            UnitRow.vector,
            UnitRow.vector_crc32,
        )
        .join(Version, Version.id == UnitRow.version_id)
        .join(Document, Document.id == Version.document_id)
        .where(UnitRow.generation_id == generation_id, Version.is_live)
    )
    for row in stream_some(session, statement, UnitRow.id, unit_ids):
        yield StoredUnit(*row)


# Made once, as those of a search are: see found.py.
_OF_VERSIONS = (
    UnitRow.version_id.in_(bindparam("version_ids", expanding=True)),
    UnitRow.generation_id == bindparam("generation_id"),
)
_LIST_UNITS = (
    select(UnitRow.id, UnitRow.version_id, UnitRow.passage_vectors_crc32)
    .where(*_OF_VERSIONS)
    .order_by(UnitRow.version_id, UnitRow.ordinal)
)
_FIND_PASSAGE_VECTORS = select(UnitRow.id, UnitRow.passage_vectors).where(
    UnitRow.id.in_(bindparam("unit_ids", expanding=True))
)
_LIST_PASSAGES = (
    select(
        UnitRow.version_id,
        PassageRow.unit_id,
        PassageRow.ordinal,
        PassageRow.start,
        PassageRow.end,
        PassageRow.heading,
        PassageRow.page,
    )
    .join(PassageRow, PassageRow.unit_id == UnitRow.id)
    .where(*_OF_VERSIONS)
    .order_by(PassageRow.start)
)


class ListedUnit(NamedTuple):
    """A unit, and the checksum of its passages' vectors."""

    id: int
    version_id: int
    crc32: int


def list_units(
    session: Session, version_ids: Sequence[int], generation_id: int
) -> list[ListedUnit]:
    """Return the units of versions, those of one after another, in the order of its text."""
    asked = {"version_ids": version_ids, "generation_id": generation_id}
    return [ListedUnit._make(row) for row in session.execute(_LIST_UNITS, asked)]


def find_passage_vectors(session: Session, unit_ids: Sequence[int]) -> dict[int, bytes]:
    """Return the vectors of these units' passages by unit id, not yet checked."""
    return {
        row.id: row.passage_vectors
        for some in split_bound(unit_ids)
        for row in session.execute(_FIND_PASSAGE_VECTORS, {"unit_ids": some})
    }


def list_passage_vectors(session: Session, unit_ids: Sequence[int]) -> Sequence[Any]:
    """Return (passage_vectors, passage_vectors_crc32) of these units, in the order of their ids."""
    return session.execute(
        select(UnitRow.passage_vectors, UnitRow.passage_vectors_crc32)
        .where(UnitRow.id.in_(unit_ids))
        .order_by(UnitRow.id)
    ).all()


def list_versions_of(session: Session, unit_ids: Sequence[int]) -> list[int]:
    """Return the versions that these units belong to, each once, in the order of their ids."""
    versions = select(UnitRow.version_id).where(UnitRow.id.in_(unit_ids)).distinct()
    return list(session.scalars(versions.order_by(UnitRow.version_id)))


def list_vectors(session: Session, version_ids: Sequence[int], generation_id: int) -> Iterator[Any]:
    """Yield the vectors of these versions' units and of their passages, with their checksums.

    Those of a version come one after another, in the order of its text.
    """
    statement = (
        select(
            UnitRow.version_id,
            UnitRow.vector,
            UnitRow.vector_crc32,
            UnitRow.passage_vectors,
            UnitRow.passage_vectors_crc32,
        )
        .where(UnitRow.generation_id == generation_id)
        .order_by(UnitRow.version_id, UnitRow.ordinal)
    )
    return stream_some(session, statement, UnitRow.version_id, version_ids)


def list_passages(
    session: Session, version_ids: Sequence[int], generation_id: int
) -> dict[int, dict[tuple[int, int], Passage]]:
    """Return all passages by version id, and by unit id and ordinal, in the text's order."""
    asked = {"version_ids": version_ids, "generation_id": generation_id}
    rows = session.execute(_LIST_PASSAGES, asked)
    found: dict[int, dict[tuple[int, int], Passage]] = {}
    for version_id, unit_id, ordinal, start, end, heading, page in rows:
        passage = Passage(Span(start, end), heading, page)
        found.setdefault(version_id, {})[unit_id, ordinal] = passage
    return found
