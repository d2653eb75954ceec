"""All tests here run on PostgreSQL: a server of the run's own, a database for each data folder."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import get_ident
from typing import TypeAlias

import pytest
from sqlalchemy.orm import Session

from app.db.postgres import PostgresDatabase
from tests.api.conftest import collection, service
from tests.postgres.server import PostgresServer, shared_postgres

__all__ = ["collection", "service"]


@pytest.fixture(scope="package", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLIO_TEST_DATABASE", "postgresql")
        yield


@pytest.fixture(autouse=True)
def _one_transaction_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread waits for a second connection while it has one: all at once could wait for good."""
    monkeypatch.setattr(PostgresDatabase, "read", _alone(PostgresDatabase.read))
    monkeypatch.setattr(PostgresDatabase, "write", _alone(PostgresDatabase.write))


_Begin: TypeAlias = Callable[..., AbstractContextManager[Session]]
_at_work: set[tuple[PostgresDatabase, int]] = set()


def _alone(begin: _Begin) -> _Begin:
    @contextmanager
    def begin_alone(database: PostgresDatabase, **options: bool) -> Iterator[Session]:
        one = database, get_ident()
        assert one not in _at_work, "a transaction was opened within another one"
        _at_work.add(one)
        try:
            with begin(database, **options) as session:
                yield session
        finally:
            _at_work.remove(one)

    return begin_alone


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The server that the databases of these tests are on."""
    return shared_postgres()
