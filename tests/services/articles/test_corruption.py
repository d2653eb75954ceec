"""A disk that goes bad: what is damaged is named and never answers, and an upload mends it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from app.config import Settings
from app.db.models import Document, Original, TermsRow, UnitRow, Version
from app.domain import Mode, Status
from app.errors import CorruptData, StorageFull
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.operations.doctor import examine
from app.services.quality.reembedding import ReembedRefused, reembed
from ingest.sandbox import Sandbox
from tests.checkpoints import make_jina_v3
from tests.conftest import Ingest, article, markdown
from tests.named import delete_document, get_document, list_documents, put_documents
from tests.services.knowledge import Watch, open_with, read_live, search, work

TEXTS = {"a": "Tea.", "b": "Milk.", "c": "Coffee."}
UPLOADS = [article(document_id, words) for document_id, words in TEXTS.items()]


def flip(data: bytes, at: int) -> bytes:
    """Turn over one bit of the byte at `at`."""
    damaged = bytearray(data)
    damaged[at] ^= 1
    return bytes(damaged)


def damage_unit(
    resources: Resources,
    column: InstrumentedAttribute[bytes],
    document_id: str = "b",
    alter: Callable[[bytes], bytes] = lambda data: flip(data, 5),
) -> None:
    """Alter a BLOB of a document's units as a bad disk would: its checksum stays."""
    with resources.database.write() as session:
        units = session.execute(
            select(UnitRow.id, column)
            .join(Version, Version.id == UnitRow.version_id)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id)
        ).all()
        for unit_id, data in units:
            session.execute(
                update(UnitRow).where(UnitRow.id == unit_id).values({column: alter(data)})
            )


def damage_text(resources: Resources, document_id: str = "b") -> None:
    with resources.database.write() as session:
        version = session.scalars(
            select(Version)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id, Version.is_live)
        ).one()
        version.text = flip((version.text or "").encode(), 1).decode()


def damage_upload(resources: Resources, document_id: str = "b") -> None:
    with resources.database.write() as session:
        original = session.scalars(
            select(Original)
            .join(Version, Version.original_sha256 == Original.sha256)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id)
        ).one()
        original.data = flip(original.data, 1)


def damage_terms(resources: Resources, document_id: str = "b") -> None:
    with resources.database.write() as session:
        terms = session.scalars(
            select(TermsRow)
            .join(Version, Version.id == TermsRow.version_id)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id, Version.is_live)
        ).one()
        terms.data = flip(terms.data, 3)


def refuse_writing() -> NoReturn:
    raise StorageFull("the disk is full")


def assert_quarantined(resources: Resources, document_id: str = "b") -> None:
    """Assert that a document says why it does not answer."""
    document = get_document(resources, "help", document_id, with_text=True)
    assert (document.status, document.live_version, document.text) == (Status.FAILED, None, None)
    assert document.error is not None
    assert document.error.code == "corrupt_data"
    assert "upload the document again" in document.error.message


# Vectors


@pytest.fixture
def filled(settings: Settings, sandbox: Sandbox) -> Settings:
    """The settings of a folder that holds TEXTS and is closed."""
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", UPLOADS)
        work(resources, sandbox)
        assert search(resources) == TEXTS
    return settings


@pytest.mark.parametrize("at", [0, 63, -1], ids=["first byte", "middle", "last byte"])
def test_article_with_a_damaged_vector_is_named_and_does_not_answer(
    filled: Settings, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    with open_resources(filled) as resources:
        damage_unit(resources, UnitRow.vector, alter=lambda data: flip(data, at))
    with open_resources(filled) as resources, caplog.at_level(logging.ERROR, logger="folio"):
        assert search(resources) == {"a": "Tea.", "c": "Coffee."}
        (record,) = caplog.records
        assert "a vector of b fails its checksum" in record.getMessage()
        assert_quarantined(resources)


@pytest.mark.parametrize(
    "alter",
    [lambda data: data[:-4], lambda data: data + b"\0\0\0\0", lambda data: b""],
    ids=["shorter", "longer", "empty"],
)
@pytest.mark.parametrize("column", [UnitRow.vector, UnitRow.passage_vectors], ids=lambda c: c.key)
def test_blob_of_another_length_is_damage_like_any_other(
    filled: Settings,
    caplog: pytest.LogCaptureFixture,
    column: InstrumentedAttribute[bytes],
    alter: Callable[[bytes], bytes],
) -> None:
    with open_resources(filled) as resources:
        damage_unit(resources, column, alter=alter)
    with open_resources(filled) as resources:
        if column is UnitRow.vector:
            assert search(resources) == {"a": "Tea.", "c": "Coffee."}
            assert "a vector of b fails" in caplog.text
        else:
            assert search(resources) == {"a": "Tea.", "c": "Coffee."}
            assert "the passages of b fail" in caplog.text
        assert_quarantined(resources)


def test_one_damaged_unit_of_several_takes_its_document_out(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox
) -> None:
    """Half of an article is not an answer that can be trusted."""
    steps = "\n\n".join(f"# Step {n}\n\nPour the milk into cup {n}." for n in range(12))
    with open_with(tmp_path, short_jina_v3) as resources:
        put_documents(resources, "help", [markdown("steps", steps), article("a", "Tea.")])
        work(resources, sandbox)
        with resources.database.write() as session:
            units = session.scalars(select(UnitRow).order_by(UnitRow.ordinal)).all()
            assert len(units) > 3
            units[2].vector = flip(units[2].vector, 0)
    with open_with(tmp_path, short_jina_v3) as resources:
        assert set(search(resources)) == {"a"}
        indexes = resources.generations.live().catch_up()
        assert indexes is not None
        assert len(indexes.vectors) == 1
        assert_quarantined(resources, "steps")


# Passages and texts


def test_damaged_article_that_cannot_be_quarantined_is_named_at_each_search_until_it_is(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_resources(filled) as resources:
        damage_unit(resources, UnitRow.vector)
    with open_resources(filled) as resources:
        with monkeypatch.context() as patch:
            patch.setattr(resources.database, "write", refuse_writing)
            for _ in range(2):
                with pytest.raises(StorageFull):
                    search(resources)
        assert search(resources) == {"a": "Tea.", "c": "Coffee."}
        assert_quarantined(resources)


def test_search_goes_on_without_an_article_whose_passages_are_damaged(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(*UPLOADS)
    damage_unit(resources, UnitRow.passage_vectors)
    assert search(resources) == {"a": "Tea.", "c": "Coffee."}
    assert_quarantined(resources)


@pytest.mark.parametrize("read", ["search", "document"])
def test_article_with_a_damaged_text_is_quarantined_wherever_it_is_read(
    resources: Resources, ingest: Ingest, read: str
) -> None:
    ingest(*UPLOADS)
    damage_text(resources)
    if read == "search":
        assert search(resources) == {"a": "Tea.", "c": "Coffee."}
    assert_quarantined(resources)
    assert search(resources) == {"a": "Tea.", "c": "Coffee."}
    assert get_document(resources, "help", "a", with_text=True).text == "Tea."
    assert [document.id for document in list_documents(resources, "help")[0]] == [
        "a",
        "b",
        "c",
    ]


def test_damaged_text_is_not_embedded_again(
    tmp_path: Path, filled: Settings, jina_v3: Path, watch: Watch
) -> None:
    with open_resources(filled) as resources:
        damage_text(resources)
        before = read_live(resources)
    watch.texts.clear()
    with open_with(filled.data, make_jina_v3(tmp_path / "other", seed=3)) as resources:
        with pytest.raises(ReembedRefused) as refused:
            reembed(resources)
        assert [(name, code) for name, code, _ in refused.value.failed] == [("b", "corrupt_data")]
        assert "the stored text of b fails its checksum" in str(refused.value)
        assert watch.texts == ["Tea.", "Coffee."]
        assert read_live(resources) == before


def test_damaged_vectors_of_the_former_model_do_not_matter_to_the_new_one(
    tmp_path: Path, filled: Settings, jina_v3: Path
) -> None:
    with open_resources(filled) as resources:
        damage_unit(resources, UnitRow.vector)
        damage_unit(resources, UnitRow.passage_vectors)
    with open_with(filled.data, make_jina_v3(tmp_path / "other", seed=3)) as resources:
        reembed(resources)
        assert search(resources) == TEXTS


# Uploads


def test_damaged_upload_is_not_read(resources: Resources, sandbox: Sandbox) -> None:
    put_documents(resources, "help", UPLOADS)
    damage_upload(resources)
    assert work(resources, sandbox) is None
    document = get_document(resources, "help", "b")
    assert document.status is Status.FAILED
    assert document.error is not None
    assert document.error.code == "corrupt_data"
    assert search(resources) == {"a": "Tea.", "c": "Coffee."}
    # The advice that the error gives.
    put_documents(resources, "help", UPLOADS)
    assert work(resources, sandbox) is None
    assert search(resources) == TEXTS


# Terms


def test_article_with_damaged_terms_is_named_and_found_by_the_words_of_its_text(
    filled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with open_resources(filled) as resources:
        assert search(resources, "milk", mode=Mode.LEXICAL) == {"b": "Milk."}
        damage_terms(resources)
    (problem,) = [finding for finding in examine(filled) if finding.level == "problem"]
    assert "checksum" in problem.text
    caplog.clear()
    with open_resources(filled) as resources, caplog.at_level(logging.ERROR, logger="folio"):
        assert search(resources, "milk", mode=Mode.LEXICAL) == {"b": "Milk."}
        assert search(resources, "tea", mode=Mode.LEXICAL) == {"a": "Tea."}
        assert search(resources, "milk") == TEXTS
        (record,) = caplog.records
        assert "the terms of b fail their checksum" in record.getMessage()
        assert "upload the document again" in record.getMessage()


def test_article_whose_terms_and_text_are_damaged_is_quarantined(filled: Settings) -> None:
    with open_resources(filled) as resources:
        damage_terms(resources)
        damage_text(resources)
    with open_resources(filled) as resources:
        assert search(resources) == {"a": "Tea.", "c": "Coffee."}
        assert_quarantined(resources)


@pytest.mark.parametrize(
    "damage",
    [
        # PostgreSQL has types for these, and refuses the damage itself.
        pytest.param(
            "UPDATE versions SET attributes = '{tea'", marks=pytest.mark.data_folder, id="json"
        ),
        pytest.param("UPDATE versions SET status = 'tea'", id="word"),
        pytest.param(
            "UPDATE versions SET created_at = '2026-13-01 tea'",
            marks=pytest.mark.data_folder,
            id="time",
        ),
    ],
)
def test_stored_value_that_cannot_be_decoded_is_named_as_damage(
    filled: Settings, damage: str
) -> None:
    with open_resources(filled) as resources:
        with resources.database.write() as session:
            session.execute(text(damage))
        with pytest.raises(CorruptData) as caught:
            list_documents(resources, "help")
        assert "tea" not in str(caught.value)


def test_same_upload_mends_damaged_terms(filled: Settings, sandbox: Sandbox, watch: Watch) -> None:
    with open_resources(filled) as resources:
        damage_terms(resources)
    watch.texts.clear()
    with open_resources(filled) as resources:
        changes = {d.id: d.change for d in put_documents(resources, "help", UPLOADS).documents}
        assert changes == {"a": "none", "b": "content", "c": "none"}
        assert work(resources, sandbox) is None
        assert search(resources, "milk", mode=Mode.LEXICAL) == {"b": "Milk."}
    assert [finding for finding in examine(filled) if finding.level == "problem"] == []
    assert watch.texts == ["Milk."]


# Mending


@pytest.mark.parametrize("part", ["vector", "passages", "text"])
def test_same_upload_mends_what_is_damaged(
    filled: Settings, sandbox: Sandbox, watch: Watch, part: str
) -> None:
    with open_resources(filled) as resources:
        before = read_live(resources)
        match part:
            case "vector":
                damage_unit(resources, UnitRow.vector)
            case "passages":
                damage_unit(resources, UnitRow.passage_vectors)
            case "text":
                damage_text(resources)
        assert read_live(resources) != before
    watch.texts.clear()
    with open_resources(filled) as resources:
        changes = {d.id: d.change for d in put_documents(resources, "help", UPLOADS).documents}
        assert changes == {"a": "none", "b": "content", "c": "none"}
        assert work(resources, sandbox) is None
        assert read_live(resources) == before
        assert search(resources) == TEXTS
    assert watch.texts == ["Milk."]


def test_same_upload_with_other_attributes_mends_what_is_damaged(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(*UPLOADS)
    damage_text(resources)
    (accepted,) = ingest(article("b", "Milk.", attributes={"hot": True})).documents
    assert accepted.change == "content"
    assert search(resources) == TEXTS
    assert get_document(resources, "help", "b").attributes == {"hot": True}


def test_damaged_article_can_be_deleted(resources: Resources, ingest: Ingest) -> None:
    ingest(*UPLOADS)
    damage_text(resources)
    damage_unit(resources, UnitRow.vector)
    damage_unit(resources, UnitRow.passage_vectors)
    delete_document(resources, "help", "b")
    assert search(resources) == {"a": "Tea.", "c": "Coffee."}


# On the disk itself


# The pages of PostgreSQL's files have checksums of its own.
@pytest.mark.data_folder
def test_byte_that_turns_over_in_the_file_is_found(
    filled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with open_resources(filled) as resources:
        before = read_live(resources)
    vector = before["b"].units[0].vector
    file = filled.data / "folio.db"
    content = file.read_bytes()
    assert content.count(vector) == 1
    file.write_bytes(flip(content, content.index(vector) + 40))
    (problem,) = [finding for finding in examine(filled) if finding.level == "problem"]
    assert "checksum" in problem.text
    with open_resources(filled) as resources:
        assert search(resources) == {"a": "Tea.", "c": "Coffee."}
        assert "a vector of b fails its checksum" in caplog.text
        assert_quarantined(resources)


def test_title_that_changed_by_itself_never_answers(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", UPLOADS)
        work(resources, sandbox)
        with resources.database.write() as session:
            session.execute(update(Version).where(Version.text == "Milk.").values(title="Silk"))
        assert search(resources, "milk", mode=Mode.LEXICAL) == {}
        error = get_document(resources, "help", "b").error
        assert error is not None
        assert "fails its checksum" in error.message


def test_version_that_names_another_document_answers_for_neither(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", UPLOADS)
        work(resources, sandbox)
        with resources.database.write() as session:
            a = session.scalars(select(Document.id).where(Document.external_id == "a")).one()
            session.execute(update(Version).where(Version.text == "Tea.").values(is_live=False))
            session.execute(
                update(Version).where(Version.text == "Milk.").values(document_id=a, number=7)
            )
    with open_with(tmp_path, jina_v3) as resources:
        assert search(resources, "milk", mode=Mode.LEXICAL) == {}
        assert search(resources, "coffee", mode=Mode.LEXICAL) == {"c": "Coffee."}
