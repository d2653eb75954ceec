"""Statements over the analysed terms of versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    exists,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.db.models import (
    Document,
    TermsRow,
    Version,
)
from app.db.queries.documents import LIVE
from app.db.queries.streams import stream_some


def store_terms(
    session: Session, version_id: int, *, analysis: int, data: bytes, data_crc32: int
) -> None:
    """Store the terms of a version over those that are there."""
    session.merge(
        TermsRow(version_id=version_id, analysis=analysis, data=data, data_crc32=data_crc32)
    )


def move_terms(session: Session, former_id: int, version_id: int) -> None:
    """Give the terms of one version to another."""
    session.execute(
        update(TermsRow).where(TermsRow.version_id == former_id).values(version_id=version_id)
    )


def versions_without_terms(session: Session, analysis: int, limit: int) -> Sequence[Any]:
    """Return (id, title, text, receipt) of live versions that have no terms of these rules."""
    made = exists().where(TermsRow.version_id == Version.id, TermsRow.analysis == analysis)
    return session.execute(
        select(Version.id, Version.title, Version.text, Version.receipt)
        .where(LIVE, ~made)
        .limit(limit)
    ).all()


@dataclass(frozen=True, slots=True)
class TermsOfDocument:
    """The terms of a live document as they lie in the database, not yet checked."""

    document_id: int
    external_id: str
    collection_id: int
    version_id: int
    data: bytes
    data_crc32: int


def live_terms(
    session: Session, analysis: int, document_ids: Sequence[int] | None = None
) -> Iterator[TermsOfDocument]:
    """Yield the terms of live documents by these rules; `document_ids` restricts to some."""
    statement = (
        select(
            Document.id,
            Document.external_id,
            Document.collection_id,
            Version.id,
            TermsRow.data,
            TermsRow.data_crc32,
        )
        .join(Version, Version.document_id == Document.id)
        .join(TermsRow, TermsRow.version_id == Version.id)
        .where(Version.is_live, TermsRow.analysis == analysis)
    )
    for row in stream_some(session, statement, Document.id, document_ids):
        yield TermsOfDocument(*row)
