"""Measures `folio add` on a labelled set: documents, tokens, time, memory, disk.

    python bench/ingest.py --data SETS --set aws_docs_small

Imports no library of its own: Linux counts the memory of a parent process towards a child's peak.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import MappingProxyType
from typing import Any

if not __package__:
    # As a script this folder comes first, where `ingest` would be this file.
    sys.path[0] = str(Path(__file__).parents[1])

from bench.report import describe_machine, print_table


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What one `folio add` did: by its own JSON, and by what the system says of the process."""

    ready: int
    failures: Mapping[str, int]
    """How many documents failed, by error code."""
    tokens: int
    """What the model read: text, and title, prompt and special tokens of each unit."""
    seconds: float
    """From the first upload to the last document."""
    process_seconds: float
    """The whole process, with the loading of the model."""
    processor_seconds: float
    peak_bytes: int
    database_bytes: int


def add_documents(
    documents: Path,
    kb: Path,
    *,
    model: str | None = None,
    dimensions: int | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Ingestion:
    """Run `folio add` on a JSONL file in a process of its own; raises SystemExit when it breaks."""
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "add", str(documents), "--data", str(kb), "--json"],
        stdout=subprocess.PIPE,
        # A server that FOLIO_SERVER names would take the documents instead of the folder.
        env={
            **{name: value for name, value in os.environ.items() if name != "FOLIO_SERVER"},
            **({"FOLIO_MODEL": model} if model else {}),
            **({"FOLIO_DIMENSIONS": str(dimensions)} if dimensions else {}),
            **variables,
        },
    )
    assert process.stdout is not None
    with process.stdout:
        answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process_seconds = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if not answer:
        raise SystemExit(f"folio add ended with {process.returncode} and without an answer")
    outcome = json.loads(answer)
    return Ingestion(
        ready=outcome["ready"],
        failures=Counter(failure["code"] for failure in outcome["failures"]),
        tokens=outcome["tokens"],
        seconds=outcome["seconds"],
        process_seconds=process_seconds,
        processor_seconds=usage.ru_utime + usage.ru_stime,
        # Linux gives KiB.
        peak_bytes=usage.ru_maxrss * 1024,
        database_bytes=sum(path.stat().st_size for path in kb.glob("folio.db*")),
    )


def add_all(documents: Path, kb: Path, **options: Any) -> Ingestion:
    """Run add_documents; raises SystemExit also where one of them failed."""
    done = add_documents(documents, kb, **options)
    if done.failures:
        raise SystemExit(f"{kb} lacks articles: {dict(done.failures)}")
    return done


@contextmanager
def fresh_folder(kb: Path | None) -> Iterator[Path]:
    """Yield `kb`, which must hold no database yet, or a folder that is removed at the end."""
    if kb is None:
        with TemporaryDirectory(prefix="folio-bench-") as folder:
            yield Path(folder)
        return
    if (kb / "folio.db").exists():
        raise SystemExit(f"{kb} holds a database already; name an empty folder")
    yield kb


def check_folder(kb: Path) -> None:
    """Raise SystemExit unless `kb` holds a database: opening it would make an empty one."""
    if not (kb / "folio.db").exists():
        raise SystemExit(f"{kb} holds no database; bench/ingest.py --kb makes one")


@contextmanager
def _first_lines(documents: Path, limit: int | None) -> Iterator[Path]:
    if limit is None:
        yield documents
        return
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        some = Path(folder) / documents.name
        with documents.open("rb") as source, some.open("wb") as target:
            target.writelines(islice(source, limit))
        yield some


def _print_ingestion(ingestion: Ingestion) -> None:
    failed = sum(ingestion.failures.values())
    codes = ", ".join(f"{count} {code}" for code, count in sorted(ingestion.failures.items()))
    print_table(
        ("measure", "value"),
        (
            ("documents ready", f"{ingestion.ready:,}"),
            ("documents failed", f"{failed:,} ({codes})" if codes else "0"),
            ("tokens read", f"{ingestion.tokens:,}"),
            ("seconds", f"{ingestion.seconds:,.1f}"),
            ("tokens/s", f"{ingestion.tokens / ingestion.seconds:,.0f}"),
            ("documents/s", f"{ingestion.ready / ingestion.seconds:,.2f}"),
            ("seconds of the whole process", f"{ingestion.process_seconds:,.1f}"),
            ("processor seconds", f"{ingestion.processor_seconds:,.1f}"),
            ("peak resident memory", f"{ingestion.peak_bytes / 2**20:,.0f} MiB"),
            ("database on disk", f"{ingestion.database_bytes / 2**20:,.1f} MiB"),
        ),
    )


def main() -> None:
    """Ingest a set, or its first documents, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--limit", type=int, help="only so many documents, from the first")
    parser.add_argument("--kb", type=Path, help="data folder to make and keep")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        kb = stack.enter_context(fresh_folder(arguments.kb))
        documents = arguments.data / arguments.set / "docs.jsonl"
        some = stack.enter_context(_first_lines(documents, arguments.limit))
        ingestion = add_documents(some, kb)
    print(f"{arguments.set}; {describe_machine()}")
    _print_ingestion(ingestion)


if __name__ == "__main__":
    main()
