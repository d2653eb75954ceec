"""Collections that are erased a little at a time: gone at once, and to the last row in the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries
from app.db.models import (
    Change,
    Collection,
    Generation,
    JobItem,
    Key,
    KeyCollection,
    Original,
    PassageRow,
    Table,
    UnitRow,
    Version,
)
from app.domain import Condition, Mode, Scope, Status
from app.errors import NotFound, StorageFull
from app.evaluation.golden import GoldenQuery
from app.evaluation.runner import Configuration
from app.runtime.resources import Resources, open_resources
from app.services.access.principal import EVERYONE
from app.services.articles import collections, erasure
from app.services.articles.attachments import Attachment, attach_files
from app.services.articles.collections import create_collection
from app.services.articles.erasure import erase_by_filter, erase_collections
from app.services.articles.files import NewFile, create_file, list_files
from app.services.quality.background import run_background
from app.services.quality.evaluations import get_evaluation, list_evaluations, start_evaluation
from app.services.quality.reparse import get_reparse, start_reparse
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents
from ingest.sandbox import Sandbox
from tests.conftest import Ingest, article
from tests.named import (
    delete_collection,
    get_collection,
    get_job,
    list_collections,
    put_documents,
    ref_of,
)
from tests.services.knowledge import acting_before_writes, search, work

# Rows of these outlive collections.
_KEPT = {"generations", "adapters", "changes", "keys"}


@pytest.fixture
def left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests leave all that a collection held to the background."""
    monkeypatch.setattr(collections, "_ERASE_SECONDS", -1.0)


def count_rows(resources: Resources) -> dict[str, int]:
    """Return how many rows are left in each table but those that outlive collections."""
    with resources.database.read() as session:
        counts = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Table.metadata.sorted_tables
            if table.name not in _KEPT
        }
    return {name: count for name, count in counts.items() if count}


@contextmanager
def counting_writes(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Collect how many articles there are after each write transaction of the block."""
    write, left = resources.database.write, list[int]()

    @contextmanager
    def count(*, alone: bool = True) -> Iterator[Session]:
        with write(alone=alone) as session:
            yield session
            session.flush()
            left.append(session.scalar(select(func.count()).select_from(Version)) or 0)

    with monkeypatch.context() as patch:
        patch.setattr(resources.database, "write", count)
        yield left


@pytest.mark.usefixtures("left_over")
def test_collection_is_gone_before_what_it_held_is_erased(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    job = ingest(article("a", "Tea.", attributes={"n": 1})).job_id
    ref = ref_of(resources, "help")
    golden = [GoldenQuery("1", "Where is tea?", {"a": 1})]
    evaluation = start_evaluation(resources, ref, golden, [Configuration(Mode.LEXICAL)])
    reparse = start_reparse(resources, ref, applies=False)
    with resources.database.write() as session:
        session.add(Key(id="k", secret_sha256="", scope=Scope.READ))
        session.flush()
        session.add(KeyCollection(key_id="k", collection_id=ref.id))
    waiting = put_documents(resources, "help", [article("b", "Milk.")])

    assert delete_collection(resources, "help") == 2
    assert "documents" in count_rows(resources)

    assert list_collections(resources) == []
    with pytest.raises(NotFound):
        search_documents(resources, SearchRequest("tea", [ref]))
    for job_id in (job, waiting.job_id):
        with pytest.raises(NotFound):
            get_job(resources, job_id)
    with pytest.raises(NotFound):
        get_evaluation(resources.database, evaluation.id)
    with pytest.raises(NotFound):
        get_reparse(resources.database, ref, reparse.id)
    assert list_evaluations(resources.database) == []
    assert list_files(resources, EVERYONE) == ([], False)
    with resources.database.read() as session:
        assert sum(queries.count_by_status(session).values()) == 0
        assert queries.measure_sizes(session) == {}
        assert session.scalar(select(func.count()).select_from(KeyCollection)) == 0
    # What waited to be read is not read.
    assert work(resources, sandbox) is None
    with resources.database.read() as session:
        ready = select(func.count()).where(Version.status == Status.READY)
        assert session.scalar(ready) == 1

    # The name is free, and means another collection.
    create_collection(resources.database, "help")
    assert get_collection(resources, "help").documents[Status.READY] == 0
    ingest(article("a", "Tea of another."))
    assert search(resources) == {"a": "Tea of another."}

    assert erase_collections(resources, lambda: False)
    assert search(resources) == {"a": "Tea of another."}
    delete_collection(resources, "help")
    assert erase_collections(resources, lambda: False)
    assert count_rows(resources) == {}


@pytest.mark.usefixtures("left_over")
def test_what_is_left_of_a_collection_is_erased_after_a_restart(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article(f"{n}", f"Tea {n}.") for n in range(3)])
        assert work(resources, sandbox) is None
        delete_collection(resources, "help")
        assert "units" in count_rows(resources)
    with open_resources(settings) as resources, run_background(resources):
        ends = monotonic() + 30
        while (left := count_rows(resources)) and monotonic() < ends:
            sleep(0.05)
    assert left == {}


def test_other_writers_get_turns_while_a_collection_is_erased(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_documents(resources, "help", [article(f"{n}", f"Tea {n}.") for n in range(25)])
    monkeypatch.setattr(erasure, "_TURN_SECONDS", 0.0)
    with counting_writes(resources, monkeypatch) as left:
        delete_collection(resources, "help")
    # Hidden, the job, ten articles at a time, the collection, and nothing more.
    assert left == [25, 25, 15, 5, 0, 0]
    assert count_rows(resources) == {}


def test_articles_of_a_filter_are_erased_some_at_a_time(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(*(article(f"{n:02}", f"Tea {n}.", attributes={"n": n}) for n in range(25)))
    monkeypatch.setattr(erasure, "_TURN_SECONDS", 0.0)
    ref = ref_of(resources, "help")
    picked = Condition("lt", "n", 24)

    def leave() -> None:
        put_documents(resources, "help", [article("00", "Tea 0.", attributes={"n": 100})])

    with counting_writes(resources, monkeypatch) as left:
        assert erase_by_filter(resources, ref, picked, confirmed=24).deleted == 24
    assert left == [15, 5, 1]
    ingest(*(article(f"{n:02}", f"Tea {n}.", attributes={"n": n}) for n in range(2)))
    # One that meets the filter no more when its turn comes is left.
    with acting_before_writes(resources, monkeypatch, leave):
        erased = erase_by_filter(resources, ref, picked, confirmed=2)
    assert (erased.matched, erased.deleted) == (2, 1)
    assert search(resources) == {"00": "Tea 0.", "24": "Tea 24."}


@pytest.mark.parametrize("keeps_files", [False, True])
@pytest.mark.usefixtures("left_over")
def test_files_of_an_erased_collection_are_seen_only_where_they_are_kept(
    resources: Resources, sandbox: Sandbox, *, keeps_files: bool
) -> None:
    create_collection(resources.database, "other")
    own, shared = (
        create_file(resources, EVERYONE, NewFile(name, "assistants", "text/plain", text))
        for name, text in (("own.txt", b"Tea."), ("shared.txt", b"Milk."))
    )
    help_, other = ref_of(resources, "help"), ref_of(resources, "other")
    attach_files(resources, EVERYONE, help_, [Attachment(own.id), Attachment(shared.id)])
    attach_files(resources, EVERYONE, other, [Attachment(shared.id)])
    collections.delete_collection(resources, help_, confirmed="help", keeps_files=keeps_files)
    expected = {own.id, shared.id} if keeps_files else {shared.id}
    assert {file.id for file in list_files(resources, EVERYONE)[0]} == expected
    assert erase_collections(resources, lambda: False)
    assert {file.id for file in list_files(resources, EVERYONE)[0]} == expected
    with resources.database.read() as session:
        count = session.scalar(select(func.count()).select_from(Original))
    assert count == len(expected)


def test_collection_is_deleted_though_the_disk_is_full_when_its_rows_are_erased(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(article("a", "Tea."))

    def refuse() -> None:
        raise StorageFull("the disk is full")

    with acting_before_writes(resources, monkeypatch, lambda: None, refuse):
        assert delete_collection(resources, "help") == 1
    assert list_collections(resources) == []
    assert erase_collections(resources, lambda: False)
    assert count_rows(resources) == {}


@pytest.mark.usefixtures("left_over")
def test_units_of_an_erased_collection_are_in_the_log_that_others_follow(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea."))
    with resources.database.read() as session:
        (unit_id,) = session.scalars(select(UnitRow.id))
    with resources.database.write() as session:
        session.query(Change).delete()
    delete_collection(resources, "help")
    assert erase_collections(resources, lambda: False)
    with resources.database.read() as session:
        assert unit_id in set(session.scalars(select(Change.unit_id)))
        for table in (Collection, PassageRow, JobItem):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.scalar(select(func.count()).select_from(Generation)) == 1
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    assert (len(indexes.vectors), len(indexes.terms)) == (0, 0)
