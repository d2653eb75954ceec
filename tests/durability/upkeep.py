"""Kills a server, and fills its disk, while it embeds anew, tunes, mirrors a folder, is backed up.

    python -m tests.durability.upkeep [--kills N] [--seed N]

After each of these every article must be there, ready, and the first answer to its own word, with
its vectors once in index and database; what was begun must come to its end, by itself after a kill
and as soon as there is room on the disk. A full disk needs a small tmpfs, so root.
"""

import argparse
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import httpx

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.errors import StorageFull
from app.runtime.resources import open_resources
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.consistency import compare_vectors, count_drift
from tests.durability.full_disk import can_mount, grow_disk, small_disk
from tests.durability.serving import Server, forkserver, run_forked
from tests.durability.table import Row, finish

_ARTICLES, _FILES = 60, 40
_MAX_SECONDS = 1.5
_PATIENCE_SECONDS = 120.0
_DISK_KB, _LEFT_KB = 8000, 96
_DIMENSIONS = 32
_PATH = "/v1/collections/help"
TASKS = ("embedding anew", "tuning", "sync", "backup")


def text_of(word: str) -> str:
    """Return an article that only one word tells from the others."""
    return f"{word} " + "Steep the tea well, and pour it into a warm cup. " * 20


@dataclass(slots=True)
class Lane:
    """A server that has articles and something to do."""

    settings: Settings
    other_model: Path
    log: Path
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def serve(self, *, mirrors: bool) -> Iterator[tuple[Server, httpx.Client]]:
        settings = self.settings
        if not mirrors:
            settings = settings.model_copy(update={"sync_folder": None})
        with (
            run_forked(settings, self.log) as server,
            httpx.Client(base_url=server.url, timeout=60.0) as http,
        ):
            poll(server.is_ready, bool, seconds=120)
            yield server, http

    def prepare(self) -> None:
        """Store the articles, which stay as they are."""
        with self.serve(mirrors=False) as (_, http):
            http.post("/v1/collections", json={"name": "help"}).raise_for_status()
            articles = [{"id": f"a{n}", "text": text_of(f"word{n}")} for n in range(_ARTICLES)]
            answer = http.post(f"{_PATH}/documents", json={"documents": articles})
            answer.raise_for_status()
            self.wait(lambda: _status(http)["ready"] == _ARTICLES, "the articles")

    def begin(self, task: str, http: httpx.Client, number: int) -> bool:
        """Ask for what the server is to do for the N-th time; returns whether it is begun.

        A sync began with the server, a backup is another process.
        """
        if task == "embedding anew":
            # Of the live one's dimensions there would be nothing to embed.
            dimensions = _DIMENSIONS - number % (_DIMENSIONS // 2)
            body: dict[str, Any] = {
                "model": str(self.other_model),
                "dimensions": dimensions,
                "force": True,
            }
            path = "/v1/generations"
        elif task == "tuning":
            queries = [{"query": f"word{n}", "relevant": {f"a{n}": 1}} for n in range(_ARTICLES)]
            gate = [{"query": "tea", "relevant": {"a1": 1}}]
            body = {"collection": "help", "queries": queries, "gate": gate, "force": True}
            path = "/v1/tunings"
        else:
            return True
        answer = http.post(path, json=body)
        self.answered(answer)
        return answer.is_success

    def answered(self, answer: httpx.Response) -> None:
        """Count an answer that does not say what is wrong."""
        if answer.status_code == 500 or (answer.is_error and not answer.json().get("code")):
            self.counts["500s"] += 1
            self.complaints.append(f"{answer.request.url.path}: {answer.text[:200]}")

    def wait(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait; what does not come to its end is counted."""
        deadline = monotonic() + _PATIENCE_SECONDS
        while not is_done():
            if monotonic() > deadline:
                self.counts["not ended"] += 1
                self.complaints.append(f"{what}: not ended")
                return
            sleep(0.1)

    def finish(self, task: str, http: httpx.Client) -> None:
        """Wait for the end of what was begun, and look at every article."""
        self.wait(lambda: not _is_building(http), task)
        if task == "sync":
            self.wait(lambda: _count_mirrored(http) == _FILES, task)
        self.check(http)

    def check(self, http: httpx.Client) -> None:
        """Count articles that are not there as they were, or not found."""
        for number in range(_ARTICLES):
            stored = http.get(f"{_PATH}/documents/a{number}")
            wanted = sha256(text_of(f"word{number}").encode()).hexdigest()
            body = {"query": f"word{number}", "mode": "lexical", "limit": 1}
            found = http.post(f"{_PATH}/search", json=body)
            self.answered(found)
            hits = found.json().get("results", [])
            is_there = stored.is_success and stored.json()["sha256"] == wanted
            if not is_there or not hits or hits[0]["document_id"] != f"a{number}":
                self.counts["lost"] += 1
                self.complaints.append(f"a{number}: {stored.text[:100]} {found.text[:100]}")
        articles = {f"a{number}" for number in range(_ARTICLES)}
        self.counts["drift"] += count_drift(http, _PATH, articles)

    def check_vectors(self) -> None:
        """Count what the folder opened anew has in only one of index and database, or twice."""
        settings = self.settings.model_copy(update={"sync_folder": None})
        with open_resources(settings) as resources:
            vectors = compare_vectors(resources)
        self.counts["drift"] += vectors.drift
        self.counts["twice"] += vectors.twice


def _status(http: httpx.Client) -> dict[str, int]:
    status: dict[str, int] = http.get(_PATH).raise_for_status().json()["documents"]
    return status


def _is_building(http: httpx.Client) -> bool:
    listed = http.get("/v1/generations").raise_for_status().json()["generations"]
    return any(generation["state"] == "building" for generation in listed)


def _count_mirrored(http: httpx.Client) -> int:
    answer = http.get("/v1/collections/mirror")
    return int(answer.json()["documents"]["ready"]) if answer.is_success else 0


def make_lane(folder: Path, data: Path) -> Lane:
    """Return a lane with its models, and a folder to mirror."""
    models = [make_jina_v3(folder / f"model{seed}", seed=seed) for seed in (0, 1)]
    mirrored = folder / "mirrored"
    mirrored.mkdir()
    for number in range(_FILES):
        (mirrored / f"{number}.md").write_text(text_of(f"file{number}"), encoding="utf-8")
    settings = Settings(
        data=data,
        model=str(models[0]),
        passage_tokens=32,
        retry_seconds=0,
        sync_folder=mirrored,
        sync_collection="mirror",
        sync_minutes=0.05,
    )
    return Lane(settings, models[1], folder / "log")


def run(folder: Path, *, kills: int, disks: bool, seed: int = 0) -> Lane:
    """Kill, and fill the disk, amid each task; returns the counts of all and the complaints."""
    randomness, counts, complaints = random.Random(seed), Counter[str](), list[str]()
    for task in TASKS:
        home = folder / task.replace(" ", "-")
        home.mkdir()
        lane = make_lane(home, home / "data")
        lane.prepare()
        for number in range(kills):
            _kill_amid(lane, task, home, number, randomness.uniform(0, _MAX_SECONDS))
        if disks:
            _fill_amid(lane, task, home)
        counts.update(lane.counts)
        complaints += lane.complaints
        print(f"{task}: {lane.counts}", *lane.complaints[:5], sep="\n", flush=True)
    return replace(lane, counts=counts, complaints=complaints)


def _kill_amid(lane: Lane, task: str, home: Path, number: int, moment_s: float) -> None:
    with lane.serve(mirrors=task == "sync") as (server, http):
        lane.counts["not begun"] += not lane.begin(task, http, number)
        if task == "backup":
            _kill_backup(lane, home / f"{number}.backup", moment_s / 10)
        else:
            sleep(moment_s)
            server.send_signal(signal.SIGKILL)
            server.wait()
        lane.counts["kills"] += 1
    with lane.serve(mirrors=task == "sync") as (_, http):
        lane.finish(task, http)
    lane.check_vectors()


def _fill_amid(lane: Lane, task: str, home: Path) -> None:
    """Leave little room on the disk, begin, look whether all is still answered, and make room."""
    with small_disk(home / "disk", _DISK_KB) as disk:
        lane.settings = lane.settings.model_copy(update={"data": disk})
        lane.prepare()
        with lane.serve(mirrors=task == "sync") as (_, http):
            filler = disk / "filler"
            filler.write_bytes(bytes(max(0, disk_usage(disk).free - _LEFT_KB * 1024)))
            # Here it may be refused: there may be no room for it.
            lane.begin(task, http, 0)
            if task == "backup":
                with suppress(StorageFull):
                    write_backup(disk, disk / "a.backup", keep_days=1)
                    lane.complaints.append("a backup was written to a full disk")
                lane.counts["not ended"] += len([*disk.glob("*backup*")])
            sleep(_MAX_SECONDS)
            lane.answered(http.put(f"{_PATH}/documents/b", json={"text": "x" * 200_000}))
            lane.check(http)
            grow_disk(disk)
            filler.unlink()
            lane.finish(task, http)
        lane.check_vectors()
        lane.counts["disks"] += 1


def _kill_backup(lane: Lane, target: Path, moment_s: float) -> None:
    """Kill a backup; what it leaves goes with the next one, which is whole."""
    process = forkserver().Process(
        target=write_backup, args=(lane.settings.data, target), kwargs={"keep_days": 1}
    )
    process.start()
    sleep(moment_s)
    process.kill()
    process.join()
    target.unlink(missing_ok=True)
    write_backup(lane.settings.data, target, keep_days=1)
    left = [path.name for path in target.parent.glob(".folio-backup-*")]
    restored = target.parent / f"restored-{target.stem}"
    restore_backup(target, restored, replace=False, allow_expired=False)
    lane.counts["not ended"] += len(left)
    lane.complaints += left


def describe(counts: Mapping[str, int]) -> Row:
    """Return what the counts say of the promise."""
    bad = sum(counts[name] for name in ("lost", "drift", "twice", "500s", "not begun", "not ended"))
    promise, injected = "upkeep survives kill -9", f"{counts['kills']} SIGKILL"
    # None where nothing may be mounted.
    if counts["disks"]:
        promise, injected = f"{promise} and full disks", f"{injected}, {counts['disks']} full disks"
    return Row(
        promise,
        injected,
        f"amid {', '.join(TASKS)}: {counts['not begun']} were not begun, {counts['not ended']} did "
        "not come to their end",
        held=not bad and counts["kills"] > 0,
        lost=counts["lost"],
        drift=counts["drift"],
        errors_500=counts["500s"],
        stuck=counts["not ended"],
    )


def main() -> None:
    """Kill and fill, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=5, help="amid each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        lane = run(Path(folder), kills=arguments.kills, disks=can_mount(), seed=arguments.seed)
    finish([describe(lane.counts)], arguments.rows)


if __name__ == "__main__":
    main()
