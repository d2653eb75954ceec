"""A long text is read beside other documents: they do not wait for it."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from threading import Event
from typing import Any, cast

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.models import Version
from app.db.queue import Claimable
from app.domain import Status
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import load_engine
from app.errors import ModelUnavailable
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from ingest.leases import Leases
from ingest.long_documents import LONG_CHARACTERS, LongDocuments
from ingest.pipeline import parse_claimed
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.api.service import poll
from tests.conftest import article
from tests.named import delete_document, get_document, put_documents

_SENTENCE = "Steep the tea well, and pour it into a warm cup. "
LONG_TEXT = _SENTENCE * (LONG_CHARACTERS // len(_SENTENCE) + 1)


@contextmanager
def working(resources: Resources, *, parsers: int = 2) -> Iterator[Event]:
    """Ingest in a thread while the block runs; yields what stops it."""
    stopping = Event()
    with ThreadPoolExecutor(1) as thread, closing(Sandbox(Settings())) as first:
        spare = [Sandbox(Settings()) for _ in range(parsers - 1)]
        running = thread.submit(drain_queue, resources, first, stopping, spare=spare)
        try:
            yield stopping
        finally:
            result = running.result(timeout=300)
        assert result is None


@contextmanager
def watch_garbage() -> Iterator[set[str]]:
    """Collect no garbage while the block runs; then gives the types of ours that it left."""
    left = set[str]()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        ours = {type(found) for found in gc.garbage}
        left.update(f"{o.__module__}.{o.__name__}" for o in ours if _is_ours(o))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith(("ingest.", "app.domain", "app.embedding", "app.runtime"))


def status(resources: Resources, document_id: str, collection: str = "help") -> Status:
    return get_document(resources, collection, document_id).status


def wait_for(resources: Resources, document_id: str, wanted: Status, collection: str) -> None:
    poll(partial(status, resources, document_id, collection), lambda found: found is wanted)


def test_article_is_ready_while_a_long_one_is_read(resources: Resources) -> None:
    create_collection(resources.database, "other")
    put_documents(resources, "help", [article("long", LONG_TEXT)])
    with working(resources):
        wait_for(resources, "long", Status.PROCESSING, "help")
        put_documents(resources, "other", [article("tea", "Tea.")])
        wait_for(resources, "tea", Status.READY, "other")
        assert status(resources, "long") is Status.PROCESSING
    assert status(resources, "long") is Status.READY


def test_long_documents_of_a_collection_leave_turns_to_others(resources: Resources) -> None:
    create_collection(resources.database, "other")
    names = [f"long{number}" for number in range(3)]
    put_documents(resources, "help", [article(name, f"{name} {LONG_TEXT}") for name in names])
    with working(resources):
        wait_for(resources, "long1", Status.PROCESSING, "help")
        put_documents(resources, "other", [article("tea", "Tea.")])
        wait_for(resources, "tea", Status.READY, "other")
        assert status(resources, "long2") is Status.QUEUED
    assert {status(resources, name) for name in names} == {Status.READY}


def test_stop_gives_a_long_document_back(resources: Resources) -> None:
    create_collection(resources.database, "other")
    put_documents(resources, "help", [article("long", LONG_TEXT)])
    with working(resources) as stopping:
        wait_for(resources, "long", Status.PROCESSING, "help")
        put_documents(resources, "other", [article("tea", "Tea.")])
        wait_for(resources, "tea", Status.READY, "other")
        stopping.set()
    waiting = get_document(resources, "help", "long")
    assert (waiting.status, waiting.error) == (Status.QUEUED, None)


def test_article_is_ready_beside_a_long_one_that_is_deleted(resources: Resources) -> None:
    put_documents(resources, "help", [article("long", LONG_TEXT), article("tea", "Tea.")])
    with working(resources):
        wait_for(resources, "long", Status.PROCESSING, "help")
        delete_document(resources, "help", "long")
        wait_for(resources, "tea", Status.READY, "help")


def test_nothing_of_a_document_is_left_to_garbage_collection(resources: Resources) -> None:
    # The collector seldom looks (app/runtime/memory.py); a table of 22 MB stayed for minutes.
    put_documents(resources, "help", [article("first", "Tea.")])
    with working(resources):
        pass
    put_documents(resources, "help", [article("long", LONG_TEXT), article("tea", "Tea.")])
    with watch_garbage() as left, working(resources):
        pass
    assert status(resources, "long") is Status.READY
    assert left == set()


def test_nothing_of_a_document_that_was_cut_off_is_left_either(resources: Resources) -> None:
    put_documents(resources, "help", [article("long", LONG_TEXT), article("tea", "Tea.")])
    with watch_garbage() as left, working(resources):
        wait_for(resources, "long", Status.PROCESSING, "help")
        delete_document(resources, "help", "long")
    assert left == set()


def test_long_document_that_was_deleted_while_it_waited_is_not_cut(
    settings: Settings, sandbox: Sandbox
) -> None:
    def refuse(checkpoint: Checkpoint, _: Settings) -> Engine:
        raise ModelUnavailable(f"{checkpoint.name} was asked to cut it")

    with open_resources(settings, load=refuse) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("long", LONG_TEXT)])
        leases = Leases(resources.database, settings)
        claim = leases.take_next(Claimable(), only_new=True)
        assert claim is not None
        parsed = parse_claimed(resources, sandbox, claim)
        assert parsed is not None
        delete_document(resources, "help", "long")
        waiting = LongDocuments(resources, leases, Event())
        waiting.add(parsed)
        waiting.advance()
        waiting.finish()
        assert not waiting.is_busy


class Watched:
    """An engine that counts the calls of one of its methods, and says when it has the first."""

    def __init__(self, engine: Engine, method: str, on_first: Callable[[], object]) -> None:
        self._engine = engine
        self._method = method
        self._on_first = on_first
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return partial(self._count, found) if name == self._method else found

    def _count(self, call: Callable[..., object], *given: object, **options: object) -> object:
        self.calls += 1
        if self.calls == 1:
            self._on_first()
        return call(*given, **options)


@pytest.mark.parametrize("method", ["token_starts", "embed"])
def test_long_document_that_is_deleted_is_neither_tokenized_nor_embedded_on(
    settings: Settings, method: str
) -> None:
    engines: list[Watched] = []

    def load(checkpoint: Checkpoint, settings: Settings) -> Engine:
        delete = partial(delete_document, resources, "help", "long")
        engines.append(Watched(load_engine(checkpoint, settings), method, delete))
        return cast(Engine, engines[0])

    with open_resources(settings, load=load) as resources, closing(Sandbox(settings)) as sandbox:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("long", _SENTENCE * 10_000)])
        assert drain_queue(resources, sandbox, Event()) is None
        with resources.database.read() as session:
            assert not session.scalars(select(Version)).all()
    assert [engine.calls for engine in engines] == [1]
