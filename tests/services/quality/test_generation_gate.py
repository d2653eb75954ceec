"""Generations beside the live one: built, measured, made live, rolled back; never two at once."""

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries
from app.db.models import Generation, UnitRow, Version
from app.domain import GenerationState, Mode
from app.embedding.loader import open_checkpoint
from app.errors import (
    Conflict,
    DatabaseUnavailable,
    EngineBusy,
    FolioError,
    InvalidRequest,
    ModelAway,
    StaleVectors,
    StorageFull,
    UnreadableDocument,
)
from app.evaluation.golden import GoldenQuery
from app.runtime.deadline import limit_time
from app.runtime.resources import Resources
from app.services.quality import generation_builder
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import (
    GenerationInfo,
    get_generation,
    list_generations,
    remove_generation,
    request_generation,
    roll_back,
)
from app.services.quality.reembedding import find_missing
from app.services.search.explain import explain_document
from app.services.search.obstacles import Inquiry
from app.services.search.pipeline import SearchRequest
from ingest.sandbox import Sandbox
from tests.api.service import poll
from tests.checkpoints import make_jina_v3, make_plain
from tests.conftest import article
from tests.databases import collect_statements, copy_folder
from tests.named import build_context, delete_document, put_documents, ref_of, search_documents
from tests.services.knowledge import (
    Watch,
    acting_before_writes,
    open_with,
    read_live,
    search,
    work,
)

FORCE = GateRequest(force=True)
ARTICLES = [
    article("milk", "Tea with milk is hot."),
    article("dog", "The lazy dog drinks coffee."),
    article("reset", "Hold the button for eight seconds."),
]
# Questions that share no telling word with their article: only meaning finds it.
KNOWLEDGE = {
    "bike": ("Inflate the tyres of your bicycle every month.", "When should I pump up my wheels?"),
    "cake": ("Bake the sponge for forty minutes.", "How long does the dessert stay in the oven?"),
    "visa": (
        "Citizens of Canada need no permit.",
        "Do travellers from Ottawa need papers?",
    ),
    "cat": ("Kittens sleep most of the day.", "Why is my young pet never awake?"),
    "rain": (
        "Umbrellas are sold at the entrance.",
        "What can I buy against wet weather?",
    ),
    "pay": ("Salaries are transferred on the last Friday.", "On what date do employees get money?"),
    "doctor": (
        "The physician works in the morning.",
        "At what time is the medical practice?",
    ),
    "train": ("The express to Paris leaves at noon.", "When does the railway go to France?"),
    "wine": (
        "Our cellar stores red and white.",
        "Which alcoholic drinks are kept here?",
    ),
    "garden": ("Roses are watered in the evening.", "How to care for flowers?"),
    "phone": ("Charge the handset overnight.", "My mobile battery is empty"),
    "school": (
        "Pupils learn reading in the first year.",
        "What do children study first?",
    ),
    "fire": ("In case of flames, use the stairs.", "How do we leave a burning building?"),
    "snow": ("Skis can be rented in the village.", "Where is equipment for winter sports?"),
    "bank": ("Loans are granted at three percent.", "How much interest is on credit?"),
    "tooth": ("The dentist recommends brushing twice.", "Oral hygiene advice"),
    "boat": ("The ferry crosses the lake hourly.", "How often does the ship go over the water?"),
    "film": ("The cinema shows comedies on Tuesdays.", "Funny movies, which weekday?"),
    "bread": ("The bakery opens at dawn.", "Earliest moment to purchase rolls and loaves?"),
    "moon": ("Astronauts landed there in 1969.", "First humans on the lunar surface"),
    "key": ("Lost keys are kept by the porter.", "I cannot unlock my door any more"),
    "music": ("The orchestra rehearses Beethoven.", "Classical symphony practice"),
    "fish": ("Trout swim in the cold river.", "Animals living in streams"),
    "law": ("The judge postponed the trial.", "Court hearing delayed?"),
}
GOLDEN = tuple(GoldenQuery(name, asked, {name: 1}) for name, (_, asked) in KNOWLEDGE.items())


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_jina_v3(tmp_path_factory.mktemp("other") / "other", seed=7, max_tokens=64)


@pytest.fixture(scope="module")
def third_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plain(tmp_path_factory.mktemp("third") / "third", "bert")


@pytest.fixture
def filled(tmp_path: Path, jina_v3: Path, sandbox: Sandbox) -> Iterator[Resources]:
    """ARTICLES, ready with the first model."""
    with open_with(tmp_path / "data", jina_v3) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        yield resources


def ask_for(resources: Resources, model: Path | str, gate: GateRequest = FORCE) -> int:
    return request_generation(resources, model=str(model), gate=gate).id


def settle(resources: Resources, generation_id: int) -> GenerationInfo:
    """Do what the background thread does until the generation is decided."""
    keep_generations(resources, lambda: False)
    return get_generation(resources, generation_id)


def assert_consistent(resources: Resources) -> None:
    """One generation is live, holds every live article, and answers with its own vectors."""
    with resources.database.read() as session:
        (live,) = session.scalars(select(Generation).where(Generation.is_live)).all()
        held = set(
            session.scalars(
                select(UnitRow.version_id).where(UnitRow.generation_id == live.vector_set)
            )
        )
        assert held == set(session.scalars(select(Version.id).where(Version.is_live)))
        # Read again below, after the session.
        session.expunge(live)
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    assert indexes.generation_id == live.id
    assert indexes.vectors.dimensions == live.dimensions
    assert resources.generations.live().checkpoint().fingerprint == live.fingerprint
    hits = search_documents(resources, "help", "tea", limit=100, mode=Mode.DENSE).results
    with resources.database.read() as session:
        assert len(hits) == len(session.scalars(select(Version.id).where(Version.is_live)).all())


def test_forced_generation_goes_live_and_says_so_in_the_log(
    filled: Resources, other_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = filled.generations.live().checkpoint().fingerprint
    wanted = ask_for(filled, other_model)
    assert get_generation(filled, wanted).state is GenerationState.BUILDING
    with caplog.at_level(logging.WARNING):
        info = settle(filled, wanted)
    assert (info.is_live, info.state) == (True, GenerationState.READY)
    assert "by force" in caplog.text
    assert filled.generations.live().checkpoint().fingerprint not in {before}
    assert_consistent(filled)


def test_rollback_answers_at_once_with_the_former_vectors(
    filled: Resources, other_model: Path
) -> None:
    before = read_live(filled)
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    settle(filled, second)
    assert read_live(filled) != before
    roll_back(filled, first)
    assert read_live(filled) == before
    assert_consistent(filled)
    roll_back(filled, second)
    assert_consistent(filled)
    with pytest.raises(Conflict):
        remove_generation(filled, second)
    remove_generation(filled, first)
    assert [info.id for info in list_generations(filled)] == [second]
    assert_consistent(filled)


def test_who_looked_before_a_switch_does_not_keep_the_former_one_after_it(
    filled: Resources, other_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    settle(filled, second)
    filled.generations.refresh()
    found = queries.find_live_generation

    def find_then_switch(session: Session) -> Generation | None:
        row = found(session)
        monkeypatch.undo()
        roll_back(filled, first)
        return row

    monkeypatch.setattr(queries, "find_live_generation", find_then_switch)
    assert filled.generations.live().id == second
    assert filled.generations.live().id == first


def test_new_changed_and_deleted_articles_come_to_both_while_both_exist(
    filled: Resources, other_model: Path, sandbox: Sandbox
) -> None:
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    settle(filled, second)
    put_documents(filled, "help", [article("new", "A quick fox."), article("dog", "Milk.")])
    work(filled, sandbox)
    delete_document(filled, "help", "milk")
    keep_generations(filled, lambda: False)
    assert [(info.documents, info.total) for info in list_generations(filled)] == [(3, 3)] * 2
    for generation_id in (first, second):
        found = search_documents(
            filled, "help", "tea", mode=Mode.DENSE, generation=generation_id
        ).results
        assert {hit.document_id for hit in found} == {"new", "dog", "reset"}
    roll_back(filled, first)
    assert search(filled)["dog"] == "Milk."
    assert_consistent(filled)


def test_article_that_comes_right_before_the_flip_is_not_out_of_reach_after_it(
    filled: Resources, other_model: Path, sandbox: Sandbox
) -> None:
    first = list_generations(filled)[0].id
    settle(filled, ask_for(filled, other_model))
    put_documents(filled, "help", [article("late", "A quick fox.")])
    work(filled, sandbox)
    roll_back(filled, first)
    assert "late" in search(filled, limit=10)
    assert_consistent(filled)


def test_articles_that_come_at_every_turn_have_no_other_counted_again(
    filled: Resources,
    other_model: Path,
    sandbox: Sandbox,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = list_generations(filled)[0].id
    settle(filled, ask_for(filled, other_model))
    put_documents(filled, "help", [article(f"late{n}", f"Fox {n}.") for n in range(3)])
    work(filled, sandbox)
    is_late = Version.text.startswith("Fox")
    with filled.database.write() as session:
        late = list(session.scalars(select(Version.id).where(is_late)))
        session.execute(update(Version).where(is_late).values(is_live=False))

    def come() -> None:
        with filled.database.write() as session:
            session.get_one(Version, late.pop()).is_live = True

    watch.counted.clear()
    with acting_before_writes(filled, monkeypatch, come, come, come):
        roll_back(filled, first)
    assert watch.counted.count("Tea with milk is hot.") == 1
    assert_consistent(filled)


def test_rollback_may_take_longer_than_a_request(
    filled: Resources, other_model: Path, sandbox: Sandbox
) -> None:
    first = list_generations(filled)[0].id
    settle(filled, ask_for(filled, other_model))
    put_documents(filled, "help", [article("new", "A quick fox.\n\nIt jumps.")])
    work(filled, sandbox)
    with limit_time(0):
        assert roll_back(filled, first).is_live
    assert_consistent(filled)


def test_article_embedded_by_one_model_is_never_stored_beside_vectors_of_another(
    filled: Resources, other_model: Path
) -> None:
    """The worker holds what the former model made when the flip comes."""
    held = filled.generations.live()
    settle(filled, ask_for(filled, other_model))
    with pytest.raises(StaleVectors), filled.database.write() as session:
        held.ensure_row(session)


@pytest.mark.parametrize(
    "error",
    [
        ModelAway("no answer"),
        EngineBusy("busy", 1),
        StorageFull("full"),
        DatabaseUnavailable("it starts up"),
    ],
    ids=lambda error: error.code,
)
def test_outage_that_passes_ends_neither_a_build_nor_what_can_be_rolled_back_to(
    filled: Resources, other_model: Path, sandbox: Sandbox, watch: Watch, error: FolioError
) -> None:
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)

    def fail(_text: str) -> None:
        raise error

    watch.before_embedding = fail
    assert settle(filled, second).state is GenerationState.BUILDING
    watch.before_embedding = lambda _: None
    assert settle(filled, second).is_live
    put_documents(filled, "help", [article("new", "A quick fox.")])
    work(filled, sandbox)
    watch.before_embedding = fail
    assert settle(filled, first).state is GenerationState.READY
    watch.before_embedding = lambda _: None
    assert settle(filled, first).documents == len(ARTICLES) + 1


def test_build_ends_once_very_many_articles_cannot_be_embedded(
    filled: Resources, other_model: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask_for(filled, other_model)
    tried: list[str] = []

    def refuse(text: str) -> None:
        tried.append(text)
        raise UnreadableDocument("no word of it is known", code="unknown_text")

    watch.before_embedding = refuse
    monkeypatch.setattr(generation_builder, "_AT_ONCE", 1)
    monkeypatch.setattr(generation_builder, "_MAX_FAILED", 2)
    info = settle(filled, asked)
    assert (info.state, len(tried)) == (GenerationState.FAILED, 2)
    assert (info.message or "").startswith("at least 2 articles cannot be embedded")


def test_outage_while_a_gate_asks_says_nothing_of_the_generation(
    filled: Resources, other_model: Path, sandbox: Sandbox, watch: Watch
) -> None:
    uploads = [article(name, text) for name, (text, _) in KNOWLEDGE.items()]
    put_documents(filled, "help", uploads)
    work(filled, sandbox)
    gate = GateRequest(ref_of(filled, "help"), GOLDEN, margin=1)
    second = ask_for(filled, other_model, gate)

    def fail() -> None:
        raise ModelAway("no answer")

    watch.before_asking = fail
    assert settle(filled, second).state is GenerationState.BUILDING
    watch.before_asking = lambda: None
    assert settle(filled, second).is_live


def test_restart_goes_on_with_the_model_that_went_live_and_refuses_a_third(
    tmp_path: Path, jina_v3: Path, other_model: Path, third_model: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        settle(resources, ask_for(resources, other_model))
    for configured in (jina_v3, other_model):
        with open_with(tmp_path, configured) as resources:
            assert_consistent(resources)
            put_documents(resources, "help", [article(configured.name, "A quick fox.")])
            assert work(resources, sandbox) is None
            assert_consistent(resources)
    with open_with(tmp_path, third_model) as resources, pytest.raises(StaleVectors):
        search(resources)


@contextmanager
def killed_at(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, number: int
) -> Iterator[list[int]]:
    """End everything at the `number`-th write transaction, before it is committed."""
    writes = [0]
    write = resources.database.write

    @contextmanager
    def watched() -> Iterator[Session]:
        with write() as session:
            yield session
            writes[0] += 1
            if writes[0] == number:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(resources.database, "write", watched)
        yield writes


def test_kill_at_every_write_of_build_and_flip_leaves_one_consistent_generation(
    tmp_path: Path,
    jina_v3: Path,
    other_model: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = tmp_path / "prepared"
    uploads = [article(f"a{n}", f"Tea number {n} with milk.") for n in range(18)]
    with open_with(prepared, jina_v3) as resources:
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
    killed = 0
    for number in range(1, 100):
        folder = copy_folder(prepared, tmp_path / str(number))
        with (
            open_with(folder, jina_v3) as resources,
            killed_at(resources, monkeypatch, number) as writes,
        ):
            try:
                settle(resources, ask_for(resources, other_model))
            except Killed:
                killed += 1
        with open_with(folder, jina_v3) as resources:
            assert_consistent(resources)
            asked = [info.id for info in list_generations(resources) if not info.is_live]
            keep_generations(resources, lambda: False)
            assert_consistent(resources)
            if number > 1:
                assert list_generations(resources)[-1].is_live, asked
        if writes[0] < number:
            break
    assert killed >= 20


def test_context_and_explanation_are_of_one_generation_when_another_goes_live_amid_them(
    filled: Resources, other_model: Path, watch: Watch
) -> None:
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    settle(filled, second)
    request = SearchRequest("tea with milk", [ref_of(filled, "help")])
    inquiry = Inquiry(request, "milk")
    undisturbed = explain_document(filled, inquiry).ranking
    assert undisturbed is not None
    watch.before_asking = lambda: roll_back(filled, first)
    assert build_context(filled, "help", "tea", max_tokens=100).generation == second
    assert list_generations(filled)[0].is_live
    watch.before_asking = lambda: None
    roll_back(filled, second)
    watch.before_asking = lambda: roll_back(filled, first)
    ranking = explain_document(filled, inquiry).ranking
    assert ranking is not None
    assert ranking.stages == undisturbed.stages
    assert list_generations(filled)[0].is_live


def test_no_search_fails_during_build_flip_and_rollback(
    filled: Resources, other_model: Path
) -> None:
    first = list_generations(filled)[0].id
    stop = Event()
    failures: list[Exception] = []
    generations: list[int | None] = []

    def search() -> int | None:
        result = search_documents(filled, "help", "tea with milk", limit=10)
        assert len(result.results) == len(ARTICLES)
        return result.generation

    def read_context() -> int | None:
        result = build_context(filled, "help", "tea with milk", max_tokens=100_000)
        assert result.blocks
        return result.generation

    def ask(question: Callable[[], int | None]) -> None:
        while not stop.is_set():
            try:
                generations.append(question())
            except Exception as error:  # noqa: BLE001  # every kind is what this test counts
                failures.append(error)

    threads = [Thread(target=ask, args=[question]) for question in (search, read_context)]
    for thread in threads:
        thread.start()
    try:
        second = ask_for(filled, other_model)
        settle(filled, second)
        for generation in [first, second] * 3:
            roll_back(filled, generation)
            # One of these began after the flip: there are two threads.
            asked = len(generations) + 3
            poll(lambda: len(generations), lambda count, asked=asked: count >= asked)  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert {first, second} == set(generations)


def test_gate_without_enough_queries_is_refused_before_anything_is_built(
    filled: Resources, other_model: Path
) -> None:
    with pytest.raises(InvalidRequest, match="at least 20 queries"):
        ask_for(filled, other_model, GateRequest(ref_of(filled, "help"), GOLDEN[:19]))
    assert len(list_generations(filled)) == 1


def test_gate_passes_nothing_where_too_few_of_its_articles_are_there(
    tmp_path: Path, jina_v3: Path, other_model: Path, sandbox: Sandbox
) -> None:
    """Of what is not there every model finds as much as any other."""
    with open_with(tmp_path / "data", jina_v3) as resources:
        put_documents(resources, "help", ARTICLES)
        work(resources, sandbox)
        gone = GateRequest(ref_of(resources, "help"), GOLDEN, margin=1)
        second = ask_for(resources, other_model, gone)
        refused = settle(resources, second)
        assert (refused.state, refused.is_live) == (GenerationState.REFUSED, False)
        assert "no article of the golden set is in help" in (refused.message or "")
        uploads = [article(name, text) for name, (text, _) in KNOWLEDGE.items()]
        put_documents(resources, "help", uploads[:19])
        work(resources, sandbox)
        assert ask_for(resources, other_model, gone) == second
        refused = settle(resources, second)
        assert (refused.state, refused.is_live) == (GenerationState.REFUSED, False)
        assert "19 of the 24 questions" in (refused.message or "")
        put_documents(resources, "help", uploads[19:20])
        work(resources, sandbox)
        assert ask_for(resources, other_model, gone) == second
        accepted = settle(resources, second)
        assert accepted.is_live, accepted.message
        assert accepted.report is not None
        assert accepted.report["queries"] == 20


def shuffle(model: Path, folder: Path) -> Path:
    """Copy a checkpoint with the numbers of each weight matrix in another order."""
    shutil.copytree(model, folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    generator = torch.Generator().manual_seed(0)
    for name, weight in weights.items():
        if weight.dim() == 2:
            order = torch.randperm(weight.numel(), generator=generator)
            weights[name] = weight.flatten()[order].view_as(weight).contiguous()
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def halve(model: Path, folder: Path) -> Path:
    """Copy a checkpoint without the upper half of its layers."""
    shutil.copytree(model, folder)
    config = folder / "config.json"
    settings = json.loads(config.read_text())
    kept = settings["num_hidden_layers"] // 2
    config.write_text(json.dumps({**settings, "num_hidden_layers": kept}))
    for path in folder.rglob("*model.safetensors"):
        weights = {
            name: weight
            for name, weight in load_file(path).items()
            if not (layer := re.search(r"layers?\.(\d+)\.", name)) or int(layer[1]) < kept
        }
        path.unlink()
        save_file(weights, path, metadata={"format": "pt"})
    return folder


@pytest.mark.slow
def test_gate_refuses_half_the_layers(tmp_path: Path, sandbox: Sandbox) -> None:
    good = open_checkpoint(Settings()).folder
    with open_with(tmp_path / "data", good) as resources:
        uploads = [article(name, text) for name, (text, _) in KNOWLEDGE.items()]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        gate = GateRequest(ref_of(resources, "help"), GOLDEN)
        half = ask_for(resources, halve(good, tmp_path / "half"), gate)
        refused = settle(resources, half)
        assert (refused.state, refused.is_live) == (GenerationState.REFUSED, False)
        assert "does not exclude a loss" in (refused.message or "")
        assert refused.documents == refused.total
        assert_consistent(resources)


@pytest.mark.slow
def test_gate_refuses_shuffled_weights_and_accepts_the_better_model(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    good = open_checkpoint(Settings()).folder
    bad = shuffle(good, tmp_path / "shuffled")
    with open_with(tmp_path / "data", good) as resources:
        gate = GateRequest(ref_of(resources, "help"), GOLDEN)
        uploads = [article(name, text) for name, (text, _) in KNOWLEDGE.items()]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        first = list_generations(resources)[0].id
        second = ask_for(resources, bad, gate)
        refused = settle(resources, second)
        assert (refused.state, refused.is_live) == (GenerationState.REFUSED, False)
        assert "does not exclude a loss" in (refused.message or "")
        assert "stays out" in caplog.text
        assert list_generations(resources)[0].is_live
        # Forced, and then the way back through the gate.
        assert ask_for(resources, bad) == second
        assert settle(resources, second).is_live
        assert ask_for(resources, good, gate) == first
        accepted = settle(resources, first)
        assert accepted.is_live
        assert "excludes a loss" in (accepted.message or "")
        assert accepted.report is not None
        assert accepted.report["comparisons"][0]["measures"]["nDCG@10"]["difference"]["low"] > 0
        assert_consistent(resources)


# What is asked each second


# Of PostgreSQL any transaction that ends may bring changes, that of another test too.
@pytest.mark.data_folder
def test_generations_are_looked_through_again_only_after_changes(
    filled: Resources,
    other_model: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []

    def count(session: Session, vector_set: int, *others: Any) -> list[tuple[int, str]]:
        looks.append(vector_set)
        return find_missing(session, vector_set, *others)

    monkeypatch.setattr(generation_builder, "find_missing", count)
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    assert settle(filled, second).is_live
    looks.clear()
    assert keep_generations(filled, lambda: False)
    assert keep_generations(filled, lambda: False)
    assert looks == [first]
    looks.clear()
    put_documents(filled, "help", [article("juice", "Juice is cold.")])
    work(filled, sandbox)
    keep_generations(filled, lambda: False)
    assert get_generation(filled, first).documents == len(ARTICLES) + 1
    assert looks == [first, first]


def test_generation_with_the_id_of_a_removed_one_is_built(
    filled: Resources, other_model: Path, third_model: Path
) -> None:
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    assert settle(filled, second).is_live
    roll_back(filled, first)
    keep_generations(filled, lambda: False)
    remove_generation(filled, second)
    third = ask_for(filled, third_model)
    info = settle(filled, third)
    assert info.is_live, info.message
    assert info.documents == len(ARTICLES)


def test_nothing_is_left_to_keep_once_all_others_failed_or_are_gone(
    filled: Resources, other_model: Path
) -> None:
    assert not keep_generations(filled, lambda: False)
    first = list_generations(filled)[0].id
    second = ask_for(filled, other_model)
    assert settle(filled, second).is_live
    assert keep_generations(filled, lambda: False)
    remove_generation(filled, first)
    assert not keep_generations(filled, lambda: False)


def test_questions_of_generations_are_not_read_by_searches_nor_each_second(
    filled: Resources, other_model: Path
) -> None:
    gate = GateRequest(ref_of(filled, "help"), golden=GOLDEN, force=True)
    second = ask_for(filled, other_model, gate)
    assert settle(filled, second).is_live
    search(filled)
    with collect_statements(filled) as statements:
        search(filled)
        keep_generations(filled, lambda: False)
    read = [text for text in statements if "FROM generations" in text]
    assert read
    for column in ("gate", "tuning", "labels"):
        assert not [text for text in read if f"generations.{column}" in text]
