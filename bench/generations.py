"""Searches a server while it builds a generation, and while it trains one.

    python bench/generations.py --data SETS --set covidqa_papers --kb FOLDER

A copy of the data folder is served. Searches come five a second, whether or not those before have
been answered: first beside nothing, then while every article is embedded again with fewer
dimensions, until that generation is live, then while a query adapter is trained and gated.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import httpx
import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.scale import Searches
from bench.search import run_server
from bench.sets import LabelledSet, read_set

_IDLE_SECONDS = 60.0
_MAX_SECONDS = 1800.0
_DIMENSIONS = 256


def wait_for(client: httpx.Client, generation: Mapping[str, Any]) -> str:
    """Return how a generation ended."""
    deadline = perf_counter() + _MAX_SECONDS
    while perf_counter() < deadline:
        now = client.get(f"/v1/generations/{generation['id']}").raise_for_status().json()
        if now["is_live"]:
            return "live"
        if now["state"] in ("failed", "refused"):
            return str(now["message"])
        sleep(0.5)
    raise SystemExit(f"generation {generation['id']} is not done after {_MAX_SECONDS:.0f} s")


def as_golden(labelled: LabelledSet, part: slice) -> list[dict[str, Any]]:
    return [
        {"id": query.id, "query": query.text, "relevant": labelled.grades[query.id]}
        for query in labelled.queries[part]
    ]


def measure(url: str, labelled: LabelledSet) -> list[Sequence[str]]:
    """Search during each phase and return the rows of the table."""
    requests = {
        f"every article again, {_DIMENSIONS} dimensions": (
            "/v1/generations",
            {"dimensions": _DIMENSIONS, "force": True},
        ),
        "tuning and its gate": (
            "/v1/tunings",
            {
                "collection": "default",
                "queries": as_golden(labelled, slice(0, None, 2)),
                "gate": as_golden(labelled, slice(1, None, 2)),
            },
        ),
    }
    searches = Searches(url, [query.text for query in labelled.queries])
    rows: list[Sequence[str]] = []
    with httpx.Client(base_url=url, timeout=120.0) as client, searches.running():
        # The first ones load the model.
        sleep(5.0)
        idle = searches.kind = []
        sleep(_IDLE_SECONDS)
        searches.kind = None
        rows.append(_as_row("nothing", _IDLE_SECONDS, idle, idle, "", searches.failed))
        for name, (path, body) in requests.items():
            took: list[float] = []
            failed = searches.failed
            started = perf_counter()
            made = client.post(path, json=body).raise_for_status().json()
            searches.kind = took
            ended = wait_for(client, made)
            searches.kind = None
            seconds, failed = perf_counter() - started, searches.failed - failed
            rows.append(_as_row(name, seconds, took, idle, ended, failed))
    return rows


def _as_row(
    name: str,
    seconds: float,
    took: Sequence[float],
    idle: Sequence[float],
    ended: str,
    failed: int,
) -> Sequence[str]:
    p50, p95, p99 = np.percentile(took, (50, 95, 99))
    ratio = p99 / np.percentile(idle, 99)
    return (
        name,
        f"{seconds:.0f}",
        f"{len(took)}",
        f"{failed}",
        f"{p50:.1f} / {p95:.1f} / {p99:.1f}",
        f"{ratio:.2f}",
        ended,
    )


def main() -> None:
    """Serve a copy of a data folder, search it throughout, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder with the set")
    arguments = parser.parse_args()
    check_folder(arguments.kb)
    labelled = read_set(arguments.data / arguments.set)
    with TemporaryDirectory(prefix="folio-generations-") as scratch:
        kb = Path(shutil.copytree(arguments.kb, Path(scratch) / "kb"))
        with run_server(kb) as server:
            rows = measure(server.url, labelled)
    print(f"{arguments.set}: {len(labelled.documents):,} documents; {describe_machine()}")
    print_table(
        ("beside", "s", "searches", "failed", "p50 / p95 / p99, ms", "p99 ratio", "ended"), rows
    )


if __name__ == "__main__":
    main()
