"""Requests go first, and never keep background work from going on."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from app.errors import OutOfTime
from app.runtime.deadline import limit_time
from app.runtime.priority import Priority, answer_to
from tests.api.service import poll


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


@contextmanager
def answering(priority: Priority, caller: str) -> Iterator[tuple[Event, Event]]:
    """Answer in a thread; yields what is set when its turn has come, and what ends it."""
    begun, end = Event(), Event()

    def answer() -> None:
        with answer_to(caller), priority.take():
            begun.set()
            assert end.wait(60)

    thread = Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield begun, end
    finally:
        end.set()
        thread.join(30)
        assert not thread.is_alive()


def test_what_one_caller_asks_is_answered_one_by_one_while_there_are_others() -> None:
    priority = Priority(turn_seconds=0.01)
    with (
        answering(priority, "heavy") as (first, end_first),
        answering(priority, "other") as (other, _),
    ):
        assert first.wait(30)
        # It waits for no more than the turn of the one that takes long.
        assert other.wait(30)
        with answering(priority, "heavy") as (second, _):
            assert not second.wait(0.2), "the first of this caller is being answered"
            with answering(priority, "third") as (third, _):
                assert third.wait(30), "it does not wait behind the second"
            end_first.set()
            assert second.wait(30)


def test_caller_without_others_may_ask_much_at_once() -> None:
    priority = Priority(turn_seconds=0.01)
    with (
        answering(priority, "one") as (first, _),
        answering(priority, "one") as (second, _),
        answering(priority, "one") as (third, _),
    ):
        assert all(begun.wait(30) for begun in (first, second, third))


def test_turns_go_from_caller_to_caller_however_much_one_asks() -> None:
    priority = Priority(turn_seconds=60.0)
    order: list[str] = []

    def answer(caller: str) -> None:
        with answer_to(caller), priority.take():
            order.append(caller)

    with answer_to("heavy"), priority.take():
        threads = []
        for caller in ("heavy", "heavy", "heavy", "other"):
            threads.append(Thread(target=answer, args=(caller,), daemon=True))
            threads[-1].start()
            poll(lambda: len(priority._waiting), lambda waiting: waiting == len(threads))
    for thread in threads:
        thread.join(30)
    assert order == ["other", "heavy", "heavy", "heavy"]


def test_time_of_a_request_ends_while_it_waits_for_its_turn() -> None:
    priority = Priority(turn_seconds=0.01)
    with answering(priority, "other") as (other, end_other):
        assert other.wait(30)
        end_other.set()
    with answering(priority, "heavy") as (first, _):
        assert first.wait(30)
        with pytest.raises(OutOfTime), answer_to("heavy"), limit_time(0.05), priority.take():
            raise AssertionError("it had its turn")
    assert priority.yield_to_requests(), "the one that gave up is not waited for"
