"""Has one key do its worst, an attack after another, and prints what another key sees of it.

    python -m tests.abuse [--seconds N] [--only WORD] [--model NAME] [--terminated N]

Each attack meets a server of its own, whose database holds articles of both keys. The other key
searches, uploads and asks for health before and during the attack. What must hold: its search's p99
at most five times that before, /healthz within 250 ms, nothing of its own refused, and the
server's memory within 50 MB of what it was, once the attacker's collection is deleted: what still
waits there is read for minutes, and what is kept of it is no leak. The attack must have had the
answer that shows that it got through. `--terminated` sends so many servers SIGTERM at random
moments of their start. Exits with 1 unless everything held.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx

from app.config import BUNDLED_MODEL, Settings
from app.domain import Scope
from app.runtime.resources import open_resources
from app.services.access.keys import create_key
from app.services.articles.collections import create_collection
from tests.abuse.attacks import ATTACKS, Target, attack_forked
from tests.abuse.neighbour import Timings, measure
from tests.abuse.terminations import terminate_servers
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.serving import Server, forkserver, run_forked

MAX_RATIO = 5.0
MAX_HEALTH_MS = 250.0
MAX_GROWTH_MB = 50.0
_ARTICLES = 150
_READY_SECONDS = 180.0
# Freed memory goes back to the system every half minute (app/runtime/memory.py).
_SETTLE_SECONDS = 45.0
_COLUMNS = (
    "attack",
    "what it was answered",
    "p50 ms before",
    "during",
    "p99 ms before",
    "during",
    "ratio",
    "/healthz ms",
    "article s before",
    "during",
    "failed",
    "memory MB before",
    "after",
    "held",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What another key saw of an attack."""

    name: str
    answers: dict[str, int]
    before: Timings
    during: Timings
    memory_before_mb: float
    memory_after_mb: float

    @property
    def ratio(self) -> float:
        return self.during.p99_ms() / self.before.p99_ms()

    @property
    def held(self) -> bool:
        return (
            self.answers.get(ATTACKS[self.name].answer, 0) > 0
            and self.ratio <= MAX_RATIO
            and self.during.worst_health_ms() <= MAX_HEALTH_MS
            and not self.before.failures + self.during.failures
            and self.memory_after_mb <= self.memory_before_mb + MAX_GROWTH_MB
        )

    def cells(self) -> list[str]:
        answers = ", ".join(f"{kind} x {number}" for kind, number in sorted(self.answers.items()))
        numbers = (
            self.before.p50_ms(),
            self.during.p50_ms(),
            self.before.p99_ms(),
            self.during.p99_ms(),
        )
        return [
            self.name,
            answers,
            *(f"{number:.0f}" for number in numbers),
            f"{self.ratio:.1f}",
            f"{self.during.worst_health_ms():.0f}",
            f"{self.before.worst_article_s():.1f}",
            f"{self.during.worst_article_s():.1f}",
            str(len(self.during.failures)),
            f"{self.memory_before_mb:.0f}",
            f"{self.memory_after_mb:.0f}",
            "yes" if self.held else "NO",
        ]


@contextmanager
def open_target(settings: Settings, folder: Path) -> Iterator[tuple[Server, str, str, str]]:
    """Serve articles of two keys; yields the server, the tokens of attacker, other and admin."""
    with open_resources(settings) as resources:
        for name in ("theirs", "ours"):
            create_collection(resources.database, name)
        tokens = [
            create_key(resources.database, scope=Scope.WRITE, collections=[name])[1]
            for name in ("theirs", "ours")
        ]
        admin = create_key(resources.database, scope=Scope.ADMIN)[1]
    with run_forked(settings, folder / "log", no_auth=False) as server:
        poll(server.is_ready, bool, seconds=120)
        for name, token in zip(("theirs", "ours"), tokens, strict=True):
            _add_articles(server.url, f"/v1/collections/{name}", token)
        yield server, tokens[0], tokens[1], admin


def _add_articles(url: str, collection: str, token: str) -> None:
    documents = [
        {"id": f"tea{n}", "text": f"Tea number {n} steeps for {n} minutes in a warm cup."}
        for n in range(_ARTICLES)
    ]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60.0) as http:
        job = http.post(f"{collection}/documents", json={"documents": documents})
        path = f"/v1/jobs/{job.raise_for_status().json()['job_id']}"
        deadline = monotonic() + _READY_SECONDS
        while http.get(path).raise_for_status().json()["counts"]["ready"] < _ARTICLES:
            assert monotonic() < deadline, "the articles are not ready"
            sleep(0.5)


def run_attack(name: str, settings: Settings, folder: Path, *, seconds: float) -> Outcome:
    """Measure another key for so long before, and for so long during the attack."""
    with open_target(settings, folder) as (server, theirs, ours, admin):
        # What a first question loads is not the attack's.
        with measure(server.url, ours):
            sleep(min(3.0, seconds))
        with measure(server.url, ours) as before:
            sleep(seconds)
        memory_before = server.memory_mb()
        receiver, sender = Pipe(duplex=False)
        target = Target(server.url, theirs, seconds)
        attacker = forkserver().Process(target=attack_forked, args=(name, target, sender))
        with measure(server.url, ours) as during:
            attacker.start()
            sender.close()
            answers = receiver.recv()
            attacker.join()
        _delete_collection(server.url, "theirs", admin)
        memory_after = _wait_for_memory(server, memory_before + MAX_GROWTH_MB)
    return Outcome(name, answers, before, during, memory_before, memory_after)


def _delete_collection(url: str, name: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    path, confirmed = f"{url}/v1/collections/{name}", {"confirm": name}
    httpx.delete(path, params=confirmed, headers=headers, timeout=120.0).raise_for_status()


def _wait_for_memory(server: Server, wanted_mb: float) -> float:
    deadline = monotonic() + _SETTLE_SECONDS
    while (memory := server.memory_mb()) > wanted_mb and monotonic() < deadline:
        sleep(1)
    return memory


def find_attacks(word: str) -> list[str]:
    """Return the attacks whose name holds a word; none for `-`."""
    return [name for name in ATTACKS if word in name and word != "-"]


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print the table as Markdown."""
    print(f"| {' | '.join(_COLUMNS)} |")
    print(f"|{' --- |' * len(_COLUMNS)}")
    for outcome in outcomes:
        print(f"| {' | '.join(outcome.cells())} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the attacks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each attack")
    parser.add_argument("--only", default="", help="attacks whose name holds this; - for none")
    parser.add_argument("--model", default=BUNDLED_MODEL, help="`tiny` for the tests' own")
    parser.add_argument(
        "--terminated", type=int, default=0, help="servers to stop while they start"
    )
    options = parser.parse_args(arguments)
    names = find_attacks(options.only)
    if not names and not (options.only == "-" and options.terminated):
        parser.error(f"no attack has {options.only!r} in its name: {', '.join(ATTACKS)}")
    outcomes, ended = list[Outcome](), None
    with TemporaryDirectory(prefix="folio-abuse-") as made:
        folder = Path(made)
        tiny = str(make_jina_v3(folder / "model")) if options.model == "tiny" else ""
        model = tiny or options.model
        for number, name in enumerate(names):
            settings = Settings(data=folder / f"data{number}", model=model)
            outcomes.append(run_attack(name, settings, folder, seconds=options.seconds))
            print_outcomes(outcomes[-1:])
            print(outcomes[-1].during.failures[:5], flush=True)
        if options.terminated:
            ended = terminate_servers(model, folder, options.terminated)
    print()
    print_outcomes(outcomes)
    if ended is not None:
        print(f"stopped within {ended.start_s:.1f} s of the start:", *ended.lines(), sep="\n")
    held = all(outcome.held for outcome in outcomes) and (ended is None or ended.held)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
