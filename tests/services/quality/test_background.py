"""What is done beside requests: nothing that takes long, or fails, holds up the rest."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import func, select, update

from app.db.models import Job, LoggedQuery, utc_now
from app.domain import Mode, Progress
from app.errors import FolioError, InvalidRequest, ModelAway, UnreadableDocument, WorkCancelled
from app.evaluation.golden import GoldenQuery
from app.evaluation.runner import Configuration
from app.runtime.resources import Resources
from app.services.quality import background
from app.services.quality.background import run_background
from app.services.quality.evaluations import (
    EvaluationInfo,
    ask_golden,
    get_evaluation,
    run_next_evaluation,
    start_evaluation,
)
from app.services.quality.feedback import record_query
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import list_generations, request_generation
from ingest.sandbox import Sandbox
from ingest.worker import run_worker
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.conftest import article
from tests.databases import collect_statements
from tests.named import put_documents, ref_of, search_documents
from tests.services.knowledge import Watch, open_with, work

TEXTS = {f"a{n}": f"Tea number {n} with milk and sugar." for n in range(4)}
GOLDEN = [GoldenQuery(name, text, {name: 1}) for name, text in TEXTS.items()]


@pytest.fixture
def filled(tmp_path: Path, jina_v3: Path, sandbox: Sandbox) -> Iterator[Resources]:
    """Four articles, and a query log."""
    with open_with(tmp_path / "data", jina_v3, query_log_days=30, stop_seconds=60) as resources:
        put_documents(resources, "help", [article(name, text) for name, text in TEXTS.items()])
        work(resources, sandbox)
        yield resources


def start(resources: Resources, mode: Mode = Mode.DENSE) -> Callable[[], EvaluationInfo]:
    """Ask for an evaluation; returns what reads it."""
    asked = start_evaluation(resources, ref_of(resources, "help"), GOLDEN, [Configuration(mode)])
    return lambda: get_evaluation(resources.database, asked.id)


def test_questions_are_stored_while_a_generation_is_built(
    filled: Resources, tmp_path: Path, watch: Watch
) -> None:
    def count_stored() -> int:
        with filled.database.read() as session:
            return session.scalar(select(func.count()).select_from(LoggedQuery)) or 0

    result = search_documents(filled, "help", "tea")
    begun, goes_on = Event(), Event()

    def hold(_text: str) -> None:
        begun.set()
        goes_on.wait()

    watch.before_embedding = hold
    other = make_jina_v3(tmp_path / "other", seed=7)
    request_generation(filled, model=str(other), gate=GateRequest(force=True))
    with run_background(filled):
        try:
            assert begun.wait(60)
            record_query(filled, ref_of(filled, "help"), result)
            poll(count_stored, lambda count: count == 1)
        finally:
            goes_on.set()
        poll(lambda: list_generations(filled)[-1].is_live, bool)


def test_jobs_past_their_time_are_forgotten_beside_requests(filled: Resources) -> None:
    with filled.database.write() as session:
        session.execute(update(Job).values(created_at=utc_now() - timedelta(days=31)))
    newest = put_documents(filled, "help", [article("new", "Tea.")]).job_id
    with run_background(filled):

        def list_ids() -> list[str]:
            with filled.database.read() as session:
                return list(session.scalars(select(Job.id)))

        assert poll(list_ids, lambda ids: len(ids) == 1) == [newest]


def test_collection_that_cannot_be_measured_keeps_no_evaluation_waiting(
    filled: Resources, watch: Watch
) -> None:
    def refuse() -> None:
        raise UnreadableDocument("not this text", code="text_refused")

    watch.before_asking = refuse
    read = start(filled, Mode.LEXICAL)
    with run_background(filled):
        assert poll(read, lambda one: one.status is not Progress.QUEUED).status is Progress.DONE


@pytest.mark.parametrize("ends", [False, True], ids=["outage", "stop"])
def test_evaluation_that_is_cut_off_is_asked_anew(
    filled: Resources, watch: Watch, *, ends: bool
) -> None:
    read, asked = start(filled), [0]

    def cut_off() -> None:
        asked[0] += 1
        if asked[0] == 2 and not ends:
            raise ModelAway("no answer")

    watch.before_asking = cut_off
    expected: type[FolioError] = WorkCancelled if ends else ModelAway
    with pytest.raises(expected):
        run_next_evaluation(filled, lambda: ends and asked[0] == 2)
    assert (asked[0], read().status) == (2, Progress.QUEUED)
    assert run_next_evaluation(filled, lambda: False)
    result = read().result
    assert result is not None
    assert [run["failed"] for run in result["runs"]] == [0]


def test_evaluation_of_many_generations_loads_each_model_once(
    filled: Resources, watch: Watch
) -> None:
    for dimensions in (8, 16, 24):
        request_generation(filled, model=None, dimensions=dimensions, gate=GateRequest(force=True))
        keep_generations(filled, lambda: False)
    numbers = [one.id for one in list_generations(filled)]
    ref = ref_of(filled, "help")
    # Only so many are kept of those that nobody asks.
    watch.loads = 0
    asked = start_evaluation(filled, ref, GOLDEN, [Configuration(generation=n) for n in numbers])
    run_next_evaluation(filled, lambda: False)
    assert get_evaluation(filled.database, asked.id).status is Progress.DONE
    assert watch.loads <= len(numbers)


def test_evaluation_with_more_dimensions_than_there_are_is_refused(filled: Resources) -> None:
    ref = ref_of(filled, "help")
    with pytest.raises(InvalidRequest, match="9999 were requested"):
        start_evaluation(filled, ref, GOLDEN, [Configuration(dimensions=9999)])
    # Words have none.
    start_evaluation(filled, ref, GOLDEN, [Configuration(Mode.LEXICAL, 9999)])
    assert run_next_evaluation(filled, lambda: False)
    # What waits since another generation was live.
    with pytest.raises(InvalidRequest, match="9999 were requested"):
        ask_golden(filled, ref, GOLDEN, [Configuration(dimensions=9999)], lambda: False)


# Of PostgreSQL any transaction that ends may bring changes, that of another test too.
@pytest.mark.data_folder
def test_articles_are_looked_through_again_only_after_changes(
    filled: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [0]

    def end_turn(*_: object) -> bool:
        turns[0] += 1
        return False

    # The last but one of what a turn does.
    monkeypatch.setattr(background, "run_next_evaluation", end_turn)

    def has_turned(since: int) -> bool:
        return turns[0] > since

    def take_turns(number: int) -> None:
        wanted = turns[0] + number
        while turns[0] < wanted:
            filled.signals.tasks_arrived.set()
            poll(partial(has_turned, turns[0]), bool)

    def looks(statements: list[str]) -> int:
        return sum("terms.analysis" in text or "GROUP BY" in text for text in statements)

    with run_background(filled):
        take_turns(2)
        with collect_statements(filled) as statements:
            take_turns(3)
        assert looks(statements) == 0
        with collect_statements(filled) as statements:
            put_documents(filled, "help", [article("new", "Tea.")])
            with run_worker(filled):
                poll(lambda: len(search_documents(filled, "help", "tea").results), (5).__eq__)
            take_turns(2)
        assert looks(statements) >= 1
        with collect_statements(filled) as statements:
            take_turns(3)
        assert looks(statements) == 0
