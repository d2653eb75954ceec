"""All tests here run on PostgreSQL: a server of the run's own, a database for each data folder."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import collection, service
from tests.postgres.server import PostgresServer, shared_postgres

__all__ = ["collection", "service"]


@pytest.fixture(scope="package", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLIO_TEST_DATABASE", "postgresql")
        yield


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The server that the databases of these tests are on."""
    return shared_postgres()
