"""The short form of `make durability`: some places of every kind of fault, and a broken store."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.faults import MODES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the shim needs a C compiler"),
]

ROOT = Path(__file__).parents[2]


def run_faults(*arguments: str) -> tuple[int, dict[str, list[int]]]:
    """Return the exit status and the counts by fault: injected, acknowledged, lost, torn, uncoded.

    Every 45th of a few hundred places fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.durability.faults", "--every", "45", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line]
    # After the two lines of the head; the sum of all follows.
    rows = lines[2 : 2 + len(MODES)]
    assert rows, done.stderr[-3000:]
    return done.returncode, {name: [int(count) for count in counts] for name, *counts in rows}


def test_nothing_acknowledged_is_lost_whichever_write_fails() -> None:
    status, counts = run_faults()
    assert status == 0
    assert counts.keys() == {"kill", "torn write", "ENOSPC once", "ENOSPC onward", "EIO"}
    for injected, acknowledged, lost, torn, uncoded in counts.values():
        assert injected > 3
        assert acknowledged > injected
        assert (lost, torn, uncoded) == (0, 0, 0)


def test_store_that_acknowledges_before_the_commit_is_caught() -> None:
    status, counts = run_faults("--broken")
    assert status == 0
    assert all(lost > 0 for _, _, lost, _, _ in counts.values())
