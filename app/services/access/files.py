"""Files that a caller may see: those in collections that the key covers, and its own."""

from sqlalchemy import ColumnElement, exists, or_, true
from sqlalchemy.orm import Session

from app.db.models import Document, File, utc_now
from app.domain import Scope
from app.errors import Forbidden
from app.services.access.collections import CollectionRef, recall_collection
from app.services.access.principal import Principal


def sees_file(principal: Principal) -> ColumnElement[bool]:
    """Return the condition under which a caller sees a file that has not expired."""
    alive = or_(File.expires_at.is_(None), File.expires_at > utc_now())
    if principal.collections is None:
        return alive
    inside = exists().where(
        Document.file_id == File.id, Document.collection_id.in_(principal.collections)
    )
    return alive & or_(File.key_id == principal.key_id, inside)


def sees_document(principal: Principal) -> ColumnElement[bool]:
    """Return the condition under which a caller sees a document."""
    if principal.collections is None:
        return true()
    return Document.collection_id.in_(principal.collections)


def collections_of(
    session: Session, principal: Principal, documents: list[Document], scope: Scope
) -> list[CollectionRef]:
    """Return the collections of documents; raises Forbidden unless the key has `scope` in each."""
    principal.require_scope(scope)
    if not all(principal.sees(document.collection_id) for document in documents):
        raise Forbidden("the file is also in collections that the key does not cover")
    return [recall_collection(session, document.collection_id) for document in documents]
