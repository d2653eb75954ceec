"""What a threshold on `no_answer` or on `score` brings: which one to act on.

    python bench/thresholds.py --data SETS --kb NAME=FOLDER [--kb …] --cache FILES

Sets and what is asked are those of bench/scores.py, whose answers in --cache it takes up. Each set
is measured with weights that were fitted to the others.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.domain import Mode
from app.evaluation.calibration import MAX_WRONG, measure_calibration
from bench.fits import Array, Asked, Sets, fit, list_others, predict
from bench.report import describe_machine, print_table
from bench.scores import add_arguments, load_all

LIMITS = (0.3, 0.5, 0.7, 0.9)


def main() -> None:
    """Print what each threshold brings, and how much can be answered."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    add_arguments(parser)
    print_thresholds(load_all(parser.parse_args())[Mode.HYBRID])


def print_thresholds(sets: Sets) -> None:
    """Print three tables: by `no_answer`, by `score`, and coverage."""
    print(f"each set with weights that were fitted to the others; {describe_machine()}")
    limits = [f"{limit}" for limit in LIMITS]
    print("\n`no_answer` above the limit: questions with an answer / without one")
    print_table(("set", *limits), [[n, *_refuse(a, p)] for n, a, p in _predict(sets, hits=False)])
    print("\n`score` of the first hit at least the limit: share of questions / of these right")
    print_table(("set", *limits), [[n, *_show(a, p)] for n, a, p in _predict(sets, hits=True)])
    print(f"\nshare that can be answered with at most {MAX_WRONG:.0%} wrong")
    rows = [[n, *_cover(a, p)] for n, a, p in _predict(sets, hits=True)]
    print_table(("set", "coverage", "95% interval", "from a score of"), rows)


def _predict(sets: Sets, *, hits: bool) -> Iterator[tuple[str, Sequence[Asked], Array]]:
    for name, asked in sets.items():
        yield name, asked, predict(fit(list_others(sets, name), of_hits=hits), asked)


def _refuse(asked: Sequence[Asked], answers: Array) -> Iterator[str]:
    answered = np.array([one.kind == "answered" for one in asked])
    for limit in LIMITS:
        refused = 1 - answers > limit
        yield f"{refused[answered].mean():.2f} / {refused[~answered].mean():.2f}"


def _show(asked: Sequence[Asked], scores: Array) -> Iterator[str]:
    right = _find_right(asked)
    for limit in LIMITS:
        shown = scores >= limit
        yield f"{shown.mean():.2f} / {right[shown].mean():.2f}" if shown.any() else "0.00 / –"


def _cover(asked: Sequence[Asked], scores: Array) -> Iterator[str]:
    right = _find_right(asked)
    answered = [one.kind == "answered" for one in asked]
    coverage = measure_calibration(scores.tolist(), right.tolist(), answered).coverage
    covered = round(coverage.mean * len(scores))
    least = np.sort(scores)[::-1][covered - 1] if covered else None
    yield f"{coverage.mean:.2f}"
    yield f"{coverage.low:.2f} to {coverage.high:.2f}"
    yield "–" if least is None else f"{least:.2f}"


def _find_right(asked: Sequence[Asked]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([bool(one.answers and one.answers[0]) for one in asked])


if __name__ == "__main__":
    main()
