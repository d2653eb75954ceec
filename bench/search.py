"""Measures how long a server takes to answer, for one client and for eight at once.

    python bench/search.py --data SETS --set aws_docs_small --kb FOLDER

The server runs in a process of its own; the clients are threads of this one, and share its cores.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter

import httpx
import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from bench.ingest import check_folder
from bench.ready import becomes_ready
from bench.report import describe_machine, print_table, processor_seconds
from bench.sets import read_queries
from tests.api.service import find_free_port

_ROUNDS = 3
_MAX_REQUESTS = 600
_WARM_UP_REQUESTS = 20
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_CLIENTS = (1, 8)
_PATH = "/v1/collections/default/search"


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds of one answer: the server's own stages, and what the client waited."""

    embed: float
    search: float
    total: float
    wall: float


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers, and its process where it is one of this machine."""

    url: str
    pid: int | None = None

    def processor_seconds(self) -> float:
        return processor_seconds(self.pid) if self.pid is not None else float("nan")


@contextmanager
def run_server(kb: Path) -> Iterator[Server]:
    """Serve a data folder on a free loopback port while the block runs."""
    check_folder(kb)
    port = find_free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--no-auth"]
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--data", str(kb), "--port", str(port)], stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if not becomes_ready(
                url, seconds=_START_SECONDS, has_ended=lambda: process.poll() is not None
            ):
                log.seek(0)
                raise SystemExit(f"the server is not ready:\n{log.read().decode()}")
            yield Server(url, process.pid)
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ask(client: httpx.Client, query: str) -> Answer:
    """Search as a chatbot does: ten articles, the best passage of each."""
    started = perf_counter()
    response = client.post(_PATH, json={"query": query})
    wall = 1000 * (perf_counter() - started)
    response.raise_for_status()
    took = response.json()["took_ms"]
    return Answer(took["embed"], took["search"], took["total"], wall)


def ask_all(client: httpx.Client, queries: Sequence[str], clients: int) -> list[Answer]:
    """Ask the queries, `clients` of them at any time."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda query: ask(client, query), queries))


def _as_row(clients: int, answers: Sequence[Answer], seconds: float, processor: float) -> list[str]:
    stages = [
        [answer.embed for answer in answers],
        [answer.search for answer in answers],
        [answer.total for answer in answers],
        [answer.wall for answer in answers],
    ]
    cells = ["{:.1f} / {:.1f}".format(*np.percentile(stage, (50, 95))) for stage in stages]
    cost = 1000 * processor / len(answers)
    rate = len(answers) / seconds
    return [f"{clients}", f"{len(answers)}", *cells, f"{cost:.1f}", f"{rate:.1f}"]


def measure(server: Server, queries: Sequence[str]) -> None:
    """Ask every query about three times with each number of clients and print the percentiles."""
    asked = list(islice(cycle(queries), min(_ROUNDS * len(queries), _MAX_REQUESTS)))
    rows = []
    with httpx.Client(base_url=server.url, timeout=60.0) as client:
        for clients in _CLIENTS:
            ask_all(client, asked[:_WARM_UP_REQUESTS], clients)
            started, used = perf_counter(), server.processor_seconds()
            answers = ask_all(client, asked, clients)
            used = server.processor_seconds() - used
            rows.append(_as_row(clients, answers, perf_counter() - started, used))
    stages = ("embed", "search", "total", "at the client")
    columns = [f"{stage}, ms (p50 / p95)" for stage in stages]
    print_table(
        ("clients", "answers", *columns, "processor of the server, ms an answer", "answers/s"), rows
    )


def main() -> None:
    """Start a server over a data folder, or take one that runs, and measure its answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--kb", type=Path, help="data folder with the set")
    target.add_argument("--server", help="URL of a server without keys that runs already")
    arguments = parser.parse_args()
    queries = [query.text for query in read_queries(arguments.data / arguments.set)]
    print(f"{arguments.set}: {len(queries):,} queries; {describe_machine()}")
    if arguments.server is not None:
        measure(Server(arguments.server), queries)
        return
    with run_server(arguments.kb) as server:
        measure(server, queries)


if __name__ == "__main__":
    main()
