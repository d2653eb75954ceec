"""Fixtures: real engines that each test may watch, loaded once for all of a module."""

from collections.abc import Iterator

import pytest
import torch

from app.config import Settings
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import load_engine
from tests.services.knowledge import Watch, WatchedEngine


@pytest.fixture(scope="package", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """These models are so small that more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def loaded_engines() -> dict[str, Engine]:
    """The engines of a module's tests by the fingerprint of their checkpoint."""
    return {}


@pytest.fixture(autouse=True)
def watch(monkeypatch: pytest.MonkeyPatch, loaded_engines: dict[str, Engine]) -> Watch:
    """What this test's engines are asked for; they are the real ones."""
    watch = Watch()

    def load(checkpoint: Checkpoint, settings: Settings) -> Engine:
        watch.loads += 1
        # A card changes nothing that is computed, but what is known of languages.
        name = f"{checkpoint.fingerprint} {sorted(checkpoint.languages)}"
        if name not in loaded_engines:
            loaded_engines[name] = load_engine(checkpoint, settings)
        return WatchedEngine(loaded_engines[name], watch)

    monkeypatch.setattr("app.runtime.resources.load_engine", load)
    return watch
