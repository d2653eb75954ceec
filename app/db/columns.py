"""Types of columns that name a stored value which cannot be decoded as damage."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator

from app.errors import CorruptData

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


class _Checked(TypeDecorator[T]):
    """A column that raises CorruptData where its type raises whatever it meets."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], T | None]:
        decode = super().result_processor(dialect, coltype)

        def read(value: Any) -> T | None:
            try:
                return value if decode is None else decode(value)
            # What it says would quote the value.
            except (ValueError, TypeError):
                raise CorruptData(
                    "a stored value cannot be decoded: the disk or a copy is damaged"
                ) from None

        return read


class UtcDateTime(_Checked[datetime]):
    """An aware UTC datetime; SQLite stores it without its zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class StoredJson(_Checked[Any]):
    """A JSON value; None is NULL."""

    impl = JSON
    cache_ok = True


class StoredWord(_Checked[Word]):
    """A word of an enumeration."""

    impl = String
    cache_ok = True

    def __init__(self, words: type[Word], length: int) -> None:
        super().__init__(length)
        self.words = words

    def process_bind_param(self, value: Word | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> Word | None:
        return None if value is None else self.words(value)
