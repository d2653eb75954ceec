"""Who goes first, what is batched, who is refused and who is dropped."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread

import pytest

from app.embedding.metrics import EngineMetrics
from app.embedding.scheduler import Lane, Lanes
from app.errors import EngineBusy, WorkCancelled


class Model:
    """Answers with its rows in capitals; documents take four steps, each when it is let."""

    def __init__(self) -> None:
        self.metrics = EngineMetrics()
        self.lanes: Lanes[str, str] = Lanes(
            batch_tokens=10, max_waiting_tokens=20, metrics=self.metrics
        )
        self.log: list[str] = []
        self.began, self.go = Event(), Event()

    def start(self, rows: list[str], threads: int) -> Generator[None, None, list[str]]:
        self.log.append("+".join(rows))
        if rows[0] == "broken":
            raise ValueError("broken")
        if rows[0].startswith("long"):
            self.began.set()
            assert self.go.wait(timeout=30)
            for step in range(3):
                yield
                self.log.append(f"step {step}")
        return [row.upper() for row in rows]

    def run(
        self,
        *rows: str,
        lane: Lane = Lane.DOCUMENTS,
        tokens: int = 3,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[str]:
        return self.lanes.run(
            [(row, tokens) for row in rows],
            lane,
            self.start,
            is_cancelled=is_cancelled,
            refuses=refuses,
        )

    def value(self, name: str, lane: Lane) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"lane": lane.value})


@pytest.fixture
def model() -> Iterator[Model]:
    opened = Model()
    yield opened
    opened.go.set()
    opened.lanes.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def wait_for_tokens(model: Model, lane: Lane, tokens: int) -> None:
    """Wait until so many tokens of a lane wait."""
    with model.lanes._changed:
        assert model.lanes._changed.wait_for(
            lambda: model.lanes._waiting_tokens[lane] == tokens, timeout=30
        )


def test_query_goes_between_two_steps_of_a_document(
    model: Model, threads: ThreadPoolExecutor
) -> None:
    document = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    queries = [threads.submit(model.run, f"q{i}", lane=Lane.QUERIES) for i in range(3)]
    wait_for_tokens(model, Lane.QUERIES, 9)
    model.go.set()
    assert [query.result(timeout=30) for query in queries] == [["Q0"], ["Q1"], ["Q2"]]
    assert document.result(timeout=30) == ["LONG"]
    # All that waited are one batch, in the middle of the document.
    assert sorted(model.log[1].split("+")) == ["q0", "q1", "q2"]
    assert model.log[2:] == ["step 0", "step 1", "step 2"]


def test_batch_stays_within_its_budget_and_a_longer_row_goes_alone(model: Model) -> None:
    assert model.run("a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert model.log == ["a+b+c", "d"]
    assert model.run("e", "f", tokens=11) == ["E", "F"]
    assert model.log[2:] == ["e", "f"]


def test_documents_of_several_calls_share_a_batch(
    model: Model, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    others: list[Future[list[str]]] = []
    for i in range(2):
        others.append(threads.submit(model.run, f"d{i}", tokens=5))
        wait_for_tokens(model, Lane.DOCUMENTS, 5 * (i + 1))
    model.go.set()
    assert [other.result(timeout=30) for other in others] == [["D0"], ["D1"]]
    assert first.result(timeout=30) == ["LONG"]
    assert model.log[-1] == "d0+d1"


def test_call_is_refused_while_too_much_waits_and_says_when_to_come_back(
    model: Model, threads: ThreadPoolExecutor
) -> None:
    running = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    waiting = threads.submit(model.run, "large", tokens=100, refuses=True)
    wait_for_tokens(model, Lane.DOCUMENTS, 100)
    with pytest.raises(EngineBusy, match="100 tokens of documents wait") as caught:
        model.run("small", refuses=True)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 1)
    # The other lane is not full, and who does not ask to be refused waits.
    query = threads.submit(model.run, "q", lane=Lane.QUERIES, refuses=True)
    patient = threads.submit(model.run, "small")
    model.go.set()
    assert query.result(timeout=30) == ["Q"]
    assert [f.result(timeout=30) for f in (running, waiting, patient)] == [
        ["LONG"],
        ["LARGE"],
        ["SMALL"],
    ]
    assert model.value("folio_embedding_refused_total", Lane.DOCUMENTS) == 1


def test_cancelled_pass_stops_between_two_steps(model: Model, threads: ThreadPoolExecutor) -> None:
    cancelled = Event()
    document = threads.submit(model.run, "long", is_cancelled=cancelled.is_set)
    assert model.began.wait(timeout=30)
    cancelled.set()
    model.go.set()
    with pytest.raises(WorkCancelled):
        document.result(timeout=30)
    assert model.run("next") == ["NEXT"]
    assert model.log == ["long", "next"]


def test_small_call_does_not_wait_for_a_large_one(
    model: Model, threads: ThreadPoolExecutor
) -> None:
    running = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    large = threads.submit(model.run, *"abcdefghi", lane=Lane.CALLS)
    wait_for_tokens(model, Lane.CALLS, 27)
    small = threads.submit(model.run, "small", lane=Lane.CALLS)
    wait_for_tokens(model, Lane.CALLS, 30)
    model.go.set()
    assert small.result(timeout=30) == ["SMALL"]
    assert large.result(timeout=30) == [*"ABCDEFGHI"]
    assert running.result(timeout=30) == ["LONG"]
    batches = [batch for batch in model.log if not batch.startswith(("long", "step"))]
    assert batches == ["a+b+c", "small+d+e", "f+g+h", "i"]


def test_slow_lanes_take_turns_step_by_step(model: Model, threads: ThreadPoolExecutor) -> None:
    first = threads.submit(model.run, "long document")
    assert model.began.wait(timeout=30)
    call = threads.submit(model.run, "long call", lane=Lane.CALLS)
    wait_for_tokens(model, Lane.CALLS, 3)
    model.go.set()
    assert first.result(timeout=30) == ["LONG DOCUMENT"]
    assert call.result(timeout=30) == ["LONG CALL"]
    # Neither waited for the whole pass of the other.
    assert model.log.index("long call") < len(model.log) - 4


def test_cancelled_call_leaves_before_its_turn(model: Model, threads: ThreadPoolExecutor) -> None:
    running = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    with pytest.raises(WorkCancelled):
        model.run("late", lane=Lane.QUERIES, is_cancelled=lambda: True)
    model.go.set()
    assert running.result(timeout=30) == ["LONG"]
    assert "late" not in model.log


def test_cancelled_call_is_not_begun(model: Model) -> None:
    with pytest.raises(WorkCancelled):
        model.run("never", is_cancelled=lambda: True)
    assert model.log == []


@pytest.mark.parametrize("lane", Lane)
def test_error_of_a_pass_reaches_its_callers_and_nobody_else(model: Model, lane: Lane) -> None:
    with pytest.raises(ValueError, match="broken"):
        model.run("broken", lane=lane)
    assert model.run("next", lane=lane) == ["NEXT"]


def test_closing_tells_who_waits(model: Model, threads: ThreadPoolExecutor) -> None:
    running = threads.submit(model.run, "long")
    assert model.began.wait(timeout=30)
    waiting = threads.submit(model.run, "after", tokens=10)
    wait_for_tokens(model, Lane.DOCUMENTS, 10)
    model.lanes.close()
    model.go.set()
    for future in (running, waiting):
        with pytest.raises(WorkCancelled, match="closed"):
            future.result(timeout=30)
    # Its threads have ended: nothing would ever take this one.
    with pytest.raises(WorkCancelled, match="closed"):
        model.run("too late")


def test_many_callers_get_their_own_results(model: Model) -> None:
    got: dict[int, list[str]] = {}

    def work(number: int) -> None:
        lane = Lane.QUERIES if number % 2 else Lane.DOCUMENTS
        for turn in range(20):
            got[number * 20 + turn] = model.run(f"a{number}", f"b{turn}", lane=lane)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert got == {n * 20 + t: [f"A{n}", f"B{t}"] for n in range(8) for t in range(20)}


def test_metrics_count_tokens_fill_and_times_by_lane(model: Model) -> None:
    model.run("a", "b", "c")
    model.run("q", lane=Lane.QUERIES)
    for lane, tokens in ((Lane.DOCUMENTS, 9), (Lane.QUERIES, 3)):
        assert model.value("folio_embedding_tokens_total", lane) == tokens
        assert model.value("folio_embedding_batch_fill_sum", lane) == tokens / 10
        assert model.value("folio_embedding_queue_seconds_count", lane) == tokens / 3
        assert model.value("folio_embedding_seconds_count", lane) == 1
        assert model.value("folio_embedding_waiting_tokens", lane) == 0


# Several passes at a time


class Pair:
    """Two processors, two passes at a time; a row stays in its step until it is let go."""

    def __init__(self) -> None:
        self.lanes: Lanes[str, str] = Lanes(
            batch_tokens=10,
            max_waiting_tokens=100,
            metrics=EngineMetrics(),
            threads=2,
            passes=2,
        )
        self.log: list[str] = []
        self.began = {name: Event() for name in "abcq"}
        self.go = {name: Event() for name in "abcq"}

    def start(self, rows: list[str], threads: int) -> Generator[None, None, list[str]]:
        for name in rows:
            self.log.append(f"{name} with {threads}")
            self.began[name].set()
            assert self.go[name].wait(timeout=30)
            yield
            self.log.append(f"{name} ends")
        return [row.upper() for row in rows]

    def run(self, *rows: str, lane: Lane = Lane.DOCUMENTS, tokens: int = 10) -> list[str]:
        return self.lanes.run(
            [(row, tokens) for row in rows],
            lane,
            self.start,
            is_cancelled=lambda: False,
            refuses=False,
        )

    def begin_two(self, threads: ThreadPoolExecutor) -> Future[list[str]]:
        """Return the call for two batches of which both have begun."""
        call = threads.submit(self.run, "a", "b")
        assert self.began["a"].wait(timeout=30)
        assert self.began["b"].wait(timeout=30)
        return call

    def wait_for(self, lane: Lane, tokens: int) -> None:
        with self.lanes._changed:
            assert self.lanes._changed.wait_for(
                lambda: self.lanes._waiting_tokens[lane] == tokens, timeout=30
            )


@pytest.fixture
def pair() -> Iterator[Pair]:
    opened = Pair()
    yield opened
    for event in opened.go.values():
        event.set()
    opened.lanes.close()


def test_two_batches_run_at_a_time_each_on_its_share_of_the_processors(
    pair: Pair, threads: ThreadPoolExecutor
) -> None:
    answer = pair.begin_two(threads)
    assert sorted(pair.log) == ["a with 1", "b with 1"]
    for name in "ba":
        pair.go[name].set()
    assert answer.result(timeout=30) == ["A", "B"]


def test_batch_that_is_alone_has_all_processors_and_those_that_come_wait(
    pair: Pair, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(pair.run, "a")
    assert pair.began["a"].wait(timeout=30)
    second = threads.submit(pair.run, "b")
    pair.wait_for(Lane.DOCUMENTS, 10)
    assert pair.log == ["a with 2"]
    for name in "ab":
        pair.go[name].set()
    assert (first.result(timeout=30), second.result(timeout=30)) == (["A"], ["B"])
    assert pair.log.index("a ends") < pair.log.index("b with 2")


def test_query_waits_for_the_steps_that_run_and_has_the_model_to_itself(
    pair: Pair, threads: ThreadPoolExecutor
) -> None:
    articles = pair.begin_two(threads)
    asked = threads.submit(pair.run, "q", lane=Lane.QUERIES)
    pair.wait_for(Lane.QUERIES, 10)
    pair.go["a"].set()
    # The other one is in its step still; the first would go on if no query waited.
    assert not pair.began["q"].wait(timeout=0.05)
    assert "a ends" not in pair.log
    pair.go["b"].set()
    assert pair.began["q"].wait(timeout=30)
    assert pair.log[2:] == ["q with 2"]
    pair.go["q"].set()
    assert asked.result(timeout=30) == ["Q"]
    assert articles.result(timeout=30) == ["A", "B"]


def test_error_of_one_pass_leaves_the_other_alone(pair: Pair, threads: ThreadPoolExecutor) -> None:
    def break_down(rows: list[str], threads: int) -> Generator[None, None, list[str]]:
        yield
        raise ValueError("broken")

    for event in pair.go.values():
        event.set()
    whole = threads.submit(pair.run, "a", "b", "c")
    broken = threads.submit(
        pair.lanes.run,
        [("x", 10), ("y", 10)],
        Lane.CALLS,
        break_down,
        is_cancelled=lambda: False,
        refuses=False,
    )
    with pytest.raises(ValueError, match="broken"):
        broken.result(timeout=30)
    assert whole.result(timeout=30) == ["A", "B", "C"]


def test_closing_in_the_middle_tells_who_waits_for_either_pass(
    pair: Pair, threads: ThreadPoolExecutor
) -> None:
    answer = pair.begin_two(threads)
    pair.lanes.close()
    for name in "ab":
        pair.go[name].set()
    with pytest.raises(WorkCancelled):
        answer.result(timeout=30)
