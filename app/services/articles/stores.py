"""Collections as OpenAI's clients know them: vector stores, with a name and an expiry."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Collection, Document, Store, Version, utc_now
from app.db.queue import CANCELLED
from app.domain import Status
from app.errors import InvalidRequest, NotFound
from app.index.byte_cache import MISSING
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, list_allowed, require_row
from app.services.access.principal import Principal
from app.services.articles.store_files import Page, measure_store

_TOUCH_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A collection with what those clients keep of it."""

    id: str
    name: str
    description: str
    metadata: Mapping[str, Any]
    created_at: datetime
    last_active_at: datetime
    expires_days: int | None
    counts: dict[Status, int]
    cancelled: int
    """Of those that failed."""
    usage_bytes: int

    @property
    def expires_at(self) -> datetime | None:
        if self.expires_days is None:
            return None
        return self.last_active_at + timedelta(days=self.expires_days)

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= utc_now()


def create_store(
    resources: Resources,
    *,
    name: str,
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
    expires_days: int | None = None,
) -> StoreInfo:
    """Make a store, which is a collection of a name that nobody else has."""
    with resources.database.write() as session:
        collection = Collection(name=f"vs_{secrets.token_hex(12)}", description=description)
        session.add(collection)
        session.flush()
        session.add(
            Store(
                collection_id=collection.id,
                name=name,
                notes=dict(metadata or {}),
                expires_days=expires_days,
            )
        )
        session.flush()
        return _describe_store(session, collection)


def get_store(resources: Resources, ref: CollectionRef) -> StoreInfo:
    """Return a store; raises NotFound when it was erased meanwhile."""
    with resources.database.read() as session:
        return _describe_store(session, require_row(session, ref))


def list_stores(
    resources: Resources, principal: Principal, page: Page
) -> tuple[list[StoreInfo], bool]:
    """Return the stores that the caller's key covers by age, and whether there are more."""
    edges, listed = resources.signals.page_edges, ("stores", principal.key_id)
    with resources.database.read() as session:
        ids = {ref.name: ref.id for ref in list_allowed(session, principal)}

        def find_place(name: str) -> int:
            number = ids.get(name, edges.find((listed, name)))
            if number is MISSING:
                raise NotFound("no such vector store", code="vector_store_not_found")
            return int(number)

        shown, more = _cut(ids.values(), page, find_place)
        rows = [session.get_one(Collection, number) for number in shown]
        for row in (*rows[:1], *rows[-1:]):
            edges.put((listed, row.name), row.id)
        return [_describe_store(session, row) for row in rows], more


def update_store(resources: Resources, ref: CollectionRef, changes: Mapping[str, Any]) -> StoreInfo:
    """Change `name`, `metadata`, `expires_days`: those that are given."""
    with resources.database.write() as session:
        collection = require_row(session, ref)
        store = _require_store(session, collection)
        store.name = changes.get("name", store.name)
        store.notes = changes.get("metadata", store.notes)
        store.expires_days = changes.get("expires_days", store.expires_days)
        store.last_active_at = utc_now()
    # Its files are gone through, which no writer should wait for.
    with resources.database.read() as session:
        return _describe_store(session, require_row(session, ref))


def use_store(resources: Resources, ref: CollectionRef) -> None:
    """Note that a store is used; raises InvalidRequest when its time is over."""
    with resources.database.read() as session:
        store = session.get(Store, ref.id)
        if store is None or store.expires_days is None:
            return
        now, used, days = utc_now(), store.last_active_at, store.expires_days
    if used + timedelta(days=days) <= now:
        raise InvalidRequest("the vector store has expired", code="vector_store_expired")
    # Days are counted: it need not be written at every use.
    if used + _TOUCH_AFTER <= now:
        with resources.database.write() as session:
            session.execute(
                update(Store).where(Store.collection_id == ref.id).values(last_active_at=now)
            )


def _cut(
    numbers: Iterable[int], page: Page, find_place: Callable[[str], int]
) -> tuple[list[int], bool]:
    """Return the page of some rows' numbers, and whether there are more on its side."""
    ordered = sorted(numbers, reverse=page.descending)
    for edge, is_after in ((page.after, True), (page.before, False)):
        if edge is not None:
            place, is_lower = find_place(edge), page.descending == is_after
            ordered = [n for n in ordered if (n < place if is_lower else n > place)]
    more = len(ordered) > page.limit
    if page.before is not None and page.after is None:
        return ordered[-page.limit :], more
    return ordered[: page.limit], more


def _describe_store(session: Session, collection: Collection) -> StoreInfo:
    store = session.get(Store, collection.id)
    counts = queries.count_by_status(session, collection.id)
    cancelled: int | None = 0
    if counts[Status.FAILED]:
        cancelled = session.scalar(
            select(func.count())
            .select_from(Document)
            .join(
                Version,
                (Version.document_id == Document.id) & (Version.number == Document.latest_number),
            )
            .where(Document.collection_id == collection.id, Version.error_code == CANCELLED)
        )
    return StoreInfo(
        collection.name,
        store.name if store else collection.name,
        collection.description,
        store.notes if store else {},
        collection.created_at,
        store.last_active_at if store else collection.created_at,
        store.expires_days if store else None,
        counts,
        cancelled or 0,
        measure_store(session, collection.id),
    )


def _require_store(session: Session, collection: Collection) -> Store:
    """Return what is kept of a collection; one that came by another way gets a row."""
    store = session.get(Store, collection.id)
    if store is None:
        store = Store(collection_id=collection.id, name=collection.name, notes={})
        session.add(store)
        session.flush()
    return store
