"""The query log, feedback on answers, and the golden set that both suggest."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.db.models import Collection, Feedback, LoggedQuery, utc_now
from app.db.queries.documents import find_document, find_existing
from app.errors import NotFound, StorageFailed, StorageFull
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.search.search import SearchResult
from ingest.ids import normalize_id

_FOUND = 10
# Questions that wait until they can be stored.
_MAX_NOTED = 10_000
# Once one is past its time, those go with it that soon will be: a log that is long enough would
# else have the files cleared, and PostgreSQL its tables, each second.
_ERASED_EARLIER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LearnedQuery:
    """A question and the documents that people called right, with how many did."""

    query: str
    relevant: dict[str, int]


def record_query(resources: Resources, ref: CollectionRef, result: SearchResult) -> str | None:
    """Note a question for the log, with what it carried over; return its id, None without a log.

    By itself a follow-up would find other articles when it is asked again, and mean nothing there.
    """
    if not resources.settings.query_log_days:
        return None
    query_id = uuid.uuid4().hex
    # Of a search in several collections each hit belongs to its own: a key of this one must not
    # read the ids of another in golden sets and gaps.
    hits = [hit for hit in result.results if hit.collection == ref.name][:_FOUND]
    resources.signals.asked_queries.put(
        LoggedQuery(
            id=query_id,
            collection_id=ref.id,
            text=result.interpreted,
            mode=result.mode,
            found=[hit.document_id for hit in hits],
            # A reranker's only ranks: gaps would compare it with probabilities.
            score=hits[0].found_score if hits else None,
            calibrated=result.found_calibrated,
            asked_at=utc_now(),
        )
    )
    return query_id


def store_queries(resources: Resources) -> None:
    """Store what was noted and erase what is past its time.

    What a full or failing disk refuses is noted again; of too much of it the oldest is let go of.
    What another thread has taken to store is stored when this returns.
    """
    with resources.signals.storing_queries:
        noted = _take_noted(resources)
        try:
            is_erased = _write_queries(resources, noted)
        except (StorageFull, StorageFailed):
            for row in noted[-_MAX_NOTED:]:
                resources.signals.asked_queries.put(row)
            raise
    if is_erased:
        resources.erase_deleted()


def _take_noted(resources: Resources) -> list[LoggedQuery]:
    noted: list[LoggedQuery] = []
    while True:
        try:
            noted.append(resources.signals.asked_queries.get_nowait())
        except Empty:
            return noted


def _write_queries(resources: Resources, noted: Sequence[LoggedQuery]) -> bool:
    """Store questions; returns whether others were past their time, and erased."""
    oldest = utc_now() - timedelta(days=resources.settings.query_log_days)
    with resources.database.read() as session:
        is_erased = _has_older(session, oldest)
    if not noted and not is_erased:
        return False
    with resources.database.write() as session:
        there = set(session.scalars(select(Collection.id).where(queries.IS_THERE)))
        session.add_all(row for row in noted if row.collection_id in there)
        session.flush()
        if is_erased:
            is_over = LoggedQuery.asked_at < oldest + _ERASED_EARLIER
            session.execute(delete(LoggedQuery).where(is_over))
    return is_erased


def _has_older(session: Session, oldest: datetime) -> bool:
    older = select(LoggedQuery.id).where(LoggedQuery.asked_at < oldest)
    return session.scalar(older.limit(1)) is not None


def give_feedback(
    database: Database,
    ref: CollectionRef,
    query_id: str,
    *,
    key_id: str,
    helpful: bool | None,
    document_id: str | None,
) -> None:
    """Store what a key's holder says of an answer, in place of what that key said of it before.

    Raises NotFound unless the query, and the document if one is named, are of the collection, and
    InvalidRequest for what cannot be an id.
    """
    if document_id is not None:
        document_id = normalize_id(document_id)
    with database.write() as session:
        query = session.get(LoggedQuery, query_id)
        if query is None or query.collection_id != ref.id:
            raise NotFound("no such query is in the log", code="query_not_found")
        if document_id is not None and find_document(session, ref.id, document_id) is None:
            raise NotFound(f"no such document in {ref.name}", code="document_not_found")
        session.execute(
            delete(Feedback).where(Feedback.query_id == query_id, Feedback.key_id == key_id)
        )
        session.add(
            Feedback(query_id=query_id, key_id=key_id, helpful=helpful, document_id=document_id)
        )


def erase_queries(resources: Resources, ref: CollectionRef) -> int:
    """Erase the logged questions of a collection and what was said of them; returns how many."""
    store_queries(resources)
    with resources.database.write() as session:
        collection = require_row(session, ref)
        erased: CursorResult[Any] = session.connection().execute(
            delete(LoggedQuery).where(LoggedQuery.collection_id == collection.id)
        )
        count = erased.rowcount
    resources.erase_deleted()
    return count


def learn_golden(resources: Resources, ref: CollectionRef) -> list[LearnedQuery]:
    """Return the questions for which people named or confirmed a document, for review.

    A document that was named counts 1; so does the first hit of an answer that was helpful, and -1
    that of one that was not. Documents that are gone since are left out. Spellings that differ in
    case and spaces are one question.
    """
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    texts: dict[str, str] = {}
    with _logged(resources, ref) as (session, collection_id):
        rows = session.execute(
            select(LoggedQuery.text, LoggedQuery.found, Feedback.helpful, Feedback.document_id)
            .join(Feedback, Feedback.query_id == LoggedQuery.id)
            .where(LoggedQuery.collection_id == collection_id)
            .order_by(Feedback.id)
        )
        for text, found, helpful, document_id in rows:
            key = same_text(text)
            texts.setdefault(key, text)
            if document_id is not None:
                votes[key][document_id] += 1
            elif helpful is not None and found:
                votes[key][found[0]] += 1 if helpful else -1
        there = find_existing(session, collection_id, set().union(*votes.values()))
    return [
        LearnedQuery(texts[key], relevant)
        for key, counted in votes.items()
        if (relevant := {name: n for name, n in counted.items() if n > 0 and name in there})
    ]


@contextmanager
def _logged(resources: Resources, ref: CollectionRef) -> Iterator[tuple[Session, int]]:
    store_queries(resources)
    with resources.database.read() as session:
        yield session, require_row(session, ref).id


def same_text(text: str) -> str:
    """Return what is alike of two questions that differ in case and spaces only."""
    return " ".join(text.casefold().split())
