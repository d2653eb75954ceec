"""Documents that are parsed side by side: whose turn it is, and what a stop leaves."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Event

import pytest

from app.config import Settings
from app.domain import Article, Status
from app.runtime.resources import Resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import Upload
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.abuse.attacks import make_slow_file
from tests.api.service import poll
from tests.conftest import article
from tests.named import delete_document, get_document, put_documents


@dataclass
class Gate:
    """Holds texts that begin with `hard` until it is opened; says what came to it."""

    is_open: bool = False
    present: Counter[str] = field(default_factory=Counter)
    changed: Condition = field(default_factory=Condition)

    def pass_through(self, text: str) -> None:
        with self.changed:
            self.present[text[:5]] += 1
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.is_open or not text.startswith("hard"), 60)

    def wait_for(self, text: str, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.present[text] == count, 60), self.present

    def open(self) -> None:
        with self.changed:
            self.is_open = True
            self.changed.notify_all()


class GatedSandbox(Sandbox):
    def __init__(self, gate: Gate) -> None:
        super().__init__(Settings())
        self._gate = gate

    def parse(self, media_type: str, data: bytes) -> Article:
        self._gate.pass_through(data[:5].decode())
        return super().parse(media_type, data)


@dataclass
class Pool:
    """A worker of three parsers, whose hard documents take until the gate is opened."""

    resources: Resources
    gate: Gate = field(default_factory=Gate)
    stopping: Event = field(default_factory=Event)

    def run(self) -> float | None:
        with ExitStack() as stack:
            first, *spare = [
                stack.enter_context(closing(GatedSandbox(self.gate))) for _ in range(3)
            ]
            return drain_queue(self.resources, first, self.stopping, spare=spare)

    def status(self, document_id: str, collection: str = "help") -> Status:
        return get_document(self.resources, collection, document_id).status


@pytest.fixture
def pool(resources: Resources) -> Iterator[Pool]:
    create_collection(resources.database, "other")
    made = Pool(resources)
    yield made
    made.gate.open()


def test_collection_of_hard_documents_leaves_a_parser_to_others(pool: Pool) -> None:
    hard = [article(f"hard{n}", f"hard{n}") for n in range(5)]
    put_documents(pool.resources, "help", [*hard, article("easy", "Tea.")])
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(pool.run)
        try:
            for each in ("hard0", "hard1"):
                pool.gate.wait_for(each, 1)
            for number in range(3):
                name = f"tea{number}"
                put_documents(pool.resources, "other", [article(name, "Tea.")])
                poll(partial(pool.status, name, "other"), lambda s: s is Status.READY)
            # The two that are parsed were not joined by a third of their collection.
            assert set(pool.gate.present) == {"hard0", "hard1", "Tea."}
            assert pool.status("easy") is Status.QUEUED
        finally:
            pool.gate.open()
        assert running.result() is None
    assert {pool.status(name) for name in ("hard0", "hard4", "easy")} == {Status.READY}


def test_large_documents_leave_a_parser_to_small_ones(pool: Pool) -> None:
    create_collection(pool.resources.database, "third")
    for number, collection in enumerate(("help", "other", "third")):
        text = f"hard{number}" + " tea" * (pool.resources.settings.parse_small_bytes // 4)
        put_documents(pool.resources, collection, [article("large", text)])
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(pool.run)
        try:
            for each in ("hard0", "hard1"):
                pool.gate.wait_for(each, 1)
            put_documents(pool.resources, "third", [article("small", "Tea.")])
            poll(lambda: pool.status("small", "third"), lambda s: s is Status.READY)
            assert pool.gate.present["hard2"] == 0
            pool.stopping.set()
        finally:
            pool.gate.open()
        running.result()


def test_stop_ends_what_is_being_parsed_and_gives_it_back(resources: Resources) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    put_documents(resources, "help", [Upload("slow", make_slow_file(), "text/x-rst")])
    stopping = Event()
    settings = Settings(parse_small_seconds=50)
    with (
        closing(Sandbox(settings)) as first,
        closing(Sandbox(settings)) as second,
        ThreadPoolExecutor(1) as thread,
    ):
        running = thread.submit(drain_queue, resources, first, stopping, spare=[second])
        poll(lambda: get_document(resources, "help", "a").status, lambda s: s is Status.READY)
        poll(
            lambda: get_document(resources, "help", "slow").status,
            lambda s: s is Status.PROCESSING,
        )
        stopping.set()
        assert running.result(timeout=20) is None
    waiting = get_document(resources, "help", "slow")
    assert (waiting.status, waiting.error) == (Status.QUEUED, None)


def test_document_that_is_deleted_is_not_parsed_on(resources: Resources) -> None:
    slow = Upload("slow", make_slow_file(), "text/x-rst")
    settings = resources.settings.model_copy(update={"parse_small_seconds": 300.0})
    put_documents(resources, "help", [slow])
    with closing(Sandbox(settings)) as sandbox, ThreadPoolExecutor(1) as thread:
        running = thread.submit(drain_queue, resources, sandbox, Event())
        poll(lambda: get_document(resources, "help", "slow").status, lambda s: s != Status.QUEUED)
        delete_document(resources, "help", "slow")
        # Else it would be parsed for a minute, which is the default of `parse_seconds`.
        assert running.result(timeout=30) is None
        put_documents(resources, "help", [article("tea", "Tea.")])
        assert drain_queue(resources, sandbox, Event()) is None
    assert get_document(resources, "help", "tea").status is Status.READY
