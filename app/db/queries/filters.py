"""Filters as conditions on documents."""

from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    and_,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from app.db.models import (
    Attribute,
    Document,
    Version,
)
from app.domain import (
    FIELD_KEYS,
    TIME_KEYS,
    Condition,
    Filter,
    Scalar,
    parse_time,
)


def filter_documents(
    session: Session, collection_id: int, condition: Filter
) -> npt.NDArray[np.int64]:
    """Return the ids of the collection's documents that meet `condition`."""
    statement = select(Document.id).where(
        Document.collection_id == collection_id, _condition(condition)
    )
    return np.fromiter(session.scalars(statement), dtype=np.int64)


def filter_live_documents(
    session: Session, collection_id: int, condition: Filter, among: Sequence[int] | None = None
) -> list[tuple[int, str]]:
    """Return row and external ids of the documents that answer and meet `condition`, sorted.

    `among` restricts to some of them.
    """
    is_live = Document.id.in_(select(Version.document_id).where(Version.is_live))
    chosen = (
        select(Document.id, Document.external_id)
        .where(Document.collection_id == collection_id, is_live, _condition(condition))
        .order_by(Document.external_id)
    )
    rows = session.execute(chosen if among is None else chosen.where(Document.id.in_(among)))
    return [(row_id, external_id) for row_id, external_id in rows]


def _condition(condition: Filter) -> ColumnElement[bool]:
    if not isinstance(condition, Condition):
        parts = [_condition(part) for part in condition.filters]
        if condition.type == "and":
            return and_(true(), *parts)
        return or_(false(), *parts) if condition.type == "or" else not_(or_(false(), *parts))
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.key in FIELD_KEYS:
        return _field_condition(condition.key, condition.type, values)
    match condition.type:
        case "eq" | "in":
            return _has(condition.key, _is_among(values))
        case "ne" | "nin":
            return ~_has(condition.key, _is_among(values))
        case "contains" | "starts_with" | "ends_with":
            return _has(condition.key, _holds(Attribute.text, condition.type, values[0]))
        case "not_contains":
            return ~_has(condition.key, _holds(Attribute.text, "contains", values[0]))
        case "exists":
            has = _has(condition.key, true())
            return has if values[0] is True else ~has
        case _:
            return _has(condition.key, _compares(condition.type, values[0]))


_FIELDS: dict[str, Any] = {
    "$id": Document.external_id,
    "$url": Version.url,
    "$media_type": Version.media_type,
    "$created_at": Document.created_at,
    "$updated_at": Version.ready_at,
}


def _field_condition(key: str, operator: str, values: Sequence[Scalar]) -> ColumnElement[bool]:
    column = _FIELDS[key]
    meets: ColumnElement[bool]
    of_type: list[Any] = [normalize("NFC", value) for value in values if isinstance(value, str)]
    if key in TIME_KEYS:
        of_type = [parse_time(value) for value in of_type]
    match operator:
        case "eq" | "in" | "ne" | "nin":
            meets = column.in_(of_type)
        case "contains" | "not_contains":
            meets = _holds(column, "contains", values[0])
        case "starts_with" | "ends_with":
            meets = _holds(column, operator, values[0])
        case "exists":
            meets = column.is_not(None)
        case _:
            meets = _ordered(column, operator, of_type[0]) if of_type else false()
    if column.table is Version.__table__:
        meets = Document.id.in_(select(Version.document_id).where(Version.is_live, meets))
    is_absence = operator == "exists" and values[0] is False
    return ~meets if is_absence or operator in {"ne", "nin", "not_contains"} else meets


def _ordered(column: Any, operator: str, bound: Any) -> ColumnElement[bool]:
    compared: dict[str, ColumnElement[bool]] = {
        "gt": column > bound,
        "gte": column >= bound,
        "lt": column < bound,
        "lte": column <= bound,
    }
    return compared[operator]


def _has(key: str, matches: ColumnElement[bool]) -> ColumnElement[bool]:
    named = Attribute.key == normalize("NFC", key)
    return Document.id.in_(select(Attribute.document_id).where(named, matches))


def _holds(column: Any, operator: str, value: Scalar) -> ColumnElement[bool]:
    """Return whether a text holds another one, letter for letter: LIKE would fold case."""
    if not isinstance(value, str):
        return false()
    part = normalize("NFC", value)
    match operator:
        case "contains":
            return and_(column.is_not(None), func.replace(column, part, "") != column)
        case "starts_with":
            return and_(column.is_not(None), func.substr(column, 1, len(part)) == part)
        case _:
            start = func.length(column) - len(part) + 1
            return and_(func.length(column) >= len(part), func.substr(column, start) == part)


def _is_among(values: Sequence[Scalar]) -> ColumnElement[bool]:
    """Return one IN for each kind of value: SQLite nests a chain of ORs and bounds its depth."""
    by_kind: dict[str, list[Any]] = {}
    for columns in map(as_columns, values):
        value = columns["number"] if columns["text"] is None else columns["text"]
        by_kind.setdefault(columns["kind"], []).append(value)
    return or_(
        false(),
        *(
            and_(
                Attribute.kind == kind,
                (Attribute.text if kind == "text" else Attribute.number).in_(some),
            )
            for kind, some in by_kind.items()
        ),
    )


def _compares(operator: str, value: Scalar) -> ColumnElement[bool]:
    columns = as_columns(value)
    column: Any = Attribute.number if columns["text"] is None else Attribute.text
    bound = columns["number"] if columns["text"] is None else columns["text"]
    return and_(Attribute.kind == columns["kind"], _ordered(column, operator, bound))


def as_columns(value: Scalar) -> dict[str, Any]:
    match value:
        case bool():
            return {"kind": "flag", "number": float(value), "text": None}
        case int() | float():
            return {"kind": "number", "number": float(value), "text": None}
        case _:
            return {"kind": "text", "number": None, "text": normalize("NFC", value)}
