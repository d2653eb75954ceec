"""The query log, feedback on answers, and what both teach: golden sets and missing articles."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty
from typing import Any

import numpy as np
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from app.db.database import Database
from app.db.models import Collection, Feedback, LoggedQuery, utc_now
from app.db.queries.documents import find_document, find_existing
from app.domain import Item, Task
from app.errors import FolioError, NotFound, OutOfTime
from app.runtime.deadline import embed_in_time
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.search.search import SearchResult

LOW_SCORE = 0.1
"""A first hit below it is no answer, unless somebody found it helpful.

Of questions whose article was taken out of covidqa_papers, scifact_beir and aws_docs_small it finds
63%, 77% and 7%, of those that are answered it lists 30%, 46% and 0% (0.2: 89%, 97%, 43% and 66%,
77%, 19%). What was taken out of aws_docs_small has siblings there that say nearly the same.
"""
SAME_SUBJECT = 0.7
"""Inner product of two questions from which they ask for one article."""
_FOUND = 10
_EXAMPLES = 5
_MAX_GAP_QUERIES = 2000


@dataclass(frozen=True, slots=True)
class LearnedQuery:
    """A question and the documents that people called right, with how many did."""

    query: str
    relevant: dict[str, int]


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions about one subject that found nothing good."""

    count: int
    examples: tuple[str, ...]
    nearest: tuple[str, ...]
    """Documents that came first for them, the most frequent first."""


def record_query(resources: Resources, ref: CollectionRef, result: SearchResult) -> str | None:
    """Note a question for the log and return its id; None while the log is off."""
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
            text=result.query,
            mode=result.mode,
            found=[hit.document_id for hit in hits],
            score=hits[0].score if hits else None,
            asked_at=utc_now(),
        )
    )
    return query_id


def store_queries(resources: Resources) -> None:
    """Store what was noted and erase what is past its time."""
    noted: list[LoggedQuery] = []
    while True:
        try:
            noted.append(resources.signals.asked_queries.get_nowait())
        except Empty:
            break
    oldest = utc_now() - timedelta(days=resources.settings.query_log_days)
    with resources.database.read() as session:
        stale = session.scalar(select(LoggedQuery.id).where(LoggedQuery.asked_at < oldest).limit(1))
    if not noted and stale is None:
        return
    with resources.database.write() as session:
        there = set(session.scalars(select(Collection.id)))
        session.add_all(row for row in noted if row.collection_id in there)
        session.flush()
        session.execute(delete(LoggedQuery).where(LoggedQuery.asked_at < oldest))
    if stale is not None:
        resources.erase_deleted()


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

    Raises NotFound unless the query, and the document if one is named, are of the collection.
    """
    with database.write() as session:
        query = session.get(LoggedQuery, query_id)
        if query is None or query.collection_id != ref.id:
            raise NotFound("no such query is in the log", code="query_not_found")
        if document_id is not None and find_document(session, ref.id, document_id) is None:
            raise NotFound(
                f"there is no document of that id in {ref.name}", code="document_not_found"
            )
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


def find_gaps(resources: Resources, ref: CollectionRef, *, below: float = LOW_SCORE) -> list[Gap]:
    """Group the questions that found nothing good, the most asked subject first.

    Nothing good: no hit, a first hit that scores less than `below` and that nobody called helpful,
    or an answer that was called unhelpful by more people than helpful.
    """
    bad: list[tuple[str, list[str]]] = []
    with _logged(resources, ref) as (session, collection_id):
        opinions: Counter[str] = Counter()
        for query_id, helpful in session.execute(
            select(Feedback.query_id, Feedback.helpful)
            .join(LoggedQuery, LoggedQuery.id == Feedback.query_id)
            .where(LoggedQuery.collection_id == collection_id, Feedback.helpful.is_not(None))
        ):
            opinions[query_id] += 1 if helpful else -1
        for row in session.scalars(
            select(LoggedQuery)
            .where(LoggedQuery.collection_id == collection_id)
            .order_by(LoggedQuery.asked_at.desc())
        ):
            opinion = opinions[row.id]
            unanswered = row.score is None or row.score < below
            if opinion < 0 or (opinion == 0 and unanswered):
                bad.append((row.text, row.found))
    return _group(resources, bad[:_MAX_GAP_QUERIES])


def _group(resources: Resources, bad: Sequence[tuple[str, list[str]]]) -> list[Gap]:
    """Group by meaning: each question joins the first group whose first question is near enough."""
    vectors = _embed(resources, [text for text, _ in bad])
    groups: list[list[int]] = []
    for i, vector in enumerate(vectors):
        for group in groups:
            if float(vector @ vectors[group[0]]) >= SAME_SUBJECT:
                group.append(i)
                break
        else:
            groups.append([i])
    gaps = []
    for group in sorted(groups, key=len, reverse=True):
        texts = dict.fromkeys(bad[i][0] for i in group)
        nearest = Counter(bad[i][1][0] for i in group if bad[i][1])
        gaps.append(
            Gap(
                len(group),
                tuple(texts)[:_EXAMPLES],
                tuple(document_id for document_id, _ in nearest.most_common(_EXAMPLES)),
            )
        )
    return gaps


def _embed(resources: Resources, texts: Sequence[str]) -> list[Any]:
    vectors = []
    engine = resources.generations.live().engine() if texts else None
    for text in texts:
        assert engine is not None
        try:
            vectors.append(embed_in_time(engine, [Item(text, Task.QUERY)])[0].vector)
        except OutOfTime:
            raise
        except FolioError:
            # Longer than the model reads: a group of its own.
            vectors.append(np.zeros(engine.dimensions, dtype=np.float32))
    return vectors


@contextmanager
def _logged(resources: Resources, ref: CollectionRef) -> Iterator[tuple[Session, int]]:
    store_queries(resources)
    with resources.database.read() as session:
        yield session, require_row(session, ref).id


def same_text(text: str) -> str:
    """Return what is alike of two questions that differ in case and spaces only."""
    return " ".join(text.casefold().split())
