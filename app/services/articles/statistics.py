"""What the articles of a collection come to: sizes, languages, and what failed for which reason."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.services.access.collections import CollectionRef, list_allowed, require_row
from app.services.access.principal import Principal


@dataclass(frozen=True, slots=True)
class LanguageCount:
    """How many articles are in a language; None where it was not told for sure."""

    language: str | None
    documents: int


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How many documents failed with a code, and what one of them was told."""

    code: str
    documents: int
    message: str


@dataclass(frozen=True, slots=True)
class CollectionStatistics:
    """Sums over the articles that answer, and what failed.

    `bytes` are those of their uploads as they came; former versions and what failed do not count.
    """

    name: str
    bytes: int
    tokens: int
    languages: tuple[LanguageCount, ...]
    last_upload_at: datetime | None
    failures: tuple[FailureCount, ...]


def get_statistics(database: Database, ref: CollectionRef) -> CollectionStatistics:
    """Return the sums of a collection; raises NotFound when it was erased meanwhile."""
    with database.read() as session:
        return _measure(session, ref)


def list_statistics(database: Database, principal: Principal) -> dict[str, CollectionStatistics]:
    """Return the sums of each collection that the caller's key covers, by its name."""
    with database.read() as session:
        return {ref.name: _measure(session, ref) for ref in list_allowed(session, principal)}


def _measure(session: Session, ref: CollectionRef) -> CollectionStatistics:
    collection_id = require_row(session, ref).id
    sums = queries.sum_receipts(session, collection_id)
    return CollectionStatistics(
        ref.name,
        sum(one.bytes for one in sums),
        sum(one.tokens for one in sums),
        tuple(LanguageCount(one.language, one.documents) for one in sums),
        queries.find_last_upload(session, collection_id),
        tuple(FailureCount(*one) for one in queries.sum_failures(session, collection_id)),
    )
