"""What a turn asks for, and turns that ask for nothing."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from app.errors import TextTooLong
from app.services.search.conversation import Message, interpret, is_small_talk, weigh
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, search_documents
from tests.services.knowledge import open_with, work

EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL_TALK = (
    *(EXAMPLES / "small_talk.txt").read_text(encoding="utf-8").splitlines(),
    "谢谢",
    "ありがとう",
)
QUESTIONS = (
    "Is the drip tray dishwasher safe?", "E17", "what is it for?", "help", "thanks, and the price?",
    "how do I reset it", "Fees ?", "no water comes out", "is this good for milk", "yes, how long?",
    "Wie setze ich die Maschine zurück?", "hello kitty stickers", "price", "什么是咖啡",
)  # fmt: skip


@pytest.mark.parametrize("text", SMALL_TALK)
def test_thanks_and_greetings_ask_for_nothing(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize("text", QUESTIONS)
def test_questions_are_not_taken_for_small_talk(text: str) -> None:
    assert not is_small_talk(text)


def test_a_first_turn_stands_by_itself() -> None:
    assert interpret("How long?", ()) == "How long?"
    assert interpret("How long?", [Message("user", "How long?")]) == "How long?"


def test_a_turn_carries_over_the_question_before_it() -> None:
    messages = [
        Message("user", "How do I descale the machine?"),
        Message("assistant", "With a sachet of descaler."),
        Message("user", "Thanks!"),
        Message("user", "How long does that take?"),
    ]
    interpreted = interpret("How long does that take?", messages)
    assert interpreted == "How do I descale the machine? How long does that take?"
    assert weigh("How long does that take?", interpreted).count("How long") == 2


def test_a_long_turn_stands_by_itself() -> None:
    query = "The machine is cold. " * 30
    assert interpret(query, [Message("user", "And the grinder?")]) == query


def test_model_with_a_short_window_reads_the_last_turn_alone(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    model = copytree(jina_v3, tmp_path / "model")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 40
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with open_with(tmp_path / "data", model) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        assert work(resources, sandbox) is None
        before = Message("user", "Tell me everything about the kettle in the kitchen of the house")
        found = search_documents(resources, "help", "why tea?", messages=[before])
        assert [hit.document_id for hit in found.results] == ["a"]
        assert found.interpreted == f"{before.content} why tea?"
        with pytest.raises(TextTooLong):
            search_documents(resources, "help", before.content)
