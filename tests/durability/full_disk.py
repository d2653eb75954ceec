"""Fills the disk of a real server: a small tmpfs of another size in each round. Needs root.

    python -m tests.durability.full_disk [--sizes N]

Uploads until the disk is full. Then every upload must be answered with 507, what was acknowledged
must be readable, deleting must work, and uploads must be taken again once there is room.
"""

import argparse
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.config import Settings
from tests.checkpoints import make_jina_v3
from tests.durability.serving import run_forked
from tests.durability.table import Row, finish

_PATH = "/v1/collections/help/documents"
_MIN_KB, _STEP_KB = 1200, 150
_BYTES = 20_000
_AT_MOST = 1000
_NAMES = ("disks", "acknowledged", "refused with 507", "lost", "other codes", "not resumed")


def text_of(number: int) -> str:
    """Return a text that does not compress and is told from any other."""
    return (sha256(str(number).encode()).hexdigest() * (_BYTES // 64))[:_BYTES]


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a tmpfs of so many kilobytes; raises CalledProcessError without the right to."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "folio-test", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def grow_disk(folder: Path) -> None:
    """Make room."""
    options = ["-o", f"remount,size={8 * _MIN_KB}k", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)


def can_mount() -> bool:
    """Return whether this process may mount."""
    try:
        with TemporaryDirectory() as folder, small_disk(Path(folder) / "disk", 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def run_disk(settings: Settings, log: Path) -> dict[str, int]:
    """Fill one disk; returns the counts."""
    counts = dict.fromkeys(_NAMES, 0) | {"disks": 1}
    with (
        run_forked(settings, log) as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        taken: list[int] = []
        for number in range(_AT_MOST):
            answer = http.put(f"{_PATH}/{number}", json={"text": text_of(number)})
            if answer.status_code != 202:
                break
            taken.append(number)
        is_full = answer.status_code == 507
        counts["refused with 507"] += is_full
        counts["other codes"] += not is_full
        page = http.get(_PATH, params={"limit": 1000}).raise_for_status().json()
        found = {document["id"]: document["sha256"] for document in page["documents"]}
        counts["acknowledged"] = len(taken)
        counts["lost"] = sum(
            found.get(str(n)) != sha256(text_of(n).encode()).hexdigest() for n in taken
        )
        # Deleting needs room too: for the log. Where there is none it says so as well.
        gone = [http.delete(f"{_PATH}/{number}").status_code for number in taken[:-1]]
        counts["other codes"] += sum(code not in {200, 507} for code in gone)
        grow_disk(settings.data)
        again = http.put(f"{_PATH}/again", json={"text": "There is room."})
        counts["not resumed"] = int(again.status_code != 202)
    return counts


def run(folder: Path, *, sizes: int) -> dict[str, int]:
    """Fill disks of different sizes; returns the sums of the counts."""
    model = str(make_jina_v3(folder / "model"))
    sums = dict.fromkeys(_NAMES, 0)
    for number in range(sizes):
        with small_disk(folder / "disk", _MIN_KB + number * _STEP_KB) as data:
            settings = Settings(data=data, model=model, passage_tokens=32)
            counts = run_disk(settings, folder / "log")
        sums = {name: sums[name] + counts[name] for name in _NAMES}
    return sums


def describe(counts: dict[str, int]) -> Row:
    """Return what the counts say of the promise."""
    bad = counts["lost"] + counts["other codes"] + counts["not resumed"]
    return Row(
        "disk full",
        f"{counts['disks']} full disks",
        f"{counts['acknowledged']} uploads acknowledged, {counts['refused with 507']} disks said "
        f"so with 507, {counts['not resumed']} not resumed",
        held=not bad and counts["refused with 507"] == counts["disks"] > 0,
        lost=counts["lost"],
        errors_500=counts["other codes"],
    )


def main() -> None:
    """Fill the disks and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, default=20)
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        counts = run(Path(folder), sizes=arguments.sizes)
    finish([describe(counts)], arguments.rows)


if __name__ == "__main__":
    main()
