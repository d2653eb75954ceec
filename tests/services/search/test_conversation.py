"""What a turn asks for, and turns that ask for nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from app.config import Settings
from app.domain import Hit, Mode
from app.errors import TextTooLong
from app.index.query import parse_query
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.search import search as searching
from app.services.search.conversation import Message, find_before, is_small_talk, refers, weigh
from app.services.search.rerank import rerank_hits
from app.services.search.retrievers import Question
from app.services.search.turns import join_questions
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, search_documents
from tests.services.knowledge import open_with, work

EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL_TALK = (
    *(EXAMPLES / "small_talk.txt").read_text(encoding="utf-8").splitlines(),
    "谢谢",
    "ありがとう",
    "धन्यवाद",
    "ola\u0301!",
    "what’s up?",
    "hello, how are you doing?",
    "Hallo, wie geht es dir?",
)
QUESTIONS = (
    "Is the drip tray dishwasher safe?", "E17", "what is it for?", "help", "thanks, and the price?",
    "how do I reset it", "Fees ?", "no water comes out", "is this good for milk", "yes, how long?",
    "Wie setze ich die Maschine zurück?", "hello kitty stickers", "price", "什么是咖啡",
    "ok, what is it for?", "Great! How is this going?", "Hallo, wie geht das?", "thanks, 42?",
)  # fmt: skip


@pytest.mark.parametrize("text", SMALL_TALK)
def test_thanks_and_greetings_ask_for_nothing(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize("text", QUESTIONS)
def test_questions_are_not_taken_for_small_talk(text: str) -> None:
    assert not is_small_talk(text)


def test_a_first_turn_stands_by_itself() -> None:
    assert find_before("How long?", ()) is None
    assert find_before("How long?", [Message("user", "How long?")]) is None


def test_a_turn_may_carry_over_the_question_before_it() -> None:
    messages = [
        Message("user", "How do I descale the machine?"),
        Message("assistant", "With a sachet of descaler."),
        Message("user", "Thanks!"),
        Message("user", "How long does that take?"),
    ]
    before = find_before("How long does that take?", messages)
    assert before == "How do I descale the machine?"
    interpreted = f"{before} How long does that take?"
    assert weigh("How long does that take?", interpreted).count("How long") == 2


def test_short_turns_that_refer_go_on_with_what_was_said() -> None:
    assert all(map(refers, ("What does it cost?", "and the grinder?", "why?", "Wie oft?")))
    assert not any(
        map(refers, ("How to descale?", "filter cost?", "The machine leaks when I turn it on"))
    )


def test_a_long_turn_stands_by_itself() -> None:
    query = "The machine is cold. " * 30
    assert find_before(query, [Message("user", "And the grinder?")]) is None


@pytest.mark.parametrize("rest", [" how do I clean it?" * 30, "/价格" * 300])
def test_a_turn_that_is_cut_at_a_hyphen_excludes_no_word(rest: str) -> None:
    end = f"-machine{rest}"[:400]
    before = find_before("how often?", [Message("user", f"I bought a coffee{end}")])
    assert before is not None
    assert before in end
    assert len(before) > 350
    assert not parse_query(before).excluded


@pytest.fixture(scope="module")
def help_centre(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Resources]:
    with open_with(tmp_path_factory.mktemp("turns"), Settings().model) as resources:
        uploads = [
            article(path.stem, path.read_text(encoding="utf-8"), title="")
            for path in sorted((EXAMPLES / "articles").rglob("*.md"))
        ]
        put_documents(resources, "help", uploads)
        assert work(resources, sandbox) is None
        yield resources


def read_as(resources: Resources, before: str, turn: str, mode: Mode = Mode.HYBRID) -> str:
    """Return what a turn is taken for after another one."""
    messages = [Message("user", before), Message("assistant", "Yes."), Message("user", turn)]
    found = search_documents(resources, "help", turn, messages=messages, mode=mode)
    assert found.results
    return found.interpreted


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("turn", ["and how long does that take?", "why?", "how often?"])
def test_a_follow_up_is_asked_with_the_turn_before(
    help_centre: Resources, turn: str, mode: Mode
) -> None:
    before = "How do I descale the machine?"
    assert read_as(help_centre, before, turn, mode) == f"{before} {turn}"


@pytest.mark.parametrize(
    ("before", "turn"),
    [
        ("Is there a warranty?", "Is the drip tray dishwasher safe?"),
        ("What is the capital of Mongolia?", "What does the error code E17 mean?"),
        ("Which collar number for a French press?", "How do I go back to the former firmware?"),
    ],
)
def test_a_change_of_topic_is_asked_by_itself(
    help_centre: Resources, before: str, turn: str
) -> None:
    assert read_as(help_centre, before, turn) == turn


def test_a_turn_is_answered_whose_turn_before_asks_for_words_that_nothing_holds(
    help_centre: Resources,
) -> None:
    before, turn = 'Where is "the flux capacitor of it"?', "How do I descale the machine?"
    assert read_as(help_centre, before, turn) == turn


def test_turns_joined_are_nearer_to_the_last_one() -> None:
    turn, before = (
        Question.of(text, Mode.DENSE, vector, parse_query(""))
        for text, vector in zip("ab", np.eye(2, dtype=np.float32), strict=True)
    )
    joined = join_questions(turn, before, "b a a").vector
    assert joined is not None
    assert joined[0] > joined[1] > 0
    assert np.linalg.norm(joined) == pytest.approx(1)


def test_a_turn_that_the_model_cannot_read_is_near_to_what_the_one_before_is() -> None:
    unread = Question.of("E17", Mode.HYBRID, None, parse_query("E17"))
    vector = np.ones(1, dtype=np.float32)
    before = Question.of("error", Mode.HYBRID, vector, parse_query("error"))
    joined = join_questions(unread, before, "error E17 E17")
    assert joined.vector is vector
    assert {"error", "e17"} <= {word.name for word in joined.words.words}


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
        assert found.interpreted == "why tea?"
        with pytest.raises(TextTooLong):
            search_documents(resources, "help", before.content)


def test_reranking_reads_what_was_carried_over(
    help_centre: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, turn, read = "How do I descale the machine?", "how often?", list[str]()

    def note(
        resources: Resources,
        generation: ActiveGeneration,
        query: str,
        hits: list[Hit],
        **rest: bool,
    ) -> list[Hit]:
        read.append(query)
        if query != turn:
            raise TextTooLong(9000, 8192)
        return rerank_hits(resources, generation, query, hits, **rest)

    monkeypatch.setattr(searching, "rerank_hits", note)
    messages = [Message("user", before)]
    search_documents(help_centre, "help", turn, messages=messages, rerank=True)
    # Past the window the turn is read by itself.
    assert read == [f"{before} {turn}", turn]
