"""Files that a caller may see: those in collections that the key covers, and its own."""

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Collection, Document, File, utc_now
from app.domain import Scope
from app.errors import Forbidden
from app.services.access.collections import CollectionRef, recall_collection
from app.services.access.principal import Principal


def sees_file(principal: Principal) -> ColumnElement[bool]:
    """Return the condition under which a caller sees a file that has not expired."""
    alive = or_(File.expires_at.is_(None), File.expires_at > utc_now())
    # In a collection that was erased with its files, and in no other.
    erased = select(Document.file_id).join(Collection)
    erased = erased.where(~queries.IS_THERE, ~Collection.keeps_files, Document.file_id.is_not(None))
    is_kept = exists().where(Document.file_id == File.id, queries.is_found())
    alive &= File.id.not_in(erased) | is_kept
    if principal.collections is None:
        return alive
    inside = exists().where(
        Document.file_id == File.id, Document.collection_id.in_(principal.collections)
    )
    return alive & or_(File.key_id == principal.key_id, inside)


def sees_document(principal: Principal) -> ColumnElement[bool]:
    """Return the condition under which a caller sees a document."""
    if principal.collections is None:
        return queries.is_found()
    return queries.is_found() & Document.collection_id.in_(principal.collections)


def collections_of(
    session: Session, principal: Principal, documents: list[Document], scope: Scope
) -> list[CollectionRef]:
    """Return the collections of documents; raises Forbidden unless the key has `scope` in each.

    Those that were erased need no scope.
    """
    principal.require_scope(scope)
    there = set(session.scalars(select(Collection.id).where(queries.IS_THERE)))
    documents = [document for document in documents if document.collection_id in there]
    if not all(principal.sees(document.collection_id) for document in documents):
        raise Forbidden("the file is also in collections that the key does not cover")
    return [recall_collection(session, document.collection_id) for document in documents]
