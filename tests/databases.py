"""Which database the tests run on: SQLite, or PostgreSQL where FOLIO_TEST_DATABASE says so."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr
from sqlalchemy import event

from app.config import Settings
from app.db.postgres import open_postgres
from app.runtime.resources import Resources

_TEMPLATE = "folio_template"


def is_postgresql() -> bool:
    """Return whether the tests run on PostgreSQL."""
    return os.environ.get("FOLIO_TEST_DATABASE") == "postgresql"


def on_test_database(settings: Settings) -> Settings:
    """Return settings for the same articles: on PostgreSQL each data folder is a database."""
    if not is_postgresql() or settings.database_url is not None:
        return settings
    return settings.model_copy(update={"database_url": SecretStr(_database_of(settings.data))})


@contextmanager
def collect_statements(resources: Resources) -> Iterator[list[str]]:
    """Collect the statements that are sent to the database while the block runs."""
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    with resources.database.read() as session:
        engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def copy_folder(source: Path, target: Path) -> Path:
    """Copy a data folder that is closed, and its database on PostgreSQL; returns the copy."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    if is_postgresql():
        from tests.postgres.server import shared_postgres

        shared_postgres().create_database(_name_of(target), template=_name_of(source))
    return target


def _name_of(folder: Path) -> str:
    return f"folio_{sha256(str(folder.absolute()).encode()).hexdigest()[:16]}"


def _database_of(folder: Path) -> str:
    # A development dependency, and its server: only where they are asked for.
    from tests.postgres.server import shared_postgres

    server = shared_postgres()
    name = _name_of(folder)
    try:
        server.connect(name).close()
    except psycopg.OperationalError:
        _make_template()
        server.create_database(name, template=_TEMPLATE)
    return server.url(name)


def _make_template() -> None:
    """Make the database that others are copied from, if there is none: a migration takes longer."""
    from tests.postgres.server import shared_postgres

    server = shared_postgres()
    try:
        server.connect(_TEMPLATE).close()
    except psycopg.OperationalError:
        server.create_database(_TEMPLATE)
        with open_postgres(server.url(_TEMPLATE)):
            pass
