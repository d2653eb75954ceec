"""Collections that a caller may use: the one module that makes a `CollectionRef`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.db.models import Collection, Job, LoggedQuery
from app.domain import Scope
from app.errors import NotFound
from app.services.access.principal import Principal


@dataclass(frozen=True, slots=True)
class CollectionRef:
    """A collection whose use was allowed to whoever asks; use cases take it in place of a name.

    Only this module calls its constructor, which a test holds it to.
    """

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Handle:
    """What a request names a collection by: its own name, or something that belongs to it."""

    find: Callable[[Session, str], Collection | None]
    missing: Callable[[str], NotFound]
    """What is raised where there is none, or none that the key covers: both look alike."""


def _find_by_name(session: Session, name: str) -> Collection | None:
    return _find_there(session, select(Collection).where(Collection.name == name))


def _find_by_job(session: Session, job_id: str) -> Collection | None:
    return _find_there(session, select(Collection).join(Job).where(Job.id == job_id))


def _find_by_query(session: Session, query_id: str) -> Collection | None:
    of_query = select(Collection).join(LoggedQuery).where(LoggedQuery.id == query_id)
    return _find_there(session, of_query)


def _find_there(session: Session, chosen: Select[Collection]) -> Collection | None:
    return session.scalar(chosen.where(queries.IS_THERE))


def _missing_name(name: str) -> NotFound:
    return NotFound(f"no such collection: {name}", code="collection_not_found")


# Made once: every search asks it.
_FIND_THERE = select(Collection.id).where(
    Collection.id.in_(bindparam("ids", expanding=True)), queries.IS_THERE
)

BY_NAME = Handle(_find_by_name, _missing_name)
# To OpenAI's clients a collection is a vector store, and its name the id.
BY_STORE = Handle(
    _find_by_name,
    lambda _: NotFound("no such vector store", code="vector_store_not_found"),
)
BY_JOB = Handle(_find_by_job, lambda _: NotFound("no such job", code="job_not_found"))
BY_QUERY = Handle(
    _find_by_query, lambda _: NotFound("no such query is in the log", code="query_not_found")
)


def allow_collection(
    session: Session, principal: Principal, scope: Scope, value: str, handle: Handle = BY_NAME
) -> CollectionRef:
    """Return the collection that `value` names, if the key has `scope` in it.

    Raises Forbidden, and NotFound: a collection that the key does not cover is answered like one
    that does not exist.
    """
    collection = handle.find(session, value)
    if collection is None or not principal.sees(collection.id):
        raise handle.missing(value)
    principal.require_scope(scope)
    return CollectionRef(collection.id, collection.name)


def find_collection(
    database: Database,
    principal: Principal,
    value: str,
    scope: Scope,
    handle: Handle = BY_NAME,
) -> CollectionRef:
    """Return one collection; raises what allow_collection raises."""
    with database.read() as session:
        return allow_collection(session, principal, scope, value, handle)


def find_collections(
    database: Database, principal: Principal, names: Sequence[str], scope: Scope
) -> tuple[CollectionRef, ...]:
    """Return collections by name; raises what allow_collection raises."""
    if not names:
        return ()
    with database.read() as session:
        return tuple(allow_collection(session, principal, scope, name) for name in names)


def list_allowed(session: Session, principal: Principal) -> list[CollectionRef]:
    """Return the collections that the key covers, by name."""
    named = select(Collection.id, Collection.name).where(queries.IS_THERE)
    rows = session.execute(named.order_by(Collection.name))
    return [CollectionRef(*row) for row in rows if principal.sees(row.id)]


def recall_collection(session: Session, collection_id: int) -> CollectionRef:
    """Return the collection of stored work, which was allowed when the work was asked for."""
    collection = session.get_one(Collection, collection_id)
    return CollectionRef(collection.id, collection.name)


def recall_named(session: Session, name: str) -> CollectionRef | None:
    """Return the collection that stored work names; None when it was erased since."""
    collection = _find_by_name(session, name)
    return None if collection is None else CollectionRef(collection.id, collection.name)


def require_row(session: Session, ref: CollectionRef) -> Collection:
    """Return the row of a collection; raises NotFound when it was erased since it was allowed."""
    collection = session.get(Collection, ref.id)
    if collection is None or collection.erased_at is not None:
        raise _missing_name(ref.name)
    return collection


def require_rows(session: Session, refs: Sequence[CollectionRef]) -> None:
    """Raise NotFound when one of some collections was erased since it was allowed."""
    there = set(session.scalars(_FIND_THERE, {"ids": [ref.id for ref in refs]}))
    for ref in refs:
        if ref.id not in there:
            raise _missing_name(ref.name)
