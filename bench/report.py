"""What every benchmark prints around its numbers: the machine, the versions, Markdown tables."""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("folio-kb", "torch", "transformers", "faiss-cpu")


def describe_machine() -> str:
    """Return one line on the processor, the memory and the versions that the numbers depend on."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return (
        f"{cores} cores {_processor()}, {memory:.0f} GiB; "
        f"Python {platform.python_version()}, {versions}"
    )


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1) -> None:
    """Print a Markdown table: the first `names` columns to the left, the numbers to the right."""
    cells = [list(columns), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    ruler = [
        "-" * width if place < names else "-" * (width - 1) + ":"
        for place, width in enumerate(widths)
    ]
    print()
    for row in (cells[0], ruler, *cells[1:]):
        padded = (
            cell.ljust(width) if place < names else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("| " + " | ".join(padded) + " |")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in fields.items()}
    wide = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in named.get("flags", "").split()]
    return " ".join([named.get("model name", platform.machine()), *wide])


def processor_seconds(pid: int) -> float:
    """Return what a process and its children, ended ones too, have used: 4, 14 to 17 of proc(5)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            # It ended meanwhile.
            continue
        if pid in (int(path.parent.name), int(fields[1])):
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: int | str = "self") -> int:
    """Return the memory of a process that is in use now (statm of proc(5))."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
