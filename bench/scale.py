"""Ingests a whole set in a seeded shuffle through a real server, with searches all the while.

    python -m bench.scale --data SETS --set aws_docs_full --standin
    python -m bench.scale --data SETS --set aws_docs_full --limit 3000

The server is `folio serve`; --standin runs it with the model that bench/standin.py describes.
Blocks of a thousand articles and idle pauses take turns, so that what a search waits for is
measured in both at the same size. In the middle the server is killed, and started again. At the end
every article must be there once, in the database, in the index of the server which ingested it, and
in one that is built anew; else it exits with 1.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any

import httpx
import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from sqlalchemy import func, select

from app.config import Settings
from app.db.models import Document, UnitRow, Version
from app.embedding.loader import open_checkpoint
from app.runtime.resources import open_resources
from bench.compute import count_flops
from bench.ready import becomes_ready
from bench.report import describe_machine, print_table, processor_seconds
from bench.sets import read_queries
from tests.api.service import find_free_port
from tests.durability.consistency import compare_vectors, count_drift, wait_for_queue

_SEED = 0
_BLOCK = 1000
_START_SECONDS = 600.0
_UPLOAD = 50
# So many wait at most: neither does the worker run dry, nor do uploads pile up in the first block.
_AHEAD = 200
_SEARCHES_PER_S = 5.0
_PATH = "/v1/collections/default"


@dataclass(frozen=True, slots=True)
class Block:
    """A thousand articles: seconds from the first upload to the last one that was ready."""

    ids: Sequence[str]
    seconds: float
    processor_seconds: float
    """Of the server and of its children; what a busy machine does not change."""
    resident_bytes: int
    restart_seconds: float = 0.0

    @property
    def documents(self) -> int:
        return len(self.ids)

    @property
    def working_seconds(self) -> float:
        return self.seconds - self.restart_seconds

    @property
    def per_second(self) -> float:
        return self.documents / self.working_seconds

    @property
    def processor_ms(self) -> float:
        return 1000 * self.processor_seconds / self.documents


@dataclass(slots=True)
class Searches:
    """An open loop of searches: what each took from when it was due, idle and beside ingestion."""

    url: str
    queries: Sequence[str]
    idle_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)
    kind: list[float] | None = None
    """Where the next one belongs; None while it counts for nothing."""
    failed: int = 0
    """Answers that were an error, and searches that count and had none."""

    @contextmanager
    def running(self) -> Iterator[None]:
        stopping = Event()
        thread = Thread(target=self._search, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def _search(self, stopping: Event) -> None:
        with httpx.Client(timeout=60.0) as client:
            due = perf_counter()
            for query in cycle(self.queries):
                if stopping.wait(max(0.0, due - perf_counter())):
                    return
                kind = self.kind
                try:
                    answer = client.post(f"{self.url}{_PATH}/search", json={"query": query})
                except httpx.TransportError:
                    # Of those that count for nothing one may meet a server that is started again.
                    self.failed += kind is not None
                    due = perf_counter() + 1.0
                    continue
                self.failed += not answer.is_success
                if kind is not None and kind is self.kind and answer.is_success:
                    kind.append(1000 * (perf_counter() - due))
                due += 1 / _SEARCHES_PER_S


class Server:
    """`folio serve` in a process of its own, which can be killed and started again."""

    def __init__(self, kb: Path, *, standin: bool) -> None:
        self._kb, self._standin = kb, standin
        self._port = find_free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> float:
        """Start it and return the seconds until it answers questions."""
        started = perf_counter()
        options = ["--serve", str(self._kb), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.scale", *options, *["--standin"] * self._standin]
        )
        if not becomes_ready(
            self.url,
            seconds=_START_SECONDS,
            has_ended=lambda: self._process.poll() is not None,
        ):
            raise SystemExit(f"the server is not ready; it returned {self._process.returncode}")
        return perf_counter() - started

    def end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.wait(60)

    def processor_seconds(self) -> float:
        """Return what the process and its children have used."""
        return processor_seconds(self._process.pid)

    def memory_bytes(self, name: str) -> int:
        """Return what Linux says of the process: VmRSS now, VmHWM at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields[name].split()[0]) * 1024


def read_shuffled(folder: Path, limit: int | None) -> list[bytes]:
    """Return the lines of a set in the seeded order."""
    lines = (folder / "docs.jsonl").read_bytes().splitlines()
    random.Random(_SEED).shuffle(lines)
    return lines[:limit]


def ingest_block(
    server: Server, client: httpx.Client, lines: Sequence[bytes], *, kills: bool
) -> Block:
    """Upload a block, never far ahead of the worker, and wait until all of it is done."""
    started, restart, worked = perf_counter(), 0.0, server.processor_seconds()
    for first in range(0, len(lines), _UPLOAD):
        wait_until_read(client, _PATH, at_most=_AHEAD)
        documents = [_as_body(line) for line in lines[first : first + _UPLOAD]]
        client.post(f"{_PATH}/documents", json={"documents": documents}).raise_for_status()
        if kills and first <= len(lines) // 2 < first + _UPLOAD:
            worked -= server.processor_seconds()
            server.end(signal.SIGKILL)
            restart = server.start()
            worked += server.processor_seconds()
    wait_until_read(client, _PATH)
    seconds = perf_counter() - started
    worked = server.processor_seconds() - worked
    ids = [json.loads(line)["id"] for line in lines]
    return Block(ids, seconds, worked, server.memory_bytes("VmRSS"), restart)


def _as_body(line: bytes) -> dict[str, Any]:
    document = json.loads(line)
    return {name: document[name] for name in ("id", "title", "text") if document[name]}


def wait_until_read(client: httpx.Client, path: str, *, at_most: int = 0) -> None:
    """Wait until at most so many documents are queued or read; raises SystemExit if none moves."""
    counts = wait_for_queue(client, path, at_most=at_most)
    if counts["queued"] + counts["processing"] > at_most:
        raise SystemExit(f"nothing leaves the queue any more: {counts}")


def run(
    server: Server, lines: Sequence[bytes], searches: Searches, *, pause_seconds: float
) -> tuple[list[Block], int]:
    """Ingest block by block, with a pause after each; returns the server's drift too."""
    blocks: list[Block] = []
    with httpx.Client(base_url=server.url, timeout=120.0) as client, searches.running():
        client.post("/v1/collections", json={"name": "default"}).raise_for_status()
        starts = range(0, len(lines), _BLOCK)
        for number, first in enumerate(starts):
            kills = number == len(starts) // 2
            searches.kind = None if kills or number == 0 else searches.busy_ms
            some = lines[first : first + _BLOCK]
            block = ingest_block(server, client, some, kills=kills)
            blocks.append(block)
            print(
                f"{first + block.documents}: {block.per_second:.1f} documents/s, "
                f"{block.processor_ms:.1f} ms each, {block.resident_bytes >> 20} MiB",
                file=sys.stderr,
                flush=True,
            )
            searches.kind = searches.idle_ms
            sleep(pause_seconds)
        searches.kind = None
        drift = count_drift(client, _PATH, list_ready(client))
    return blocks, drift


def list_ready(client: httpx.Client) -> set[str]:
    """Return the ids of all documents that are ready."""
    ready, page = set[str](), {"status": "ready", "limit": "1000"}
    while True:
        answer = client.get(f"{_PATH}/documents", params=page).raise_for_status().json()
        ready |= {document["id"] for document in answer["documents"]}
        if answer["next_cursor"] is None:
            return ready
        page["cursor"] = answer["next_cursor"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in the folder at the end."""

    ready: int
    failed: dict[str, int]
    twice: int
    drift: int
    embed_seconds: float
    parse_seconds: float
    units: dict[str, list[int]]
    """The tokens of the units of each document."""

    def lost(self, documents: int) -> int:
        """Return how many of so many documents are neither ready nor failed."""
        return documents - self.ready - sum(self.failed.values())

    def unit_tokens(self, block: Block) -> list[int]:
        """Return the tokens of all units of a block."""
        return [tokens for name in block.ids for tokens in self.units.get(name, ())]


def examine(kb: Path, drift: int) -> Stored:
    """Count what is stored, what is stored twice, and what only one of index and database has.

    `drift` is what the server's own index had more or less.
    """
    with open_resources(Settings(data=kb)) as resources:
        vectors = compare_vectors(resources)
        with resources.database.read() as session:
            tokens = session.execute(
                select(Document.external_id, UnitRow.tokens)
                .join(Version, Version.document_id == Document.id)
                .join(UnitRow, UnitRow.version_id == Version.id)
                .where(Version.is_live)
            ).all()
            receipts = session.scalars(select(Version.receipt).where(Version.is_live)).all()
            failed = session.execute(
                select(Version.error_code, func.count())
                .where(Version.error_code.is_not(None))
                .group_by(Version.error_code)
            ).all()
    units: dict[str, list[int]] = {}
    for document_id, count in tokens:
        units.setdefault(document_id, []).append(count)
    took = [receipt["took_ms"] for receipt in receipts if receipt]
    return Stored(
        ready=vectors.documents,
        failed={code or "": count for code, count in failed},
        twice=vectors.twice,
        drift=vectors.drift + drift,
        embed_seconds=sum(ms["embed"] for ms in took) / 1000,
        parse_seconds=sum(ms["parse"] for ms in took) / 1000,
        units=units,
    )


def print_results(
    blocks: Sequence[Block], stored: Stored, searches: Searches, peak_bytes: int, documents: int
) -> None:
    """Print the table."""
    whole = [block for block in blocks if block.documents == _BLOCK] or blocks
    first, last = whole[0], whole[-1]
    seconds = sum(block.working_seconds for block in blocks)
    restart = max(block.restart_seconds for block in blocks)
    idle, busy = (np.percentile(ms or [np.nan], (50, 99)) for ms in _samples(searches))
    failed = ", ".join(f"{count} {code}" for code, count in stored.failed.items()) or "none"
    rows = [
        ("documents ready of", f"{stored.ready:,} of {documents:,}"),
        ("failed", failed),
        ("lost", f"{stored.lost(documents)}"),
        ("stored twice / only in index or database", f"{stored.twice} / {stored.drift}"),
        ("documents/s, all", f"{documents / seconds:.1f}"),
        (
            f"documents/s, first and last {first.documents:,}",
            f"{first.per_second:.1f} / {last.per_second:.1f}, "
            f"{last.per_second / first.per_second:.0%}",
        ),
        (
            "processor ms a document, first and last block",
            f"{first.processor_ms:.1f} / {last.processor_ms:.1f}",
        ),
        *_work_rows(stored, first, last),
        ("seconds in the model, of all", f"{stored.embed_seconds:,.0f} of {seconds:,.0f}"),
        ("everything else, of the model's time", f"{seconds / stored.embed_seconds - 1:.1%}"),
        ("parsing in the sandbox, ms a document", _per_document(stored.parse_seconds, documents)),
        ("seconds from kill -9 to answers", f"{restart:.1f}"),
        ("resident memory, first block / last / peak", _as_mib(first, last, peak_bytes)),
        ("searches idle, p50 / p99 ms", f"{idle[0]:.1f} / {idle[1]:.1f} of {_count(searches)[0]}"),
        ("beside ingestion", f"{busy[0]:.1f} / {busy[1]:.1f} of {_count(searches)[1]}"),
        ("p99 ratio", f"{busy[1] / idle[1]:.2f}"),
        ("searches that failed", f"{searches.failed}"),
    ]
    print_table(("measure", "value"), rows)


def _work_rows(stored: Stored, first: Block, last: Block) -> list[tuple[str, str]]:
    """Return rows of what the articles of two blocks ask of the configured model.

    One thousand has half as much again to read as another, and the longer a text is, the more.
    """
    folder = open_checkpoint(Settings()).folder
    units = [stored.unit_tokens(block) for block in (first, last)]
    work = {
        "tokens": [float(sum(some)) for some in units],
        "10⁹ operations of the model": [count_flops(folder, some) / 1e9 for some in units],
    }
    rows = []
    for name, (a, b) in work.items():
        each = f"{a / first.documents:,.0f} / {b / last.documents:,.0f}"
        before, after = a / first.working_seconds, b / last.working_seconds
        rows.append((f"{name} a document, first and last", each))
        rows.append(
            (
                f"{name} a second, first and last",
                f"{before:,.0f} / {after:,.0f}, {after / before:.0%}",
            )
        )
    return rows


def _samples(searches: Searches) -> tuple[list[float], list[float]]:
    return searches.idle_ms, searches.busy_ms


def _count(searches: Searches) -> tuple[int, int]:
    return len(searches.idle_ms), len(searches.busy_ms)


def _per_document(seconds: float, documents: int) -> str:
    return f"{1000 * seconds / documents:.1f}"


def _as_mib(first: Block, last: Block, peak_bytes: int) -> str:
    sizes = (first.resident_bytes, last.resident_bytes, peak_bytes)
    return " / ".join(f"{size / 2**20:,.0f}" for size in sizes) + " MiB"


def serve(kb: Path, port: int, *, standin: bool) -> None:
    """Be the server."""
    from app.main import serve as run_server
    from bench.standin import load_standin

    load = load_standin if standin else None
    run_server(Settings(data=kb), host="127.0.0.1", port=port, no_auth=True, load=load)


def main() -> None:
    """Run the server and the clients, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--set", default="aws_docs_full", help="name of the set")
    parser.add_argument("--limit", type=int, help="only so many documents of the shuffled order")
    parser.add_argument("--standin", action="store_true", help="without the model's layers")
    parser.add_argument("--pause", type=float, default=8.0, help="idle seconds between blocks")
    parser.add_argument("--serve", type=Path, metavar="KB", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve, arguments.port, standin=arguments.standin)
        return
    if arguments.data is None:
        parser.error("--data is needed")
    lines = read_shuffled(arguments.data / arguments.set, arguments.limit)
    queries = [query.text for query in read_queries(arguments.data / arguments.set)]
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        kb = Path(folder) / "kb"
        server = Server(kb, standin=arguments.standin)
        searches = Searches(server.url, queries)
        try:
            blocks, drift = run(server, lines, searches, pause_seconds=arguments.pause)
            peak_bytes = server.memory_bytes("VmHWM")
        finally:
            server.end(signal.SIGTERM)
        stored = examine(kb, drift)
    model = "the stand-in" if arguments.standin else "the configured model"
    print(f"{arguments.set}, {len(lines):,} documents, {model}; {describe_machine()}")
    print_results(blocks, stored, searches, peak_bytes, len(lines))
    sys.exit(1 if stored.lost(len(lines)) or stored.twice or stored.drift else 0)


if __name__ == "__main__":
    os.environ.pop("FOLIO_DATA", None)
    main()
