"""The query log as it is: what was asked, what it found, and what people said of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.models import Feedback, LoggedQuery
from app.domain import Mode
from app.errors import InvalidRequest
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.quality.feedback import store_queries

LOW_SCORE = 0.1
"""A first hit below it is no answer, unless somebody found it helpful.

Of questions whose article was taken out of covidqa_papers, scifact_beir and aws_docs_small it finds
63%, 77% and 7%, of those that are answered it lists 30%, 46% and 0% (0.2: 89%, 97%, 43% and 66%,
77%, 19%). What was taken out of aws_docs_small has siblings there that say nearly the same.
"""


Logged = TypeVar("Logged", bound=Select[*tuple[Any, ...]])


class Said(StrEnum):
    """What somebody said of an answer."""

    ANYTHING = "anything"
    NOTHING = "nothing"
    HELPFUL = "helpful"
    UNHELPFUL = "unhelpful"
    CHOSEN = "chosen"
    """Which document would have been right."""


@dataclass(frozen=True, slots=True)
class LoggedQuestion:
    """A question of the log."""

    id: str
    query: str
    mode: Mode
    asked_at: datetime
    found: tuple[str, ...]
    """Ids of the first documents, best first."""
    score: float | None
    """Of the first one, before it was reranked."""
    calibrated: bool | None
    """Whether that is a probability; None where it was not noted."""
    helpful: int
    unhelpful: int
    chosen: dict[str, int]
    """Documents that people called right, with how many did."""


def list_log(
    resources: Resources,
    ref: CollectionRef,
    *,
    unanswered: bool = False,
    said: Said | None = None,
    limit: int = 100,
    before: str | None = None,
) -> list[LoggedQuestion]:
    """Return questions of the log, newest first; `before` is the id of the last one of a page.

    With `unanswered` only those that found nothing good. Raises InvalidRequest where `before` is no
    question of the collection.
    """
    store_queries(resources)
    chosen = select(LoggedQuery).where(LoggedQuery.collection_id == ref.id)
    if unanswered:
        chosen = only_unanswered(chosen, LOW_SCORE)
    if said is not None:
        chosen = chosen.where(_was_said(said))
    with resources.database.read() as session:
        require_row(session, ref)
        if before is not None:
            chosen = chosen.where(_is_older(session, ref, before))
        latest = chosen.order_by(LoggedQuery.asked_at.desc(), LoggedQuery.id.desc()).limit(limit)
        return _describe(session, session.scalars(latest).all())


def only_unanswered(statement: Logged, below: float) -> Logged:
    """Return a statement of logged queries, of those that found nothing good.

    No hit, a first hit that scores less than `below` and that nobody called helpful, or an answer
    that was called unhelpful by more people than helpful.
    """
    opinions = _sum_opinions()
    opinion = func.coalesce(opinions.c.sum, 0)
    is_weak = or_(LoggedQuery.score.is_(None), LoggedQuery.score < below)
    return statement.outerjoin(opinions, opinions.c.query_id == LoggedQuery.id).where(
        or_(opinion < 0, and_(opinion == 0, is_weak))
    )


def _sum_opinions() -> Subquery:
    vote = case((Feedback.helpful.is_(True), 1), else_=-1)
    return (
        select(Feedback.query_id, func.sum(vote).label("sum"))
        .where(Feedback.helpful.is_not(None))
        .group_by(Feedback.query_id)
        .subquery()
    )


def _was_said(said: Said) -> ColumnElement[bool]:
    of_query = exists().where(Feedback.query_id == LoggedQuery.id)
    match said:
        case Said.ANYTHING:
            return of_query
        case Said.NOTHING:
            return ~of_query
        case Said.CHOSEN:
            return of_query.where(Feedback.document_id.is_not(None))
        case _:
            return of_query.where(Feedback.helpful.is_(said is Said.HELPFUL))


def _is_older(session: Session, ref: CollectionRef, query_id: str) -> ColumnElement[bool]:
    last = session.get(LoggedQuery, query_id)
    if last is None or last.collection_id != ref.id:
        raise InvalidRequest("`before` is not a question of its log", code="invalid_cursor")
    return or_(
        LoggedQuery.asked_at < last.asked_at,
        and_(LoggedQuery.asked_at == last.asked_at, LoggedQuery.id < last.id),
    )


def _describe(session: Session, rows: Sequence[LoggedQuery]) -> list[LoggedQuestion]:
    opinions: dict[str, list[tuple[bool | None, str | None]]] = {row.id: [] for row in rows}
    for query_id, helpful, document_id in session.execute(
        select(Feedback.query_id, Feedback.helpful, Feedback.document_id)
        .where(Feedback.query_id.in_(opinions))
        .order_by(Feedback.id)
    ):
        opinions[query_id].append((helpful, document_id))
    return [
        LoggedQuestion(
            row.id,
            row.text,
            row.mode,
            row.asked_at,
            tuple(row.found),
            row.score,
            row.calibrated,
            sum(helpful is True for helpful, _ in opinions[row.id]),
            sum(helpful is False for helpful, _ in opinions[row.id]),
            dict(Counter(chosen for _, chosen in opinions[row.id] if chosen is not None)),
        )
        for row in rows
    ]
