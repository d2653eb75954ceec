"""The lane of attacks: a run that attacked nothing, or whose neighbour broke off, does not hold."""

import signal

import pytest

from tests.abuse.__main__ import Outcome, main
from tests.abuse.neighbour import Timings, measure
from tests.abuse.terminations import is_bad_end
from tests.cli.test_output import serve_answer


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
    assert not Outcome("a", {"200": 1}, before, timings, 1.0, 1.0).held


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
