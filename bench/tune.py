"""Tunes the query adapter on half of a set's questions, and measures it on the other half.

    python bench/tune.py --data SETS --kb covidqa_papers=FOLDER [--kb NAME=FOLDER …]

Each FOLDER is a data folder that holds the set (`folio add SETS/NAME/docs.jsonl --data FOLDER`); a
copy of it is tuned. Both halves ask about the same articles; no question is in both. The figures
are those of the gate that `folio tune` passes: nDCG@10 of hybrid search on the half that was not
learned.
"""

import argparse
import resource
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import GenerationState
from app.evaluation.golden import GoldenQuery
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import GenerationInfo, get_generation, list_generations
from app.services.quality.tuning import TuningRequest, request_tuning
from bench.collection import collection_of, open_analysed
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import read_set


def tune_half(folder: Path, kb: Path, *, learned: int) -> GenerationInfo:
    """Tune a copy of `kb` on every other question, from number `learned` (0 or 1) on."""
    labelled = read_set(folder)
    golden = [
        GoldenQuery(query.id, query.text, labelled.grades[query.id]) for query in labelled.queries
    ]
    with TemporaryDirectory(prefix="folio-tune-") as scratch:
        data = Path(shutil.copytree(kb, Path(scratch) / "kb"))
        with open_analysed(Settings(data=data), holder="bench") as resources:
            before = {info.id: info.fingerprint for info in list_generations(resources)}
            asked = request_tuning(
                resources,
                TuningRequest(collection_of(resources), golden[learned::2], feedback=False),
                gate=GateRequest(collection_of(resources), golden[1 - learned :: 2]),
            )
            keep_generations(resources, lambda: False)
            made = get_generation(resources, asked.id)
            assert made.fingerprint not in before.values()
            if made.state is GenerationState.FAILED:
                raise SystemExit(f"{folder.name}: {made.message}")
            return made


def describe(name: str, half: int, made: GenerationInfo, minutes: float) -> list[str]:
    """Return a row of the table."""
    assert made.report is not None
    assert made.tuning is not None
    first, other = (run["measures"]["nDCG@10"]["mean"] for run in made.report["runs"])
    difference = made.report["comparisons"][0]["measures"]["nDCG@10"]["difference"]
    interval = f"[{difference['low']:+.3f}, {difference['high']:+.3f}]"
    return [
        name,
        "even" if half == 0 else "odd",
        f"{made.tuning['pairs']}",
        f"{made.report['queries']}",
        f"{first:.3f}",
        f"{other:.3f}",
        f"{difference['mean']:+.3f} {interval}",
        "live" if made.is_live else "refused",
        f"{made.tuning['seconds'] / 60:.1f}",
        f"{minutes:.1f}",
    ]


def main() -> None:
    """Tune copies of the data folders and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--kb", action="append", required=True, help="NAME=FOLDER")
    parser.add_argument(
        "--halves", type=int, nargs="+", default=[0, 1], help="which halves to learn, 0 or 1"
    )
    arguments = parser.parse_args()
    rows = []
    for name, _, kb in (text.partition("=") for text in arguments.kb):
        check_folder(Path(kb))
        for half in arguments.halves:
            started = perf_counter()
            made = tune_half(arguments.data / name, Path(kb), learned=half)
            print(f"{name}: {made.message}", flush=True)
            rows.append(describe(name, half, made, (perf_counter() - started) / 60))
    print(f"\n{describe_machine()}")
    print_table(
        (
            *("set", "learned", "pairs", "asked", "before", "after", "difference"),
            *("gate", "training, min", "all, min"),
        ),
        rows,
        names=2,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak resident memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
