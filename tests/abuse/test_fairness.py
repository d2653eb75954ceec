"""Item 4: whoever asks, others get their turn; health routes wait for nobody; work has an end."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Semaphore
from time import monotonic
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from app.api import health
from app.api.callers import Callers
from app.api.compat.unknown import UnknownPaths
from app.api.fairness import Fairness
from app.api.metrics import Metrics
from app.api.pace import Pace
from app.api.problems import add_problem_handlers
from app.api.rates import Rate
from app.application import ROUTERS
from app.config import Settings
from app.runtime.deadline import check_time
from app.runtime.resources import Resources, open_resources
from app.services.access.keys import create_key, revoke_key
from tests.api.service import open_service, poll, serve_app

_FLOOD = 40


@dataclass
class Door:
    """An application of a slow and a quick route behind Fairness, and three keys to it."""

    resources: Resources
    url: str = ""
    begun: Semaphore = field(default_factory=lambda: Semaphore(0))
    release: Event = field(default_factory=Event)

    def make_key(self) -> dict[str, str]:
        _, token = create_key(self.resources.database)
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=60)

    def wait_for(self, count: int) -> None:
        """Wait until so many requests are in the slow route."""
        for _ in range(count):
            assert self.begun.acquire(timeout=30)


@contextmanager
def open_door(data: Path, **limits: object) -> Iterator[Door]:
    settings = Settings(data=data, **limits)  # type: ignore[arg-type]
    app = FastAPI()
    with open_resources(settings) as resources:
        door = Door(resources)

        @app.get("/slow")
        @app.get("/v1/jobs/{name}/events")
        @app.get("/articles/{name:path}")
        def answer_slowly() -> str:
            door.begun.release()
            assert door.release.wait(60)
            return "slow"

        @app.get("/quick")
        @app.post("/model")
        def answer() -> str:
            return "quick"

        @app.post("/model/slow")
        def call_slowly() -> str:
            return answer_slowly()

        @app.get("/endless")
        def work_on() -> None:
            ends_at = monotonic() + 30
            while monotonic() < ends_at:
                check_time()

        app.state.probes = health.make_probes(resources, Metrics())
        app.include_router(health.router)
        unrouted = UnknownPaths(ROUTERS)
        add_problem_handlers(app, unrouted.answer)
        app.add_middleware(
            Fairness,
            settings=settings,
            callers=Callers(resources.database, lambda _: None),
            model_paths=frozenset({"/model", "/model/slow"}),
            refuse=unrouted.refuse,
        )
        app.add_middleware(Pace, per_second=settings.max_probes_per_second)
        with serve_app(app) as door.url:
            try:
                yield door
            finally:
                door.release.set()


def test_caller_with_all_its_turns_taken_holds_up_no_other(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_requests_per_key=2, max_waiting_per_key=1) as door,
        ThreadPoolExecutor(3) as pool,
    ):
        greedy, other = door.make_key(), door.make_key()
        running = [pool.submit(door.get, "/slow", greedy) for _ in range(2)]
        door.wait_for(2)
        waiting = pool.submit(door.get, "/quick", greedy)

        def is_refused(_: object) -> bool:
            try:
                answer = httpx.get(f"{door.url}/quick", headers=greedy, timeout=1)
            except httpx.TimeoutException:
                return False
            return answer.status_code == 429 and answer.headers["Retry-After"] == "1"

        poll(lambda: None, is_refused)
        assert door.get("/quick", other).json() == "quick"
        door.release.set()
        assert [each.result().json() for each in running] == ["slow", "slow"]
        # It had the place to wait, unless one of those that asked after it came first.
        assert waiting.result().status_code in {200, 429}
        assert door.get("/quick", greedy).json() == "quick"


def test_strangers_with_made_up_keys_are_one_caller(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_waiting_per_key=0, max_strangers=3) as door,
        ThreadPoolExecutor(3) as pool,
    ):
        own = door.make_key()
        made_up = [{"Authorization": f"Bearer folio_{n}_{'x' * 40}"} for n in range(20)]
        running = [pool.submit(door.get, "/slow", each) for each in made_up[:3]]
        door.wait_for(3)
        refused = [door.get("/quick", each) for each in (*made_up[3:], {})]
        assert {(each.status_code, each.json()["code"]) for each in refused} == {
            (429, "too_many_requests")
        }
        assert door.get("/quick", own).json() == "quick"
        door.release.set()
        assert {each.result().json() for each in running} == {"slow"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/model/slow"), ("GET", "/v1/jobs/7/events"), ("GET", "/articles/calendar/events")],
)
def test_whatever_strangers_ask_for_they_share_their_turns(
    tmp_path: Path, method: str, path: str
) -> None:
    with (
        open_door(tmp_path, max_waiting_per_key=0, max_strangers=3) as door,
        ThreadPoolExecutor(3) as pool,
    ):
        running = [
            pool.submit(httpx.request, method, f"{door.url}{path}", timeout=60) for _ in range(3)
        ]
        door.wait_for(3)
        for other_method, other in (("GET", "/quick"), ("POST", "/model"), (method, path)):
            answer = httpx.request(other_method, f"{door.url}{other}", timeout=60)
            assert answer.json()["code"] == "too_many_requests"
        door.release.set()
        assert {each.result().json() for each in running} == {"slow"}


def test_article_whose_id_ends_in_events_is_no_event_stream(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_requests_per_key=1, max_waiting_per_key=0) as door,
        ThreadPoolExecutor(2) as pool,
    ):
        key = door.make_key()
        article = pool.submit(door.get, "/articles/calendar/events", key)
        door.wait_for(1)
        assert door.get("/articles/calendar/events", key).status_code == 429
        stream = pool.submit(door.get, "/v1/jobs/7/events", key)
        door.wait_for(1)
        door.release.set()
        assert [article.result().json(), stream.result().json()] == ["slow", "slow"]


def test_strangers_are_answered_so_many_times_a_second(tmp_path: Path) -> None:
    with open_door(tmp_path, max_strangers=1, stranger_seconds=0.2) as door:
        own, begun = door.make_key(), monotonic()
        for _ in range(6):
            # Neither a method nor a path is a way around it.
            assert httpx.delete(f"{door.url}/healthz").status_code == 405
        assert monotonic() - begun >= 5 * 0.2
        assert door.get("/quick", {}).is_success
        assert door.get("/quick", own).is_success
        assert door.get("/healthz", {}).is_success


def test_address_that_asks_for_health_again_and_again_waits(tmp_path: Path) -> None:
    with open_door(tmp_path, max_probes_per_second=10) as door:
        begun = monotonic()
        with httpx.Client(base_url=door.url) as http:
            answers = [http.get("/healthz") for _ in range(20)]
        # The first ten are a second's worth.
        assert monotonic() - begun >= 0.9
        assert {answer.status_code for answer in answers} == {200}


def test_flood_of_one_address_holds_up_no_other(tmp_path: Path) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    with open_door(tmp_path, max_probes_per_second=1) as door, ExitStack() as stack:
        port = urlsplit(door.url).port
        flooding, other = (
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), 30, source_address=(address, 0))
            )
            for address in ("127.0.0.2", "127.0.0.3")
        )
        # One after another, with half a second between them from the second on.
        flooding.sendall(_FLOOD * request)
        assert flooding.recv(4096).startswith(b"HTTP/1.1 200")
        other.sendall(request)
        assert other.recv(4096).startswith(b"HTTP/1.1 200")
        flooding.setblocking(False)
        with suppress(BlockingIOError):
            assert flooding.recv(65536).count(b"HTTP/1.1 200") < _FLOOD - 1


def test_new_key_gets_turns_of_its_own(tmp_path: Path) -> None:
    with open_door(tmp_path, max_requests_per_minute=1) as door:
        first, second = door.make_key(), door.make_key()
        assert door.get("/quick", first).is_success
        assert door.get("/quick", second).is_success
        assert door.get("/quick", first).status_code == 429
        third = door.make_key()
        # Within the second before keys are read again it counts as a stranger.
        poll(lambda: door.get("/quick", third), lambda answer: answer.is_success)


def test_revoked_key_has_no_turns_but_those_of_strangers(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_waiting_per_key=0, max_strangers=1) as door,
        ThreadPoolExecutor(1) as pool,
    ):
        info, token = create_key(door.resources.database)
        key, made_up = ({"Authorization": f"Bearer {one}"} for one in (token, "folio_a_b"))
        assert door.get("/quick", key).is_success
        running = pool.submit(door.get, "/slow", {})
        door.wait_for(1)
        assert door.get("/quick", key).is_success
        revoke_key(door.resources.database, info.id)

        def ask() -> int:
            # For a key that is not known all are read again, once a second.
            door.get("/quick", made_up)
            return door.get("/quick", key).status_code

        poll(ask, lambda status: status == 429)
        door.release.set()
        assert running.result().json() == "slow"


def test_requests_a_minute_are_counted_by_key(tmp_path: Path) -> None:
    with open_door(tmp_path, max_requests_per_minute=3) as door:
        one, other = door.make_key(), door.make_key()
        assert [door.get("/quick", one).status_code for _ in range(3)] == [200] * 3
        refused = door.get("/quick", one)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        assert door.get("/quick", other).is_success
        # A contract's clients read its own shape.
        for _ in range(4):
            told = httpx.get(f"{door.url}/v1/models", headers=one)
        assert told.json()["error"]["type"] == "rate_limit_error"


def test_strangers_use_up_no_requests_of_others_who_sign_in(tmp_path: Path) -> None:
    with open_door(tmp_path, max_requests_per_minute=1) as door:
        assert [door.get("/quick", {}).status_code for _ in range(3)] == [200] * 3


def test_caller_that_is_refused_often_is_told_so_late_and_no_other(tmp_path: Path) -> None:
    limits = {"max_requests_per_minute": 1, "max_refusals_per_second": 2}
    with open_door(tmp_path, **limits) as door, ThreadPoolExecutor(1) as pool:
        one, other = door.make_key(), door.make_key()

        def ask_often() -> list[int]:
            return [door.get("/quick", one).status_code for _ in range(4)]

        for key in (one, other):
            assert door.get("/quick", key).is_success
        begun = monotonic()
        assert ask_often() == [429] * 4
        # The first two are a second's worth.
        assert monotonic() - begun >= 0.9
        # By now half a second lies between any two.
        refused = pool.submit(ask_often)
        assert door.get("/quick", other).status_code == 429
        assert not refused.done()


def test_wait_for_an_answer_is_bounded() -> None:
    rate = Rate(10, 2.0)
    waits = [rate.note("flood") for _ in range(100)]
    assert waits[:10] == [0.0] * 10
    assert 1.9 < max(waits) <= 2.0
    assert rate.note("other") == 0.0


def test_calls_of_the_model_have_turns_of_their_own(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_model_calls_per_key=1, max_requests_per_key=1) as door,
        ThreadPoolExecutor(1) as pool,
    ):
        key = door.make_key()
        call = pool.submit(httpx.post, f"{door.url}/model/slow", headers=key, timeout=60)
        door.wait_for(1)
        assert door.get("/quick", key).json() == "quick"
        door.release.set()
        assert call.result().json() == "slow"


def test_health_is_told_while_every_thread_is_taken(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, max_requests_per_key=100) as door,
        ThreadPoolExecutor(60) as pool,
    ):
        key = door.make_key()
        running = [pool.submit(door.get, "/slow", key) for _ in range(60)]
        # As many as there are threads for requests; the others wait for one.
        door.wait_for(40)
        for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
            assert httpx.get(f"{door.url}{path}", timeout=30).status_code == status
        door.release.set()
        assert {each.result().json() for each in running} == {"slow"}


def test_work_and_waiting_end_when_the_time_is_over(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, request_seconds=0.3, max_requests_per_key=1) as door,
        ThreadPoolExecutor(1) as pool,
    ):
        key = door.make_key()
        answer = door.get("/endless", key)
        assert (answer.status_code, answer.json()["code"]) == (504, "out_of_time")
        # The thread is free again.
        assert door.get("/quick", key).is_success
        running = pool.submit(door.get, "/slow", key)
        door.wait_for(1)
        answer = door.get("/quick", key)
        assert (answer.status_code, answer.json()["code"]) == (504, "out_of_time")
        door.release.set()
        assert running.result().is_success


@pytest.mark.parametrize("closed", [True, False])
def test_metrics_and_docs_ask_for_a_key_where_that_is_set(
    tmp_path: Path, jina_v3: Path, *, closed: bool
) -> None:
    settings = Settings(
        data=tmp_path, model=str(jina_v3), metrics_need_key=closed, docs_need_key=closed
    )
    with open_service(settings, requires_keys=True, works=False, loads=False) as service:
        _, token = create_key(service.resources.database)
        own = {"Authorization": f"Bearer {token}"}
        for path in ("/metrics", "/openapi.json", "/docs", "/redoc"):
            answers = [
                service.http.get(path, headers=headers).status_code
                for headers in ({}, {"Authorization": "Bearer made-up"}, own)
            ]
            assert answers == ([401, 401, 200] if closed else [200, 200, 200]), path
        assert service.http.get("/healthz").is_success
