"""A service that commands talk to, and files to upload."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import torch

from app.config import Settings
from tests.api.service import Collection, Service, open_service
from tests.cli.command import Ran, folio

MAX_BODY_BYTES = 20_000

_numbers = count(1)


@pytest.fixture(scope="package", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """These models are so small that more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    """A service without keys that ingests and takes small bodies only."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FOLIO_")]:
            patch.delenv(name)
        settings = Settings(
            data=tmp_path_factory.mktemp("service"),
            model=str(jina_v3),
            passage_tokens=32,
            max_body_bytes=MAX_BODY_BYTES,
        )
        with open_service(settings) as opened:
            yield opened


@pytest.fixture
def collection(service: Service) -> Collection:
    """A collection of the test's own."""
    return service.new_collection(f"c{next(_numbers)}")


@pytest.fixture
def ask(service: Service, collection: Collection) -> Callable[..., Ran]:
    """Run a command in the test's own collection of the service."""

    def run(command: str, *arguments: str | Path) -> Ran:
        return folio(command, *arguments, "--server", service.url, "--collection", collection.name)

    return run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make_unreadable(folder: Path) -> None:
    """Make a folder `d…` and a file `f….md` that cannot be read, whoever runs the tests.

    Their paths are too long to be opened, in a folder whose own is not.
    """
    here, length = os.open(folder, os.O_RDONLY), len(str(folder))
    while length < 3850:
        os.mkdir("e" * 200, dir_fd=here)
        below = os.open("e" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, length = below, length + 201
    os.mkdir("d" * 250, dir_fd=here)
    os.close(os.open(f"{'f' * 250}.md", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
