"""A server whose model cannot be loaded tries again: nobody asks one that says it is not ready."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from threading import Event

import pytest

from app.config import Settings
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loading import load_engine
from app.main import load_model
from app.runtime.resources import open_resources
from tests.databases import on_test_database


class Pauses(Event):
    """The signal to stop, with something done in each pause instead of waiting."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self._acts = iter(acts)

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        next(self._acts)()
        return self.is_set()


def test_model_that_comes_later_is_loaded(
    tmp_path: Path, jina_v3: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "model"
    with open_resources(on_test_database(Settings(data=tmp_path, model=str(model)))) as resources:
        pauses = Pauses(lambda: None, lambda: copytree(jina_v3, model))
        load_model(resources, pauses)
        assert pauses.seconds == [5.0, 10.0]
        assert resources.generations.live().loaded_engine is not None
    assert caplog.text.count(f"the model cannot be loaded: there is no model folder {model}") == 2


def test_model_is_tried_again_after_an_error_that_nobody_expects(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = []

    def load(checkpoint: Checkpoint, chosen: Settings) -> Engine:
        attempts.append(checkpoint)
        if len(attempts) == 1:
            raise MemoryError
        return load_engine(checkpoint, chosen)

    with open_resources(settings, load=load) as resources:
        load_model(resources, Pauses(lambda: None))
        assert resources.generations.live().loaded_engine is not None
    assert "the model could not be loaded" in caplog.text


def test_pauses_grow_to_five_minutes_and_end_with_the_server(tmp_path: Path) -> None:
    model = tmp_path / "model"
    with open_resources(on_test_database(Settings(data=tmp_path, model=str(model)))) as resources:
        pauses = Pauses(*[lambda: None] * 7, lambda: pauses.set())
        load_model(resources, pauses)
        assert pauses.seconds == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
