"""Measures what the index of a folder takes in memory: what each server over a database holds.

    python -m bench.memory --kb FOLDER

The model is not loaded. What is counted is the resident memory of the process, as Linux has it,
before the index is read and afterwards.
"""

import argparse
import gc
from pathlib import Path

from app.config import Settings
from app.runtime.memory import return_freed
from app.runtime.resources import open_resources
from bench.report import describe_machine, print_table, resident_bytes


def main() -> None:
    """Read the index of a folder, which must have no other owner, and print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kb", type=Path, required=True, help="data folder with articles")
    kb = parser.parse_args().kb
    with open_resources(Settings(data=kb), holder="bench.memory") as resources:
        gc.collect()
        return_freed()
        before = resident_bytes()
        indexes = resources.generations.live().catch_up()
        gc.collect()
        taken = resident_bytes() - before
        articles = len(indexes.terms) if indexes is not None else 0
    print(describe_machine())
    print_table(
        ("articles", "MiB", "bytes an article"),
        [[f"{articles:,}", f"{taken / 2**20:.0f}", f"{taken / max(articles, 1):,.0f}"]],
    )


if __name__ == "__main__":
    main()
