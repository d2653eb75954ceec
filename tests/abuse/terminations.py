"""Sends `folio serve` SIGTERM at random moments of its start, and tells how each ended.

What loads the model has threads of its own, and the end of the process must not trip over them. How
long a start takes depends on the machine, so that is measured first: each of the moments lies in a
part of its own of that time, the last ones just after the first answer.
"""

import random
import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

from app.db.sqlite import open_database
from tests.api.service import ServerProcess, folio_environment, poll, run_server
from tests.durability.serving import STOP_SECONDS

_AT_ONCE = 2
_BEYOND = 1.1
_START_SECONDS = 300.0
_COMPLAINTS = ("terminate called", "Traceback")
# Of the signal itself before anything handles it, and of a stop in order.
_CODES = {-signal.SIGTERM, 128 + signal.SIGTERM}
# How far the start was, by what stands in the log; the last that is found.
_PHASES = {
    "": "before it listened",
    "Started server process": "while its model was loaded",
    "answers, on": "when it answered",
}
# Alembic keeps what it migrates in its modules: one database of a process at a time.
_OPENING = Lock()


@dataclass(frozen=True, slots=True)
class Terminations:
    """How the servers ended, and how far they were."""

    start_s: float
    """The time over which the moments were spread."""
    ends: Counter[str]

    @property
    def held(self) -> bool:
        """Whether none ended badly, and each phase of the start was met."""
        met = [any(phase in how for how in self.ends) for phase in _PHASES.values()]
        return all(met) and not any("BAD" in how for how in self.ends)

    def lines(self) -> list[str]:
        """Return how many ended how, a line each."""
        return [f"{count} {how}" for how, count in sorted(self.ends.items())]


def terminate_servers(model: str, folder: Path, count: int) -> Terminations:
    """Start so many servers, each with a folder of its own, and stop each amid its start."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # As many at once as later on.
        starts = pool.map(
            lambda number: _measure_start(model, folder / f"started{number}"), range(_AT_ONCE)
        )
        start_s = _BEYOND * max(starts)
        moments = draw_moments(count, start_s)
        ends = pool.map(
            lambda number: _terminate(model, folder / f"stopped{number}", moments[number]),
            range(count),
        )
        return Terminations(start_s, Counter(ends))


def draw_moments(count: int, seconds: float) -> Sequence[float]:
    """Return a random moment of each of so many equal parts of a time, in random order."""
    randomness = random.Random(0)
    moments = [seconds * (part + randomness.random()) / count for part in range(count)]
    randomness.shuffle(moments)
    return moments


def _measure_start(model: str, folder: Path) -> float:
    folder.mkdir()
    started = monotonic()
    with _run(model, folder) as server:
        poll(server.read_log, lambda said: "answers, on" in said, seconds=_START_SECONDS)
        return monotonic() - started


def _terminate(model: str, folder: Path, moment_s: float) -> str:
    """Stop one server; returns how far it was and how it ended."""
    folder.mkdir()
    with _run(model, folder) as server:
        sleep(moment_s)
        server.process.send_signal(signal.SIGTERM)
        asked = monotonic()
        code = server.process.wait(2 * STOP_SECONDS)
        took_s = monotonic() - asked
    said = _read(server.log)
    # It is refused to a second one as long as any process of the first is there.
    with _OPENING, open_database(folder / "data", holder="the test"):
        pass
    phase = [name for sign, name in _PHASES.items() if sign in said][-1]
    how = f"{phase}: exit {code}"
    is_bad = is_bad_end(code, took_s, said)
    return f"{how}, BAD after {moment_s:.2f} s: {said[-1500:]}" if is_bad else how


def is_bad_end(code: int, took_s: float, said: str) -> bool:
    """Return whether a server ended late, with a complaint, or otherwise than by the signal."""
    complains = any(complaint in said for complaint in _COMPLAINTS)
    return took_s > STOP_SECONDS or complains or code not in _CODES


def _run(model: str, folder: Path) -> AbstractContextManager[ServerProcess]:
    return run_server(
        folder / "data",
        "--no-auth",
        log=folder / "log",
        environment=folio_environment(FOLIO_MODEL=model),
        waits=False,
    )


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8")
