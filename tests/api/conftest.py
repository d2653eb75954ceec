"""Services for the tests of the REST interface, one a module."""

from collections.abc import Iterator
from itertools import count
from os import environ
from pathlib import Path

import pytest
import torch

from app.config import Settings
from tests.api.service import Collection, Service, open_service

_numbers = count(1)


@pytest.fixture(scope="package", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """These models are so small that more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in environ if name.startswith("FOLIO_")]:
            if not name.startswith("FOLIO_TEST_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Service]:
    """A service without keys that ingests."""
    data = tmp_path_factory.mktemp("service")
    with open_service(Settings(data=data, model=str(jina_v3), passage_tokens=32)) as opened:
        yield opened


@pytest.fixture
def collection(service: Service) -> Collection:
    """A collection of the test's own."""
    return service.new_collection(f"c{next(_numbers)}")
