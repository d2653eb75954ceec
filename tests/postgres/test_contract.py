"""The short form of the contract on PostgreSQL; `make postgres` runs the suites whole."""

import pytest

from app.config import Settings
from ingest.sandbox import Sandbox

# Uploads, versions, metadata, rollback and deletion over HTTP, as they run on SQLite.
from tests.api.test_versions import *  # noqa: F403  # each name is a test
from tests.services.test_isolation import check_isolation

pytestmark = pytest.mark.slow


def test_collections_keep_to_themselves(settings: Settings, sandbox: Sandbox) -> None:
    check_isolation(settings, sandbox, examples=2, steps=12)
