"""What a lane has counted, as one row of the table of promises."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_COLUMNS = ("promise", "injected", "counted", "lost", "drift", "500s", "stuck", "held")


@dataclass(frozen=True, slots=True)
class Row:
    """One promise; None where a count does not belong to it."""

    promise: str
    injected: str
    counted: str
    held: bool
    lost: int | None = None
    """Acknowledged, and not there or not as it was."""
    drift: int | None = None
    """Vectors that only one of index and database has."""
    errors_500: int | None = None
    stuck: int | None = None
    """Accepted, and neither ready nor failed for its own fault."""

    def cells(self) -> list[str]:
        counts = (self.lost, self.drift, self.errors_500, self.stuck)
        numbers = ["" if count is None else str(count) for count in counts]
        return [self.promise, self.injected, self.counted, *numbers, "yes" if self.held else "NO"]


def print_rows(rows: Sequence[Row]) -> None:
    """Print the table as Markdown."""
    print(f"| {' | '.join(_COLUMNS)} |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        print(f"| {' | '.join(row.cells())} |", flush=True)


def finish(rows: Sequence[Row], target: Path | None) -> None:
    """Print rows, write them to `target` if there is one, and exit: with 1 unless all hold."""
    print_rows(rows)
    if target is not None:
        target.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    sys.exit(0 if rows and all(row.held for row in rows) else 1)


def read_rows(source: Path) -> list[Row]:
    """Return the rows that a lane has written; none when it broke off."""
    if not source.exists():
        return []
    return [Row(**row) for row in json.loads(source.read_text(encoding="utf-8"))]
