"""The files that articles were read from, as they were uploaded."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.database import Database
from app.db.models import Original, Version
from app.errors import CorruptData, NotFound
from app.services.access.collections import CollectionRef
from app.services.articles.documents import require_document


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """An uploaded file: its bytes, and what was said of it."""

    data: bytes
    sha256: str
    media_type: str
    filename: str
    """As it was uploaded; empty for what came as JSON."""


def get_original(
    database: Database, ref: CollectionRef, document_id: str, version: int | None = None
) -> OriginalFile:
    """Return what a document's latest upload, or that of a version, consisted of.

    Raises NotFound where either is not there, and CorruptData when the bytes fail their checksum.
    """
    with database.read() as session:
        document = require_document(session, ref, document_id)
        number = document.latest_number if version is None else version
        row = session.scalar(
            select(Version).where(Version.document_id == document.id, Version.number == number)
        )
        if row is None:
            raise NotFound(f"no such version: {number}", code="version_not_found")
        data = read_original(session, row.original_sha256)
        return OriginalFile(data, row.original_sha256, row.media_type, row.filename)


def read_original(session: Session, digest: str) -> bytes:
    """Return stored bytes; raises CorruptData when they fail their checksum."""
    data = session.get_one(Original, digest).data
    if sha256(data).hexdigest() != digest:
        raise CorruptData("the stored file fails its checksum")
    return data
