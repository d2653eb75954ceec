"""Starts a second process on a data folder at the worst moments of the first.

    python -m tests.durability.second [--rounds N]

While the first one starts, migrates the oldest schema, ends, puts a backup back or copies the
folder. One of the two may be refused, and told that the folder is held; never do two servers answer
at a time, and what was stored is there afterwards.
"""

import argparse
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.db.sqlite import open_database
from app.errors import DataFolderHeld
from tests.checkpoints import make_jina_v3
from tests.durability.folder import is_whole, make_old_folder
from tests.durability.serving import Server, forkserver, run_forked
from tests.durability.table import Row, finish

_SECONDS = 60.0
_REFUSAL = "DataFolderHeld"
_REFUSED = 3


@dataclass(frozen=True, slots=True)
class Round:
    """A folder that holds something, a backup of it, and how long the second one waits."""

    settings: Settings
    folder: Path
    pause_s: float

    @property
    def backup(self) -> Path:
        return self.folder / "backup"

    def serve(self, name: str) -> AbstractContextManager[Server]:
        return run_forked(self.settings, self.folder / f"{name}.log", waits=False)

    def begin(self, act: Callable[[Path, Path], None]) -> ForkServerProcess:
        """Begin something with the data folder and the backup, in a process of its own."""
        process = forkserver().Process(target=act, args=(self.settings.data, self.backup))
        process.start()
        return process


def start_both(round_: Round) -> list[str]:
    """Start two servers."""
    with round_.serve("first") as first:
        sleep(round_.pause_s)
        with round_.serve("second") as second:
            outcomes = [_wait_for(first), _wait_for(second)]
    return outcomes if outcomes.count("served") == 1 else [*outcomes, "BAD: not one served"]


def start_at_the_end(round_: Round) -> list[str]:
    """Start a server when the first one was told to end."""
    with round_.serve("first") as first:
        outcomes = [_wait_for(first)]
        first.send_signal(signal.SIGTERM)
        sleep(round_.pause_s)
        with round_.serve("second") as second:
            outcomes.append(_wait_for(second))
            if outcomes[-1] == "served" and first.process.is_alive() and _answers(first):
                outcomes.append("BAD: both answer")
    return outcomes


def start_amid_restore(round_: Round) -> list[str]:
    """Start a server while a backup is put back."""
    process = round_.begin(_restore)
    sleep(round_.pause_s)
    with round_.serve("second") as second:
        outcome = _wait_for(second)
        process.join(_SECONDS)
    return [judge_restore(process.exitcode, outcome), outcome]


def judge_restore(code: int | None, outcome: str) -> str:
    """Return how a restore ended beside a server of such an outcome; None has not ended."""
    if code == _REFUSED and outcome != "served":
        return "BAD: neither restored nor served"
    ends: dict[int | None, str] = {0: "restored", _REFUSED: "restore refused"}
    return ends.get(code, f"BAD: restore ended with {code}")


def start_amid_backup(round_: Round) -> list[str]:
    """Start a server while the folder is copied: both must come to an end."""
    round_.backup.unlink()
    process = round_.begin(_copy)
    sleep(round_.pause_s)
    with round_.serve("second") as second:
        outcome = _wait_for(second)
        process.join(_SECONDS)
    copied = "copied" if process.exitcode == 0 and round_.backup.is_file() else "BAD: not copied"
    return [copied, outcome if outcome == "served" else f"BAD: {outcome}"]


def _restore(data: Path, backup: Path) -> None:
    try:
        restore_backup(backup, data, replace=True, allow_expired=False)
    except DataFolderHeld:
        # Any other error ends the process with 1.
        sys.exit(_REFUSED)


def _copy(data: Path, backup: Path) -> None:
    write_backup(data, backup, keep_days=1)


# The longest pauses, in seconds, are about as long as what they fall into.
MOMENTS: dict[str, tuple[Callable[[Round], list[str]], float]] = {
    "start-up": (start_both, 0.6),
    "migration": (start_both, 0.3),
    "end": (start_at_the_end, 0.6),
    "restore": (start_amid_restore, 0.2),
    "backup": (start_amid_backup, 0.2),
}


def _wait_for(server: Server) -> str:
    """Wait until a server answers or has ended; returns `served`, `refused` or what it said."""
    deadline = monotonic() + _SECONDS
    while monotonic() < deadline:
        if server.process.exitcode is not None:
            said = server.log.read_text(encoding="utf-8") if server.log.exists() else ""
            return "refused" if _REFUSAL in said else f"BAD: {said[-1000:]}"
        if _answers(server):
            return "served"
        sleep(0.05)
    return "BAD: neither answers nor ends"


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz", timeout=_SECONDS).is_success
    except httpx.TransportError:
        return False


def run(folder: Path, *, rounds: int, seed: int = 0) -> Counter[str]:
    """Run so many rounds of each moment; returns how they ended."""
    randomness, model = random.Random(seed), str(make_jina_v3(folder / "model"))
    old = folder / "old"
    make_old_folder(old)
    new = folder / "new"
    shutil.copytree(old, new)
    with open_database(new, holder="a test"):
        pass
    ended: Counter[str] = Counter()
    for name, (race, longest_s) in MOMENTS.items():
        for number in range(rounds):
            place = folder / f"{name}{number}"
            shutil.copytree(old if name == "migration" else new, place / "data")
            write_backup(new, place / "backup", keep_days=1)
            settings = Settings(data=place / "data", model=model)
            outcomes = race(Round(settings, place, randomness.uniform(0, longest_s)))
            if not is_whole(settings.data):
                outcomes.append("BAD: not whole")
            ended.update(f"{name}: {outcome}" for outcome in outcomes)
            print(name, number, *outcomes, flush=True)
    return ended


def describe(ended: Counter[str], rounds: int) -> Row:
    """Return what the counts say of the promise."""
    bad = sum(count for outcome, count in ended.items() if "BAD" in outcome)
    lost = sum(count for outcome, count in ended.items() if "not whole" in outcome)
    served = sum(count for outcome, count in ended.items() if "served" in outcome)
    return Row(
        "one owner at the worst moment",
        f"{rounds * len(MOMENTS)} second processes amid {', '.join(MOMENTS)}",
        f"{served} times one answered, {ended.total() - served - bad} refused or done, {bad} wrong",
        held=not bad and rounds > 0,
        lost=lost,
    )


def main() -> None:
    """Run the rounds and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10, help="of each moment")
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        ended = run(Path(folder), rounds=arguments.rounds)
    for outcome, count in sorted(ended.items()):
        print(f"{count:5} {outcome}")
    finish([describe(ended, arguments.rounds)], arguments.rows)


if __name__ == "__main__":
    main()
