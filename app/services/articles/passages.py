"""The passages of an article, and the texts of its versions: what was read of it."""

from dataclasses import dataclass

from app.db import queries
from app.db.database import Database
from app.domain import Passage
from app.errors import NotFound
from app.services.access.collections import CollectionRef
from app.services.articles.documents import read_text, require_document


@dataclass(frozen=True, slots=True)
class ReadArticle:
    """The text that answers for a document, cut into its passages, in the text's order."""

    text: str
    passages: tuple[Passage, ...]


def get_read_article(database: Database, ref: CollectionRef, document_id: str) -> ReadArticle:
    """Return what answers for a document; raises NotFound while none of its versions does."""
    with database.read() as session:
        document = require_document(session, ref, document_id)
        version = queries.find_live_version(session, document.id)
        generation = queries.find_live_generation(session)
        if version is None or generation is None:
            raise NotFound("no version of this document is live", code="no_live_version")
        text = read_text(session, version.id, document.external_id)
        stored = queries.list_passages(session, [version.id], generation.vector_set)
        return ReadArticle(text, tuple(stored.get(version.id, {}).values()))


def get_version_text(database: Database, ref: CollectionRef, document_id: str, number: int) -> str:
    """Return the text of one version; raises NotFound when it was erased or never read."""
    with database.read() as session:
        document = require_document(session, ref, document_id)
        versions = queries.list_versions(session, document.id)
        version = next((v for v in versions if v.number == number), None)
        if version is None or version.ready_at is None:
            raise NotFound(f"version {number} has no text", code="version_not_found")
        return read_text(session, version.id, document.external_id)
