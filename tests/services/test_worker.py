"""The worker: what it takes up again, what it outlives, and how it stops."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text, update

from app.config import Settings
from app.db import queue
from app.db.models import Version, utc_now
from app.domain import Embedding, Item, Stage, Status, Task
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import load_engine
from app.errors import InvalidRequest, NotFound, QueueFull
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from ingest.leases import Leases
from ingest.pipeline import (
    commit_document,
    cut_parsed,
    embed_documents,
    parse_claimed,
)
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue, run_worker
from tests.api.service import poll
from tests.conftest import Ingest, article
from tests.named import get_document, put_documents
from tests.services.knowledge import Watch, open_with, read_live, search, work

# Works through the queue of a folder, and is killed when a text says so.
KILLED_WORKER = """
import os, sys
from pathlib import Path
from threading import Event
from app.config import Settings
from app.runtime.resources import open_resources
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue

class Deadly(Sandbox):
    def parse(self, media_type, data):
        parsed = super().parse(media_type, data)
        if "deadly" in parsed.text:
            self.close()
            os.kill(os.getpid(), 9)
        return parsed

settings = Settings(data=Path(sys.argv[1]), model=sys.argv[2], retry_seconds=0)
with open_resources(settings) as resources:
    drain_queue(resources, Deadly(settings), Event())
"""


def status(resources: Resources, document_id: str = "a") -> tuple[Status, str | None]:
    document = get_document(resources, "help", document_id)
    return document.status, document.error.code if document.error else None


def count_attempts(resources: Resources) -> list[int]:
    with resources.database.read() as session:
        return list(session.scalars(select(Version.attempts).order_by(Version.id)))


# Processes that end: in a folder its next process knows that the one before has ended. Of a
# database that is shared claims return when their lease ends, which tests/postgres looks at.


def run_killed_worker(settings: Settings) -> None:
    command = [sys.executable, "-c", KILLED_WORKER, str(settings.data), settings.model]
    assert subprocess.run(command, check=False).returncode == -9


@pytest.mark.data_folder
def test_document_of_a_killed_process_is_read_at_the_next_start(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "A deadly tea."), article("b", "Milk.")])
    run_killed_worker(settings)
    with open_resources(settings) as resources:
        assert status(resources, "a") == status(resources, "b") == (Status.QUEUED, None)
        assert count_attempts(resources) == [1, 0]
        # What killed the other process does no harm here.
        assert work(resources, sandbox) is None
        assert search(resources) == {"a": "A deadly tea.", "b": "Milk."}


@pytest.mark.data_folder
def test_document_that_kills_every_process_fails_and_lets_the_others_pass(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "A deadly tea.")])
    for _ in range(resources.settings.max_cut_offs):
        run_killed_worker(settings)
    with open_resources(settings) as resources:
        assert status(resources, "a") == (Status.FAILED, "too_many_attempts")
        put_documents(resources, "help", [article("b", "Milk.")])
        assert work(resources, sandbox) is None
        assert search(resources) == {"b": "Milk."}
        # Uploaded again, it gets as many attempts as any other.
        put_documents(resources, "help", [article("a", "A deadly tea.")])
        assert status(resources, "a") == (Status.QUEUED, None)
        assert work(resources, sandbox) is None
        assert set(search(resources)) == {"a", "b"}


@pytest.mark.data_folder
def test_document_that_was_cut_off_lets_the_others_go_first(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, watch: Watch
) -> None:
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        claim(resources)
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        put_documents(resources, "help", [article("b", "Milk.")])
        assert work(resources, sandbox) is None
        assert watch.texts == ["Milk.", "Tea."]


def test_version_that_was_cut_off_does_not_go_live_over_a_newer_one(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, watch: Watch
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", [article("a", "Old tea.")])
        claim(resources)
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", [article("a", "New tea."), article("b", "Milk.")])
        assert work(resources, sandbox) is None
        assert watch.texts == ["New tea.", "Milk."]
        assert search(resources) == {"a": "New tea.", "b": "Milk."}


def test_newer_version_does_not_wait_while_an_older_one_pauses(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, watch: Watch
) -> None:
    def fail(text: str) -> None:
        raise RuntimeError

    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        watch.before_embedding = fail
        put_documents(resources, "help", [article("a", "Old tea.")])
        assert work(resources, sandbox) is not None
        watch.before_embedding = lambda text: None
        put_documents(resources, "help", [article("a", "New tea.")])
        assert work(resources, sandbox) is None
        assert search(resources) == {"a": "New tea."}


@pytest.mark.data_folder
def test_document_that_was_cut_off_twice_waits(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        claim(resources)
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        claim(resources)
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        pause = work(resources, sandbox)
        assert pause is not None
        assert 0 < pause <= 50
        assert (status(resources), count_attempts(resources)) == ((Status.QUEUED, None), [2])


def test_process_that_ends_while_the_model_loads_costs_no_attempt(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(checkpoint: Checkpoint, settings: Settings) -> Engine:
        with resources.database.read() as session:
            assert session.scalars(select(Version.attempts)).all() == [0]
        looked.append(checkpoint)
        return load_engine(checkpoint, settings)

    looked: list[Checkpoint] = []
    monkeypatch.setattr("app.runtime.resources.load_engine", look)
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea.")])
        assert work(resources, sandbox) is None
        assert status(resources) == (Status.READY, None)
    assert len(looked) == 1


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("CUDA error: Confidential"), "internal_error"),
        (MemoryError(), "internal_error"),
        (InvalidRequest("no such adapter", code="no_adapter"), "no_adapter"),
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


# The trigger is of SQLite's dialect.
@pytest.mark.data_folder
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
    # The three attempts were the document's, the refusal to note its failure was not.
    assert count_attempts(resources)[0] == resources.settings.max_attempts - 1
    with resources.database.write() as session:
        session.execute(text("DROP TRIGGER refuse"))
    assert work(resources, sandbox) is None
    assert set(search(resources)) == {"a", "b"}


@pytest.mark.data_folder
def test_claims_that_a_full_disk_keeps_are_returned_as_soon_as_it_takes_them(
    resources: Resources, sandbox: Sandbox
) -> None:
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    with resources.database.write() as session:
        session.execute(
            text(
                "CREATE TRIGGER refuse BEFORE UPDATE OF status ON versions "
                "WHEN old.status = 'processing' BEGIN SELECT raise(ABORT, 'full'); END"
            )
        )
    leases = Leases(resources.database, resources.settings)
    assert drain_queue(resources, sandbox, Event(), leases=leases) is not None
    assert leases.owes()
    assert status(resources, "a") == (Status.PROCESSING, None)
    with resources.database.write() as session:
        session.execute(text("DROP TRIGGER refuse"))
    leases.give_back_all()
    assert not leases.owes()
    assert work(resources, sandbox) is None
    assert set(search(resources)) == {"a", "b"}


# Claims


@pytest.mark.parametrize("jump", [timedelta(days=-3650), timedelta(days=3650)], ids=["back", "on"])
def test_clock_that_jumps_keeps_no_document_from_its_turn(
    resources: Resources, sandbox: Sandbox, jump: timedelta
) -> None:
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    claim(resources)
    # As they were written by the clock before it jumped.
    before = utc_now() - jump
    with resources.database.write() as session:
        session.execute(update(Version).values(next_attempt_at=before))
        session.execute(update(Version).where(Version.attempts > 0).values(leased_until=before))
    assert work(resources, sandbox) is None
    assert set(search(resources)) == {"a", "b"}


def claim(resources: Resources, *, lease_seconds: float = 60.0) -> queue.Claim:
    with resources.database.write() as session:
        queue.requeue_lapsed(session, max_attempts=resources.settings.max_cut_offs, pause_seconds=0)
        claimed = queue.claim_next(session, lease_seconds=lease_seconds)
        assert claimed is not None
        return claimed


def test_lapsed_claim_is_taken_up_though_nothing_is_queued(
    resources: Resources, sandbox: Sandbox
) -> None:
    put_documents(resources, "help", [article("a", "Tea with milk.")])
    with resources.database.write() as session:
        assert queue.claim_next(session, lease_seconds=-1) is not None
    assert work(resources, sandbox) is None
    assert get_document(resources, "help", "a").status is Status.READY


def test_worker_whose_lease_lapsed_commits_nothing(
    resources: Resources, sandbox: Sandbox, watch: Watch
) -> None:
    """It was only slow: another worker has the document, and this one's result is void."""
    put_documents(resources, "help", [article("a", "Tea.")])
    stale = claim(resources, lease_seconds=-1)
    generation = resources.generations.live()
    parsed = parse_claimed(resources, sandbox, stale)
    assert parsed is not None
    prepared = cut_parsed(resources, generation.engine(), parsed)
    assert prepared is not None
    embed_documents(generation.engine(), [prepared], call_tokens=1024)
    fresh = claim(resources)
    assert (fresh.version_id, fresh.attempt) == (stale.version_id, 2)
    commit_document(resources, generation, prepared)
    assert status(resources) == (Status.PROCESSING, None)
    assert search(resources) == {}
    prepared.claim = fresh
    commit_document(resources, generation, prepared)
    commit_document(resources, generation, prepared)
    assert status(resources) == (Status.READY, None)
    assert search(resources) == {"a": "Tea."}


def test_result_of_a_stale_worker_is_no_failure_either(resources: Resources) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    stale = claim(resources, lease_seconds=-1)
    claim(resources)
    with resources.database.write() as session:
        queue.fail(session, stale, stage=Stage.PARSE, code="late", message="late")
        queue.give_back(session, [stale])
        queue.retry_later(session, stale, after_seconds=0)
    assert status(resources) == (Status.PROCESSING, None)


def test_failure_that_quotes_the_upload_is_stored_whatever_it_quotes(resources: Resources) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    held = claim(resources)
    with resources.database.write() as session:
        queue.fail(session, held, stage=Stage.PARSE, code="odd", message="no part a\0b\ud800")
    error = get_document(resources, "help", "a").error
    assert error is not None
    assert error.message == "no part a\ufffdb?"


def test_lease_that_is_renewed_does_not_lapse(resources: Resources) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    held = claim(resources, lease_seconds=-1)
    with resources.database.write() as session:
        queue.renew_claims(session, [held], lease_seconds=60)
        queue.requeue_lapsed(session, max_attempts=resources.settings.max_cut_offs, pause_seconds=0)
        assert queue.find_claimed(session, held) is not None


def test_unexpected_error_is_tried_again_after_a_pause_that_grows(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, watch: Watch
) -> None:
    def fail(text: str) -> None:
        raise RuntimeError

    watch.before_embedding = fail
    with open_with(tmp_path, jina_v3, retry_seconds=50) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        pauses = []
        for _ in range(resources.settings.max_attempts):
            pause = work(resources, sandbox)
            pauses.append(pause and round(pause, -1))
            with resources.database.write() as session:
                session.execute(update(Version).values(next_attempt_at=None))
        assert pauses == [50, 200, None]
        document = get_document(resources, "help", "a")
        assert document.error is not None
        assert (document.error.code, document.error.stage) == ("internal_error", Stage.EMBED)
        assert count_attempts(resources) == [resources.settings.max_attempts]


def test_forward_passes_are_shared_by_documents(
    resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with what it would have got alone."""
    calls = []
    embed = resources.generations.live().engine().embed

    def count(items: Sequence[Item], **options: Any) -> list[Embedding]:
        calls.append(len(items))
        return embed(items, **options)

    monkeypatch.setattr(resources.generations.live().engine(), "embed", count)
    put_documents(resources, "help", [article(f"{n}", f"Tea {n}. " * n) for n in range(1, 21)])
    assert work(resources, sandbox) is None
    # A busy machine parses the first ones slowly, and they go ahead.
    assert sum(calls) == 20
    assert len(calls) < 10
    for document_id, stored in read_live(resources).items():
        number = int(document_id)
        (alone,) = embed([Item(f"Tea {number}. " * number, Task.PASSAGE)])
        assert stored.text is not None
        assert np.frombuffer(stored.units[0].vector, "<f4") @ alone.vector > 0.999


def test_uploads_are_refused_while_the_queue_is_full(tmp_path: Path, jina_v3: Path) -> None:
    with open_with(tmp_path, jina_v3, max_queue=2) as resources:
        put_documents(resources, "help", [article(f"{n}", "Tea.") for n in range(3)])
        with pytest.raises(
            QueueFull, match="the queue is full: 3 documents wait, and at most 2 may"
        ):
            put_documents(resources, "help", [article("more", "Tea.")])
        assert get_document(resources, "help", "2").status is Status.QUEUED
        with pytest.raises(NotFound):
            get_document(resources, "help", "more")


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


def hold_reading(watch: Watch) -> tuple[Event, Event]:
    """Have the model wait before it reads; returns what says that it waits, and what ends it."""
    reading, released = Event(), Event()

    def wait(_text: str) -> None:
        reading.set()
        assert released.wait(30)

    watch.before_embedding = wait
    return reading, released


def test_worker_that_is_stopped_finishes_its_batch_and_leaves_the_next(
    tmp_path: Path, jina_v3: Path, watch: Watch
) -> None:
    reading, released = hold_reading(watch)
    # The first one fills a batch of eight passes alone, however fast the next is parsed.
    with open_with(tmp_path, jina_v3, batch_tokens=512) as resources:
        put_documents(resources, "help", [article("a", "Tea. " * 1100), article("b", "Milk.")])
        worker = StoppableWorker(resources)
        assert reading.wait(30)
        # The next batch is made ready meanwhile.
        poll(lambda: status(resources, "b")[0], lambda now: now is Status.PROCESSING)
        worker.tell()
        # Nothing else sets it now: the worker was told, however late its thread came to run.
        assert resources.signals.work_arrived.wait(30)
        assert not worker.has_stopped(within_s=0.05)
        assert status(resources, "a") == (Status.PROCESSING, None)
        released.set()
        assert worker.has_stopped(within_s=30)
        assert status(resources, "a") == (Status.READY, None)
        assert status(resources, "b") == (Status.QUEUED, None)
        assert count_attempts(resources) == [1, 0]
        assert len(watch.texts) == 1


def test_worker_that_is_stopped_is_waited_for_as_long_as_is_set(
    resources: Resources, watch: Watch
) -> None:
    reading, released = hold_reading(watch)
    put_documents(resources, "help", [article("a", "Tea.")])
    hurried = resources.settings.model_copy(update={"stop_seconds": 0.05})
    with run_worker(replace(resources, settings=hurried)):
        assert reading.wait(30)
        (worker,) = (each for each in enumerate_threads() if each.name == "folio-worker")
    assert status(resources, "a") == (Status.QUEUED, None)
    released.set()
    worker.join(30)
    assert not worker.is_alive()
    assert status(resources, "a") == (Status.QUEUED, None)


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
    resources.signals.work_arrived = arrived
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
