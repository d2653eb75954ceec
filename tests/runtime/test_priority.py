"""Requests go first, and never keep background work from going on."""

from threading import Event, Thread

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


def test_requests_take_turns_and_a_thread_may_look_twice() -> None:
    priority = Priority(turn_seconds=60.0)
    answered: list[int] = []

    def answer(number: int) -> None:
        with priority.take(), priority.take():
            answered.append(number)

    with priority.take():
        others = [Thread(target=answer, args=(number,), daemon=True) for number in range(3)]
        for other in others:
            other.start()
        others[0].join(0.1)
        assert not answered, "another request is being answered"
    for other in others:
        other.join(30)
    assert sorted(answered) == [0, 1, 2]


def test_request_that_takes_long_holds_up_nobody_for_long() -> None:
    priority = Priority(turn_seconds=0.01)
    answered = Event()

    def answer() -> None:
        with priority.take():
            answered.set()

    with priority.take():
        other = Thread(target=answer, daemon=True)
        other.start()
        assert answered.wait(30)
    other.join(30)
    assert not other.is_alive()
