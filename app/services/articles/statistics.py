"""What the articles of a collection come to: sizes, languages, and what failed for which reason."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import queries
from app.db.queries import LanguageSums
from app.runtime.resources import Resources
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


def get_statistics(resources: Resources, ref: CollectionRef) -> CollectionStatistics:
    """Return the sums of a collection; raises NotFound when it was erased meanwhile."""
    with resources.database.read() as session:
        return _measure(resources, session, ref)


def list_statistics(resources: Resources, principal: Principal) -> dict[str, CollectionStatistics]:
    """Return the sums of each collection that the caller's key covers, by its name."""
    with resources.database.read() as session:
        allowed = list_allowed(session, principal)
        return {ref.name: _measure(resources, session, ref) for ref in allowed}


def _measure(resources: Resources, session: Session, ref: CollectionRef) -> CollectionStatistics:
    collection_id = require_row(session, ref).id
    sums = _sum_receipts(resources, session, collection_id)
    return CollectionStatistics(
        ref.name,
        sum(one.bytes for one in sums),
        sum(one.tokens for one in sums),
        tuple(LanguageCount(one.language, one.documents) for one in sums),
        queries.find_last_upload(session, collection_id),
        tuple(FailureCount(*one) for one in queries.sum_failures(session, collection_id)),
    )


def _sum_receipts(
    resources: Resources, session: Session, collection_id: int
) -> tuple[LanguageSums, ...]:
    """Return the sums, which are read again only once they may be others."""
    kept = resources.signals.receipt_sums
    # Before the sums: whatever is committed in between makes them be read once more.
    mark = queries.mark_state(session, collection_id)
    former = kept.get(collection_id)
    if former is not None and former[0] == mark:
        return former[1]
    sums = tuple(queries.sum_receipts(session, collection_id))
    kept[collection_id] = mark, sums
    return sums
