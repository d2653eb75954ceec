"""Knowledge bases: make, list, delete."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import queries, queue
from app.db.database import Database
from app.db.models import Collection, Document, Generation, Version
from app.domain import Status
from app.errors import Conflict, FolioError, InvalidRequest
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, list_allowed, require_row
from app.services.access.principal import Principal
from app.services.articles.erasure import erase_collections

# The caller may wait so long for rows to go.
_ERASE_SECONDS = 2.0

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection and how many of its documents stand at each status."""

    id: int
    name: str
    description: str
    created_at: datetime
    documents: dict[Status, int]


def create_collection(database: Database, name: str, description: str = "") -> CollectionInfo:
    """Make a collection; raises Conflict when there is one of that name."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidRequest(
            "a collection's name has 1 to 64 letters, digits, dots, hyphens or underscores and "
            "begins with a letter or digit",
            code="invalid_name",
        )
    with database.write() as session:
        if queries.find_collection(session, name) is not None:
            raise Conflict(f"collection {name} already exists", code="collection_exists")
        collection = Collection(name=name, description=description)
        session.add(collection)
        session.flush()
        return _describe(session, collection)


def list_collections(database: Database, principal: Principal) -> list[CollectionInfo]:
    """Return the collections that the caller's key covers, by name."""
    with database.read() as session:
        return [
            _describe(session, require_row(session, ref))
            for ref in list_allowed(session, principal)
        ]


def list_names(database: Database, principal: Principal) -> list[str]:
    """Return the names of the collections that the caller's key covers."""
    with database.read() as session:
        return [ref.name for ref in list_allowed(session, principal)]


def get_collection(database: Database, ref: CollectionRef) -> CollectionInfo:
    """Return one collection; raises NotFound when it was erased meanwhile."""
    with database.read() as session:
        return _describe(session, require_row(session, ref))


def describe_collection(database: Database, ref: CollectionRef, description: str) -> CollectionInfo:
    """Change what is said of a collection; raises NotFound when it was erased meanwhile."""
    with database.write() as session:
        collection = require_row(session, ref)
        collection.description = description
        session.flush()
        return _describe(session, collection)


def delete_collection(
    resources: Resources,
    ref: CollectionRef,
    *,
    confirmed: str | None = None,
    keeps_files: bool = False,
) -> int:
    """Erase a collection with all its documents; returns how many there were.

    It is gone at once, and its name free. Other writers do not wait for its rows: those that are
    not erased within a moment are erased in the background.

    Files that its documents were made of go with them, unless another collection needs them or
    `keeps_files`. Raises Conflict when it holds documents, unless its name is `confirmed`: a slip
    in a path, which a client or a proxy made shorter, must not cost a whole collection.
    """
    with resources.database.write() as session:
        collection = require_row(session, ref)
        count = sum(queries.count_by_status(session, collection.id).values())
        if count and confirmed != collection.name:
            raise Conflict(
                f"{collection.name} holds {count} documents; repeat its name to erase them with "
                f"it: ?confirm={collection.name}",
                code="not_confirmed",
            )
        documents = select(Document.id).where(Document.collection_id == collection.id)
        queue.cancel(session, Version.document_id.in_(documents))
        _forget_questions(session, collection)
        queries.hide_collection(session, collection, keeps_files=keeps_files)
    ends = monotonic() + _ERASE_SECONDS
    # It is gone: what a full or failing disk refuses now is erased later.
    with suppress(FolioError):
        erase_collections(resources, lambda: monotonic() > ends)
    resources.signals.notes_arrived.set()
    return count


def _forget_questions(session: Session, collection: Collection) -> None:
    """Take the collection's questions, and the ids that answer them, out of what generations keep.

    What was learned of them stays.
    """
    key = str(collection.id)
    for generation in session.scalars(select(Generation)):
        # New ones: of what changes inside a stored value nothing would be noticed.
        if generation.calibration is not None:
            measured = generation.calibration.get("collections", {})
            generation.calibration = {"collections": _without(measured, key)}
        if generation.labels is not None:
            generation.labels = _without(generation.labels, key)
        gate, tuning = generation.gate, generation.tuning
        if gate is not None and gate["collection"] == collection.name:
            generation.gate = gate | {"collection": None, "queries": [], "report": None}
        if tuning is not None and tuning["collection"] == collection.name:
            generation.tuning = tuning | {"collection": "", "queries": []}


def _without(stored: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: kept for name, kept in stored.items() if name != key}


def _describe(session: Session, collection: Collection) -> CollectionInfo:
    return CollectionInfo(
        collection.id,
        collection.name,
        collection.description,
        collection.created_at,
        queries.count_by_status(session, collection.id),
    )
