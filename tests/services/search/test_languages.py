"""Articles in several languages: what words count across them, and how long turns are read."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.domain import Mode
from app.errors import TextTooLong
from app.index.samples import Spread
from app.services.search.candidates import Candidate
from app.services.search.conversation import Message
from app.services.search.explain import explain_document
from app.services.search.explanations import State
from app.services.search.obstacles import Inquiry
from app.services.search.pipeline import SearchRequest, ask
from app.services.search.ranking import rank_articles
from app.services.search.scales import scale_by_language
from app.services.search.scoring import Scale
from app.services.search.snapshot import snapshots
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work

SCALE = Scale(Spread(0.1, 0.2, 100.0), word_weight=0.8)
GERMAN_QUESTION = "Wie oft muss ich meine Nivona Rondo entkalken?"
ARTICLES = {
    "de": "Die Nivona Rondo wird alle drei Monate entkalkt. Lösen Sie einen Beutel Entkalker in "
    "einem Liter Wasser und lassen Sie das Programm durchlaufen.",
    "de-mill": "Das Mahlwerk wird mit einem trockenen Pinsel gereinigt. Wasser darf es nicht "
    "berühren, sonst rosten die Scheiben.",
    "en": "Limescale has to be removed from the coffee machine every three months. Dissolve a "
    "sachet of descaler in a litre of water and run the programme.",
    "en-name": "The Nivona Rondo is sold in black, white and red. The shop in the old town has "
    "the Nivona Rondo on show, and its opening hours are from nine to five.",
    **{
        f"en-{n}": f"The {thing} is kept dry and dark, and is thrown away after {n + 2} years."
        for n, thing in enumerate(("tea", "rice", "flour", "paint", "glue", "seed", "soap", "salt"))
    },
}
CHINESE_TURN = "咖啡机的水箱需要多久清洗一次，用什么样的清洁剂最合适，" * 14


def test_articles_of_the_only_language_keep_the_scale() -> None:
    languages = {1: "en", 2: "en", 3: None}
    scales = scale_by_language(SCALE, {1: 0.3, 2: 0.7, 3: 0.9}, languages)
    assert scales == {None: SCALE, "en": SCALE}
    assert scale_by_language(SCALE, {}, {1: "en", 2: "de"})["de"] == SCALE


def test_words_count_less_in_languages_that_hold_few_of_the_question() -> None:
    languages = {i: "de" if i < 20 else "en" for i in range(40)}
    coverage = {i: 0.9 if i < 20 else 0.2 for i in range(40)}
    scales = scale_by_language(SCALE, coverage, languages)
    assert scales["de"] == SCALE
    assert scales["en"].word_weight < 0.2 * SCALE.word_weight
    assert scales["en"] == replace(SCALE, word_weight=scales["en"].word_weight)


def test_words_count_as_before_in_languages_that_the_model_does_not_know() -> None:
    languages = {1: "de", 2: "en"}
    coverage = {1: 0.9, 2: 0.2}
    scales = scale_by_language(SCALE, coverage, languages, {"en", "fr"})
    assert scales == {None: SCALE, "de": SCALE, "en": SCALE}


def test_one_article_whose_language_was_detected_wrongly_is_hardly_touched() -> None:
    languages = dict.fromkeys(range(99), "en") | {99: "la"}
    coverage = dict.fromkeys(range(99), 0.9) | {99: 0.6}
    assert scale_by_language(SCALE, coverage, languages)["la"].word_weight > 0.8 * SCALE.word_weight


def test_words_of_a_question_count_by_the_language_of_each_article(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", [article(name, text) for name, text in ARTICLES.items()])
        assert work(resources, sandbox) is None
        generation = resources.generations.get(None)
        question = ask(generation, GERMAN_QUESTION, Mode.HYBRID)
        found: dict[str, Candidate] = {}
        for attempt in snapshots(resources, generation):
            with attempt as snapshot:
                ranked = rank_articles(snapshot, question, [ref_of(resources, "help")], limit=20)
                found = {one.version.external_id: one for one in ranked.candidates}
        counts = {name: one.scale.word_weight for name, one in found.items()}
        assert counts["de"] == counts["de-mill"] > 2 * counts["en-name"] > 0
        assert counts["en"] == counts["en-name"]
        # A score says of the evidence what that of its own language makes of it.
        scores = [one.score for one in found.values()]
        assert scores == sorted(scores, reverse=True)


def test_turn_that_is_too_long_with_the_one_before_it_is_read_beside_it(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    before, turn = CHINESE_TURN, f"那么滤芯呢？{CHINESE_TURN}"[:400]
    with open_with(tmp_path, "multilingual-e5-small") as resources:
        put_documents(resources, "help", [article("zh", "滤芯每两个月更换一次。")])
        assert work(resources, sandbox) is None
        messages = [Message("user", before), Message("assistant", "每周一次。")]
        with pytest.raises(TextTooLong):
            search_documents(resources, "help", f"{before} {turn} {turn}", mode=Mode.DENSE)
        for mode in Mode:
            found = search_documents(resources, "help", turn, messages=messages, mode=mode)
            assert [hit.document_id for hit in found.results] == ["zh"]
            asked = SearchRequest(turn, [ref_of(resources, "help")], mode=mode, messages=messages)
            explained = explain_document(resources, Inquiry(asked, "zh"))
            assert explained.state is State.SHOWN
            assert explained.ranking is not None
            assert "".join(explained.ranking.reading.tokens) == (
                "" if mode is Mode.LEXICAL else f"{before} {turn}"
            )
