"""Which questions found an article lately, and what people said of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.models import Feedback, LoggedQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import require_document
from app.services.quality.feedback import store_queries
from ingest.ids import normalize_id

_SEARCHED = 5_000
"""The latest questions of a collection that are looked through."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that found an article, and what was said of its answer."""

    query: str
    asked_at: datetime
    rank: int
    """Where the article stood, from 1."""
    helpful: int
    unhelpful: int
    chosen: int
    """How many said that this article is the right one."""


def list_questions(
    resources: Resources, ref: CollectionRef, document_id: str, *, limit: int = 20
) -> list[AskedQuestion]:
    """Return the latest questions of the query log that found an article; raises NotFound."""
    wanted = normalize_id(document_id)
    store_queries(resources)
    with resources.database.read() as session:
        require_document(session, ref, wanted)
        latest = session.execute(
            select(LoggedQuery.id, LoggedQuery.found)
            .where(LoggedQuery.collection_id == ref.id)
            .order_by(LoggedQuery.asked_at.desc())
            .limit(_SEARCHED)
        )
        ids = [query_id for query_id, found in latest if wanted in found][:limit]
        return _describe(session, ids, wanted)


def _describe(session: Session, ids: Sequence[str], document_id: str) -> list[AskedQuestion]:
    opinions: dict[str, list[tuple[bool | None, str | None]]] = {query_id: [] for query_id in ids}
    for query_id, helpful, chosen in session.execute(
        select(Feedback.query_id, Feedback.helpful, Feedback.document_id).where(
            Feedback.query_id.in_(ids)
        )
    ):
        opinions[query_id].append((helpful, chosen))
    rows = session.scalars(
        select(LoggedQuery).where(LoggedQuery.id.in_(ids)).order_by(LoggedQuery.asked_at.desc())
    )
    return [
        AskedQuestion(
            row.text,
            row.asked_at,
            row.found.index(document_id) + 1,
            sum(helpful is True for helpful, _ in opinions[row.id]),
            sum(helpful is False for helpful, _ in opinions[row.id]),
            sum(chosen == document_id for _, chosen in opinions[row.id]),
        )
        for row in rows
    ]
