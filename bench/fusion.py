"""Chooses how stage scores become one: fits on half of the queries, reports on the other half.

    python bench/fusion.py --data SETS --kb aws_docs_small=FOLDER [--kb NAME=FOLDER …] --cache FILES

Every query runs once through the service's own stages; what each stage gives each candidate is kept
in --cache (a folder outside the project), so that another fusion costs seconds. Prints nDCG@10 of
each fusion, the weights for app/services/search/scoring.py, and how sure `score` and `no_answer`
are.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Mode
from app.runtime.resources import open_resources
from app.services.search.candidates import Candidate
from app.services.search.passages import rank_articles
from app.services.search.pipeline import ask
from app.services.search.snapshot import snapshots
from bench.collection import collection_of
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, read_set

Array: TypeAlias = npt.NDArray[np.float64]

STAGES = ("unit", "passage", "lexical", "match")
_INDEXED = [0, 1, 2]
_COLUMNS: dict[Mode, list[int]] = {
    Mode.DENSE: [0, 1],
    Mode.LEXICAL: [2],
    Mode.HYBRID: [0, 1, 2, 3],
}
_DEPTH = 10
# Candidates that a fit with `match` tells apart: those that can still be shown.
_CLOSE = 20
_STEPS = 60
# Keeps the weights finite where a set can be told apart without an error.
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Scored:
    """The candidates of one query: scores of shape (candidates, stages), and their grades."""

    stages: Array
    grades: Array
    ideal: float
    """What nDCG@10 divides by, over all relevant documents, found or not."""


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """A set's queries, in its order, and what made their vectors."""

    name: str
    fingerprint: str
    queries: tuple[Scored, ...]

    def half(self, number: int) -> tuple[Scored, ...]:
        """Return every other query: half 0 is for choosing, half 1 for reporting."""
        return self.queries[number::2]

    def close(self, weights: Array) -> "ScoredSet":
        """Return the queries with the candidates that come first without `match`."""
        cut = []
        for query in self.queries:
            order = np.argsort(-(query.stages[:, _INDEXED] @ weights), kind="stable")[:_CLOSE]
            cut.append(Scored(query.stages[order], query.grades[order], query.ideal))
        return ScoredSet(self.name, self.fingerprint, tuple(cut))


def score_stages(labelled: LabelledSet, kb: Path) -> tuple[str, list[tuple[Array, Array]]]:
    """Return the fingerprint and, by query, the stage scores and the grades of its candidates."""
    check_folder(kb)
    scored = []
    with open_resources(Settings(data=kb), holder="bench") as resources:
        generation = resources.generations.live()
        if generation.id is None:
            raise SystemExit(f"{kb} holds no vectors")
        for query in labelled.queries:
            question = ask(generation, query.text, Mode.HYBRID)
            ranked: Sequence[Candidate] = ()
            for attempt in snapshots(resources, generation):
                with attempt as snapshot:
                    collections = [collection_of(resources)]
                    ranked = rank_articles(
                        snapshot, question, collections, limit=1, reads_all=True
                    ).candidates
            grades = labelled.grades[query.id]
            rows = [[c.stages.get(stage, 0.0) for stage in STAGES] for c in ranked]
            relevant = [grades.get(c.version.external_id, 0) for c in ranked]
            scored.append((np.array(rows).reshape(-1, len(STAGES)), np.array(relevant, float)))
        return resources.generations.live().checkpoint().fingerprint, scored


def read_scored(name: str, labelled: LabelledSet, kb: Path, cache: Path) -> ScoredSet:
    """Return the stage scores of a set from the cache, or make them and keep them there."""
    path = cache / f"{name}.npz"
    if not path.exists():
        fingerprint, scored = score_stages(labelled, kb)
        np.savez_compressed(
            path,
            fingerprint=fingerprint,
            counts=[len(grades) for _, grades in scored],
            stages=np.concatenate([stages for stages, _ in scored]),
            grades=np.concatenate([grades for _, grades in scored]),
        )
    with np.load(path) as kept:
        ends = np.cumsum(kept["counts"])[:-1]
        stages, grades = np.split(kept["stages"], ends), np.split(kept["grades"], ends)
        fingerprint = str(kept["fingerprint"])
    ideals = [
        gain(np.sort(np.array(list(labelled.grades[query.id].values()), float))[::-1])
        for query in labelled.queries
    ]
    return ScoredSet(name, fingerprint, tuple(map(Scored, stages, grades, ideals)))


def gain(grades: Array) -> float:
    """Return the discounted gain of the first ten grades in the order given."""
    top = grades[:_DEPTH]
    return float(top @ (1 / np.log2(np.arange(2, len(top) + 2))))


def ndcg(queries: Sequence[Scored], fuse: Callable[[Array], Array]) -> float:
    """Return the mean nDCG@10 of the queries when `fuse` scores their candidates."""
    values = [
        gain(query.grades[np.argsort(-fuse(query.stages), kind="stable")]) / query.ideal
        for query in queries
    ]
    return float(np.mean(values))


# Fusions: from (candidates, stages) to a score each


def _standardize(stages: Array) -> Array:
    spread = stages.std(axis=0)
    scaled: Array = (stages - stages.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _stretch(stages: Array) -> Array:
    low, high = stages.min(axis=0), stages.max(axis=0)
    scaled: Array = (stages - low) / np.where(high > low, high - low, 1)
    return scaled


def _reciprocal_ranks(stages: Array) -> Array:
    ranks = np.argsort(np.argsort(-stages, axis=0, kind="stable"), axis=0) + 1
    reciprocal: Array = 1 / (60 + ranks)
    return reciprocal


def _keep(stages: Array) -> Array:
    return stages


def choose_shares(sets: Sequence[ScoredSet], scale: Callable[[Array], Array]) -> tuple[float, ...]:
    """Return the stage weights, in tenths that add up to 1, that rank the chosen halves best."""
    choices = [(u / 10, p / 10, (10 - u - p) / 10) for u in range(11) for p in range(11 - u)]
    scaled = [
        [(scale(q.stages[:, _INDEXED]), q) for q in some.half(0) if len(q.stages)] for some in sets
    ]

    def quality(weights: tuple[float, ...]) -> float:
        means = [
            np.mean(
                [
                    gain(q.grades[np.argsort(-(x @ np.array(weights)), kind="stable")]) / q.ideal
                    for x, q in some
                ]
            )
            for some in scaled
        ]
        return float(np.mean(means))

    return max(choices, key=quality)


def fit_logistic(features: Array, labels: Array, weights: Array) -> Array:
    """Return (bias, weights…) of a logistic regression, by Newton's method."""
    inputs = np.column_stack([np.ones(len(features)), features])
    ridge = np.diag([0.0, *([_RIDGE] * features.shape[1])])
    fitted = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        expected = _logistic(inputs @ fitted)
        slope = inputs.T @ (weights * (labels - expected)) - ridge @ fitted
        curve = (inputs * (weights * expected * (1 - expected))[:, None]).T @ inputs + ridge
        fitted = fitted + np.linalg.solve(curve + 1e-9 * np.eye(len(curve)), slope)
    return fitted


def fit_listwise(sets: Sequence[ScoredSet], columns: Sequence[int]) -> Array:
    """Return stage weights that give the relevant candidate the largest share of a softmax.

    Each set counts the same, however many queries it has.
    """
    fitted = np.full(len(columns), 5.0)
    for _ in range(_STEPS):
        slope, curve = -_RIDGE * fitted, _RIDGE * np.eye(len(columns))
        for some in sets:
            judged = [q for q in some.half(0) if q.grades.any()]
            for query in judged:
                x = query.stages[:, columns]
                logits = x @ fitted
                share = np.exp(logits - logits.max())
                share /= share.sum()
                wanted = (query.grades > 0) / (query.grades > 0).sum()
                mean = share @ x
                slope += (wanted - share) @ x / len(judged)
                curve += ((x * share[:, None]).T @ x - np.outer(mean, mean)) / len(judged)
        fitted = fitted + np.linalg.solve(curve, slope)
    return fitted


def _logistic(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    return y


def fit_calibration(sets: Sequence[ScoredSet], columns: Sequence[int], ranking: Array) -> Array:
    """Return (bias, slope) that turn a ranking score into the probability of being relevant.

    Fitted on the ten best candidates of each query: those that people see.
    """
    xs, ys, ws = [], [], []
    for some in sets:
        for query in some.half(0):
            x = query.stages[:, columns] @ ranking
            best = np.argsort(-x)[:_DEPTH]
            xs.append(x[best])
            ys.append(query.grades[best] > 0)
            ws.append(np.full(len(best), 1 / len(some.half(0))))
    return fit_logistic(
        np.concatenate(xs)[:, None], np.concatenate(ys).astype(float), np.concatenate(ws)
    )


def fit_weights(name: str, sets: Sequence[ScoredSet], columns: Sequence[int]) -> Array:
    """Return (bias, weights…) of a calibrated score, and print them."""
    ranking = fit_listwise(sets, columns)
    bias, slope = fit_calibration(sets, columns, ranking)
    fitted = np.array([bias, *(slope * ranking)])
    named = zip(("bias", *(STAGES[c] for c in columns)), fitted, strict=True)
    bias, *weights = [f'"{stage}": {value:.2f}' for stage, value in named]
    print(f"{name}: Weights({bias.split()[1]}, {{{', '.join(weights)}}})")
    return fitted


def best_logits(queries: Sequence[Scored], weights: Array) -> tuple[Array, Array]:
    """Return the best candidate's logit with all documents, and with the relevant ones taken out.

    The second are questions that nothing answers. `weights` are the bias and those of the stages.
    """
    answered, unanswered = [], []
    for query in queries:
        logits = weights[0] + query.stages @ weights[1:]
        if query.grades.any():
            answered.append(logits.max())
        if not query.grades.all():
            unanswered.append(logits[query.grades == 0].max())
    return np.array(answered), np.array(unanswered)


def calibration_error(probabilities: Array, labels: Array, bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal width (Naeini et al., 2015)."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    return sum(
        abs(float(probabilities[place == b].mean() - labels[place == b].mean()))
        * float((place == b).mean())
        for b in range(bins)
        if (place == b).any()
    )


def _print_fusions(sets: Sequence[ScoredSet], unread: Array, learned: Array) -> None:
    rows: list[list[str]] = []

    def add(name: str, fuse: Callable[[Array], Array]) -> None:
        values = [ndcg(some.half(1), fuse) for some in sets]
        rows.append([name, *(f"{value:.3f}" for value in values), f"{np.mean(values):.3f}"])

    for column, stage in enumerate(STAGES):
        add(f"{stage} alone", lambda x, column=column: x[:, column])  # type: ignore[misc]
    scales = {
        "reciprocal rank": _reciprocal_ranks,
        "z-scores": _standardize,
        "min-max": _stretch,
        "raw": _keep,
    }
    for name, scale in scales.items():
        shares = choose_shares(sets, scale)
        listed = ", ".join(f"{share:.1f}" for share in shares)
        add(
            f"{name} ({listed})",
            lambda x, scale=scale, shares=shares: scale(x[:, _INDEXED]) @ np.array(shares),  # type: ignore[misc]
        )
    add("learned weights", lambda x: x[:, _INDEXED] @ unread)
    add("learned weights with match", lambda x: x @ learned)
    print_table(("fusion: nDCG@10, half 1", *(some.name for some in sets), "mean"), rows)


def _print_confidence(sets: Sequence[ScoredSet], weights: Array) -> None:
    chosen = [best_logits(some.half(0), weights) for some in sets]
    logits = np.concatenate([part for pair in chosen for part in pair])
    labels = np.concatenate([np.repeat([0.0, 1.0], [len(a), len(u)]) for a, u in chosen])
    importance = np.concatenate([np.full(len(a) + len(u), 1 / len(a)) for a, u in chosen])
    bias, slope = fit_logistic(logits[:, None], labels, importance)
    print(f"NO_ANSWER_BIAS, NO_ANSWER_SLOPE = {bias:.2f}, {slope:.3f}")
    rows = []
    for some in sets:
        answered, unanswered = best_logits(some.half(1), weights)
        x = np.concatenate([answered, unanswered])
        y = np.repeat([0.0, 1.0], [len(answered), len(unanswered)])
        before = calibration_error(1 - _logistic(x), y)
        after = calibration_error(_logistic(bias + slope * x), y)
        rows.append([some.name, f"{before:.3f}", f"{after:.3f}"])
    print_table(("no_answer, half 1", "error as 1 - score", "error fitted"), rows)
    rows = []
    for some in sets:
        best = [np.argsort(-(query.stages @ weights[1:]))[:_DEPTH] for query in some.half(1)]
        pairs = list(zip(some.half(1), best, strict=True))
        x = np.concatenate([weights[0] + q.stages[b] @ weights[1:] for q, b in pairs])
        y = np.concatenate([q.grades[b] > 0 for q, b in pairs]).astype(float)
        rows.append([some.name, f"{calibration_error(_logistic(x), y):.3f}"])
    print_table(("score of the first ten, half 1", "calibration error"), rows)


def main() -> None:
    """Compare fusions and print the constants of the one with learned weights."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument(
        "--kb", action="append", required=True, metavar="NAME=FOLDER", help="a set, ingested"
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for stage scores")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    sets = []
    for pair in arguments.kb:
        name, _, folder = pair.partition("=")
        labelled = read_set(arguments.data / name)
        sets.append(read_scored(name, labelled, Path(folder), arguments.cache))
    print(f"fingerprints: {', '.join(sorted({some.fingerprint for some in sets}))}")
    print(describe_machine())
    fit_weights("dense", sets, _COLUMNS[Mode.DENSE])
    fit_weights("lexical", sets, _COLUMNS[Mode.LEXICAL])
    unread = fit_weights("hybrid without match", sets, _INDEXED)
    close = [some.close(unread[1:]) for some in sets]
    learned = fit_weights("hybrid", close, _COLUMNS[Mode.HYBRID])
    _print_fusions(sets, unread[1:], learned[1:])
    _print_confidence(sets, learned)


if __name__ == "__main__":
    main()
