"""Reading many rows without holding all of them."""

from collections.abc import Generator
from typing import TypeVarTuple

from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

Columns = TypeVarTuple("Columns")


def stream(
    session: Session, statement: Select[*Columns], rows: int
) -> Generator[Row[*Columns], None, None]:
    """Yield the rows of a statement, so many read at once.

    The cursor is closed also where the connection is lost, or the caller stops amid the rows.
    """
    with session.execute(statement.execution_options(yield_per=rows)) as result:
        yield from result
