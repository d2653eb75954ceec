"""Another key beside an attacker: how long its searches, its articles and health routes take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import perf_counter, sleep

import httpx
import numpy as np

COLLECTION = "/v1/collections/ours"
_SEARCH_PAUSE_S = 0.05
_HEALTH_PAUSE_S = 0.1
_ARTICLE_PAUSE_S = 1.0
_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Timings:
    """Seconds that each call took, and what did not succeed."""

    searches: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    articles: list[float] = field(default_factory=list)
    """From the upload until the article is ready."""
    failures: list[str] = field(default_factory=list)

    def p99_ms(self) -> float:
        return 1000 * float(np.percentile(self.searches, 99))

    def p50_ms(self) -> float:
        return 1000 * float(np.percentile(self.searches, 50))

    def worst_health_ms(self) -> float:
        return 1000 * max(self.health)

    def worst_article_s(self) -> float:
        return max(self.articles, default=0.0)


@contextmanager
def measure(url: str, token: str) -> Iterator[Timings]:
    """Search, upload and ask for health, each in a thread, while the block runs."""
    timings, ended = Timings(), Event()
    callers = (
        (_search, timings.searches, _SEARCH_PAUSE_S),
        (_ask_health, timings.health, _HEALTH_PAUSE_S),
        (_add_article, timings.articles, _ARTICLE_PAUSE_S),
    )
    threads = [
        Thread(target=_repeat, args=(call, took, pause_s, url, token, timings.failures, ended))
        for call, took, pause_s in callers
    ]
    for thread in threads:
        thread.start()
    try:
        yield timings
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _repeat(
    call: Callable[[httpx.Client, int], None],
    took: list[float],
    pause_s: float,
    url: str,
    token: str,
    failures: list[str],
    ended: Event,
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    number = 0
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S) as http:
        while not number or not ended.is_set():
            number += 1
            started = perf_counter()
            try:
                call(http, number)
            # An answer of another shape too: the thread would end, and nothing more be counted.
            except Exception as error:  # noqa: BLE001
                failures.append(f"{call.__name__}: {error!r}")
            took.append(perf_counter() - started)
            ended.wait(pause_s)


def _search(http: httpx.Client, number: int) -> None:
    # A new question each: none is answered from what was kept of the one before.
    query = f"how long does tea number {number} steep"
    answer = http.post(f"{COLLECTION}/search", json={"query": query, "limit": 5})
    assert answer.raise_for_status().json()["results"], "nothing was found"


def _ask_health(http: httpx.Client, _: int) -> None:
    http.get("/healthz").raise_for_status()


def _add_article(http: httpx.Client, number: int) -> None:
    text = f"Tea number {number} steeps for three minutes in {perf_counter()} cups."
    job = http.put(f"{COLLECTION}/documents/added", json={"text": text}).raise_for_status().json()
    path, deadline = f"/v1/jobs/{job['job_id']}", perf_counter() + _TIMEOUT_S
    while True:
        counts = http.get(path).raise_for_status().json()["counts"]
        if not counts["queued"] + counts["processing"]:
            break
        assert perf_counter() < deadline, "an article is not ready after two minutes"
        sleep(0.05)
    assert not counts["failed"], "an article failed"
