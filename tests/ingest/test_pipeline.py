"""A document's way from the upload to vectors that answer, and everywhere it can end."""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sqlalchemy import func, select, update

from app.config import Settings
from app.db import queue
from app.db.models import Attribute, Change, Original, PassageRow, Table, UnitRow, Version
from app.domain import Article, Item, Status, Task
from app.embedding.engine import Engine
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import DocumentInfo, Upload
from ingest.pipeline import Prepared, embed_documents
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.checkpoints import make_jina_v3
from tests.conftest import Ingest, article, markdown
from tests.ingest.pdf_files import make_pdf
from tests.named import (
    delete_document,
    get_document,
    list_collections,
    put_documents,
    search_documents,
)

LONG = "\n\n".join(
    f"## Step {number}\n\nPour the milk into cup {number}. Then wait for the tea."
    for number in range(20)
)


def get(resources: Resources, document_id: str = "a") -> DocumentInfo:
    return get_document(resources, "help", document_id, with_text=True)


def read_units(resources: Resources) -> list[UnitRow]:
    with resources.database.read() as session:
        units = list(session.scalars(select(UnitRow).order_by(UnitRow.id)))
        session.expunge_all()
        return units


def list_changed_units(resources: Resources) -> list[int]:
    """Return what the log tells the vector index to read again."""
    with resources.database.read() as session:
        return list(session.scalars(select(Change.unit_id).where(Change.unit_id > 0)))


def count_rows(resources: Resources, table: type[Table]) -> int:
    with resources.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def count_attempts(resources: Resources) -> list[int]:
    with resources.database.read() as session:
        return list(session.scalars(select(Version.attempts).order_by(Version.id)))


def claim(resources: Resources) -> int:
    """Take the next version into processing, as a worker does."""
    with resources.database.write() as session:
        claimed = queue.claim_next(session, lease_seconds=60)
        assert claimed is not None
        return claimed.version_id


def found_texts(resources: Resources) -> list[str]:
    """Return the best passage of each article that a search finds."""
    hits = search_documents(resources, "help", "tea").results
    return [hit.passages[0].text for hit in hits]


def drain_with(resources: Resources, sandbox: Sandbox) -> float | None:
    try:
        return drain_queue(resources, sandbox, Event())
    finally:
        sandbox.close()


@contextmanager
def open_with(folder: Path, model: Path | str) -> Iterator[Resources]:
    with open_resources(
        Settings(data=folder, model=str(model), passage_tokens=16, retry_seconds=0)
    ) as opened:
        if not list_collections(opened):
            create_collection(opened.database, "help")
        yield opened


class DeletingSandbox(Sandbox):
    """Parses for real; then the document is deleted before it can be committed."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(Settings())
        self._resources = resources

    def parse(self, media_type: str, data: bytes) -> Article:
        parsed = super().parse(media_type, data)
        delete_document(self._resources, "help", "a")
        return parsed


class FailingSandbox(Sandbox):
    """Parses for real, and then fails in a way that nobody thought of."""

    def parse(self, media_type: str, data: bytes) -> Article:
        raise RuntimeError(super().parse(media_type, data).text)


# What is stored


def test_receipt_of_a_document_in_one_unit_adds_up(resources: Resources, ingest: Ingest) -> None:
    text = "# Tea\n\nPour the milk.\n\n## Cup\n\nHot: 60 °C.\n"
    ingest(markdown("a", text))
    document = get(resources)
    (unit,) = read_units(resources)
    engine = resources.generations.live().engine()
    assert document.status is Status.READY
    assert document.receipt is not None
    assert document.text is not None
    tokens = engine.count_tokens(Item(document.text, Task.PASSAGE, "Tea"))
    assert set(document.receipt["took_ms"]) == {"parse", "cut", "embed"}
    assert min(document.receipt["took_ms"].values()) > 0
    # A tokenizer for tests knows few letters.
    unknown = engine.count_unknown(document.text)
    counted = tokens - engine.overhead("Tea", Task.PASSAGE)
    assert {**document.receipt, "took_ms": None} == {
        "bytes": len(text.encode()),
        "characters": len(document.text),
        "pages": None,
        "pages_with_text": None,
        "tokens_counted": tokens - engine.overhead("Tea", Task.PASSAGE),
        "tokens_embedded": tokens - engine.overhead("Tea", Task.PASSAGE),
        "tokens_processed": tokens,
        "tokens_unknown": unknown,
        "units": 1,
        "passages": count_rows(resources, PassageRow),
        "warnings": [f"{unknown} of {counted} tokens are unknown to the model"],
        "took_ms": None,
        # Too little text to tell.
        "language": None,
    }
    assert (unit.start, unit.end, unit.tokens) == (0, len(document.text), tokens)


def test_receipt_of_a_document_in_several_units_adds_up(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, short_jina_v3) as resources:
        put_documents(resources, "help", [markdown("a", LONG, title="Tea")])
        drain_queue(resources, sandbox, Event())
        document, units = get(resources), read_units(resources)
        assert document.receipt is not None
        receipt = document.receipt
        overhead = resources.generations.live().engine().overhead("Tea", Task.PASSAGE)
        assert document.status is Status.READY
        assert len(units) == receipt["units"] > 5
        assert receipt["passages"] == count_rows(resources, PassageRow) >= 20
        assert receipt["tokens_embedded"] == receipt["tokens_counted"]
        assert receipt["tokens_processed"] == sum(unit.tokens for unit in units)
        assert receipt["tokens_processed"] - receipt["tokens_embedded"] == overhead * len(units)
        assert (
            max(unit.tokens for unit in units)
            <= resources.generations.live().engine().max_tokens
            == 64
        )


def test_units_tile_the_stored_text_and_hold_their_passages(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, short_jina_v3) as resources:
        put_documents(resources, "help", [markdown("a", LONG)])
        drain_queue(resources, sandbox, Event())
        text = get(resources).text or ""
        units = read_units(resources)
        assert "".join(text[unit.start : unit.end] for unit in units) == text
        assert [unit.ordinal for unit in units] == list(range(len(units)))
        with resources.database.read() as session:
            for unit in units:
                passages = session.scalars(
                    select(PassageRow).where(PassageRow.unit_id == unit.id)
                ).all()
                assert all(unit.start <= p.start < p.end <= unit.end for p in passages)
                assert len(unit.passage_vectors) == 2 * 32 * len(passages)
                assert {text[p.start : p.end].split("\n")[0] for p in passages} >= {
                    f"## {p.heading}" for p in passages if text[p.start] == "#"
                }


def test_stored_vectors_are_those_of_the_model_with_the_title_before_the_text(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Pour the milk.", title="Tea"))
    (unit,) = read_units(resources)
    (expected,) = (
        resources.generations.live().engine().embed([Item("Pour the milk.", Task.PASSAGE, "Tea")])
    )
    assert np.allclose(np.frombuffer(unit.vector, "<f4"), expected.vector, atol=1e-6)
    assert unit.vector_crc32 == crc32(unit.vector)
    assert unit.passage_vectors_crc32 == crc32(unit.passage_vectors)


def test_title_and_attributes_of_the_caller_win_over_those_of_the_file(
    resources: Resources, ingest: Ingest
) -> None:
    source = "---\ntitle: File\nurl: https://file\nsize: 1\nkind: tea\n---\nText"
    ingest(
        markdown("a", source, title="Caller", url="https://caller", attributes={"size": 2}),
        markdown("b", source),
    )
    ours, theirs = get(resources, "a"), get(resources, "b")
    assert (ours.title, ours.url) == ("Caller", "https://caller")
    assert ours.attributes == {"size": 2, "kind": "tea"}
    assert (theirs.title, theirs.url) == ("File", "https://file")


def test_half_of_a_surrogate_pair_is_left_out_of_url_and_attributes(
    resources: Resources, ingest: Ingest
) -> None:
    source = rb'{"text": "Tea.", "url": "https://x/\ud800", "k": "a\n\ud800", "ok": "b"}'
    ingest(Upload("a", source, "application/json"))
    document = get(resources)
    assert (document.status, document.url) == (Status.READY, None)
    assert document.attributes == {"ok": "b"}
    assert document.receipt is not None
    assert "attributes past the limits left out: k" in document.receipt["warnings"]


def test_pdf_is_ingested_with_its_pages(resources: Resources, ingest: Ingest) -> None:
    pages = [[f"Page {number}", "Pour the milk.", "Wait for the tea."] for number in (1, 2, 3)]
    ingest(Upload("a", make_pdf(pages), "application/pdf"))
    document = get(resources)
    assert document.status is Status.READY
    assert document.receipt is not None
    assert (document.receipt["pages"], document.receipt["pages_with_text"]) == (3, 1.0)
    starts = [(document.text or "").index(f"Page {number}") for number in (1, 2, 3)]
    with resources.database.read() as session:
        passages = session.execute(select(PassageRow.start, PassageRow.page)).all()
    assert {page for _, page in passages} == {1, 2, 3}
    assert all(page == bisect_right(starts, start) for start, page in passages)


@pytest.mark.parametrize("title", [None, "Tea", "漢字", "Tea:"])
def test_text_of_any_script_is_ready_with_all_its_tokens(
    resources: Resources, ingest: Ingest, title: str | None
) -> None:
    texts = {
        "ideographs": "漢字かな。" * 20,
        "bracket": "(milk) and tea",
        "fraction": "½ cup",
        "space": "\n\n  \n tea",
        "emoji": "🙂🙂 tea",
        "accents": "e\u0301te\u0301",
        "zero width": "\u200btea",
    }
    ingest(*(article(name, text, title=title) for name, text in texts.items()))
    for name in texts:
        document = get(resources, name)
        assert document.error is None, name
        assert document.receipt is not None
        assert document.receipt["tokens_embedded"] == document.receipt["tokens_counted"] > 0


# New versions


def test_old_version_answers_until_the_new_one_is_live(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    ingest(article("a", "Old tea."))
    put_documents(resources, "help", [article("a", "New tea.")])
    assert found_texts(resources) == ["Old tea."]
    claim(resources)
    document = get(resources)
    assert (document.version, document.status, document.live_version) == (2, Status.PROCESSING, 1)
    assert found_texts(resources) == [document.text] == ["Old tea."]
    with resources.database.write() as session:
        queue.requeue_interrupted(
            session, max_attempts=resources.settings.max_cut_offs, pause_seconds=0
        )
    drain_queue(resources, sandbox, Event())
    document = get(resources)
    assert (document.version, document.status, document.live_version) == (2, Status.READY, 2)
    assert found_texts(resources) == ["New tea."]
    assert len(read_units(resources)) == 1


def test_failed_version_leaves_the_old_one_live(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Old tea."))
    units = read_units(resources)
    ingest(Upload("a", b"no PDF", "application/pdf"))
    document = get(resources)
    assert (document.version, document.status, document.live_version) == (2, Status.FAILED, 1)
    assert document.error is not None
    assert document.error.code == "unreadable_pdf"
    assert document.text == "Old tea."
    assert found_texts(resources) == ["Old tea."]
    assert [unit.id for unit in read_units(resources)] == [unit.id for unit in units]


def test_same_text_in_other_bytes_keeps_its_vectors(resources: Resources, ingest: Ingest) -> None:
    ingest(markdown("a", "# Tea\n\nPour the milk.", attributes={"size": 1}))
    before = read_units(resources)
    changes = list_changed_units(resources)
    ingest(markdown("a", "# Tea\r\n\r\nPour the milk.", attributes={"size": 2}))
    after, document = read_units(resources), get(resources)
    assert [unit.id for unit in after] == [unit.id for unit in before]
    assert [unit.vector for unit in after] == [unit.vector for unit in before]
    assert list_changed_units(resources) == changes
    assert (document.status, document.live_version, document.attributes) == (
        Status.READY,
        2,
        {"size": 2},
    )
    assert document.receipt is not None
    assert document.receipt["bytes"] == len("# Tea\r\n\r\nPour the milk.")
    assert document.receipt["tokens_embedded"] > 0
    assert [hit.version for hit in search_documents(resources, "help", "tea").results] == [2]


def test_same_text_under_another_title_gets_new_vectors(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Pour the milk.", title="Tea"))
    (before,) = read_units(resources)
    ingest(article("a", "Pour the milk.", title="Coffee"))
    (after,) = read_units(resources)
    assert after.id != before.id
    assert after.vector != before.vector


# Deleted on the way


def test_document_deleted_while_it_is_read_leaves_nothing(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    put_documents(resources, "help", [article("a", "Tea.", attributes={"size": 1})])
    drain_with(resources, DeletingSandbox(resources))
    for table in (Version, Original, UnitRow, PassageRow, Attribute):
        assert count_rows(resources, table) == 0
    assert found_texts(resources) == []
    assert [record for record in caplog.records if record.name == "folio"] == []


def test_new_version_of_a_document_deleted_while_it_is_read_leaves_nothing(
    resources: Resources, ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    # The second one has the same text, so that its vectors would be kept.
    ingest(article("a", "Tea.\nMilk."))
    put_documents(resources, "help", [article("a", "Tea.\r\nMilk.")])
    drain_with(resources, DeletingSandbox(resources))
    for table in (Version, Original, UnitRow, PassageRow):
        assert count_rows(resources, table) == 0
    assert found_texts(resources) == []
    assert [record for record in caplog.records if record.name == "folio"] == []


def test_document_deleted_in_the_queue_is_not_missed(resources: Resources, ingest: Ingest) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    delete_document(resources, "help", "a")
    ingest(article("b", "Milk."))
    assert get(resources, "b").status is Status.READY
    assert count_rows(resources, Version) == 1


# Failures


def fail(resources: Resources, sandbox: Sandbox, upload: Upload) -> tuple[str, str]:
    """Return the error code and message with which an upload ends."""
    put_documents(resources, "help", [upload])
    assert drain_queue(resources, sandbox, Event()) is None
    document = get(resources, upload.id)
    assert document.status is Status.FAILED
    assert document.error is not None
    assert count_rows(resources, UnitRow) == 0
    return document.error.code, document.error.message


def test_title_longer_than_the_window_fails(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, short_jina_v3) as resources:
        code, message = fail(resources, sandbox, article("a", "Tea.", title="milk and tea " * 20))
    assert code == "title_too_long"
    assert message == "the title leaves 0 of 64 tokens for text"


def test_word_longer_than_the_window_fails(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, short_jina_v3) as resources:
        code, message = fail(resources, sandbox, article("a", "Tea and " + "q" * 200 + " milk."))
        assert code == "unsplittable_text"
        assert "200 characters at offset 8" in message
        assert "q" * 10 not in message


def test_parser_s_refusal_is_kept_with_the_version(resources: Resources, sandbox: Sandbox) -> None:
    assert fail(resources, sandbox, Upload("a", b" \n", "text/plain")) == (
        "empty_document",
        "the document holds no text",
    )


def test_vectors_that_are_not_finite_fail_the_document(tmp_path: Path, sandbox: Sandbox) -> None:
    model = make_jina_v3(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["encoder.layers.0.mlp.fc1.bias"][:] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with open_with(tmp_path / "data", model) as resources:
        assert fail(resources, sandbox, article("a", "Tea."))[0] == "invalid_vector"


def test_unexpected_error_fails_the_document_without_quoting_it(
    resources: Resources, ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    put_documents(resources, "help", [article("a", "Confidential.")])
    with caplog.at_level(logging.DEBUG, logger="folio"):
        assert drain_with(resources, FailingSandbox(Settings())) is None
    document = get(resources)
    assert document.status is Status.FAILED
    assert document.error is not None
    assert document.error.code == "internal_error"
    assert document.error.message == "unexpected RuntimeError; see the log"
    assert "RuntimeError" in caplog.text
    assert "Confidential" not in caplog.text
    ingest(article("b", "Milk."))
    assert get(resources, "b").status is Status.READY


def test_pause_before_a_late_attempt_is_kept(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3), retry_seconds=3600, max_attempts=9)
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea.")])
        with resources.database.write() as session:
            session.execute(update(Version).values(attempts=5))
        assert drain_with(resources, FailingSandbox(settings)) == pytest.approx(12 * 3600, abs=60)
        assert get(resources).status is Status.QUEUED
        assert count_attempts(resources) == [6]


def test_failed_document_does_not_hold_up_the_others(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."), Upload("b", b"no PDF", "application/pdf"), article("c", "Milk."))
    states = {name: get(resources, name).status for name in "abc"}
    assert states == {"a": Status.READY, "b": Status.FAILED, "c": Status.READY}


# Waiting


def test_documents_wait_while_there_is_no_model(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path / "data", tmp_path / "missing") as resources:
        put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
        pause = drain_queue(resources, sandbox, Event())
        assert pause is not None
        assert pause > 0
        assert [get(resources, name).status for name in "ab"] == [Status.QUEUED] * 2
        assert count_attempts(resources) == [0, 0]
    with open_with(tmp_path / "data", jina_v3) as resources:
        assert drain_queue(resources, sandbox, Event()) is None
        assert [get(resources, name).status for name in "ab"] == [Status.READY] * 2
        assert count_attempts(resources) == [1, 1]


def test_documents_wait_while_the_model_is_not_that_of_the_stored_vectors(
    tmp_path: Path, jina_v3: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path / "data", jina_v3) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        drain_queue(resources, sandbox, Event())
    with open_with(tmp_path / "data", short_jina_v3) as resources:
        put_documents(resources, "help", [article("b", "Milk.")])
        assert drain_queue(resources, sandbox, Event()) is not None
        assert get(resources, "b").status is Status.QUEUED
        assert len(read_units(resources)) == 1


def test_next_document_is_parsed_while_the_model_reads(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_parsed = Event()

    class SignallingSandbox(Sandbox):
        def parse(self, media_type: str, data: bytes) -> Article:
            if b"Milk" in data:
                second_parsed.set()
            return super().parse(media_type, data)

    def embed_when_parsed(engine: Engine, documents: Sequence[Prepared], **options: Any) -> None:
        assert second_parsed.wait(60)
        embed_documents(engine, documents, **options)

    monkeypatch.setattr("ingest.batches._MAX_DOCUMENTS", 1)
    monkeypatch.setattr("ingest.batches.embed_documents", embed_when_parsed)
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    assert drain_with(resources, SignallingSandbox(Settings())) is None
    assert [get(resources, name).status for name in "ab"] == [Status.READY] * 2
    assert count_attempts(resources) == [1, 1]


def test_document_that_was_cut_off_is_tried_again_alone(settings: Settings) -> None:
    beside: list[int] = []

    class UploadingSandbox(Sandbox):
        """Another document arrives while the one that was cut off is parsed."""

        def parse(self, media_type: str, data: bytes) -> Article:
            if b"Tea" in data:
                put_documents(resources, "help", [article("b", "Milk.")])
            with resources.database.read() as session:
                working = Version.status == Status.PROCESSING
                beside.append(len(session.scalars(select(Version.id).where(working)).all()))
            return super().parse(media_type, data)

    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea.")])
        claim(resources)
    with open_resources(settings) as resources:
        assert drain_with(resources, UploadingSandbox(settings)) is None
        assert [get(resources, name).status for name in "ab"] == [Status.READY] * 2
        assert count_attempts(resources) == [2, 1]
    assert beside == [1, 1]


def test_worker_that_is_asked_to_stop_takes_no_further_document(
    resources: Resources, sandbox: Sandbox
) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    stopping = Event()
    stopping.set()
    assert drain_queue(resources, sandbox, stopping) is None
    assert get(resources).status is Status.QUEUED
    assert count_attempts(resources) == [0]


def test_interrupted_document_is_taken_up_again_at_the_next_start(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea.")])
        claim(resources)
        assert get(resources).status is Status.PROCESSING
    with open_resources(settings) as resources:
        assert get(resources).status is Status.QUEUED
        drain_queue(resources, sandbox, Event())
        assert get(resources).status is Status.READY
        assert count_attempts(resources) == [2]


def test_document_that_ends_the_process_again_and_again_fails(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Old tea.")])
        drain_queue(resources, sandbox, Event())
        put_documents(resources, "help", [article("a", "New tea.")])
    for _ in range(resources.settings.max_cut_offs):
        with open_resources(settings) as resources:
            assert get(resources).status is Status.QUEUED
            claim(resources)
    with open_resources(settings) as resources:
        document = get(resources)
        assert (document.status, document.live_version) == (Status.FAILED, 1)
        assert document.error is not None
        assert document.error.code == "too_many_attempts"
        assert found_texts(resources) == ["Old tea."]
