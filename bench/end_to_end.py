"""Measures the whole way, from files to answers, beside what people build instead.

    python bench/end_to_end.py --data SETS --set aws_docs_small --limit 273 --peers PYTHON

PYTHON is an interpreter that has txtai, chromadb, llama-index-core,
llama-index-retrievers-bm25 and llama-index-embeddings-huggingface. All systems read the same
articles with the same all-MiniLM-L6-v2; Folio reads them also with 8-bit products (`--int8`, where
the processor has VNNI) and with its own model. Folio is asked over HTTP, the peers in their own
process.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx
import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL
from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import MAIN_MEASURE, score_rankings
from app.evaluation.statistics import estimate_mean
from bench.ingest import add_all
from bench.report import describe_machine, print_table
from bench.search import run_server
from bench.sets import LabelledSet, read_set
from bench.whole_peers import BUILDERS
from train.teacher import find_teacher

_PATH = "/v1/collections/default/search"
_TRUNCATES = {"llamaindex": " (its chunks are longer than the model reads)"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of one system over a set."""

    seconds: float
    """From the first article to the last one that can be found, loading of the model included."""
    ms: Sequence[float]
    """Of each search, as its caller waits."""
    found: Sequence[Sequence[str]]
    """Ids of ten articles a question, best first."""
    peak_bytes: int
    stored_bytes: int


def run_folio(data: Path, variables: Mapping[str, str], queries: Sequence[str]) -> Outcome:
    """Add a set to a fresh folder by `folio add`, then ask a server over it."""
    with TemporaryDirectory(prefix="folio-bench-") as kb, _environment(variables):
        ingestion = add_all(data / "docs.jsonl", Path(kb))
        with (
            run_server(Path(kb)) as server,
            httpx.Client(base_url=server.url, timeout=60.0) as client,
        ):
            _ask(client, queries[0])
            answers = [_ask(client, query) for query in queries]
    return Outcome(
        ingestion.process_seconds,
        [ms for ms, _ in answers],
        [found for _, found in answers],
        ingestion.peak_bytes,
        ingestion.database_bytes,
    )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ask(client: httpx.Client, query: str) -> tuple[float, list[str]]:
    started = perf_counter()
    response = client.post(_PATH, json={"query": query})
    ms = 1000 * (perf_counter() - started)
    response.raise_for_status()
    return ms, [hit["document_id"] for hit in response.json()["results"]]


def run_peer(python: Path, name: str, data: Path) -> Outcome:
    """Run one peer in a process of its own."""
    script = Path(__file__).with_name("whole_peers.py")
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        started = perf_counter()
        process = subprocess.Popen(
            [python, script, name, data, find_teacher(), folder],
            stdout=subprocess.PIPE,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
        assert process.stdout is not None
        with process.stdout:
            lines = process.stdout.read().splitlines()
        whole = perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not lines:
            raise SystemExit(f"{name} ended with {process.returncode} after {whole:.0f} s")
        answer = json.loads(lines[-1])
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    # Linux gives KiB.
    return Outcome(answer["seconds"], answer["ms"], answer["found"], usage.ru_maxrss * 1024, stored)


def take_part(labelled: LabelledSet, limit: int | None, folder: Path) -> LabelledSet:
    """Write so many articles, first those that answer a question, and the questions they answer."""
    answers = {name for grades in labelled.grades.values() for name in grades}
    ordered = sorted(labelled.documents, key=lambda document: document.id not in answers)[:limit]
    kept = {document.id for document in ordered}
    queries = tuple(query for query in labelled.queries if kept & set(labelled.grades[query.id]))
    _write(folder / "docs.jsonl", ({"id": d.id, "title": d.title, "text": d.text} for d in ordered))
    _write(folder / "queries.jsonl", ({"id": query.id, "text": query.text} for query in queries))
    return LabelledSet(tuple(ordered), queries, labelled.grades)


def _write(path: Path, lines: Iterator[Mapping[str, str]] | Sequence[Mapping[str, str]]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def _score(part: LabelledSet, found: Sequence[Sequence[str]]) -> list[float]:
    golden = [GoldenQuery(query.id, query.text, part.grades[query.id]) for query in part.queries]
    return score_rankings(golden, found)[MAIN_MEASURE]


def _as_row(
    name: str, part: LabelledSet, outcomes: Sequence[Outcome], first: Sequence[Outcome]
) -> list[str]:
    seconds = float(np.median([one.seconds for one in outcomes]))
    p50, p99 = np.median([np.percentile(one.ms, (50, 99)) for one in outcomes], axis=0)
    ndcg, of_first = (_score(part, runs[-1].found) for runs in (outcomes, first))
    less = estimate_mean([a - b for a, b in zip(ndcg, of_first, strict=True)])
    return [
        name,
        f"{len(part.documents) / seconds:.2f}",
        f"{seconds:.1f}",
        f"{p50:.1f} / {p99:.1f}",
        f"{np.mean(ndcg):.3f}",
        f"{less.mean:+.3f} [{less.low:+.3f}, {less.high:+.3f}]",
        f"{max(one.peak_bytes for one in outcomes) / 2**20:,.0f} MiB",
        f"{outcomes[-1].stored_bytes / 2**20:.1f} MiB",
    ]


def measure(python: Path | None, data: Path, part: LabelledSet, rounds: int, *, int8: bool) -> None:
    """Run every system in turn, so many rounds, and print the medians."""
    minilm = {"FOLIO_MODEL": str(find_teacher())}
    ours = {"MiniLM": minilm, "folio-mini": {"FOLIO_MODEL": BUNDLED_MODEL}}
    if int8:
        ours["MiniLM in 8 bits"] = {**minilm, "FOLIO_DTYPE": "int8"}
    queries = [query.text for query in part.queries]
    runs: dict[str, list[Outcome]] = {}
    for _ in range(rounds):
        for name, variables in ours.items():
            runs.setdefault(f"Folio, {name}", []).append(run_folio(data, variables, queries))
        for peer in BUILDERS if python else ():
            label = peer + _TRUNCATES.get(peer, "")
            assert python is not None
            runs.setdefault(label, []).append(run_peer(python, peer, data))
    first = next(iter(runs))
    columns = (
        *("documents/s", "seconds", "ms a search (p50 / p99)"),
        *("nDCG@10", f"less that of {first}", "memory", "disk"),
    )
    rows = [_as_row(name, part, outcomes, runs[first]) for name, outcomes in runs.items()]
    print_table(("system", *columns), rows)


def main() -> None:
    """Compare whole systems on a set or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--limit", type=int, help="only so many articles")
    parser.add_argument("--peers", type=Path, help="interpreter that has the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--int8", action="store_true", help="MiniLM with FOLIO_DTYPE=int8 too")
    arguments = parser.parse_args()
    labelled = read_set(arguments.data / arguments.set)
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        part = take_part(labelled, arguments.limit, Path(folder))
        print(
            f"{arguments.set}: {len(part.documents):,} articles, {len(part.queries):,} queries; "
            f"{describe_machine()}"
        )
        measure(arguments.peers, Path(folder), part, arguments.rounds, int8=arguments.int8)


if __name__ == "__main__":
    main()
