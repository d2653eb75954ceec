"""Another model: what it may not touch, and how every article comes to be embedded with it."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.db import queries
from app.db.models import Change, Generation, UnitRow, Version
from app.domain import Item, Mode, Status, Task
from app.errors import StaleVectors
from app.main import serve
from app.runtime.resources import Resources
from app.services.articles.documents import Upload
from app.services.quality.reembedding import ReembedRefused, reembed
from app.services.search.candidates import rank_candidates
from app.services.search.pipeline import ask
from app.services.search.snapshot import snapshots
from ingest.sandbox import Sandbox
from tests.checkpoints import PROMPTS, make_jina_v3, make_plain
from tests.conftest import article, markdown
from tests.databases import copy_folder, on_test_database
from tests.ingest.pdf_files import make_pdf
from tests.named import (
    delete_document,
    get_document,
    put_documents,
    ref_of,
    search_documents,
)
from tests.services.knowledge import (
    StoredDocument,
    Watch,
    assert_alike,
    open_with,
    read_live,
    search,
    work,
)

STEPS = "\n\n".join(
    f"## Step {number}\n\nPour the milk into cup {number}. Then wait for the tea."
    for number in range(8)
)
ARTICLES = [
    article("plain", "Tea with milk is hot."),
    markdown("steps", f"# Tea\n\n{STEPS}", attributes={"kind": "long"}),
    markdown("titled", "The lazy dog drinks coffee.", title="Dog", url="https://dog.example"),
    Upload("pages.pdf", make_pdf([["Hold the button."], ["Reset."]]), "application/pdf"),
    Upload("legacy", "Tea \xe0 la menthe.".encode("cp1252"), "text/plain"),
]


class Interrupted(Exception):
    """The process is stopped here."""


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights, a window of 64 tokens, no prompts."""
    return make_jina_v3(tmp_path_factory.mktemp("other") / "other", seed=7, max_tokens=64)


@pytest.fixture(scope="module")
def third_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain encoder: no adapters."""
    return make_plain(tmp_path_factory.mktemp("third") / "third", "bert")


Ingested = Callable[..., Path]


@pytest.fixture(scope="module")
def prepared() -> dict[tuple[object, ...], Path]:
    """Data folders in which ARTICLES are ready, by model and settings."""
    return {}


@pytest.fixture
def ingested(
    tmp_path_factory: pytest.TempPathFactory,
    sandbox: Sandbox,
    prepared: dict[tuple[object, ...], Path],
) -> Ingested:
    """Make a data folder in which ARTICLES, or others, are ready with a model."""

    def ingest(model: Path, *uploads: Upload, **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("data")
        with open_with(folder, model, **settings) as resources:
            # One by one, as a re-embedding does: batched vectors differ in their last bits.
            for upload in uploads:
                put_documents(resources, "help", [upload])
                work(resources, sandbox)
            assert len(read_live(resources)) == len(uploads)
        return folder

    def make(model: Path, *uploads: Upload, **settings: Any) -> Path:
        if uploads:
            return ingest(model, *uploads, **settings)
        key = (model, *settings.items())
        if key not in prepared:
            prepared[key] = ingest(model, *ARTICLES, **settings)
        return copy_folder(prepared[key], tmp_path_factory.mktemp("copy"))

    return make


def read(folder: Path, model: Path, **settings: Any) -> dict[str, StoredDocument]:
    with open_with(folder, model, **settings) as resources:
        return read_live(resources)


def rank(resources: Resources, query: str = "tea") -> list[tuple[str, float]]:
    """Return the ids and scores of a search over everything."""
    hits = search_documents(resources, "help", query, limit=100).results
    return [(hit.document_id, hit.score) for hit in hits]


def count_units(resources: Resources) -> int:
    """Return how many vectors there are, of all generations."""
    with resources.database.read() as session:
        return session.scalar(select(func.count()).select_from(UnitRow)) or 0


def list_generations(resources: Resources) -> list[tuple[int, bool]]:
    with resources.database.read() as session:
        rows = session.execute(select(Generation.id, Generation.is_live).order_by(Generation.id))
        return [(row.id, row.is_live) for row in rows]


# Another model is refused


def test_server_does_not_start_on_vectors_of_another_model_and_names_the_way_out(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    settings = on_test_database(Settings(data=ingested(jina_v3), model=str(other_model)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(StaleVectors) as refused:
            serve(settings, host="127.0.0.1", port=port, no_auth=True)
    message = str(refused.value)
    assert "Run `folio reembed`" in message
    assert jina_v3.name in message
    assert other_model.name in message


def test_nothing_is_embedded_beside_vectors_of_another_model(
    ingested: Ingested, jina_v3: Path, other_model: Path, sandbox: Sandbox, watch: Watch
) -> None:
    folder = ingested(jina_v3)
    before = read(folder, jina_v3)
    watch.texts.clear()
    with open_with(folder, other_model) as resources:
        with pytest.raises(StaleVectors):
            search(resources)
        put_documents(resources, "help", [article("new", "Hot milk.")])
        assert work(resources, sandbox) is not None
        assert get_document(resources, "help", "new").status is Status.QUEUED
        plain = get_document(resources, "help", "plain", with_text=True)
        assert (plain.status, plain.text) == (Status.READY, "Tea with milk is hot.")
        assert read_live(resources) == before
    assert watch.texts == []


def alter_weights(path: Path) -> None:
    """Turn over one bit of the last weight."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def set_prompt(model: Path, name: str) -> None:
    prompts = {**PROMPTS, name: "Something else: "}
    write_json(model / "config_sentence_transformers.json", {"prompts": prompts})


def lowercase(model: Path) -> None:
    write_json(model / "sentence_bert_config.json", {"max_seq_length": 8192, "do_lower_case": True})


@pytest.mark.parametrize(
    ("part", "alter"),
    [
        ("weights", lambda model: alter_weights(model / "model.safetensors")),
        (
            "passage_adapter",
            lambda model: alter_weights(model / "retrieval_passage" / "adapter_model.safetensors"),
        ),
        ("passage_prompt", lambda model: set_prompt(model, "retrieval.passage")),
        (
            "pooling",
            lambda model: write_json(model / "1_Pooling" / "config.json", {"pooling_mode": "cls"}),
        ),
        ("lowercase", lowercase),
    ],
)
def test_altered_model_is_refused_with_the_part_that_changed(
    tmp_path: Path,
    ingested: Ingested,
    jina_v3: Path,
    part: str,
    alter: Callable[[Path], None],
) -> None:
    model = Path(shutil.copytree(jina_v3, tmp_path / "model"))
    folder = ingested(jina_v3, article("a", "Tea."))
    alter(model)
    with (
        open_with(folder, model) as resources,
        pytest.raises(StaleVectors, match=rf"they differ in: {part}\."),
    ):
        search(resources)


def test_part_that_only_the_former_model_had_is_named(
    tmp_path: Path, ingested: Ingested, jina_v3: Path
) -> None:
    model = Path(shutil.copytree(jina_v3, tmp_path / "model"))
    lowercase(model)
    folder = ingested(model, article("a", "Tea."))
    with (
        open_with(folder, jina_v3) as resources,
        pytest.raises(StaleVectors, match=r"they differ in: lowercase\."),
    ):
        search(resources)


@pytest.mark.parametrize(("before", "after"), [(None, 16), (16, None), (16, 8)])
def test_other_number_of_dimensions_is_refused(
    ingested: Ingested, jina_v3: Path, before: int | None, after: int | None
) -> None:
    folder = ingested(jina_v3, article("a", "Tea."), dimensions=before)
    with (
        open_with(folder, jina_v3, dimensions=after) as resources,
        pytest.raises(StaleVectors, match=r"they differ in: dimensions\."),
    ):
        search(resources)


def test_all_dimensions_by_number_are_all_dimensions(ingested: Ingested, jina_v3: Path) -> None:
    folder = ingested(jina_v3, article("a", "Tea."))
    with open_with(folder, jina_v3, dimensions=32) as resources:
        assert search(resources) == {"a": "Tea."}


@pytest.mark.parametrize(
    "settings", [{"device": "cpu"}, {"batch_tokens": 64}, {"passage_tokens": 64}], ids=str
)
def test_setting_that_changes_speed_or_passages_is_no_other_model(
    ingested: Ingested, jina_v3: Path, settings: dict[str, Any]
) -> None:
    folder = ingested(jina_v3, article("a", "Tea."))
    with open_with(folder, jina_v3, **settings) as resources:
        assert search(resources) == {"a": "Tea."}


def test_device_that_is_not_there_is_no_other_model(ingested: Ingested, jina_v3: Path) -> None:
    folder = ingested(jina_v3, article("a", "Tea."))
    with open_with(folder, jina_v3, device="cuda:99") as resources:
        resources.generations.live().check_fingerprint()


def test_tuned_query_encoder_goes_with_the_stored_vectors(
    tmp_path: Path, ingested: Ingested, jina_v3: Path
) -> None:
    model = Path(shutil.copytree(jina_v3, tmp_path / "model"))
    folder = ingested(jina_v3, article("a", "Tea."))
    alter_weights(model / "retrieval_query" / "adapter_model.safetensors")
    set_prompt(model, "retrieval.query")
    with open_with(folder, model) as resources:
        assert search(resources) == {"a": "Tea."}


# Embedding again


@pytest.mark.parametrize("target", ["other", "third", "dimensions"])
def test_reembedding_gives_what_a_fresh_ingestion_gives(
    ingested: Ingested, jina_v3: Path, other_model: Path, third_model: Path, target: str
) -> None:
    """Vectors, units, passages, receipts and answers."""
    model, settings = {
        "other": (other_model, {}),
        "third": (third_model, {}),
        "dimensions": (jina_v3, {"dimensions": 16}),
    }[target]
    fresh = ingested(model, **settings)
    with open_with(fresh, model, **settings) as resources:
        expected, ranking = read_live(resources), rank(resources)
    folder = ingested(jina_v3)
    progress: list[tuple[int, int]] = []
    with open_with(folder, model, **settings) as resources:
        done = reembed(resources, on_progress=lambda *step: progress.append(step))
        assert read_live(resources) == expected
        assert rank(resources) == ranking
        assert count_units(resources) == sum(len(d.units) for d in expected.values())
        assert list_generations(resources) == [(done.generation_id, True)]
        assert done.fingerprint == resources.generations.live().checkpoint().fingerprint
    assert done.documents == len(ARTICLES)
    assert progress == [(n, len(ARTICLES)) for n in range(1, len(ARTICLES) + 1)]
    assert read(folder, model, **settings) == expected


def test_receipts_of_the_new_model_differ_from_those_of_the_former(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    """Else the comparison with a fresh ingestion would show nothing."""
    former, fresh = read(ingested(jina_v3), jina_v3), read(ingested(other_model), other_model)
    receipts = former["steps"].receipt, fresh["steps"].receipt
    assert receipts[0] is not None
    assert receipts[1] is not None
    assert receipts[1]["units"] > receipts[0]["units"] == 1
    assert receipts[1]["tokens_processed"] != receipts[0]["tokens_processed"]
    assert (fresh["legacy"].receipt or {})["warnings"]


def test_index_answers_with_the_former_vectors_until_the_switch_and_then_with_the_new(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    folder = ingested(jina_v3)
    with open_with(folder, other_model) as resources:
        former = resources.generations.live().catch_up()
        assert former is not None
        former_id, former_units = former.generation_id, former.vectors.unit_ids()

        def look(_done: int, _total: int) -> None:
            indexes = resources.generations.live().catch_up()
            assert indexes is not None
            seen = indexes.generation_id, indexes.vectors.unit_ids()
            assert seen == (former_id, former_units)

        done = reembed(resources, on_progress=look)
        indexes = resources.generations.live().catch_up()
        assert indexes is not None
        assert indexes.generation_id == done.generation_id != former_id
        assert indexes.vectors.unit_ids().isdisjoint(former_units)
        (hit,) = search_documents(resources, "help", "tea", limit=1, mode=Mode.DENSE).results
        best = read_live(resources)[hit.document_id]
        (query,) = resources.generations.live().engine().embed([Item("tea", Task.QUERY)])
        units = best.units
        of_unit = max(np.frombuffer(unit.vector, "<f4") @ query.vector for unit in units)
        of_passage = max(
            (np.frombuffer(unit.passage_vectors, "<f2").reshape(-1, 32) @ query.vector).max()
            for unit in units
        )
        generation = resources.generations.live()
        question = ask(generation, "tea", Mode.DENSE)
        with next(snapshots(resources, generation)) as snapshot:
            ranked = rank_candidates(
                snapshot, question, [ref_of(resources, "help")], limit=1
            ).ranked
        stages = {"unit": float(of_unit), "passage": float(of_passage)}
        assert ranked[0].stages == pytest.approx(stages, abs=5e-3)
        assert ranked[0].version.external_id == hit.document_id


def test_reader_that_began_before_the_switch_sees_the_former_vectors_to_its_end(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    folder = ingested(jina_v3)
    with open_with(folder, other_model) as resources, resources.database.read() as reader:
        statement = select(Generation.fingerprint, UnitRow.vector).join(
            UnitRow, UnitRow.generation_id == Generation.id
        )
        before = reader.execute(statement).all()
        reembed(resources)
        assert reader.execute(statement).all() == before
        assert {row.fingerprint for row in before} != {
            resources.generations.live().checkpoint().fingerprint
        }


# The trigger is of SQLite's dialect.
@pytest.mark.data_folder
def test_switch_that_fails_leaves_the_former_vectors_live(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    folder = ingested(jina_v3)
    expected = read(ingested(other_model), other_model)
    with open_with(folder, other_model) as resources:
        former = read_live(resources)
        with resources.database.write() as session:
            session.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE UPDATE OF receipt ON versions WHEN old.id = 3 "
                    "BEGIN SELECT raise(ABORT, 'no'); END"
                )
            )
        with pytest.raises(IntegrityError):
            reembed(resources)
        assert read_live(resources) == former
        assert [is_live for _, is_live in list_generations(resources)] == [True, False]
        with resources.database.write() as session:
            session.execute(text("DROP TRIGGER refuse"))
        reembed(resources)
        assert read_live(resources) == expected


# Interruption


@pytest.mark.parametrize("stop_after", range(1, len(ARTICLES) + 1))
def test_interrupted_run_goes_on_after_the_last_document_that_it_finished(
    ingested: Ingested, jina_v3: Path, other_model: Path, watch: Watch, stop_after: int
) -> None:
    folder = ingested(jina_v3)
    former = read(folder, jina_v3)
    expected = read(ingested(other_model), other_model)

    def stop(done: int, _total: int) -> None:
        if done == stop_after:
            raise Interrupted

    watch.texts.clear()
    with open_with(folder, other_model) as resources:
        with pytest.raises(Interrupted):
            reembed(resources, on_progress=stop)
        assert read_live(resources) == former
        embedded = len(watch.texts)
    with open_with(folder, other_model) as resources:
        with pytest.raises(StaleVectors):
            search(resources)
        done = reembed(resources)
        assert read_live(resources) == expected
        assert list_generations(resources) == [(done.generation_id, True)]
    # Each unit was embedded once, before or after.
    assert len(watch.texts) == sum(len(document.units) for document in expected.values())
    finished = [upload.id for upload in ARTICLES[:stop_after]]
    assert embedded == sum(len(expected[document_id].units) for document_id in finished)


def test_interruption_inside_a_document_leaves_nothing_of_it(
    ingested: Ingested, jina_v3: Path, other_model: Path, watch: Watch
) -> None:
    folder = ingested(jina_v3)
    expected = read(ingested(other_model), other_model)
    # The third unit of the second article, all of which are embedded in one call.
    second = expected["steps"]
    assert len(second.units) > 3
    third_unit = (second.text or "")[second.units[2].start : second.units[2].end]

    def stop(text: str) -> None:
        if text == third_unit:
            raise Interrupted

    with open_with(folder, other_model) as resources:
        before = count_units(resources)
        watch.before_embedding = stop
        with pytest.raises(Interrupted):
            reembed(resources)
        assert count_units(resources) == before + len(expected["plain"].units)
        watch.before_embedding = lambda text: None
        reembed(resources)
        assert read_live(resources) == expected


def test_work_with_the_former_model_between_two_runs_is_part_of_the_result(
    ingested: Ingested, jina_v3: Path, other_model: Path, sandbox: Sandbox
) -> None:
    """Replaced, removed, re-sent and new articles, all after their half was embedded already."""
    folder = ingested(jina_v3)

    def stop(done: int, _total: int) -> None:
        if done == len(ARTICLES):
            raise Interrupted

    with open_with(folder, other_model) as resources, pytest.raises(Interrupted):
        reembed(resources, on_progress=stop)
    changed = [
        article("plain", "Coffee is cold."),
        # The same text in other bytes: a new version that keeps its vectors.
        markdown("steps", f"# Tea\n\n{STEPS}".replace("\n", "\r\n")),
        article("new", "A quick brown fox."),
    ]
    with open_with(folder, jina_v3) as resources:
        put_documents(resources, "help", changed)
        work(resources, sandbox)
        delete_document(resources, "help", "titled")
        assert set(search(resources)) == {"plain", "steps", "new", "pages.pdf", "legacy"}
    expected = read(ingested(other_model, *changed, *ARTICLES[3:]), other_model)
    with open_with(folder, other_model) as resources:
        reembed(resources)
        assert read_live(resources) == expected
        assert count_units(resources) == sum(len(d.units) for d in expected.values())
        assert search(resources)["plain"] == "Coffee is cold."


def test_half_built_vectors_of_a_model_that_was_given_up_are_removed(
    ingested: Ingested, jina_v3: Path, other_model: Path, third_model: Path
) -> None:
    folder = ingested(jina_v3)
    expected = read(ingested(third_model), third_model)

    def stop(_done: int, _total: int) -> None:
        raise Interrupted

    with open_with(folder, other_model) as resources, pytest.raises(Interrupted):
        reembed(resources, on_progress=stop)

    def look(_done: int, _total: int) -> None:
        assert len(list_generations(resources)) == 2

    with open_with(folder, third_model) as resources:
        done = reembed(resources, on_progress=look)
        assert list_generations(resources) == [(done.generation_id, True)]
        assert read_live(resources) == expected
        assert count_units(resources) == sum(len(d.units) for d in expected.values())


# Articles that do not fit


def test_article_that_does_not_fit_keeps_the_former_model_live(
    ingested: Ingested, jina_v3: Path, other_model: Path, watch: Watch
) -> None:
    word = "q" * 200
    uploads = [
        article("first", "Tea."),
        article("wide", f"Tea and {word} milk."),
        article("headline", "Tea.", title="the quick brown fox " * 20),
        article("last", "Milk."),
    ]
    folder = ingested(jina_v3, *uploads)
    with open_with(folder, other_model) as resources:
        former = read_live(resources)
        with pytest.raises(ReembedRefused) as refused:
            reembed(resources)
        codes = [(document_id, code) for document_id, code, _ in refused.value.failed]
        assert codes == [("wide", "unsplittable_text"), ("headline", "title_too_long")]
        for said in ("2 articles", "wide: ", "headline: "):
            assert said in str(refused.value)
        assert word not in str(refused.value)
        assert read_live(resources) == former
        with pytest.raises(StaleVectors):
            search(resources)
    with open_with(folder, jina_v3) as resources:
        assert set(search(resources)) == {"first", "wide", "headline", "last"}
        assert read_live(resources) == former
    watch.texts.clear()
    with open_with(folder, other_model) as resources:
        for document_id in ("wide", "headline"):
            delete_document(resources, "help", document_id)
        assert reembed(resources).documents == 2
        assert search(resources) == {"first": "Tea.", "last": "Milk."}
    # What was done before the refusal stayed done.
    assert watch.texts == []


# The queue


def test_documents_that_are_queued_meanwhile_are_read_with_the_new_model(
    ingested: Ingested, jina_v3: Path, other_model: Path, sandbox: Sandbox
) -> None:
    folder = ingested(jina_v3)
    uploads = [article("new", "A quick brown fox."), article("plain", "Coffee is cold.")]
    expected = read(ingested(other_model, *uploads, *ARTICLES[1:]), other_model)

    def upload(done: int, _total: int) -> None:
        if done == 2:
            put_documents(resources, "help", uploads)

    with open_with(folder, other_model) as resources:
        assert reembed(resources, on_progress=upload).documents == len(ARTICLES)
        assert get_document(resources, "help", "new").status is Status.QUEUED
        plain = get_document(resources, "help", "plain", with_text=True)
        assert (plain.status, plain.version, plain.live_version) == (Status.QUEUED, 2, 1)
        # The version that was live at the switch answers, through the new model.
        assert search(resources)["plain"] == plain.text == "Tea with milk is hot."
        assert work(resources, sandbox) is None
        assert search(resources)["plain"] == "Coffee is cold."
        assert_alike(read_live(resources), expected)


def test_failed_documents_stay_failed_and_are_not_embedded(
    ingested: Ingested, jina_v3: Path, other_model: Path, sandbox: Sandbox
) -> None:
    folder = ingested(jina_v3)
    with open_with(folder, jina_v3) as resources:
        broken = Upload("plain", b"no PDF", "application/pdf")
        put_documents(resources, "help", [broken, article("never", " \n ")])
        work(resources, sandbox)
    with open_with(folder, other_model) as resources:
        assert reembed(resources).documents == len(ARTICLES)
        plain = get_document(resources, "help", "plain")
        assert (plain.status, plain.live_version) == (Status.FAILED, 1)
        assert get_document(resources, "help", "never").live_version is None
        assert search(resources)["plain"] == "Tea with milk is hot."


def test_article_that_goes_live_after_the_last_was_embedded_keeps_its_vectors(
    ingested: Ingested, jina_v3: Path, other_model: Path
) -> None:
    """As it does where another process that shares the database ends its work then."""
    folder = ingested(jina_v3)
    expected = read(ingested(other_model), other_model)

    def set_live(*, is_live: bool) -> None:
        with resources.database.write() as session:
            session.execute(update(Version).where(Version.id == 1).values(is_live=is_live))

    def commit(done: int, total: int) -> None:
        if (done, total) == (len(ARTICLES) - 1,) * 2:
            set_live(is_live=True)

    with open_with(folder, other_model) as resources:
        set_live(is_live=False)
        assert reembed(resources, on_progress=commit).documents == len(ARTICLES)
        assert read_live(resources) == expected


# Nothing to do


def test_reembedding_with_the_model_of_the_stored_vectors_does_nothing(
    ingested: Ingested, jina_v3: Path, watch: Watch
) -> None:
    folder = ingested(jina_v3)
    with open_with(folder, jina_v3, passage_tokens=64, batch_tokens=64) as resources:
        before, generations = read_live(resources), list_generations(resources)
        with resources.database.read() as session:
            last = queries.log_position(session)
            changes = session.scalars(select(Change.number)).all()
        watch.loads = 0
        done = reembed(resources, on_progress=lambda *_: pytest.fail("nothing is to be done"))
        assert (done.documents, done.fingerprint) == (
            0,
            resources.generations.live().checkpoint().fingerprint,
        )
        assert watch.loads == 0
        assert (read_live(resources), list_generations(resources)) == (before, generations)
        with resources.database.read() as session:
            assert queries.log_position(session) == last
            assert session.scalars(select(Change.number)).all() == changes


def test_reembedding_an_empty_knowledge_base_leaves_it_ready_for_use(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        assert reembed(resources).documents == 0
        assert reembed(resources).documents == 0
        put_documents(resources, "help", [article("a", "Tea.")])
        assert work(resources, sandbox) is None
        assert search(resources) == {"a": "Tea."}
