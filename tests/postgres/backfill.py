"""Kills a node of a Ray cluster amid `folio backfill`, and counts what the database holds.

    python -m tests.postgres.backfill [--articles N] [--nodes N] [--no-kill] [--model MODEL]
        [--sentences N]

Each node is a raylet of its own on loopback with room for one worker. Once a third of the articles
is ready all processes of one node are killed with SIGKILL while documents are claimed; the command
goes on. Then it runs once more. `lost` counts articles without a live version of their own text;
`twice` versions that there are besides, units and words that are not just those of the receipt, and
documents that nobody loaded; `failed` versions that are not live, and `again` what the second run
did not pass over. `told` counts files of Ray's that hold the password of the database or the text
of an article. `cut off` says how many versions were begun twice, as what read them was killed.
Tokens a second are those of the eight tenths of the articles that became ready in the middle, while
all workers were there. Exits with 1 unless everything held.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select

from app.config import Settings
from app.db.database import Database
from app.db.models import Document, TermsRow, UnitRow, Version
from app.db.postgres import open_postgres
from app.domain import Status
from tests.api.service import FOLIO
from tests.checkpoints import make_jina_v3
from tests.postgres.server import run_postgres

FAULTS = ("lost", "twice", "failed", "again", "told")

_OBJECT_STORE_BYTES = 100 * 2**20
_SECONDS = 3600.0
_LEASE_SECONDS = 5.0
_PASSWORD = secrets.token_hex(8)
_SENTENCE = "Steep the tea well, and ask for milk."


@dataclass(slots=True)
class Cluster:
    """A Ray cluster on loopback: a head without workers, and nodes with room for one each."""

    address: str
    nodes: list[Any]

    def kill_node(self) -> None:
        """Kill all processes of a node at once, as when its machine is lost."""
        (raylet,) = self.nodes.pop().all_processes["raylet"]
        pids = [raylet.process.pid, *_list_descendants(raylet.process.pid)]
        # Stopped first: a worker that outlives its parser would blame a document for that.
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, how)


@contextmanager
def run_cluster(folder: Path, *, nodes: int) -> Iterator[Cluster]:
    """Run a cluster whose processes end with the block."""
    # Read at its import, also by the command; see app.commands.backfill for the second one.
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # By default workers go last on a machine that is busy with other things.
        "RAY_worker_niceness": "0",
    }
    from ray.cluster_utils import Cluster as RayCluster

    options = {
        "node_ip_address": "127.0.0.1",
        "object_store_memory": _OBJECT_STORE_BYTES,
        "temp_dir": str(folder),
    }
    cluster = RayCluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False, **options)
        yield Cluster(
            cluster.address, [cluster.add_node(num_cpus=1, **options) for _ in range(nodes)]
        )
    finally:
        cluster.shutdown()


def run(
    folder: Path,
    *,
    articles: int = 200,
    nodes: int = 2,
    kill: bool = True,
    model: str | None = None,
    sentences: int = 1,
) -> dict[str, int | float]:
    """Load so many articles, with a node killed on the way, and load them again."""
    with ExitStack() as stack:
        postgres = stack.enter_context(run_postgres())
        postgres.create_database("backfill")
        rays = _make_short(stack)
        cluster = stack.enter_context(run_cluster(rays, nodes=nodes))
        url = postgres.url("backfill").replace("postgres@", f"postgres:{_PASSWORD}@")
        settings = Settings(
            database_url=SecretStr(url),
            model=model or str(make_jina_v3(folder / "model")),
            lease_seconds=_LEASE_SECONDS,
            retry_seconds=0.2,
        )
        database = stack.enter_context(open_postgres(url))
        text = " ".join([_SENTENCE] * sentences)
        wanted = {f"a{number}": f"word{number} {text}" for number in range(articles)}
        path = _write_articles(folder / "articles.jsonl", wanted)
        command = [FOLIO, "backfill", path, "--address", cluster.address, f"--workers={nodes}"]
        environment = os.environ | _as_environment(settings)
        with _run(command, environment) as first:
            if kill:
                _kill_amid(cluster, database, first, articles // 3)
            _finish(first)
        counts = _count(database, wanted)
        with _run(command, environment) as second:
            counts["again"] = articles - _finish(second)["unchanged"]
        counts["told"] = sum(map(_tells, rays.rglob("*")))
        return counts


def _make_short(stack: ExitStack) -> Path:
    # The path of a socket has at most 107 bytes.
    return Path(stack.enter_context(TemporaryDirectory(prefix="folio-ray-")))


def _tells(path: Path) -> bool:
    if not path.is_file():
        return False
    data = path.read_bytes()
    return any(secret.encode() in data for secret in (_PASSWORD, _SENTENCE))


def _write_articles(path: Path, articles: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for name, text in articles.items():
            file.write(json.dumps({"id": name, "text": text}) + "\n")
    return path


def _as_environment(settings: Settings) -> dict[str, str]:
    assert settings.database_url is not None
    named = {name: getattr(settings, name) for name in ("model", "lease_seconds", "retry_seconds")}
    return {
        "FOLIO_DATABASE_URL": settings.database_url.get_secret_value(),
        **{f"FOLIO_{name.upper()}": str(value) for name, value in named.items()},
    }


@contextmanager
def _run(command: list[Any], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*command, "--json"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, said
    return dict(json.loads(said))


def _kill_amid(
    cluster: Cluster, database: Database, process: subprocess.Popen[str], ready: int
) -> None:
    """Kill a node once so many are ready and others are claimed."""
    deadline = monotonic() + _SECONDS
    while _count_at(database, Status.READY) < ready or not _count_at(database, Status.PROCESSING):
        assert process.poll() is None, "it ended before anything was killed"
        assert monotonic() < deadline
        sleep(0.02)
    cluster.kill_node()


def _count_at(database: Database, status: Status) -> int:
    with database.read() as session:
        counted = select(func.count()).select_from(Version).where(Version.status == status)
        return session.scalar(counted) or 0


def _count(database: Database, wanted: dict[str, str]) -> dict[str, int | float]:
    """Compare what is stored with the texts that were to be loaded, by their ids."""
    units = select(func.count(UnitRow.id)).where(UnitRow.version_id == Version.id)
    words = select(func.count()).where(TermsRow.version_id == Version.id)
    with database.read() as session:
        versions = session.execute(
            select(
                Document.external_id,
                *(Version.text, Version.is_live, Version.attempts, Version.ready_at),
                Version.receipt["units"].as_integer().label("units_told"),
                Version.receipt["tokens_processed"].as_integer().label("tokens"),
                units.scalar_subquery().label("units"),
                words.scalar_subquery().label("words"),
            ).join(Version, Version.document_id == Document.id)
        ).all()
    live = [version for version in versions if version.is_live]
    texts = {version.external_id: version.text for version in live}
    superfluous = len(versions) - len({version.external_id for version in versions})
    unlike = sum((each.units, each.words) != (each.units_told, 1) for each in live)
    return {
        "articles": len(texts),
        "lost": sum(texts.get(name) != text for name, text in wanted.items()),
        "twice": superfluous + unlike + len(texts.keys() - wanted.keys()),
        "failed": len(versions) - len(live),
        "cut off": sum(version.attempts > 1 for version in versions),
        "tokens": sum(version.tokens for version in live),
        "tokens a second": _measure_rate([(each.ready_at, each.tokens) for each in live]),
    }


def _measure_rate(ready: list[tuple[datetime, int]]) -> float:
    """Return tokens a second of the eight tenths in the middle, by when each article was ready."""
    tenth = len(ready) // 10
    (first, _), *middle = sorted(ready)[tenth : len(ready) - tenth]
    seconds = (middle[-1][0] - first).total_seconds()
    return round(sum(tokens for _, tokens in middle) / seconds, 1)


def _list_descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, by any thread, and those that they have."""
    children = [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text(encoding="ascii").split()
    ]
    return [found for child in children for found in (child, *_list_descendants(child))]


def main() -> None:
    """Run the lane and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kill", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--model", help="by default a tiny one with random weights")
    parser.add_argument("--sentences", type=int, default=1, help="of each article")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-backfill-") as folder:
        counts = run(Path(folder), **vars(arguments))
    print(json.dumps(counts))
    sys.exit(1 if any(counts[name] for name in FAULTS) else 0)


if __name__ == "__main__":
    main()
