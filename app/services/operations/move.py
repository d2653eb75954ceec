"""From a data folder to PostgreSQL and back, with everything that is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from app.config import Settings
from app.db.postgres import open_postgres
from app.db.sqlite import open_database, read_folder
from app.db.transfer import Copied, Progress, copy_all
from app.errors import InvalidRequest

_PREFIXES = ("postgres://", "postgresql://", "postgresql+psycopg://")


def move_to(settings: Settings, target: str, report: Progress) -> list[Copied]:
    """Copy what `settings` name into `target`, an address of PostgreSQL or a data folder.

    The source stays as it is, and answers meanwhile. Raises Conflict unless the target is empty,
    and InvalidRequest for another address.
    """
    with _open_source(settings) as source, _open_target(target) as destination:
        return copy_all(source, destination, report)


@contextmanager
def _open_source(settings: Settings) -> Iterator[Connection]:
    if settings.database_url is None:
        with read_folder(settings.data) as connection:
            yield connection
        return
    with (
        open_postgres(settings.database_url.get_secret_value()) as database,
        database.read() as session,
    ):
        # What arrived of a large table is compared for minutes, and nothing is asked meanwhile.
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield session.connection()


@contextmanager
def _open_target(target: str) -> Iterator[Connection]:
    if target.startswith(_PREFIXES):
        with open_postgres(target) as database, database.write() as session:
            yield session.connection()
        return
    if "://" in target:
        # Taken for a folder it would be made, with the password in its name.
        raise InvalidRequest(
            "the target is neither an address that begins with postgresql:// nor a data folder",
            code="bad_target",
        )
    with (
        open_database(Path(target), holder="folio migrate-to") as folder,
        folder.write() as session,
    ):
        yield session.connection()
