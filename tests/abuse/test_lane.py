"""The lane of attacks: a run that attacked nothing, or whose neighbour broke off, does not hold."""

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.config import Settings
from tests.abuse.__main__ import Outcome, main
from tests.abuse.attacks import ATTACKS, Target
from tests.abuse.neighbour import Timings, measure
from tests.abuse.terminations import is_bad_end
from tests.api.service import Service, open_service
from tests.checkpoints import make_jina_v3
from tests.cli.test_output import serve_answer


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes files and reads none."""
    folder = tmp_path_factory.mktemp("attacked")
    settings = Settings(data=folder / "data", model=str(make_jina_v3(folder / "model")))
    with open_service(settings, works=False) as service:
        service.new_collection("theirs")
        yield service


@pytest.mark.parametrize("only", [["--only", "no such attack"], ["--only", "-"]])
def test_run_without_an_attack_is_refused(only: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([*only, "--model", "tiny"])
    assert refused.value.code == 2


def test_answers_of_another_shape_are_failures_and_the_neighbour_goes_on() -> None:
    with serve_answer(200, b"[]") as url, measure(url, "key") as timings:
        pass
    assert {failure.partition(":")[0] for failure in timings.failures} == {
        "_search",
        "_add_article",
    }
    before = Timings(searches=[1.0], health=[0.1])
    assert not Outcome("4 reranking", {"200": 1}, before, timings, 1.0, 1.0).held


def test_attack_that_did_not_get_through_does_not_hold_nor_one_after_failures() -> None:
    quiet = Timings(searches=[1.0], health=[0.1])
    failing = replace(quiet, failures=["_search: HTTPStatusError"])
    assert Outcome("4 reranking", {"200": 9, "429": 900}, quiet, quiet, 1.0, 1.0).held
    for answers in ({}, {"ConnectError": 900}, {"401": 900}):
        assert not Outcome("4 reranking", answers, quiet, quiet, 1.0, 1.0).held
    assert not Outcome("4 reranking", {"200": 9}, failing, quiet, 1.0, 1.0).held


# Not of the service; and those whose answer may take longer than an attacker waits on a busy
# machine, or in which this model reads too many tokens.
_NOT_TRIED = {"0 busy processes", "4 embeddings as queries", "4 reranking"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in _NOT_TRIED])
def test_attack_gets_the_answer_that_says_that_it_got_through(attacked: Service, name: str) -> None:
    attack = ATTACKS[name]
    answers = attack.run(Target(attacked.url, "key", seconds=0.3))
    assert answers[attack.answer] > 0, answers


@pytest.mark.parametrize(
    ("code", "took_s", "said"),
    [
        (-signal.SIGSEGV, 1.0, ""),
        (1, 1.0, ""),
        (0, 1.0, ""),
        (143, 31.0, ""),
        (143, 1.0, "terminate called without an active exception"),
    ],
)
def test_server_that_ends_otherwise_than_by_the_signal_ended_badly(
    code: int, took_s: float, said: str
) -> None:
    assert is_bad_end(code, took_s, said)
    assert not is_bad_end(-signal.SIGTERM, 1.0, "")
    assert not is_bad_end(128 + signal.SIGTERM, 1.0, "")
