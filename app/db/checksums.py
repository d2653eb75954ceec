"""CRC-32 of what has no column of its own to check: metadata, and the rows of passages."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from sqlalchemy.orm import Session

from app.db.models import Document, Version
from app.domain import Passage


def metadata_crc32(session: Session, version: Version) -> int:
    """Return the checksum of what an answer shows of a version beside its text."""
    external_id = session.get_one(Document, version.document_id).external_id
    return shown_crc32(external_id, version.number, version.title, version.url, version.attributes)


def shown_crc32(
    external_id: str, number: int, title: str, url: str | None, attributes: Mapping[str, Any]
) -> int:
    """Return the checksum of an answer's id, version, title, url and attributes."""
    return _crc32([external_id, number, title, url, attributes])


def is_known(session: Session, version: Version) -> bool:
    """Whether what is shown of a version beside its text is what was stored for its document.

    Nothing is known against one that was stored before there was a checksum.
    """
    return version.metadata_crc32 in {None, metadata_crc32(session, version)}


def passages_crc32(passages: Iterable[Passage]) -> int:
    """Return the checksum of a unit's passages, in their order."""
    return _crc32([[p.span.start, p.span.end, p.heading, p.page] for p in passages])


def _crc32(values: list[Any]) -> int:
    return crc32(json.dumps(values, sort_keys=True).encode())
