"""The golden set of a collection: questions whose right articles are known, or that have none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.database import Database
from app.db.models import Collection, GoldenRow, utc_now
from app.db.queries.documents import find_document, find_existing
from app.db.queries.streams import split_bound
from app.errors import Conflict, InvalidRequest, NotFound
from app.evaluation.golden import MAX_GRADE, GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.quality.feedback import LearnedQuery, learn_golden, same_text
from app.services.search.pipeline import check_query
from ingest.ids import normalize_id

MAX_QUERIES = 10_000
"""Of a golden set."""
MAX_RELEVANT = 100
"""Articles that answer one question."""


class GoldenSetFull(Conflict):
    code = "golden_set_full"


class GoldenQueryExists(Conflict):
    code = "golden_query_exists"


@dataclass(frozen=True, slots=True)
class KeptQuery:
    """A question of the golden set."""

    id: int
    query: str
    relevant: Mapping[str, int]
    """Grades by document id; empty: nothing answers it."""
    missing: tuple[str, ...]
    """Those of its documents that no search can find: they are gone, or not read yet."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class KeptQueries:
    """A page of a golden set, in the order in which its questions came."""

    queries: tuple[KeptQuery, ...]
    total: int
    following: int | None
    """What to list after; None: there are no more."""


@dataclass(frozen=True, slots=True)
class AddedQueries:
    """What adding to a golden set did."""

    added: int
    changed: int
    """Questions that were there with other documents, which these take the place of."""
    total: int


def list_golden(
    database: Database, ref: CollectionRef, *, limit: int = 1000, after: int = 0
) -> KeptQueries:
    """Return questions of the golden set; raises NotFound."""
    with database.read() as session:
        require_row(session, ref)
        rows = session.scalars(
            select(GoldenRow)
            .where(GoldenRow.collection_id == ref.id, GoldenRow.id > after)
            .order_by(GoldenRow.id)
            .limit(limit + 1)
        ).all()
        following = rows[limit - 1].id if len(rows) > limit else None
        return KeptQueries(_describe(session, ref, rows[:limit]), _count(session, ref), following)


def read_golden_set(database: Database, ref: CollectionRef) -> list[GoldenQuery]:
    """Return the whole golden set, to measure with. Raises NotFound; Conflict where it is empty."""
    with database.read() as session:
        require_row(session, ref)
        rows = session.execute(
            select(GoldenRow.id, GoldenRow.text, GoldenRow.relevant)
            .where(GoldenRow.collection_id == ref.id)
            .order_by(GoldenRow.id)
        ).all()
    if not rows:
        raise Conflict(f"the golden set of {ref.name} is empty", code="no_golden_set")
    return [GoldenQuery(str(row_id), text, relevant) for row_id, text, relevant in rows]


def add_golden(
    resources: Resources, ref: CollectionRef, queries: Sequence[GoldenQuery], *, merge: bool = False
) -> AddedQueries:
    """Add questions, all of them or none; one that is there gets the documents that are given.

    With `merge` it keeps those that it had, and their grades.

    Spellings that differ in case and spaces are one question, the last of which counts.
    Raises NotFound, InvalidRequest, TooLarge, GoldenSetFull.
    """
    given = {
        _digest(query.text): (query.text, _check(resources.settings, query)) for query in queries
    }
    with resources.database.write() as session:
        _lock(session, ref)
        kept = _find_by_digest(session, ref, list(given))
        added = [
            GoldenRow(collection_id=ref.id, text=text, text_sha256=digest, relevant=relevant)
            for digest, (text, relevant) in given.items()
            if digest not in kept
        ]
        wanted = {
            digest: given[digest][1] | (row.relevant if merge else {})
            for digest, row in kept.items()
        }
        for relevant in wanted.values():
            _check_count(relevant)
        changed = [row for digest, row in kept.items() if row.relevant != wanted[digest]]
        for row in changed:
            row.relevant, row.changed_at = wanted[row.text_sha256], utc_now()
        total = _count(session, ref) + len(added)
        if added and total > MAX_QUERIES:
            raise GoldenSetFull(
                f"a golden set has at most {MAX_QUERIES:,} questions; with these it would have "
                f"{total:,}"
            )
        session.add_all(added)
        return AddedQueries(len(added), len(changed), total)


def mark_answer(
    resources: Resources, ref: CollectionRef, query: str, document_id: str | None
) -> AddedQueries:
    """Note in the golden set that a document answers a question as well, or that nothing does.

    Raises NotFound unless the document is there, and what `add_golden` raises.
    """
    if document_id is None:
        return add_golden(resources, ref, [GoldenQuery("", query, {})])
    document_id = normalize_id(document_id)
    with resources.database.read() as session:
        require_row(session, ref)
        if find_document(session, ref.id, document_id) is None:
            raise NotFound(f"no such document in {ref.name}", code="document_not_found")
    return add_golden(resources, ref, [GoldenQuery("", query, {document_id: 1})], merge=True)


def get_golden(database: Database, ref: CollectionRef, query_id: int) -> KeptQuery:
    """Return a question of the golden set; raises NotFound."""
    with database.read() as session:
        return _describe(session, ref, [_require(session, ref, query_id)])[0]


def change_golden(
    resources: Resources, ref: CollectionRef, query_id: int, query: GoldenQuery
) -> KeptQuery:
    """Give a question of the golden set another text and other documents.

    Raises NotFound, InvalidRequest, TooLarge, and GoldenQueryExists where that text is there.
    """
    relevant, digest = _check(resources.settings, query), _digest(query.text)
    with resources.database.write() as session:
        _lock(session, ref)
        row = _require(session, ref, query_id)
        same = _find_by_digest(session, ref, [digest]).get(digest)
        if same is not None and same.id != query_id:
            raise GoldenQueryExists("this question is already in the golden set")
        row.text, row.text_sha256, row.relevant = query.text, digest, relevant
        row.changed_at = utc_now()
        session.flush()
        return _describe(session, ref, [row])[0]


def remove_golden(resources: Resources, ref: CollectionRef, query_id: int) -> None:
    """Take a question out of the golden set, and erase it; raises NotFound."""
    with resources.database.write() as session:
        _require(session, ref, query_id)
        session.execute(delete(GoldenRow).where(GoldenRow.id == query_id))
    resources.erase_deleted()


def suggest_golden(resources: Resources, ref: CollectionRef) -> list[LearnedQuery]:
    """Return what feedback says of questions that are not in the golden set; raises NotFound.

    Of votes and documents there are no more than a golden set takes.
    """
    learned = learn_golden(resources, ref)
    with resources.database.read() as session:
        kept = _find_by_digest(session, ref, [_digest(one.query) for one in learned])
    return [
        LearnedQuery(one.query, _limit_votes(one.relevant))
        for one in learned
        if _digest(one.query) not in kept
    ]


def _limit_votes(relevant: Mapping[str, int]) -> dict[str, int]:
    most = Counter(relevant).most_common(MAX_RELEVANT)
    return {document_id: min(votes, MAX_GRADE) for document_id, votes in most}


def _digest(text: str) -> str:
    # A hash, as an index of PostgreSQL holds no long text.
    return sha256(same_text(text).encode("utf-8", "surrogatepass")).hexdigest()


def _check(settings: Settings, query: GoldenQuery) -> dict[str, int]:
    """Return the grades by normalized id; raises InvalidRequest and TooLarge."""
    check_query(settings, query.text)
    _check_count(query.relevant)
    for grade in query.relevant.values():
        if not 1 <= grade <= MAX_GRADE:
            raise InvalidRequest(
                f"a grade lies between 1 and {MAX_GRADE}; {grade} was given",
                code="invalid_golden_query",
            )
    return {normalize_id(document_id): grade for document_id, grade in query.relevant.items()}


def _check_count(relevant: Mapping[str, int]) -> None:
    if len(relevant) > MAX_RELEVANT:
        raise InvalidRequest(
            f"{len(relevant)} documents are named for one question; at most {MAX_RELEVANT} are "
            "allowed",
            code="invalid_golden_query",
        )


def _lock(session: Session, ref: CollectionRef) -> None:
    """Let one writer at a time change the set: between looking and adding nothing comes."""
    require_row(session, ref)
    session.execute(
        select(Collection.id).where(Collection.id == ref.id).with_for_update(key_share=True)
    )


def _require(session: Session, ref: CollectionRef, query_id: int) -> GoldenRow:
    row = session.get(GoldenRow, query_id)
    if row is None or row.collection_id != ref.id:
        raise NotFound("no such question is in the golden set", code="golden_query_not_found")
    return row


def _find_by_digest(
    session: Session, ref: CollectionRef, digests: Sequence[str]
) -> dict[str, GoldenRow]:
    found: dict[str, GoldenRow] = {}
    for some in split_bound(digests):
        rows = session.scalars(
            select(GoldenRow).where(
                GoldenRow.collection_id == ref.id, GoldenRow.text_sha256.in_(some)
            )
        )
        found.update((row.text_sha256, row) for row in rows)
    return found


def _count(session: Session, ref: CollectionRef) -> int:
    count = select(func.count()).select_from(GoldenRow).where(GoldenRow.collection_id == ref.id)
    return session.scalar(count) or 0


def _describe(
    session: Session, ref: CollectionRef, rows: Sequence[GoldenRow]
) -> tuple[KeptQuery, ...]:
    named = {document_id for row in rows for document_id in row.relevant}
    there = find_existing(session, ref.id, named, is_live=True)
    return tuple(
        KeptQuery(
            row.id,
            row.text,
            row.relevant,
            tuple(document_id for document_id in row.relevant if document_id not in there),
            row.changed_at,
        )
        for row in rows
    )
