"""Reading many rows without holding all of them."""

from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Row, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

# SQLite allows 32,766 bound values in one statement, PostgreSQL 65,535.
MAX_BOUND = 30_000

Columns = TypeVarTuple("Columns")
Value = TypeVar("Value")


def split_bound(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield values in parts, as many in each as one statement can hold."""
    for first in range(0, len(values), MAX_BOUND):
        yield values[first : first + MAX_BOUND]


def stream(
    session: Session, statement: Select[*Columns], rows: int = 2000
) -> Generator[Row[*Columns], None, None]:
    """Yield the rows of a statement, so many read at once.

    The cursor is closed also where the connection is lost, or the caller stops amid the rows.
    """
    with session.execute(statement.execution_options(yield_per=rows)) as result:
        yield from result


def stream_some(
    session: Session,
    statement: Select[*Columns],
    column: InstrumentedAttribute[int],
    values: Sequence[int] | None,
) -> Generator[Row[*Columns], None, None]:
    """Yield the rows where `column` has one of the values; None: all rows."""
    if values is None:
        yield from stream(session, statement)
        return
    for some in split_bound(values):
        yield from stream(session, statement.where(column.in_(some)))
