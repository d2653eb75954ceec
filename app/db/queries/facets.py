"""How many documents have each value of an attribute."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from unicodedata import normalize

from sqlalchemy import distinct, func, literal, null, select
from sqlalchemy.orm import Session

from app.db.models import Attribute, Document, Version
from app.domain import MEDIA_TYPE_KEY, Scalar

# Databases bound how many values one statement holds.
_DOCUMENTS_AT_ONCE = 10_000

# Kind, text and number: as values of Python, true and 1 would be one.
_Stored: TypeAlias = tuple[str, str | None, float | None]


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value of an attribute, and how many documents have it."""

    value: Scalar
    count: int


def count_values(
    session: Session,
    key: str,
    *,
    collections: Sequence[int],
    among: Sequence[int] | None = None,
    limit: int,
) -> list[ValueCount]:
    """Return the values that most of the collections' live documents have, the most frequent first.

    Only the documents of `among` count, where it is given. A document with several values counts
    once for each.
    """
    of_key = _select_media_types() if key == MEDIA_TYPE_KEY else _select_attribute(key)
    counts: Counter[_Stored] = Counter()
    for documents in _in_parts(collections, among):
        for kind, text, number, count in session.execute(of_key.where(documents)):
            counts[(kind, text, number)] += count
    ranked = sorted(counts.items(), key=_order)
    return [ValueCount(_as_scalar(stored), count) for stored, count in ranked[:limit]]


def _order(counted: tuple[_Stored, int]) -> tuple[int, str, str, float]:
    (kind, text, number), count = counted
    return -count, kind, text or "", number or 0.0


def _in_parts(collections: Sequence[int], among: Sequence[int] | None) -> list[Any]:
    """Return conditions on documents that one after another allow all that count."""
    if among is None:
        return [Document.collection_id.in_(collections)]
    return [
        Document.id.in_(among[first : first + _DOCUMENTS_AT_ONCE])
        for first in range(0, len(among), _DOCUMENTS_AT_ONCE)
    ]


def _select_attribute(key: str) -> Any:
    stored = (Attribute.kind, Attribute.text, Attribute.number)
    return (
        select(*stored, func.count(distinct(Document.id)))
        .join(Document, Document.id == Attribute.document_id)
        .where(Attribute.key == normalize("NFC", key))
        .group_by(*stored)
    )


def _select_media_types() -> Any:
    return (
        select(literal("text"), Version.media_type, null(), func.count())
        .join(Document, Document.id == Version.document_id)
        .where(Version.is_live)
        .group_by(Version.media_type)
    )


def _as_scalar(stored: _Stored) -> Scalar:
    kind, text, number = stored
    if number is None:
        return text or ""
    if kind == "flag":
        return bool(number)
    return int(number) if number.is_integer() else number
