"""What a turn asks for, and turns that ask for nothing."""

from pathlib import Path

import pytest

from app.services.search.conversation import Message, interpret, is_small_talk, weigh

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
