"""Runs every lane, one after another, and prints one table of the promises.

    python -m tests.durability [--kills N] [--stops N] [--flips N] [--every N] [--disks N] …

Each lane is a process of its own. Exits with 1 unless every promise held, and unless the store that
is broken on purpose was found to lose documents.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.durability.full_disk import can_mount
from tests.durability.table import Row, print_rows, read_rows


def list_lanes(arguments: argparse.Namespace) -> list[list[str]]:
    """Return the module and the arguments of each lane."""
    every = ["--every", str(arguments.every)]
    server = ["server", "--kills", str(arguments.kills), "--stops", str(arguments.stops)]
    return [
        ["faults", *every],
        server,
        ["full_disk", "--sizes", str(arguments.disks)],
        ["flips", "--flips", str(arguments.flips)],
        ["folder", "--deletions", str(arguments.deletions)],
        ["second", "--rounds", str(arguments.rounds)],
        ["corpus"],
        ["backups", "--backups", str(arguments.backups)],
        ["faults", *every, "--broken"],
    ]


def run_lane(lane: list[str], folder: Path) -> list[Row]:
    """Run a lane; one that breaks off gives a row that says so."""
    module, *options = lane
    print(f"\n== {' '.join(lane)}", flush=True)
    started = perf_counter()
    rows = folder / "rows.json"
    rows.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.durability.{module}", *options, "--rows", str(rows)]
    ended = subprocess.run(command, check=False)
    print(f"{perf_counter() - started:.0f} s", flush=True)
    broke_off = Row(module, " ".join(options), f"ended with {ended.returncode}", held=False)
    return read_rows(rows) or [broke_off]


def main() -> None:
    """Run the lanes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--every", type=int, default=7, help="fail each N-th write")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--disks", type=int, default=3)
    parser.add_argument("--deletions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2, help="of second processes, each moment")
    parser.add_argument("--backups", type=int, default=20)
    lanes = list_lanes(parser.parse_args())
    mounts = can_mount()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        rows = [
            row
            for lane in lanes
            if mounts or lane[0] != "full_disk"
            for row in run_lane(lane, Path(folder))
        ]
    print()
    print_rows(rows)
    if not mounts:
        print("\nLeft out: disk full, for nothing may be mounted here.")
    sys.exit(0 if all(row.held for row in rows) else 1)


if __name__ == "__main__":
    main()
