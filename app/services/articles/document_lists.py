"""Pages of the articles of a collection, in an order of the caller's."""

from dataclasses import dataclass

from app.db import queries
from app.db.database import Database
from app.domain import Status
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import DocumentInfo, describe_document

# A collection has few kinds of articles, and may have a million of them.
_LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some documents of a collection, and how many there are in all."""

    documents: list[DocumentInfo]
    total: int


def count_documents(database: Database, ref: CollectionRef, status: Status | None) -> int:
    """Return how many documents a collection has, or has at a status."""
    with database.read() as session:
        counts = queries.count_by_status(session, require_row(session, ref).id)
    return sum(counts.values()) if status is None else counts[status]


def list_attributes(database: Database, ref: CollectionRef) -> list[str]:
    """Return the names of the attributes of the latest 200 documents, what Folio detected too."""
    with database.read() as session:
        return queries.list_keys(session, require_row(session, ref).id, _LOOKED_THROUGH)


def sort_documents(
    database: Database,
    ref: CollectionRef,
    *,
    sort: str = "$id",
    status: Status | None = None,
    offset: int = 0,
    limit: int = 100,
) -> DocumentPage:
    """Return documents in the order of a field or an attribute; a leading `-` turns it around.

    A document without the value comes last either way. Of a list the least value counts, or the
    greatest where the order is turned around.
    """
    with database.read() as session:
        collection_id = require_row(session, ref).id
        rows = queries.sort_documents(
            session,
            collection_id,
            key=sort.removeprefix("-"),
            descends=sort.startswith("-"),
            status=status,
            offset=offset,
            limit=limit,
        )
        live = queries.find_live_versions(session, [document.id for document, _ in rows])
        documents = [describe_document(doc, latest, live.get(doc.id)) for doc, latest in rows]
        counts = queries.count_by_status(session, collection_id)
    total = sum(counts.values()) if status is None else counts[status]
    return DocumentPage(documents, total)
