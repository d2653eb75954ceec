"""Ends a real server at random moments of uploads, replacements and deletions.

    python -m tests.durability.server --kills N --stops N [--seed N]

Each round starts `folio serve` on the same folder, compares every document with what was
acknowledged, goes on writing, and ends the process: with SIGKILL, or with SIGTERM. The call that
was cut off may have happened or not, and nothing else may be in doubt. In the last round every
document must become ready and be the first answer to the word that only it holds.
A run that ended no process exits with 1, and so does one that lost anything.
"""

import argparse
import random
import signal
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from time import monotonic, sleep

import httpx
from sqlalchemy import select

from app.config import Settings
from app.db.models import UnitRow
from app.resources import open_resources
from tests.api.service import (
    ServerProcess,
    folio_environment,
    poll,
    run_server,
)
from tests.checkpoints import make_jina_v3

_DOCUMENTS = 40
_PATH = "/v1/collections/help/documents"
_STOP_SECONDS = 30.0


@dataclass(slots=True)
class Ledger:
    """What the server acknowledged: by id the texts that may stand there, None for no document."""

    expected: dict[str, set[str | None]] = field(default_factory=dict)
    calls: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("ended", "acknowledged", "lost", "wrong", "came back", "slow stops", "stuck"), 0
        )
    )

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
    while True:
        document_id = f"d{randomness.randrange(_DOCUMENTS)}"
        before = ledger.expected.setdefault(document_id, {None})
        deletes = before != {None} and randomness.random() < 0.2
        ledger.calls += 1
        after = None if deletes else f"word{ledger.calls} " + "Steep the tea well. " * 20
        ledger.expected[document_id] = before | {after}
        try:
            if deletes:
                answer = http.delete(f"{_PATH}/{document_id}")
            else:
                answer = http.put(f"{_PATH}/{document_id}", json={"text": after})
        except httpx.TransportError:
            return
        if answer.is_success:
            ledger.expected[document_id] = {after}
            ledger.counts["acknowledged"] += 1
        elif answer.status_code == 503:
            # On its way down; what it refused is not there.
            ledger.expected[document_id] = before
        else:
            raise AssertionError(f"{answer.status_code}: {answer.text}")


def read_all(http: httpx.Client) -> dict[str, str]:
    """Return the hash of the latest upload of every document."""
    page = http.get(_PATH, params={"limit": 1000}).raise_for_status().json()
    return {document["id"]: document["sha256"] for document in page["documents"]}


def run(folder: Path, *, kills: int, stops: int, seed: int) -> dict[str, int]:
    """Run all rounds; returns the counts."""
    randomness = random.Random(seed)
    model = make_jina_v3(folder / "model")
    environment = folio_environment(FOLIO_MODEL=model, FOLIO_PASSAGE_TOKENS="32")
    data = folder / "data"
    ledger = Ledger()
    for number in range(kills + stops):
        how = signal.SIGKILL if number < kills else signal.SIGTERM
        with (
            run_server(data, "--no-auth", log=folder / "log", environment=environment) as server,
            httpx.Client(base_url=server.url, timeout=60.0) as http,
        ):
            if number == 0:
                http.post("/v1/collections", json={"name": "help"}).raise_for_status()
            ledger.compare(read_all(http))
            # Half of the rounds end amid the ingestion of what the former one left.
            poll(server.is_ready if randomness.random() < 0.5 else server.is_up, bool)
            _end_amid_writes(server, http, ledger, randomness, how)
    with (
        run_server(data, "--no-auth", log=folder / "log", environment=environment) as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        ledger.compare(read_all(http))
        _check_answers(http, ledger)
    _check_index(Settings(data=data, model=str(model)), ledger)
    return ledger.counts


def _end_amid_writes(
    server: ServerProcess,
    http: httpx.Client,
    ledger: Ledger,
    randomness: random.Random,
    how: signal.Signals,
) -> None:
    timer = Timer(randomness.uniform(0.02, 1.5), server.process.send_signal, (how,))
    timer.start()
    write_until_cut_off(http, ledger, randomness)
    timer.join()
    started = monotonic()
    server.process.wait(timeout=2 * _STOP_SECONDS)
    ledger.counts["ended"] += 1
    ledger.counts["slow stops"] += monotonic() - started > _STOP_SECONDS


def _check_answers(http: httpx.Client, ledger: Ledger) -> None:
    """Wait until nothing is queued; then each document is found by its own word."""
    deadline = monotonic() + 300
    while True:
        status = http.get("/v1/collections/help").json()["documents"]
        if not status["queued"] + status["processing"] or monotonic() > deadline:
            break
        sleep(0.2)
    ledger.counts["stuck"] += status["queued"] + status["processing"] + status["failed"]
    for document_id, (text,) in ledger.expected.items():
        if text is None:
            continue
        answer = http.post(
            "/v1/collections/help/search",
            json={"query": text.split()[0], "mode": "lexical", "limit": 1},
        )
        hits = answer.raise_for_status().json()["results"]
        ledger.counts["wrong"] += not hits or hits[0]["document_id"] != document_id


def _check_index(settings: Settings, ledger: Ledger) -> None:
    """Count the units that only one of index and database has."""
    with open_resources(settings) as resources:
        indexes = resources.catch_up()
        with resources.database.read() as session:
            stored = set(session.scalars(select(UnitRow.id)))
        ledger.counts["drift"] = len((indexes.vectors.unit_ids() if indexes else set()) ^ stored)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def main() -> None:
    """Run the rounds and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20, help="rounds that end with SIGKILL")
    parser.add_argument("--stops", type=int, default=5, help="rounds that end with SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        counts = run(
            Path(folder), kills=arguments.kills, stops=arguments.stops, seed=arguments.seed
        )
    for name, count in counts.items():
        print(f"| {name} | {count} |")
    bad = sum(counts[name] for name in counts.keys() - {"ended", "acknowledged"})
    sys.exit(int(bad > 0 or not counts["ended"] or not counts["acknowledged"]))


if __name__ == "__main__":
    main()
