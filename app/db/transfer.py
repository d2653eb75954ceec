"""Everything that one database holds, copied into another: row by row, checked by a digest.

The copy is made of one committed state, in one transaction: it is there whole or not at all, and a
copy that was cut off starts again. The source is only read, so its server goes on answering; what
is stored in it after the copy has begun is not in the copy.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, insert, select, text

from app.db.models import Change
from app.db.models import Table as Tables
from app.errors import Conflict, CorruptData

# Of a table with uploads, texts or vectors in it, and of others.
_LARGE_ROWS, _SMALL_ROWS = 20, 1000

# Its followers belong to the processes of one database.
_LEFT_OUT = {Change.__tablename__, "alembic_version"}

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """The rows of a table, and the digest that both databases have of them."""

    table: str
    rows: int
    sha256: str


def copy_all(source: Connection, target: Connection, report: Progress) -> list[Copied]:
    """Copy every table into an empty database in the caller's transactions; `report` is told.

    Raises Conflict when the target holds anything, CorruptData when a table arrived otherwise.
    """
    tables = [table for table in Tables.metadata.sorted_tables if table.name not in _LEFT_OUT]
    for table in tables:
        if target.scalar(select(func.count()).select_from(table)):
            raise Conflict(
                f"the target already holds {table.name}; copy into an empty database",
                code="target_not_empty",
            )
    copied = []
    for table in tables:
        sent = sha256()
        count = 0
        # A copy that is cut off ends its cursor before its transaction ends.
        with closing(_read(source, table)) as reading:
            for rows in reading:
                target.execute(insert(table), [dict(row) for row in rows])
                count += len(rows)
                _add(sent, rows)
                report(table.name, count)
        arrived = _digest(target, table)
        if arrived != sent.hexdigest():
            raise CorruptData(f"{table.name} did not arrive as it is; nothing was copied")
        copied.append(Copied(table.name, count, arrived))
    _continue_numbers(source, target, tables)
    return copied


def _read(connection: Connection, table: Table) -> Generator[list[Any], None, None]:
    """Yield rows in the order of their keys: a generation after the one whose vectors it shares."""
    statement = select(table).order_by(*table.primary_key.columns)
    is_large = any(isinstance(column.type, LargeBinary) for column in table.columns)
    rows = _LARGE_ROWS if is_large or "text" in table.columns else _SMALL_ROWS
    with connection.execute(statement.execution_options(yield_per=rows)) as result:
        for some in result.mappings().partitions(rows):
            yield list(some)


def _digest(connection: Connection, table: Table) -> str:
    digest = sha256()
    for rows in _read(connection, table):
        _add(digest, rows)
    return digest.hexdigest()


def _add(digest: Any, rows: list[Any]) -> None:
    for row in rows:
        digest.update(repr(tuple(row.values())).encode("utf-8", "surrogatepass"))


def _continue_numbers(source: Connection, target: Connection, tables: list[Table]) -> None:
    """Have new rows numbered after every row that there ever was: a freed number never returns."""
    for table in tables:
        column = table.autoincrement_column
        if column is None:
            continue
        last = max(
            _last_number(source, table),
            int(target.scalar(select(func.coalesce(func.max(column), 0))) or 0),
        )
        if last:
            _set_last_number(target, table, last)


def _last_number(connection: Connection, table: Table) -> int:
    if connection.dialect.name == "postgresql":
        statement = "SELECT last_value FROM pg_sequences WHERE sequencename = :name"
        number = connection.scalar(text(statement), {"name": f"{table.name}_id_seq"})
    else:
        statement = "SELECT seq FROM sqlite_sequence WHERE name = :name"
        number = connection.scalar(text(statement), {"name": table.name})
    return int(number or 0)


def _set_last_number(connection: Connection, table: Table, last: int) -> None:
    values = {"name": table.name, "last": last}
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), values
        )
        return
    if table.dialect_options["sqlite"]["autoincrement"]:
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        row = "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"
        connection.execute(text(row), values)
