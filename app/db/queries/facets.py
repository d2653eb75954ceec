"""How many documents have each value of an attribute."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
from sqlalchemy import distinct, func, literal, null, select
from sqlalchemy.orm import Session

from app.db.models import Attribute, Document, Version
from app.domain import MEDIA_TYPE_KEY, Scalar

# Kind, text and number: as values of Python, true and 1 would be one.
_Stored: TypeAlias = tuple[str, str | None, float | None]


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value of an attribute, and how many documents have it."""

    value: Scalar
    count: int


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """The values of an attribute in a collection: arrays of one length, a row for each of them."""

    document_ids: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]
    """Places in `values`."""
    values: tuple[_Stored, ...]
    """Distinct."""


def list_keys(session: Session, collection_id: int, documents: int) -> list[str]:
    """Return the attributes of the latest `documents` documents of a collection, by name."""
    latest = (
        select(Document.id)
        .where(Document.collection_id == collection_id)
        .order_by(Document.id.desc())
        .limit(documents)
        .subquery()
    )
    keys = select(Attribute.key).join(latest, latest.c.id == Attribute.document_id).distinct()
    return sorted(session.scalars(keys))


def list_values(session: Session, collection_id: int, key: str) -> ValueColumn:
    """Return which of a collection's live documents have which values of an attribute."""
    of_key = _list_media_types() if key == MEDIA_TYPE_KEY else _list_attribute(key)
    rows = session.execute(of_key.where(Document.collection_id == collection_id))
    numbers: dict[_Stored, int] = {}
    pairs = {
        (document_id, numbers.setdefault((kind, text, number), len(numbers))): None
        for document_id, kind, text, number in rows
    }
    table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    return ValueColumn(table[:, 0].copy(), table[:, 1].astype(np.int32), tuple(numbers))


def count_listed(
    columns: Sequence[ValueColumn], among: npt.NDArray[np.int64], *, limit: int
) -> list[ValueCount]:
    """Return the values that most of the documents of `among` have, the most frequent first.

    A document with several values counts once for each.
    """
    counts: Counter[_Stored] = Counter()
    for column in columns:
        kept = column.numbers[np.isin(column.document_ids, among)]
        times = np.bincount(kept, minlength=len(column.values))
        there = np.flatnonzero(times)
        for number, count in zip(there.tolist(), times[there].tolist(), strict=True):
            counts[column.values[number]] += count
    return _rank(counts, limit)


def count_values(
    session: Session, key: str, *, collections: Sequence[int], limit: int
) -> list[ValueCount]:
    """Return the values that most of the collections' live documents have, as count_listed does."""
    stored = (Attribute.kind, Attribute.text, Attribute.number)
    rows = session.execute(
        select(*stored, func.count(distinct(Document.id)))
        .join(Document, Document.id == Attribute.document_id)
        .where(Attribute.key == normalize("NFC", key), Document.collection_id.in_(collections))
        .group_by(*stored)
    )
    return _rank({(kind, text, number): count for kind, text, number, count in rows}, limit)


def _rank(counts: Mapping[_Stored, int], limit: int) -> list[ValueCount]:
    ranked = sorted(counts.items(), key=_order)
    return [ValueCount(_as_scalar(stored), count) for stored, count in ranked[:limit]]


def _order(counted: tuple[_Stored, int]) -> tuple[int, str, str, float]:
    (kind, text, number), count = counted
    return -count, kind, text or "", number or 0.0


def _list_attribute(key: str) -> Any:
    return (
        select(Attribute.document_id, Attribute.kind, Attribute.text, Attribute.number)
        .join(Document, Document.id == Attribute.document_id)
        .where(Attribute.key == normalize("NFC", key))
    )


def _list_media_types() -> Any:
    return (
        select(Version.document_id, literal("text"), Version.media_type, null())
        .join(Document, Document.id == Version.document_id)
        .where(Version.is_live)
    )


def _as_scalar(stored: _Stored) -> Scalar:
    kind, text, number = stored
    if number is None:
        return text or ""
    if kind == "flag":
        return bool(number)
    return int(number) if number.is_integer() else number
