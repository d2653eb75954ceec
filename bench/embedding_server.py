"""Measures what it costs that the model is in another process: `folio embed-server` on loopback.

    python bench/embedding_server.py --data SETS --set aws_docs_small --limit 200

One process with the model and one that asks a server are measured by turns, so that what else the
machine does meets both: questions one at a time, then those of two replicas at once, by the passes
that they share; the ingestion of the same articles; the memory of a server over them.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import httpx
import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Item, Task
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint
from bench.collection import COLLECTION
from bench.ingest import add_documents
from bench.ready import becomes_ready
from bench.report import describe_machine, print_table, processor_seconds, resident_bytes
from bench.sets import read_queries
from tests.api.service import find_free_port

_CLIENTS = 8
_PASSES = 'folio_embedding_batch_fill_count{lane="queries"}'
_START_SECONDS = 300.0


@contextmanager
def run_folio(*arguments: str, variables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run a server while the block runs; yields its URL and its number once it is ready."""
    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments, "--no-auth", "--port", str(port)],
        env={**os.environ, **variables},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        if not becomes_ready(
            url, seconds=_START_SECONDS, has_ended=lambda: process.poll() is not None
        ):
            raise SystemExit(f"{url} is not ready")
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True, slots=True)
class Questions:
    """What questions take of one engine, in milliseconds each."""

    wall: float
    """The median; `least` is the quickest one's, which other work disturbs least."""
    least: float
    processor: float
    """Of this process, the median."""


def measure_questions(engines: Sequence[Engine], questions: Sequence[str]) -> list[Questions]:
    """Ask each engine by turns."""
    took: list[list[tuple[float, float]]] = [[] for _ in engines]
    for question in questions:
        for engine, times in zip(engines, took, strict=True):
            started, used = perf_counter(), process_time()
            engine.embed([Item(question, Task.QUERY)])
            times.append((perf_counter() - started, process_time() - used))
    return [
        Questions(1000 * median(wall), 1000 * min(wall), 1000 * median(processor))
        for wall, processor in (zip(*times, strict=True) for times in took)
    ]


def largest_difference(engines: Sequence[Engine], questions: Sequence[str]) -> float:
    """Return by how much a component of a vector differs between two engines at most."""
    ours, theirs = (
        np.stack([engine.embed([Item(text, Task.QUERY)])[0].vector for text in questions])
        for engine in engines
    )
    return float(np.abs(ours - theirs).max())


def measure_passes(
    url: str, replicas: Sequence[Engine], questions: Sequence[str]
) -> tuple[float, float]:
    """Return questions a second and a pass, with all clients of all replicas asking at once."""
    before, started = _count_passes(url), perf_counter()
    with ThreadPoolExecutor(_CLIENTS * len(replicas)) as threads:
        calls = [
            threads.submit(replica.embed, [Item(question, Task.QUERY)])
            for question in questions
            for replica in replicas
        ]
        for call in calls:
            call.result()
    seconds, passes = perf_counter() - started, _count_passes(url) - before
    return len(calls) / seconds, len(calls) / passes


def _count_passes(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(_PASSES)), 0.0)


def measure_ingestion(
    documents: Path, folder: Path, variables: Mapping[str, str], server: int | None
) -> tuple[float, float, float]:
    """Return tokens a second, and processor seconds of the process and of the server it asks."""
    before = processor_seconds(server) if server else 0.0
    done = add_documents(documents, folder, variables=variables)
    return (
        done.tokens / done.seconds,
        done.processor_seconds,
        processor_seconds(server) - before if server else 0.0,
    )


def measure_memory(folder: Path, questions: Sequence[str], variables: Mapping[str, str]) -> int:
    """Return the resident bytes of a server over a folder that has answered questions."""
    with (
        run_folio("serve", "--data", str(folder), variables=variables) as (url, pid),
        httpx.Client(base_url=url, timeout=120.0) as http,
    ):
        for question in questions:
            path = f"/v1/collections/{COLLECTION}/search"
            http.post(path, json={"query": question}).raise_for_status()
        return resident_bytes(pid)


def _print_questions(url: str, server: int, questions: Sequence[str]) -> None:
    settings, alone = Settings(model_url=url, model_api="folio"), Settings()
    local = load_engine(open_checkpoint(alone), alone)
    replicas = [load_engine(open_checkpoint(settings), settings) for _ in range(2)]
    engines = [local, replicas[0]]
    measure_questions(engines, questions[:20])
    before = processor_seconds(server)
    here, there = measure_questions(engines, questions)
    served = 1000 * (processor_seconds(server) - before) / len(questions)
    print_table(
        (
            "a question, one at a time",
            "ms, median",
            "least",
            "processor ms of the process",
            "of the server",
        ),
        [
            [who, f"{one.wall:.1f}", f"{one.least:.1f}", f"{one.processor:.1f}", server_ms]
            for who, one, server_ms in (
                ("with the model", here, ""),
                ("through the server", there, f"{served:.1f}"),
            )
        ],
    )
    print(f"\nLargest difference of a component: {largest_difference(engines, questions):.1e}")
    rows = []
    for count in (1, 2):
        per_second, per_pass = measure_passes(url, replicas[:count], questions)
        rows.append([str(count), str(_CLIENTS), f"{per_second:.0f}", f"{per_pass:.1f}"])
    print_table(("replicas", "clients of each", "questions/s", "questions a pass"), rows)


def _print_runs(
    name: str, columns: Sequence[str], runs: Callable[[bool], Sequence[float]], rounds: int
) -> None:
    rows = []
    for number in range(rounds):
        for asks in (False, True):
            who = "through the server" if asks else "with the model"
            rows.append([f"{who}, run {number + 1}", *(f"{value:,.0f}" for value in runs(asks))])
    print_table((name, *columns), rows)


def main() -> None:
    """Run `folio embed-server` and print what it costs and saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--limit", type=int, default=200, help="articles that are ingested")
    parser.add_argument("--only", default="questions,ingestion,memory", help="some of these")
    parser.add_argument("--dtype", default="float32", help="FOLIO_DTYPE of all processes")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each kind of ingestion")
    arguments = parser.parse_args()
    folder: Path = arguments.data / arguments.set
    only: list[str] = arguments.only.split(",")
    # `auto` times both, so that two processes may choose differently on a busy machine.
    os.environ["FOLIO_DTYPE"] = arguments.dtype
    questions = [query.text for query in read_queries(folder)][:200]
    print(describe_machine())
    print(f"{arguments.set}, load {Path('/proc/loadavg').read_text(encoding='utf-8').strip()}")
    with ExitStack() as stack:
        work = Path(stack.enter_context(TemporaryDirectory(prefix="folio-bench-")))
        documents = work / "documents.jsonl"
        with (folder / "docs.jsonl").open("rb") as source, documents.open("wb") as target:
            target.writelines(islice(source, arguments.limit))
        url, server = stack.enter_context(run_folio("embed-server", variables={}))
        asking = {"FOLIO_MODEL_URL": url, "FOLIO_MODEL_API": "folio"}
        if "questions" in only:
            _print_questions(url, server, questions)
        folders: dict[bool, list[Path]] = {False: [], True: []}

        def ingest(asks: bool) -> Sequence[float]:
            kb = work / f"{asks}-{len(folders[asks])}"
            folders[asks].append(kb)
            variables = asking if asks else {}
            return measure_ingestion(documents, kb, variables, server if asks else None)

        def remember(asks: bool) -> Sequence[float]:
            kb = folders[False][0]
            return [measure_memory(kb, questions[:20], asking if asks else {}) / 2**20]

        if "ingestion" in only:
            columns = ("tokens/s", "processor s of the process", "of the server")
            _print_runs(f"{arguments.limit} articles", columns, ingest, arguments.rounds)
        if "memory" in only:
            if not folders[False]:
                ingest(False)
            _print_runs("`folio serve` over them", ("MiB resident",), remember, 1)
            print(f"\nThe embedding server: {resident_bytes(server) / 2**20:,.0f} MiB resident.")


if __name__ == "__main__":
    main()
