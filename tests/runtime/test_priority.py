"""Requests go first, and never keep background work from going on."""

from threading import Thread

import pytest

from app.runtime.priority import Priority


def test_work_waits_until_all_requests_are_answered() -> None:
    priority = Priority(max_wait_s=60.0)
    work = Thread(target=priority.yield_to_requests, daemon=True)
    with priority.take():
        with priority.take():
            work.start()
        work.join(0.1)
        assert work.is_alive(), "one of the two is still being answered"
    work.join(30)
    assert not work.is_alive()


def test_work_goes_on_beside_a_request_that_takes_long() -> None:
    priority = Priority()
    with priority.take():
        assert not priority.yield_to_requests(), "the request is still being answered"
    assert priority.yield_to_requests()


def test_request_that_fails_holds_nothing_up() -> None:
    priority = Priority(max_wait_s=None)
    with pytest.raises(RuntimeError), priority.take():
        raise RuntimeError
    assert priority.yield_to_requests()
