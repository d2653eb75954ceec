"""What a base that nothing happens to costs each second, beside a generation that was live before.

    python bench/background.py --kb FOLDER [--pairs 4000]

A copy of the data folder gets another generation over the same vectors, and the live one so many
questions as it would have been tuned with. Then the background runs and is left alone, and after
that it is told again and again that documents came; last, questions are asked by their words.
Times are processor time of the whole process.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.db import queries
from app.db.models import Generation
from app.domain import GenerationState, Mode
from app.runtime.resources import Resources
from app.services.quality.background import run_background
from app.services.search.search import search_documents
from bench.collection import open_analysed, request_of
from bench.ingest import check_folder
from bench.report import describe_machine, print_table

_SETTLING_SECONDS = 5.0
_SECONDS = 20.0
_SIGNALS_A_SECOND = 2
_SEARCHES = 100


def add_generation(resources: Resources, pairs: int) -> None:
    """Put a generation beside the live one, and questions into the row of that."""
    golden = [
        {"id": f"q{n}", "query": f"how is part {n} of it kept and for how long", "relevant": {}}
        for n in range(pairs)
    ]
    with resources.database.write() as session:
        live = queries.find_live_generation(session)
        if live is None:
            raise SystemExit("nothing was embedded in this folder")
        session.add(
            Generation(
                fingerprint="of the benchmark",
                identity=dict(live.identity),
                model=live.model,
                dimensions=live.dimensions,
                engine=live.engine,
                is_live=False,
                state=GenerationState.READY,
                vectors_of=live.vector_set,
            )
        )
        tuning: dict[str, Any] = {"collection": "", "queries": golden, "report": {}}
        live.tuning = tuning


def spend(wait: Callable[[], None]) -> float:
    """Return the processor milliseconds a second that are spent meanwhile."""
    started, spent = perf_counter(), process_time()
    wait()
    return 1000 * (process_time() - spent) / (perf_counter() - started)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kb", type=Path, required=True, help="a data folder; it is copied")
    parser.add_argument("--pairs", type=int, default=4000)
    arguments = parser.parse_args()
    check_folder(arguments.kb)
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        kb = Path(folder) / "kb"
        shutil.copytree(arguments.kb, kb)
        with open_analysed(Settings(data=kb, model=BUNDLED_MODEL)) as resources:
            add_generation(resources, arguments.pairs)
            request = request_of(resources, "how long is a part of it kept", mode=Mode.LEXICAL)
            search_documents(resources, request)

            def tell() -> None:
                for _ in range(int(_SECONDS * _SIGNALS_A_SECOND)):
                    resources.signals.tasks_arrived.set()
                    sleep(1 / _SIGNALS_A_SECOND)

            with run_background(resources):
                sleep(_SETTLING_SECONDS)
                idle = spend(lambda: sleep(_SECONDS))
                told = spend(tell)
            started = process_time()
            for _ in range(_SEARCHES):
                search_documents(resources, request)
            search = 1000 * (process_time() - started) / _SEARCHES
    print(f"{arguments.pairs} pairs; {describe_machine()}\n")
    rows = [
        ["left alone, ms a second", f"{idle:.0f}"],
        [f"told of documents {_SIGNALS_A_SECOND} times a second, ms a second", f"{told:.0f}"],
        ["a search by words, ms", f"{search:.1f}"],
    ]
    print_table(("processor time", "measure"), rows)


if __name__ == "__main__":
    main()
