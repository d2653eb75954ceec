"""SQL that has other words on each database."""

from typing import Any

from sqlalchemy import Integer, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class byte_length(GenericFunction[int]):  # noqa: N801  # a function of SQL
    """The bytes of a text in UTF-8."""

    type = Integer()
    inherit_cache = True


class decimal_text(GenericFunction[str]):  # noqa: N801  # a function of SQL
    """A number in decimal digits, which sort by their bytes like every text of the tables."""

    type = String()
    inherit_cache = True


@compiles(byte_length, "sqlite")
def _measure_in_sqlite(element: byte_length, compiler: SQLCompiler, **options: Any) -> str:
    # octet_length came with 3.43.
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


@compiles(byte_length, "postgresql")
def _measure_in_postgresql(element: byte_length, compiler: SQLCompiler, **options: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **options)})"


@compiles(decimal_text, "sqlite")
def _write_in_sqlite(element: decimal_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS VARCHAR)"


@compiles(decimal_text, "postgresql")
def _write_in_postgresql(element: decimal_text, compiler: SQLCompiler, **options: Any) -> str:
    return f'CAST({compiler.process(element.clauses, **options)} AS text) COLLATE "C"'
