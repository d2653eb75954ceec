"""A service with a model, and Debian's Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from tests.api.service import Service, open_service
from tests.browser.driver import open_chromium


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(
        data=tmp_path_factory.mktemp("browser"),
        model=str(jina_v3),
        query_log_days=1,
        fetch_networks="127.0.0.1",
    )
    with open_service(settings, requires_keys=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that notes what pages write to its console."""
    with open_chromium() as driver:
        yield driver
