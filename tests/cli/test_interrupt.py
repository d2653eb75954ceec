"""Ctrl-C during `folio add`: it ends soon, and nothing that was acknowledged is lost."""

import os
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.abuse.attacks import make_slow_file
from tests.api.service import FOLIO, Service, folio_environment, poll
from tests.cli.command import folio

pytestmark = pytest.mark.slow

Counts = Callable[[], Counter[str]]


@pytest.fixture
def data(tmp_path: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("FOLIO_DATA", str(folder))
    monkeypatch.setenv("FOLIO_MODEL", str(jina_v3))
    return folder


def allow_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def start(*arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the console script with a process group of its own, as a terminal does."""
    process = subprocess.Popen(
        [FOLIO, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell runs in the background inherit that Ctrl-C is ignored.
        preexec_fn=allow_ctrl_c,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def count_stored(data: Path) -> Counter[str]:
    """Return how many articles the database holds at each status; it is not opened to write."""
    path = data / "folio.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT status, count(*) FROM versions GROUP BY status")
            return Counter(dict(rows.fetchall()))
    # It is not there yet.
    except sqlite3.OperationalError:
        return Counter()


def test_interrupted_add_ends_with_one_clear_line_and_the_next_goes_on(
    data: Path, jina_v3: Path, files: Path
) -> None:
    for number in range(50):
        (files / f"{number}.txt").write_text(f"{number} " + "tea with milk and sugar " * 80)
    # Read last, and for a minute, so that the process cannot end by itself before.
    slow = files / "slow.rst"
    slow.write_bytes(make_slow_file())
    environment = folio_environment(
        FOLIO_DATA=data, FOLIO_MODEL=jina_v3, FOLIO_PARSE_SMALL_SECONDS="60"
    )
    with start("add", ".", environment=environment) as process:
        poll(lambda: count_stored(data)["ready"], lambda ready: ready >= 3)
        press_ctrl_c(process)
        output, said = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("stopped; what was acknowledged is kept")
    kept = count_stored(data)
    assert kept["ready"] >= 3
    assert kept["queued"] > 0
    assert kept["ready"] + kept["queued"] == 51
    folio("remove", "slow.rst")
    slow.unlink()
    summary = folio("add", ".", "--json").json
    assert (summary["ready"], summary["unchanged"]) == (kept["queued"] - 1, kept["ready"])
    assert summary["failures"] == []
    assert count_stored(data) == {"ready": 50}


def test_second_ctrl_c_ends_at_once_and_the_article_in_work_is_read_later(
    data: Path, jina_v3: Path, files: Path
) -> None:
    # Minutes of work, so that the process cannot end by itself in between.
    (files / "long.txt").write_text("tea with milk and sugar " * 100_000)
    (files / "short.txt").write_text("Tea.")
    environment = folio_environment(FOLIO_DATA=data, FOLIO_MODEL=jina_v3)
    with start("add", "long.txt", "short.txt", environment=environment) as process:
        poll(
            lambda: count_stored(data),
            lambda counts: counts["processing"] > 0 and sum(counts.values()) == 2,
        )
        press_ctrl_c(process)
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("stop"))
        assert "Ctrl-C again stops at once" in line
        press_ctrl_c(process)
        assert process.wait(timeout=30) == -signal.SIGINT
    assert sum(count_stored(data).values()) == 2
    folio("remove", "long.txt")
    summary = folio("add", "short.txt", "--json").json
    assert (summary["ready"], summary["failed"]) == (1, 0)


def test_interrupted_add_leaves_the_rest_to_the_server(
    service: Service, files: Path, tmp_path: Path
) -> None:
    for number in range(40):
        (files / f"{number}.txt").write_text(f"{number} " + "tea with milk and sugar " * 80)
    # Read last, until its seconds are over.
    (files / "slow.rst").write_bytes(make_slow_file())
    collection = service.new_collection("interrupted")
    where = ["--server", service.url, "--collection", collection.name]
    with start("add", ".", *where, environment=folio_environment()) as process:
        poll(lambda: len(collection.page(status="ready")["documents"]), bool)
        press_ctrl_c(process)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("stopped; what was acknowledged is kept")
    acknowledged = {document["id"] for document in collection.page(limit=1000)["documents"]}
    assert len(acknowledged) > 0
    poll(
        lambda: {d["id"] for d in collection.page(status="ready", limit=1000)["documents"]},
        lambda ready: ready == acknowledged - {"slow.rst"},
    )
