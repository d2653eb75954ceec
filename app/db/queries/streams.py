"""Reading many rows without holding all of them."""

from collections.abc import Generator, Sequence
from typing import TypeVarTuple

from sqlalchemy import Row, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

# SQLite allows 32,766 bound values in one statement.
MAX_BOUND = 30_000

Columns = TypeVarTuple("Columns")


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
    for first in range(0, len(values), MAX_BOUND):
        yield from stream(session, statement.where(column.in_(values[first : first + MAX_BOUND])))
