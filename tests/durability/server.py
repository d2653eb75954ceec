"""Ends a real server at random moments of uploads, replacements and deletions.

    python -m tests.durability.server --kills N --stops N [--seed N]

Each round starts the service on the same folder, compares every document with what was
acknowledged, goes on writing, and ends the process: with SIGKILL, or with SIGTERM. The call that
was cut off may have happened or not, and nothing else may be in doubt. Now and then, and at the
end, every document must become ready, have its vectors once, in index and database alike, and be
the first answer to the word that only it holds. The index is that of a server which was written to
meanwhile, and then that of the folder opened anew.
A run that ended no process exits with 1, and so does one that lost anything.
"""

import argparse
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import httpx

from app.config import Settings
from app.runtime.resources import open_resources
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.consistency import compare_vectors, count_drift, wait_for_queue
from tests.durability.serving import STOP_SECONDS, Server, run_forked
from tests.durability.table import Row, finish

_DOCUMENTS = 40
_COLLECTION = "/v1/collections/help"
_PATH = f"{_COLLECTION}/documents"
_MAX_ROUND_S = 1.0
_LOOKS_EVERY = 50
_NAMES = (
    "ended",
    "acknowledged",
    "lost",
    "wrong",
    "came back",
    "drift",
    "twice",
    "slow stops",
    "other ends",
    "500s",
    "stuck",
)


@dataclass(slots=True)
class Ledger:
    """What the server acknowledged: by id the texts that may stand there, None for no document."""

    expected: dict[str, set[str | None]] = field(default_factory=dict)
    calls: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMES, 0))

    def compare(self, found: dict[str, str]) -> None:
        """Count what differs from what was acknowledged, and take what is there for settled."""
        for document_id, allowed in self.expected.items():
            actual = found.get(document_id)
            hashes = {None if text is None else _hash(text) for text in allowed}
            if actual not in hashes:
                kind = "lost" if actual is None else "came back" if None in allowed else "wrong"
                self.counts[kind] += 1
            self.expected[document_id] = {
                text for text in allowed if (None if text is None else _hash(text)) == actual
            } or {None}
        self.counts["came back"] += len(found.keys() - self.expected.keys())


def write_until_cut_off(http: httpx.Client, ledger: Ledger, randomness: random.Random) -> None:
    """Put, replace and delete documents at random until the server is gone."""
    with suppress(httpx.TransportError):
        while True:
            ledger.counts["acknowledged"] += write(http, ledger, randomness)


def write(http: httpx.Client, ledger: Ledger, randomness: random.Random) -> bool:
    """Put, replace or delete a document at random; returns whether that was acknowledged."""
    document_id = f"d{randomness.randrange(_DOCUMENTS)}"
    before = ledger.expected.setdefault(document_id, {None})
    deletes = before != {None} and randomness.random() < 0.2
    ledger.calls += 1
    after = None if deletes else f"word{ledger.calls} " + "Steep the tea well. " * 20
    ledger.expected[document_id] = before | {after}
    if deletes:
        answer = http.delete(f"{_PATH}/{document_id}")
    else:
        answer = http.put(f"{_PATH}/{document_id}", json={"text": after})
    if answer.is_success:
        ledger.expected[document_id] = {after}
    else:
        # On its way down it may refuse with 503; what it refused is not there.
        ledger.counts["500s"] += answer.status_code != 503
        ledger.expected[document_id] = before
    return answer.is_success


def read_all(http: httpx.Client) -> dict[str, str]:
    """Return the hash of the latest upload of every document."""
    page = http.get(_PATH, params={"limit": 1000}).raise_for_status().json()
    return {document["id"]: document["sha256"] for document in page["documents"]}


def run(folder: Path, *, how: signal.Signals, rounds: int, seed: int) -> dict[str, int]:
    """End a server so many times; returns the counts."""
    randomness = random.Random(seed)
    model = make_jina_v3(folder / "model")
    settings = Settings(data=folder / "data", model=str(model), passage_tokens=32)
    ledger = Ledger()
    with _open(settings, folder / "log") as (_, http):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
    for number in range(1, rounds + 1):
        with _open(settings, folder / "log") as (server, http):
            ledger.compare(read_all(http))
            # Half of the rounds end amid the ingestion of what the former one left.
            poll(server.is_ready if randomness.random() < 0.5 else server.is_up, bool)
            _end_amid_writes(server, http, ledger, randomness, how)
        if number % _LOOKS_EVERY == 0 or number == rounds:
            with _open(settings, folder / "log") as (_, http):
                ledger.compare(read_all(http))
                for _ in range(_DOCUMENTS):
                    write(http, ledger, randomness)
                ledger.compare(read_all(http))
                _check_answers(http, ledger)
            with open_resources(settings) as resources:
                vectors = compare_vectors(resources)
            ledger.counts["drift"] += vectors.drift
            ledger.counts["twice"] += vectors.twice
            print(f"{number} {how.name}: {ledger.counts}", flush=True)
    return ledger.counts


@contextmanager
def _open(settings: Settings, log: Path) -> Iterator[tuple[Server, httpx.Client]]:
    with (
        run_forked(settings, log) as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        yield server, http


def _end_amid_writes(
    server: Server,
    http: httpx.Client,
    ledger: Ledger,
    randomness: random.Random,
    how: signal.Signals,
) -> None:
    timer = Timer(randomness.uniform(0.01, _MAX_ROUND_S), server.send_signal, (how,))
    timer.start()
    write_until_cut_off(http, ledger, randomness)
    timer.join()
    ledger.counts["slow stops"] += server.wait() > STOP_SECONDS
    # Before anything handles a signal it is the signal itself that ends the process.
    ledger.counts["other ends"] += server.process.exitcode not in {-how, 128 + how}
    ledger.counts["ended"] += 1


def _check_answers(http: httpx.Client, ledger: Ledger) -> None:
    """Wait until nothing is queued; then each document is found by its own word, and by meaning."""
    status = wait_for_queue(http, _COLLECTION)
    ledger.counts["stuck"] += status["queued"] + status["processing"] + status["failed"]
    there = {name for name, texts in ledger.expected.items() if texts != {None}}
    ledger.counts["drift"] += count_drift(http, _COLLECTION, there)
    for document_id, (text,) in ledger.expected.items():
        if text is None:
            continue
        answer = http.post(
            f"{_COLLECTION}/search",
            json={"query": text.split()[0], "mode": "lexical", "limit": 1},
        )
        hits = answer.raise_for_status().json()["results"]
        ledger.counts["wrong"] += not hits or hits[0]["document_id"] != document_id


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def describe(how: signal.Signals, counts: dict[str, int]) -> Row:
    """Return what the counts say of the promise."""
    bad = {name: count for name, count in counts.items() if name not in _NAMES[:2]}
    promise = "survives kill -9" if how is signal.SIGKILL else "graceful stop"
    return Row(
        promise,
        f"{counts['ended']} {how.name}",
        f"{counts['acknowledged']} calls acknowledged, {counts['came back']} deletions undone, "
        f"{counts['twice']} twice, {counts['slow stops']} stops of more than {STOP_SECONDS:g} s",
        held=not sum(bad.values()) and counts["ended"] > 0 < counts["acknowledged"],
        lost=counts["lost"] + counts["wrong"],
        drift=counts["drift"],
        errors_500=counts["500s"],
        stuck=counts["stuck"],
    )


def main() -> None:
    """Run the rounds and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20, help="rounds that end with SIGKILL")
    parser.add_argument("--stops", type=int, default=5, help="rounds that end with SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    rows = []
    for how, rounds in ((signal.SIGKILL, arguments.kills), (signal.SIGTERM, arguments.stops)):
        if rounds:
            with TemporaryDirectory(prefix="folio-durability-") as folder:
                counts = run(Path(folder), how=how, rounds=rounds, seed=arguments.seed)
            rows.append(describe(how, counts))
    finish(rows, arguments.rows)


if __name__ == "__main__":
    main()
