"""Texts that a model cannot read, and languages that it does not know."""

from pathlib import Path
from shutil import copytree

import pytest

from app.domain import Mode, Status
from app.embedding.card import read_languages
from app.runtime.resources import Resources
from app.services.operations.doctor import describe_running
from app.services.search.explain import explain_document
from app.services.search.obstacles import Inquiry
from app.services.search.pipeline import SearchRequest
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import get_document, put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work

# Of equal length, and without a character that the tokenizer knows.
TEAPOTS, MOONS = "🫖🫖 🍵🍵 🫖🍵", "🌕🌕 🌙🌙 🌕🌙"
GERMAN = (
    "Der Wasserkocher wird vor dem ersten Gebrauch zweimal mit klarem Wasser gefüllt und wieder "
    "ausgeleert. Danach ist er bereit für den täglichen Gebrauch in der Küche."
)
ENGLISH = (
    "The kettle is filled twice with clear water before the first use and emptied again. After "
    "that it is ready for the daily use in the kitchen."
)


def find(resources: Resources, query: str, mode: Mode) -> list[str]:
    found = search_documents(resources, "help", query, mode=mode, passages=1)
    return [hit.document_id for hit in found.results]


def warnings(resources: Resources, document_id: str) -> list[str]:
    receipt = get_document(resources, "help", document_id).receipt
    assert receipt is not None
    return list(receipt["warnings"])


def test_text_that_the_model_cannot_read_is_found_by_its_words_alone(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        uploads = [article("t", TEAPOTS), article("m", MOONS), article("e", "Tea with milk.")]
        put_documents(resources, "help", uploads)
        assert work(resources, sandbox) is None
        assert "only its words find it" in " ".join(warnings(resources, "t"))
        assert find(resources, "🫖", Mode.HYBRID) == find(resources, "🫖", Mode.LEXICAL) == ["t"]
        assert find(resources, "🌙", Mode.HYBRID) == ["m"]
        # Nothing is said of them by how near their vectors are.
        assert find(resources, "tea with milk", Mode.DENSE) == ["e"]
        assert find(resources, "tea with milk", Mode.HYBRID)[0] == "e"
        for query, mode, rank in (("tea", Mode.DENSE, None), ("🫖 tea", Mode.HYBRID, 2)):
            search = SearchRequest(query, [ref_of(resources, "help")], mode)
            explained = explain_document(resources, Inquiry(search, "t"))
            assert "the model cannot read it" in explained.reason
            assert explained.ranking is not None
            stages = explained.ranking.stages
            assert (stages["unit"].rank, stages["passage"].rank) == (None, None)
            assert (stages["passage"].of, stages["fused"].rank) == (1, rank)


def test_text_that_the_model_cannot_read_fails_where_that_is_set(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3, unknown_text="fail") as resources:
        put_documents(resources, "help", [article("t", TEAPOTS), article("e", "Tea 🫖.")])
        assert work(resources, sandbox) is None
        failed = get_document(resources, "help", "t")
        assert failed.error is not None
        assert (failed.status, failed.error.code) == (Status.FAILED, "unknown_text")
        assert get_document(resources, "help", "e").status is Status.READY


def test_language_that_the_card_does_not_name_is_warned_of(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    model = copytree(jina_v3, tmp_path / "english")
    (model / "README.md").write_text("---\nlanguage: en\n---\n# A model\n", encoding="utf-8")
    with open_with(tmp_path / "data", model) as resources:
        put_documents(resources, "help", [article("de", GERMAN), article("en", ENGLISH)])
        assert work(resources, sandbox) is None
        warned = "the model does not know the language of the text (de)"
        assert warned in warnings(resources, "de")
        assert not any("language" in warning for warning in warnings(resources, "en"))
        notes = [found.text for found in describe_running(resources) if found.level == "note"]
        assert any(
            "articles in languages that the model does not know: 1 (1 de)" in n for n in notes
        )
        # As long as its text is the same, so is what is said of it.
        put_documents(resources, "help", [article("de", f"{GERMAN}\n")])
        assert work(resources, sandbox) is None
        assert warnings(resources, "de").count(warned) == 1
    with open_with(tmp_path / "more", jina_v3) as resources:
        put_documents(resources, "help", [article("de", GERMAN)])
        assert work(resources, sandbox) is None
        assert not any("language" in warning for warning in warnings(resources, "de"))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlanguage: en\n---\n", {"en"}),
        ("---\nlicense: mit\nlanguage:\n- en\n- no\n- zh-Hant\n---\nText", {"en", "no", "zh"}),
        ("---\nlanguage:\n- multilingual\n- en\n---\n", set()),
        ("---\nlicense: mit\n---\nlanguage: en\n", set()),
        ("---\nlanguage: [en\n---\n", set()),
        ("---\nlanguage: en\ndate: 2024-02-30\n---\n", set()),
        ("# A model\n\n---\nlanguage: en\n---\n", set()),
        ("", set()),
    ],
)
def test_languages_are_read_off_the_card(tmp_path: Path, card: str, expected: set[str]) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert read_languages(tmp_path) == expected


def test_model_without_a_card_knows_every_language(tmp_path: Path) -> None:
    assert read_languages(tmp_path) == frozenset()
