"""Fills the disk of a real server: a small tmpfs of another size in each round. Needs root.

    python -m tests.durability.full_disk [--sizes N]

Uploads until the disk is full. Then every upload must be answered with 507, what was acknowledged
must be readable, deleting must work, and uploads must be taken again once there is room.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.api.service import folio_environment, run_server
from tests.checkpoints import make_jina_v3

_PATH = "/v1/collections/help/documents"
_SMALLEST_KB, _STEP_KB = 1200, 150
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
    options = ["-o", f"remount,size={8 * _SMALLEST_KB}k", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)


def can_mount() -> bool:
    """Return whether this process may mount."""
    try:
        with TemporaryDirectory() as folder, small_disk(Path(folder) / "disk", 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def run_disk(data: Path, environment: dict[str, str], log: Path) -> dict[str, int]:
    """Fill one disk; returns the counts."""
    counts = dict.fromkeys(_NAMES, 0) | {"disks": 1}
    with (
        run_server(data, "--no-auth", log=log, environment=environment) as server,
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
        grow_disk(data)
        again = http.put(f"{_PATH}/again", json={"text": "There is room."})
        counts["not resumed"] = int(again.status_code != 202)
    return counts


def run(folder: Path, *, sizes: int) -> dict[str, int]:
    """Fill disks of different sizes; returns the sums of the counts."""
    model = make_jina_v3(folder / "model")
    environment = folio_environment(FOLIO_MODEL=model, FOLIO_PASSAGE_TOKENS="32")
    sums = dict.fromkeys(_NAMES, 0)
    for number in range(sizes):
        with small_disk(folder / "disk", _SMALLEST_KB + number * _STEP_KB) as data:
            counts = run_disk(data, environment, folder / "log")
        sums = {name: sums[name] + counts[name] for name in _NAMES}
    return sums


def main() -> None:
    """Fill the disks and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, default=20)
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        counts = run(Path(folder), sizes=parser.parse_args().sizes)
    for name, count in counts.items():
        print(f"| {name} | {count} |")
    bad = counts["lost"] + counts["other codes"] + counts["not resumed"]
    sys.exit(int(bad > 0 or not counts["refused with 507"]))


if __name__ == "__main__":
    main()
