"""Kills servers and workers that share one PostgreSQL, in random turns, amid writes.

    python -m tests.postgres.cluster [--servers N] [--workers N] [--documents N] [--kills N]
        [--outages N] [--no-failover]

`--kills` is how often each process is killed with SIGKILL, a server every other time only once it
answers; it is started again at once. Writers put, replace and delete documents through whichever
server answers. A call that was cut off may have happened or not; nothing else may be in doubt. At
the end every document must be ready, have its vectors once, and be found by the word that only it
holds, on every server; `drift` counts articles that a server's own index lacks or has too many, and
vectors that only one of database and a new index has.
`--outages` is how often PostgreSQL itself is killed and started again: requests must get 503
meanwhile, and nothing else but an answer. Last it is killed for good and its standby takes over:
`mistyped` counts what until then was answered otherwise than with 503 `database_unavailable`. Exits
with 1 unless everything held, and unless something was killed and something acknowledged.
"""

import argparse
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from time import sleep

import httpx
from pydantic import SecretStr

from app.config import Settings
from app.runtime.resources import open_resources
from tests.api.service import find_free_port, poll
from tests.checkpoints import make_jina_v3
from tests.durability.consistency import compare_vectors, count_drift, wait_for_queue
from tests.durability.serving import forkserver, serve_forked
from tests.postgres.server import PostgresServer, run_postgres, run_standby

_PATH = "/v1/collections/help"
_WRITERS = 3
_START_SECONDS = 600.0
"""Until a server answers; other work may leave it little of the processors."""
_DELETES = 0.1
_KILLED_WHILE_UP = 0.5


@dataclass(slots=True)
class Member:
    """A server or a worker, which is started again when it is killed."""

    settings: Settings
    log: Path
    port: int | None
    """Of a server; a worker has none."""
    process: ForkServerProcess | None = None
    kills: int = 0
    kills_while_up: int = 0
    """Of a server that answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        target, arguments = (
            (serve_forked, (self.settings, self.port, str(self.log)))
            if self.port is not None
            else (work_forked, (self.settings, str(self.log)))
        )
        self.process = forkserver().Process(target=target, args=arguments)
        self.process.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join(60)
        assert self.process.exitcode is not None, "it still runs after 60 s"

    def supervise(self) -> None:
        """Start it again when it ended by itself, as an orchestrator does."""
        assert self.process is not None
        if self.process.exitcode is not None:
            self.start()

    def answers(self) -> bool:
        self.supervise()
        try:
            return httpx.get(f"{self.url}/readyz").is_success
        except httpx.TransportError:
            return False


def work_forked(settings: Settings, log: str) -> None:
    """Run `folio work` in this process."""
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    import torch

    from app.main import work

    torch.set_num_threads(1)
    work(settings)


@dataclass(slots=True)
class Ledger:
    """What was acknowledged: by id the words that may stand there, None for no document."""

    expected: dict[str, set[str | None]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    acknowledged: int = 0
    cut_off: int = 0
    is_given_up: bool = False
    lock: Lock = field(default_factory=Lock)


class Writer:
    """Puts, replaces and deletes documents of its own until each was written."""

    def __init__(self, members: Sequence[Member], ledger: Ledger, ids: Sequence[str]) -> None:
        self._members = members
        self._ledger = ledger
        self._ids = ids
        self._number = 0

    def run(self, stopping: Event, seed: int) -> None:
        """Write each document once, then others at random until `stopping` is set."""
        randomness = random.Random(seed)
        with httpx.Client(timeout=60.0) as http:
            for document_id in self._ids:
                while not self._write(http, document_id, randomness, deletes=False):
                    if self._ledger.is_given_up:
                        return
                    sleep(0.05)
            while not stopping.is_set():
                deletes = randomness.random() < _DELETES
                self._write(http, randomness.choice(self._ids), randomness, deletes=deletes)
                sleep(0.05)

    def _write(
        self, http: httpx.Client, document_id: str, randomness: random.Random, *, deletes: bool
    ) -> bool:
        ledger, self._number = self._ledger, self._number + 1
        before = ledger.expected.setdefault(document_id, {None})
        word = None if deletes else f"word{document_id}x{self._number}"
        ledger.expected[document_id] = before | {word}
        path = f"{randomness.choice(self._members).url}{_PATH}/documents/{document_id}"
        try:
            if deletes:
                answer = http.delete(path)
            else:
                answer = http.put(path, json={"text": f"{word} Steep the tea well. " * 5})
        except httpx.TransportError:
            with ledger.lock:
                ledger.cut_off += 1
            return False
        with ledger.lock:
            ledger.statuses[answer.status_code] += 1
            ledger.acknowledged += answer.is_success
        if answer.is_success or (deletes and answer.status_code == 404):
            ledger.expected[document_id] = {word}
        # A 503 may come from a commit whose answer was lost: either state may stand.
        return answer.is_success


@dataclass(slots=True)
class Cluster:
    """Servers, workers and the database that they share."""

    postgres: PostgresServer
    standby: PostgresServer | None
    servers: list[Member]
    workers: list[Member]

    @property
    def members(self) -> list[Member]:
        return [*self.servers, *self.workers]


@contextmanager
def run_cluster(
    folder: Path, *, servers: int, workers: int, has_standby: bool
) -> Iterator[Cluster]:
    """Run so many processes over one PostgreSQL; yields once every server answers questions."""
    with ExitStack() as stack:
        postgres = stack.enter_context(run_postgres())
        postgres.create_database("cluster")
        standby = stack.enter_context(run_standby(postgres)) if has_standby else None
        settings = Settings(
            data=folder / "unused",
            model=str(make_jina_v3(folder / "model")),
            passage_tokens=32,
            lease_seconds=3,
            retry_seconds=0.2,
            max_queue=100_000,
            database_url=SecretStr(postgres.url("cluster", standby)),
        )
        cluster = Cluster(
            postgres,
            standby,
            [Member(settings, folder / f"server{n}", find_free_port()) for n in range(servers)],
            [Member(settings, folder / f"worker{n}", None) for n in range(workers)],
        )
        for member in cluster.members:
            member.start()
            stack.callback(member.kill)
        for server in cluster.servers:
            poll(server.answers, bool, seconds=_START_SECONDS)
        path = f"{cluster.servers[0].url}/v1/collections"
        created = httpx.post(path, json={"name": "help"}, timeout=60.0)
        created.raise_for_status()
        yield cluster


def run(
    folder: Path,
    *,
    servers: int = 3,
    workers: int = 3,
    documents: int = 200,
    kills: int = 2,
    outages: int = 1,
    failover: bool = False,
    seed: int = 0,
) -> dict[str, int]:
    """Kill each process so many times amid writes; returns the counts."""
    randomness = random.Random(seed)
    with run_cluster(folder, servers=servers, workers=workers, has_standby=failover) as cluster:
        ledger, stopping = Ledger(), Event()
        with ThreadPoolExecutor(_WRITERS) as threads:
            writers = [
                threads.submit(
                    Writer(
                        cluster.servers,
                        ledger,
                        [f"w{w}d{d}" for d in range(w, documents, _WRITERS)],
                    ).run,
                    stopping,
                    seed + w,
                )
                for w in range(_WRITERS)
            ]
            try:
                _injure(cluster, kills, outages, randomness)
                mistyped = _fail_over(cluster, ledger) if failover else 0
            except BaseException:
                # Nothing may answer any more, and they would wait for it.
                ledger.is_given_up = True
                raise
            finally:
                stopping.set()
        for writer in writers:
            writer.result()
        for server in cluster.servers:
            poll(server.answers, bool, seconds=_START_SECONDS)
        counts = _count(cluster, ledger)
    counts["mistyped"] = mistyped
    counts["outages"] = outages
    counts["kills"] = sum(member.kills for member in cluster.members)
    counts["of servers that answered"] = sum(server.kills_while_up for server in cluster.servers)
    return counts


def _injure(cluster: Cluster, kills: int, outages: int, randomness: random.Random) -> None:
    turns: list[Member | None] = [member for member in cluster.members for _ in range(kills)]
    turns += [None] * outages
    randomness.shuffle(turns)
    for number, turn in enumerate(turns, 1):
        sleep(randomness.uniform(0.2, 2.0))
        if turn is None:
            cluster.postgres.stop(signal.SIGQUIT)
            sleep(randomness.uniform(0.2, 1.0))
            cluster.postgres.start()
        else:
            # Every other one of them amid its start, if that takes long.
            if turn.port is not None and randomness.random() < _KILLED_WHILE_UP:
                poll(turn.answers, bool, seconds=_START_SECONDS)
                turn.kills_while_up += 1
            turn.kill()
            turn.kills += 1
        # Also those that met no database when they started.
        for member in cluster.members:
            member.supervise()
        if number % 25 == 0:
            print(f"{number} of {len(turns)}", flush=True)


def _fail_over(cluster: Cluster, ledger: Ledger) -> int:
    """Kill PostgreSQL and have its standby take over; returns how many answers were mistyped."""
    assert cluster.standby is not None
    for server in cluster.servers:
        poll(server.answers, bool, seconds=_START_SECONDS)
    cluster.postgres.kill()
    refusals = [refusal for server in cluster.servers for refusal in _ask(server)]
    cluster.standby.promote()
    acknowledged = ledger.acknowledged
    poll(lambda: ledger.acknowledged, lambda now: now >= acknowledged + 10, seconds=120)
    return sum(refusal != (503, "database_unavailable") for refusal in refusals)


def _ask(server: Member) -> list[tuple[int, str]]:
    with httpx.Client(base_url=server.url, timeout=60.0) as http:
        answers = [
            http.get(_PATH),
            http.post(f"{_PATH}/search", json={"query": "tea"}),
            http.put(f"{_PATH}/documents/meanwhile", json={"text": "Tea."}),
            http.get("/readyz"),
        ]
    return [(answer.status_code, answer.json().get("code", "")) for answer in answers]


def _count(cluster: Cluster, ledger: Ledger) -> dict[str, int]:
    """Wait until nothing is queued, then compare what is there with what was acknowledged."""
    counts = {
        "acknowledged": ledger.acknowledged,
        "cut off": ledger.cut_off,
        "refused with 503": ledger.statuses[503],
        "other errors": sum(
            count
            for status, count in ledger.statuses.items()
            if status >= 400 and status not in {404, 503}
        ),
        "not found": 0,
        "came back": 0,
    }
    for worker in cluster.workers:
        worker.supervise()
    with httpx.Client(base_url=cluster.servers[0].url, timeout=60.0) as http:
        told = wait_for_queue(http, _PATH)
        counts["stuck"] = told["queued"] + told["processing"] + told["failed"]
    counts |= {"lost": 0, "drift": 0}
    for server in cluster.servers:
        with httpx.Client(base_url=server.url, timeout=60.0) as http:
            there = {
                document_id
                for document_id, allowed in ledger.expected.items()
                if _check(http, document_id, allowed, counts)
            }
            counts["drift"] += count_drift(http, _PATH, there)
    with open_resources(cluster.servers[0].settings) as resources:
        vectors = compare_vectors(resources)
    counts["drift"] += vectors.drift
    return counts | {"twice": vectors.twice, "documents": vectors.documents}


def _check(
    http: httpx.Client, document_id: str, allowed: set[str | None], counts: dict[str, int]
) -> bool:
    """Count what is not as the ledger says, or not found; returns whether the document is there."""
    answer = http.get(f"{_PATH}/documents/{document_id}", params={"include": "text"})
    text = answer.json()["text"] if answer.is_success else None
    word = None if text is None else str(text).split()[0]
    if word not in allowed:
        counts["lost" if word is None else "came back"] += 1
    if word is None:
        return False
    found = http.post(f"{_PATH}/search", json={"query": word, "mode": "lexical", "limit": 1})
    hits = found.raise_for_status().json()["results"]
    counts["not found"] += not hits or hits[0]["document_id"] != document_id
    return True


FAULTS = (
    *("lost", "came back", "not found", "twice", "drift", "stuck"),
    *("other errors", "mistyped"),
)


def has_held(counts: Mapping[str, int]) -> bool:
    """Return whether nothing is wrong, though something was killed and something acknowledged."""
    tried = counts["acknowledged"] and (counts["kills"] or counts["outages"])
    return bool(tried) and not any(counts[name] for name in FAULTS)


def main() -> None:
    """Run the lane and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50, help="of each process")
    parser.add_argument("--outages", type=int, default=20, help="of PostgreSQL")
    parser.add_argument("--failover", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-cluster-") as folder:
        counts = run(Path(folder), **vars(arguments))
    print(counts)
    sys.exit(0 if has_held(counts) else 1)


if __name__ == "__main__":
    main()
