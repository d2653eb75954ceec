"""The worker: what it takes up again, what it outlives, and how it stops."""

import subprocess
import sys
from threading import Event, Thread

import pytest
from sqlalchemy import select, text

from app.config import Settings
from app.db.models import Version
from app.domain import Status
from app.errors import InvalidRequest
from app.resources import MAX_ATTEMPTS, Resources, open_resources
from app.services.collections import create_collection
from app.services.documents import get_document, put_documents
from ingest.sandbox import Sandbox
from ingest.worker import run_worker
from tests.conftest import Ingest, article
from tests.services.knowledge import Watch, search, work

# Works through the queue of a folder, and is killed when a text says so.
KILLED_WORKER = """
import os, sys
from pathlib import Path
from threading import Event
from app.config import Settings
from app.resources import open_resources
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue

class Deadly(Sandbox):
    def parse(self, media_type, data):
        parsed = super().parse(media_type, data)
        if "deadly" in parsed.text:
            self.close()
            os.kill(os.getpid(), 9)
        return parsed

settings = Settings(data=Path(sys.argv[1]), model=sys.argv[2])
with open_resources(settings) as resources:
    drain_queue(resources, Deadly(settings), Event())
"""


def status(resources: Resources, document_id: str = "a") -> tuple[Status, str | None]:
    document = get_document(resources, "help", document_id)
    return document.status, document.error.code if document.error else None


def count_attempts(resources: Resources) -> list[int]:
    with resources.database.read() as session:
        return list(session.scalars(select(Version.attempts).order_by(Version.id)))


# Processes that end


def run_killed_worker(settings: Settings) -> None:
    command = [sys.executable, "-c", KILLED_WORKER, str(settings.data), settings.model]
    assert subprocess.run(command, check=False).returncode == -9


def test_document_of_a_killed_process_is_read_at_the_next_start(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources, "help")
        put_documents(resources, "help", [article("a", "A deadly tea."), article("b", "Milk.")])
    run_killed_worker(settings)
    with open_resources(settings) as resources:
        assert status(resources, "a") == status(resources, "b") == (Status.QUEUED, None)
        assert count_attempts(resources) == [1, 0]
        # What killed the other process does no harm here.
        assert work(resources, sandbox) is None
        assert search(resources) == {"a": "A deadly tea.", "b": "Milk."}


def test_document_that_kills_every_process_fails_and_lets_the_others_pass(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources, "help")
        put_documents(resources, "help", [article("a", "A deadly tea."), article("b", "Milk.")])
    for _ in range(MAX_ATTEMPTS):
        run_killed_worker(settings)
    with open_resources(settings) as resources:
        assert status(resources, "a") == (Status.FAILED, "too_many_attempts")
        assert work(resources, sandbox) is None
        assert search(resources) == {"b": "Milk."}
        # Uploaded again, it gets as many attempts as any other.
        put_documents(resources, "help", [article("a", "A deadly tea.")])
        assert status(resources, "a") == (Status.QUEUED, None)
        assert work(resources, sandbox) is None
        assert set(search(resources)) == {"a", "b"}


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("CUDA error: Confidential"), "internal_error"),
        (MemoryError(), "internal_error"),
        (InvalidRequest("there is no such adapter", code="no_adapter"), "no_adapter"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_error_of_the_engine_fails_the_document_and_the_worker_goes_on(
    resources: Resources, ingest: Ingest, watch: Watch, error: Exception, code: str
) -> None:
    def fail(text: str) -> None:
        if text == "Bad tea.":
            raise error

    watch.before_embedding = fail
    ingest(article("a", "Tea."), article("bad", "Bad tea."), article("z", "Milk."))
    assert status(resources, "bad") == (Status.FAILED, code)
    failure = get_document(resources, "help", "bad").error
    assert failure is not None
    assert "Confidential" not in failure.message
    assert search(resources) == {"a": "Tea.", "z": "Milk."}


def test_worker_waits_while_the_database_refuses_and_loses_nothing(
    resources: Resources, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    with resources.database.write() as session:
        session.execute(
            text(
                "CREATE TRIGGER refuse BEFORE UPDATE OF status ON versions "
                "WHEN new.status <> 'queued' AND old.status = 'processing' "
                "BEGIN SELECT raise(ABORT, 'no'); END"
            )
        )
    pause = work(resources, sandbox)
    assert pause is not None
    assert pause > 0
    assert "ingestion waits" in caplog.text
    assert status(resources, "a") == status(resources, "b") == (Status.QUEUED, None)
    assert count_attempts(resources) == [0, 0]
    with resources.database.write() as session:
        session.execute(text("DROP TRIGGER refuse"))
    assert work(resources, sandbox) is None
    assert set(search(resources)) == {"a", "b"}


# Stopping


class StoppableWorker:
    """Runs the worker in a thread that can be told to stop without waiting for it."""

    def __init__(self, resources: Resources) -> None:
        self._told = Event()
        self._resources = resources
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with run_worker(self._resources):
            self._told.wait()

    def tell(self) -> None:
        self._told.set()

    def has_stopped(self, *, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()


def test_worker_that_is_stopped_finishes_its_document_and_leaves_the_next(
    resources: Resources, watch: Watch
) -> None:
    reading, released = Event(), Event()

    def wait(_text: str) -> None:
        reading.set()
        assert released.wait(30)

    watch.before_embedding = wait
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    worker = StoppableWorker(resources)
    assert reading.wait(30)
    worker.tell()
    assert not worker.has_stopped(within_s=0.05)
    assert status(resources, "a") == (Status.PROCESSING, None)
    released.set()
    assert worker.has_stopped(within_s=30)
    assert status(resources, "a") == (Status.READY, None)
    assert status(resources, "b") == (Status.QUEUED, None)
    assert count_attempts(resources) == [1, 0]
    assert watch.texts == ["Tea."]


class ClearedTooLate(Event):
    """An event whose first clearing comes after the signal that it takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.clearing = Event()

    def clear(self) -> None:
        if not self.clearing.is_set():
            self.clearing.set()
            assert self.wait(30)
        super().clear()


def test_worker_that_is_stopped_as_it_turns_to_the_queue_does_stop(resources: Resources) -> None:
    arrived = ClearedTooLate()
    resources.work_arrived = arrived
    worker = StoppableWorker(resources)
    assert arrived.clearing.wait(30)
    worker.tell()
    stopped = worker.has_stopped(within_s=10)
    # A worker that missed the signal would hold up the end of the tests.
    arrived.set()
    assert stopped


def test_worker_reads_what_arrives_while_it_reads(resources: Resources, watch: Watch) -> None:
    done = Event()

    def upload(text: str) -> None:
        if text == "Tea.":
            put_documents(resources, "help", [article("b", "Milk.")])
        else:
            done.set()

    watch.before_embedding = upload
    worker = StoppableWorker(resources)
    put_documents(resources, "help", [article("a", "Tea.")])
    assert done.wait(30)
    worker.tell()
    assert worker.has_stopped(within_s=30)
    assert search(resources) == {"a": "Tea.", "b": "Milk."}
