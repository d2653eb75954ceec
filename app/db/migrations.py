"""Runs the Alembic migrations that come with the program."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from app.errors import CorruptData, FolioError

# In the wheel the scripts are package data; in a checkout they stand at the top level.
_PACKAGED = Path(__file__).with_name("migrations_data")
_CHECKOUT = Path(__file__).parents[2] / "alembic"


def run_upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the missing migrations in the caller's transaction."""
    try:
        command.upgrade(_configure(connection), revision)
    except CommandError as error:
        raise _too_new() from error


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the missing migrations of a SQLite file, all of them in one transaction or none.

    `engine` must emit its own BEGIN IMMEDIATE. Foreign keys are off meanwhile (a rebuilt table
    would cascade-delete its children) and checked before COMMIT.
    """
    with engine.connect() as connection:
        # A pragma on foreign keys does nothing inside a transaction.
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                run_upgrade(connection, revision)
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise CorruptData(
                        f"{len(broken)} rows of the database refer to what is not there: it is "
                        "damaged, or a migration would leave it so; nothing was changed"
                    )
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def require_known(revision: str) -> None:
    """Raise FolioError for a schema that this program has no migrations from."""
    try:
        _scripts().get_revision(revision)
    except CommandError as error:
        raise _too_new() from error


def head_revision() -> str:
    """Return the newest revision."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def _too_new() -> FolioError:
    return FolioError(
        "the database was made by a newer Folio than this one; upgrade the program",
        code="database_too_new",
    )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_configure(None))


def _configure(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT))
    config.attributes["connection"] = connection
    return config
