"""What a search reads of the documents that it found: columns, not rows of the ORM."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app.db.checksums import shown_crc32
from app.db.models import Collection, Document, Version
from app.domain import Attributes


class FoundVersion(NamedTuple):
    """The live version of a document that was found: what it takes to rank it."""

    document_id: int
    collection_id: int
    external_id: str
    version_id: int
    title: str
    language: str | None
    """As the receipt has it: the words are analysed by its rules."""
    tokens_counted: int | None
    tokens_unknown: int | None

    @property
    def is_known(self) -> bool:
        """Whether the model knows half of its text or more: else its vectors say nothing of it."""
        return 2 * (self.tokens_unknown or 0) <= (self.tokens_counted or 0)


# Statements are made once: making one takes about as long as running it.
_FIND_LIVE = (
    select(
        Version.document_id,
        Document.collection_id,
        Document.external_id,
        Version.id,
        Version.title,
        Version.receipt["language"].as_string(),
        Version.receipt["tokens_counted"].as_integer(),
        Version.receipt["tokens_unknown"].as_integer(),
    )
    .join(Document, Document.id == Version.document_id)
    .where(Version.document_id.in_(bindparam("document_ids", expanding=True)), Version.is_live)
)


def find_live(session: Session, document_ids: Sequence[int]) -> dict[int, FoundVersion]:
    """Return the live versions of these documents, by document id."""
    rows = session.execute(_FIND_LIVE, {"document_ids": document_ids})
    return {row[0]: FoundVersion._make(row) for row in rows}


_FIND_UNKNOWN = select(Version.document_id).where(
    Version.document_id.in_(bindparam("document_ids", expanding=True)),
    Version.is_live,
    2 * func.coalesce(Version.receipt["tokens_unknown"].as_integer(), 0)
    > func.coalesce(Version.receipt["tokens_counted"].as_integer(), 0),
)


def find_unknown(session: Session, document_ids: Sequence[int]) -> Sequence[int]:
    """Return those of some documents of which the model knows less than half."""
    return session.scalars(_FIND_UNKNOWN, {"document_ids": document_ids}).all()


class StoredText(NamedTuple):
    """The text of a version as it lies in the database, not yet checked, and what is shown."""

    text: str | None
    crc32: int | None
    tokens: int | None
    """How many it had for the model that read it."""
    collection: str
    number: int
    sha256: str
    url: str | None
    attributes: Attributes
    external_id: str
    title: str
    metadata_crc32: int | None
    """None for a version that was stored before there was one."""

    @property
    def shows_what_was_stored(self) -> bool:
        """Whether what is shown beside the text is what was stored, of this document."""
        shown = shown_crc32(self.external_id, self.number, self.title, self.url, self.attributes)
        return self.metadata_crc32 in {None, shown}


_FIND_TEXTS = (
    select(
        Version.id,
        Version.text,
        Version.text_crc32,
        Version.receipt["tokens_counted"].as_integer(),
        Collection.name,
        Version.number,
        Version.original_sha256,
        Version.url,
        Version.attributes,
        Document.external_id,
        Version.title,
        Version.metadata_crc32,
    )
    .join(Document, Document.id == Version.document_id)
    .join(Collection, Collection.id == Document.collection_id)
    .where(Version.id.in_(bindparam("version_ids", expanding=True)))
)


def find_texts(session: Session, version_ids: Sequence[int]) -> dict[int, StoredText]:
    """Return the texts of versions by version id."""
    rows = session.execute(_FIND_TEXTS, {"version_ids": version_ids})
    return {version_id: StoredText(*stored) for version_id, *stored in rows}
