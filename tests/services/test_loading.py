"""A server whose model cannot be loaded tries again: nobody asks one that says it is not ready."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from shutil import copytree
from threading import Event
from time import monotonic

import pytest

from app.config import Settings
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import load_engine
from app.errors import ModelAway, OutOfTime
from app.runtime import generations
from app.runtime.deadline import limit_time
from app.runtime.model_loader import load_model
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
    assert caplog.text.count(f"the model cannot be loaded: no such model folder: {model}") == 2


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


def test_failure_is_told_to_all_who_waited_for_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, all_asked, attempts = count(1), Event(), []

    def note_caller() -> float:
        if next(callers) == 4:
            all_asked.set()
        return monotonic()

    def load(checkpoint: Checkpoint, chosen: Settings) -> Engine:
        attempts.append(checkpoint)
        assert all_asked.wait(60)
        raise ModelAway("no answer")

    with open_resources(settings, load=load) as resources:
        live = resources.generations.live()
        monkeypatch.setattr(generations, "monotonic", note_caller)
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(live.engine) for _ in range(4)]
            errors = [call.exception(60) for call in asked]
        assert len(attempts) == 1
        assert {(type(error), str(error)) for error in errors} == {(ModelAway, "no answer")}
        assert len({id(error) for error in errors}) == 4
        with pytest.raises(ModelAway):
            live.engine()
        assert len(attempts) == 2


def test_whoever_waits_for_the_model_does_so_as_long_as_its_request_may(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "_POLL_S", 0.01)
    loading, go = Event(), Event()

    def load(checkpoint: Checkpoint, chosen: Settings) -> Engine:
        loading.set()
        assert go.wait(60)
        return load_engine(checkpoint, chosen)

    with open_resources(settings, load=load) as resources, ThreadPoolExecutor(1) as threads:
        live = resources.generations.live()
        loaded = threads.submit(live.engine)
        assert loading.wait(60)
        with limit_time(0), pytest.raises(OutOfTime):
            live.engine()
        go.set()
        assert live.engine() is loaded.result(60)
