"""A query adapter that learns a knowledge base's questions: beside the vectors, behind the gate."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.db.models import AdapterRow, LoggedQuery
from app.domain import GenerationState, Mode
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import load_engine
from app.errors import Conflict, InvalidRequest, ModelUnavailable
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.quality import gate, replay
from app.services.quality.feedback import store_queries
from app.services.quality.fine_tuning import MIN_PAIRS, TooFewPairs, train_generation
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import (
    GenerationInfo,
    get_generation,
    list_generations,
    remove_generation,
    roll_back,
)
from app.services.quality.replay import Replay, replay_log
from app.services.quality.tuning import TuningRequest, hold_out, request_tuning
from app.services.search.pipeline import SearchRequest
from app.services.search.search import SearchResult
from app.services.search.search import search_documents as search_request
from ingest.sandbox import Sandbox
from tests.checkpoints import make_plain
from tests.conftest import article
from tests.databases import on_test_database
from tests.named import put_documents, record_query, ref_of, search_documents
from tests.services.knowledge import open_with, read_live, search, work
from tests.services.quality.test_generation_gate import assert_consistent, settle

COUNT = 60
# An article says one thing and is asked for another: which belongs to which is to be learned.
ARTICLES = [article(f"a{n}", f"tea {n * 7919} milk {n * 104729}") for n in range(COUNT)]


def pairs(first: int, last: int, form: str = "coffee {} sugar {}") -> tuple[GoldenQuery, ...]:
    return tuple(
        GoldenQuery(f"{form} {n}", form.format(n * 31337, n * 4001), {f"a{n}": 1})
        for n in range(first, last)
    )


LEARNED = pairs(0, COUNT)
ASKED = pairs(0, 24, "lazy {} dog {}")


@pytest.fixture
def filled(tmp_path: Path, jina_v3: Path, sandbox: Sandbox) -> Iterator[Resources]:
    with open_with(tmp_path / "data", jina_v3, query_log_days=30) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        yield resources


def ask_for(
    resources: Resources,
    queries: tuple[GoldenQuery, ...] = LEARNED,
    **gate: Any,
) -> int:
    """Ask for a generation that goes live by force, unless `gate` says otherwise."""
    collection = ref_of(resources, "help")
    asked = replace(GateRequest(collection, ASKED, force=True), **gate)
    return request_tuning(resources, TuningRequest(collection, queries), gate=asked).id


def tune(resources: Resources) -> GenerationInfo:
    return settle(resources, ask_for(resources))


def scores(resources: Resources) -> dict[str, float]:
    found = search_documents(resources, "help", LEARNED[0].text, limit=100, mode=Mode.DENSE)
    return {hit.document_id: hit.score for hit in found.results}


def test_tuned_generation_reads_questions_anew_and_articles_not_at_all(
    filled: Resources,
) -> None:
    stored, before = read_live(filled), scores(filled)
    made = tune(filled)
    assert (made.is_live, made.vectors_of) == (True, 1)
    assert made.tuning is not None
    assert made.tuning["pairs"] == COUNT
    assert made.tuning["trained_on"] + made.tuning["held_out"] == COUNT
    assert made.tuning["loss_after"] < made.tuning["loss_before"]
    assert f"learned from {made.tuning['trained_on']} questions" in (made.message or "")
    assert read_live(filled) == stored
    after = scores(filled)
    assert after.keys() == before.keys()
    assert after != before
    assert_consistent(filled)
    roll_back(filled, 1)
    assert scores(filled) == before


def test_tuned_generation_takes_part_in_all_that_comes_after(
    filled: Resources, jina_v3: Path, sandbox: Sandbox
) -> None:
    made = tune(filled)
    put_documents(filled, "help", [article("new", "A quick fox."), article("a0", "Milk.")])
    work(filled, sandbox)
    assert search(filled, limit=100)["a0"] == "Milk."
    assert_consistent(filled)
    with pytest.raises(Conflict, match="searches the vectors of generation 1"):
        remove_generation(filled, 1)
    answers = scores(filled)
    again = tune(filled)
    assert again.vectors_of == 1
    assert again.fingerprint != made.fingerprint
    roll_back(filled, made.id)
    remove_generation(filled, again.id)
    with filled.database.read() as session:
        assert session.scalars(select(AdapterRow.generation_id)).all() == [made.id]
    assert scores(filled) == answers


def test_generations_of_former_tunings_let_go_of_their_models(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    engines = WeakSet[Engine]()

    def load(checkpoint: Checkpoint, settings: Settings) -> Engine:
        engine = load_engine(checkpoint, settings)
        engines.add(engine)
        return engine

    settings = Settings(data=tmp_path / "data", model=str(jina_v3), passage_tokens=16)
    with open_resources(on_test_database(settings), load=load) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        before = scores(resources)
        # The third by its number, as an evaluation asks for it; the last stays out.
        for _ in range(4):
            tune(resources)
        resources.generations.get(3).catch_up()
        refused = settle(resources, ask_for(resources, force=False, margin=0.0))
        gc.collect()
        # The live one, the two that were used last, and the one that the settings name.
        assert len(engines) <= 4
        assert refused.state == GenerationState.REFUSED
        roll_back(resources, 1)
        assert scores(resources) == before
        assert_consistent(resources)


def fill_and_tune(data: Path, model: Path, sandbox: Sandbox) -> dict[str, float]:
    """Make a folder whose generation is tuned; returns what its questions score."""
    with open_with(data, model) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        tune(resources)
        return scores(resources)


# A backup is of a folder.
@pytest.mark.data_folder
def test_tuned_generation_answers_from_a_backup(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    answers = fill_and_tune(tmp_path / "data", jina_v3, sandbox)
    write_backup(tmp_path / "data", tmp_path / "backup.zip", keep_days=1)
    restore_backup(
        tmp_path / "backup.zip", tmp_path / "restored", replace=False, allow_expired=False
    )
    with open_with(tmp_path / "restored", jina_v3) as resources:
        assert scores(resources) == answers
        assert_consistent(resources)


def test_tuned_generation_answers_after_a_restart(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    answers = fill_and_tune(tmp_path, jina_v3, sandbox)
    with open_with(tmp_path, jina_v3) as resources:
        assert scores(resources) == answers
        assert_consistent(resources)


def test_damaged_adapter_is_refused_by_name_and_the_former_one_answers(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        before = scores(resources)
        tune(resources)
        with resources.database.write() as session:
            session.execute(update(AdapterRow).values(data_crc32=AdapterRow.data_crc32 + 1))
    with open_with(tmp_path, jina_v3) as resources:
        with pytest.raises(ModelUnavailable, match="roll back to generation 1"):
            scores(resources)
        roll_back(resources, 1)
        assert scores(resources) == before


def test_too_few_pairs_are_refused_before_anything_is_built(filled: Resources) -> None:
    with pytest.raises(TooFewPairs, match=f"{MIN_PAIRS - 1} questions"):
        ask_for(filled, LEARNED[: MIN_PAIRS - 1])
    # What the gate asks does not count.
    with pytest.raises(TooFewPairs, match=f"{COUNT - 24} questions"):
        ask_for(filled, LEARNED, golden=LEARNED[:24])
    assert len(list_generations(filled)) == 1


def test_pairs_that_no_search_finds_are_not_learned(filled: Resources) -> None:
    nowhere = tuple(replace(query, relevant={"none": 1}) for query in LEARNED)
    info = settle(filled, ask_for(filled, nowhere))
    assert (info.state, info.is_live) == (GenerationState.FAILED, False)
    assert "0 questions" in (info.message or "")
    assert_consistent(filled)


def test_question_past_the_window_is_not_learned_and_keeps_none_of_the_others(
    filled: Resources,
) -> None:
    endless = GoldenQuery("endless", "coffee " * 9000, {"a0": 1})
    info = settle(filled, ask_for(filled, (endless, *LEARNED)))
    assert info.is_live, info.message
    assert info.tuning is not None
    assert (info.tuning["pairs"], info.tuning["out_of_reach"]) == (COUNT, 1)


def test_model_without_adapters_cannot_be_tuned(tmp_path: Path, sandbox: Sandbox) -> None:
    with open_with(tmp_path / "data", make_plain(tmp_path / "bert", "bert")) as resources:
        put_documents(resources, "help", ARTICLES[:1])
        work(resources, sandbox)
        with pytest.raises(InvalidRequest, match="has no adapter for questions"):
            ask_for(resources)


def test_training_that_the_end_of_the_process_cut_off_begins_anew(filled: Resources) -> None:
    made = ask_for(filled)
    asked = [0]

    def stops_amid_training() -> bool:
        asked[0] += 1
        return get_generation(filled, made).training is not None

    keep_generations(filled, stops_amid_training)
    assert asked[0]
    assert get_generation(filled, made).state is GenerationState.BUILDING
    assert settle(filled, made).is_live


def test_adapter_that_another_process_stores_meanwhile_is_kept(filled: Resources) -> None:
    made = ask_for(filled)
    stored: list[bytes] = []

    def read_adapter() -> bytes:
        with filled.database.read() as session:
            return session.get_one(AdapterRow, made).data

    def trains_too() -> bool:
        if not stored and get_generation(filled, made).training is not None:
            train_generation(filled, made, lambda: False)
            stored.append(read_adapter())
        return False

    keep_generations(filled, trains_too)
    info = get_generation(filled, made)
    assert info.is_live, info.message
    assert stored == [read_adapter()]


def test_generation_that_another_process_decided_on_meanwhile_is_left_alone(
    filled: Resources,
) -> None:
    made = ask_for(filled)

    def decides_too() -> bool:
        info = get_generation(filled, made)
        if info.state is GenerationState.BUILDING and info.training is not None:
            assert settle(filled, made).is_live
            roll_back(filled, 1)
        return False

    keep_generations(filled, decides_too)
    assert [one.id for one in list_generations(filled) if one.is_live] == [1]


def test_generation_is_compared_with_the_one_that_a_rollback_during_its_gate_made_live(
    filled: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = tune(filled)
    made = ask_for(filled, force=False, margin=1.0)

    def roll_back_first(*asked: Any) -> Replay | None:
        monkeypatch.undo()
        roll_back(filled, 1)
        return replay_log(*asked)

    monkeypatch.setattr(gate, "replay_log", roll_back_first)
    left = settle(filled, made)
    assert (left.is_live, left.state) == (False, GenerationState.BUILDING)
    assert not get_generation(filled, tuned.id).is_live
    decided = settle(filled, made)
    assert decided.is_live
    assert decided.report is not None
    assert [run["generation"] for run in decided.report["runs"]] == [1, made]


def test_third_of_the_pairs_is_held_out_by_their_text() -> None:
    learned, asked = hold_out(pairs(0, 600))
    assert 150 < len(asked) < 250
    assert {query.text for query in learned}.isdisjoint(query.text for query in asked)
    again, _ = hold_out(pairs(0, 300))
    assert {query.text for query in again} <= {query.text for query in learned}


def test_gate_asks_logged_questions_again_and_refuses_one_that_fails_on_them(
    filled: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in LEARNED[:5]:
        record_query(filled, "help", search_documents(filled, "help", query.text))
    store_queries(filled)
    with filled.database.read() as session:
        assert len(session.scalars(select(LoggedQuery)).all()) == 5
    accepted = settle(filled, ask_for(filled, force=False, margin=1.0))
    assert accepted.is_live
    assert accepted.report is not None
    replayed = accepted.report["replay"]
    assert (replayed["queries"], replayed["failed"]) == (5, 0)
    assert 0 < replayed["overlap"] <= 1
    assert "of 5 logged questions 0 fail" in (accepted.message or "")

    def fails_on_the_new_one(resources: Resources, request: SearchRequest) -> SearchResult:
        if request.generation == refused:
            raise InvalidRequest("out of order")
        return search_request(resources, request)

    refused = ask_for(filled, force=False, margin=1.0)
    monkeypatch.setattr(replay, "search_documents", fails_on_the_new_one)
    info = settle(filled, refused)
    assert (info.state, info.is_live) == (GenerationState.REFUSED, False)
    assert "of 5 logged questions 5 fail" in (info.message or "")
    assert_consistent(filled)
