"""Requests go first, and never keep work in the background from going on."""

from threading import Thread

import pytest

from app.runtime.priority import Precedence


def test_work_waits_until_all_requests_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.runtime.priority._LONGEST_SECONDS", 60.0)
    precedence = Precedence()
    work = Thread(target=precedence.give, daemon=True)
    with precedence.taken():
        with precedence.taken():
            work.start()
        work.join(0.1)
        assert work.is_alive(), "one of the two is still being answered"
    work.join(30)
    assert not work.is_alive()


def test_work_goes_on_beside_a_request_that_takes_long() -> None:
    precedence = Precedence()
    with precedence.taken():
        precedence.give()


def test_request_that_fails_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.runtime.priority._LONGEST_SECONDS", None)
    precedence = Precedence()
    with pytest.raises(RuntimeError), precedence.taken():
        raise RuntimeError
    precedence.give()
