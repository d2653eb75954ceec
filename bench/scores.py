"""What scores are worth on labelled sets, and the weights that turn evidence into probability.

    python bench/scores.py --data SETS --kb NAME=FOLDER [--kb …] --cache FILES [--fit]

Every question runs once through the service's own stages; what it finds is kept in --cache (a
folder outside the project). A question is asked twice: with the articles that answer it, and as if
these were not there. Each set is measured with weights that were fitted to the others; NAME is
that of a folder in SETS, with a suffix after a colon where one set is there for several models;
`examples` and `examples_far` are the questions of this project's examples/, to a folder that `folio
add examples/articles` made.
`--fit` prints weights for app/services/search/scoring.py, fitted to all sets.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.domain import Mode
from app.evaluation.calibration import area, calibration_error, measure_calibration
from app.runtime.resources import Resources
from app.services.quality.calibration import measure_anchors
from app.services.search.candidates import Candidate
from app.services.search.pipeline import ask
from app.services.search.ranking import rank_articles
from app.services.search.scoring import Anchors, Scale
from app.services.search.snapshot import snapshots
from bench.collection import collection_of, open_analysed
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_queries, read_questions, read_set, take_spread

Array: TypeAlias = npt.NDArray[np.float64]

# Hits of a question that a fit of scores learns from: those that are looked at.
_SHOWN = 5
_DEPTH = 10
_STEPS = 60
_RIDGE = 1e-2
# How much the three kinds of question weigh: with an answer, with its articles taken out, without.
_MIX = {"answered": 0.6, "taken out": 0.28, "unanswered": 0.12}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it found: of each of the first hits its features and whether it answers.

    Features are what the weights of scoring.py apply to.
    """

    kind: str
    features: list[list[float]]
    answers: list[bool]
    ndcg: float


def ask_all(
    labelled: LabelledSet, unanswered: Sequence[Query], resources: Resources
) -> list[Asked]:
    """Ask every question with and without its articles, and those that none answers."""
    generation = resources.generations.live()
    ref = collection_of(resources)
    anchors = measure_anchors(resources, generation, ref)
    if anchors is None:
        raise SystemExit("the model tells nothing apart: there are no anchors")
    asked = []
    for query in labelled.queries:
        grades = labelled.grades[query.id]
        found = _find(resources, query.text)
        asked.append(_describe("answered", found, grades, anchors))
        others = [c for c in found if c.version.external_id not in grades]
        asked.append(_describe("taken out", others, {}, anchors))
    nothing = [_find(resources, query.text) for query in unanswered]
    return [*asked, *(_describe("unanswered", found, {}, anchors) for found in nothing)]


def _find(resources: Resources, text: str) -> list[Candidate]:
    generation = resources.generations.live()
    question = ask(generation, text, Mode.HYBRID)
    found: list[Candidate] = []
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            refs = [collection_of(resources)]
            ranked = rank_articles(snapshot, question, refs, limit=_DEPTH, reads_all=True)
            found = sorted(ranked.candidates, key=lambda c: -c.evidence)
    return found


def _describe(kind: str, found: Sequence[Candidate], grades: Any, anchors: Anchors) -> Asked:
    nearest = max((c.stages.get("passage", 0.0) for c in found), default=0.0)
    gains = [grades.get(c.version.external_id, 0) for c in found]
    rows = [_features(replace(c.scale, nearest=nearest), c, anchors) for c in found[:_SHOWN]]
    return Asked(kind, rows, [gain > 0 for gain in gains[:_SHOWN]], _ndcg(gains, grades))


def _features(scale: Scale, candidate: Candidate, anchors: Anchors) -> list[float]:
    a = anchors
    return [
        (scale.nearest - a.null_nearness) / (a.own_nearness - a.null_nearness),
        scale.spread.standardize(scale.nearest) - float(np.log(scale.spread.passages)),
        (candidate.evidence - a.null_evidence) / (a.own_evidence - a.null_evidence),
    ]


def _ndcg(gains: Sequence[int], grades: Any) -> float:
    def add(values: Sequence[int]) -> float:
        return float(sum((2**v - 1) / np.log2(i + 2) for i, v in enumerate(values[:_DEPTH])))

    return add(gains) / add(sorted(grades.values(), reverse=True)) if grades else 0.0


def fit(asked: Sequence[Sequence[Asked]], *, of_hits: bool) -> Array:
    """Return bias and weights; every set counts the same, and every kind of question in it."""
    rows, labels, weights = [], [], []
    for some in asked:
        counts = {kind: sum(one.kind == kind for one in some) for kind in _MIX}
        for one in some:
            if not one.features:
                continue
            shown = len(one.features) if of_hits else 1
            for n in range(shown):
                rows.append([1.0, *one.features[n]])
                labels.append(one.answers[n] if of_hits else one.kind == "answered")
                # The first hit is what is looked at most.
                share = 1.0 if n == 0 else 0.25
                weights.append(share * _MIX[one.kind] / counts[one.kind])
    x, y = np.array(rows), np.array(labels, dtype=float)
    w = np.array(weights) / sum(weights)
    return _fit_logistic(x, y, w)


def _fit_logistic(x: Array, y: Array, w: Array) -> Array:
    """Return the weights of greatest likelihood, none but the bias below 0."""
    free = np.ones(x.shape[1], dtype=bool)
    while True:
        some = x[:, free]
        ridge = _RIDGE * np.eye(some.shape[1]) / 10
        ridge[0, 0] = 0
        b = np.zeros(some.shape[1])
        for _ in range(_STEPS):
            p = 1 / (1 + np.exp(-some @ b))
            hessian = (some * (w * p * (1 - p))[:, None]).T @ some + ridge
            b += np.linalg.solve(hessian, some.T @ (w * (y - p)) - ridge @ b)
        full = np.zeros(x.shape[1])
        full[free] = b
        wrong = (full < 0) & (np.arange(len(full)) > 0)
        if not wrong.any():
            return full
        free &= ~wrong


def predict(weights: Array, asked: Sequence[Asked]) -> Array:
    """Return the probability of the first hit of each question."""
    first = np.array([one.features[0] if one.features else [0.0, -9.0, 0.0] for one in asked])
    return np.asarray(1 / (1 + np.exp(-(weights[0] + first @ weights[1:]))))


def report(name: str, asked: Sequence[Asked], answers: Array, hits: Array) -> list[str]:
    """Return a row of the table of a set, measured with weights that do not know it."""
    kind = np.array([one.kind for one in asked])
    right = np.array([bool(one.answers and one.answers[0]) for one in asked], dtype=float)
    answered = kind == "answered"
    p, q = predict(answers, asked), predict(hits, asked)
    cells = [
        name,
        str(int(answered.sum())),
        f"{np.mean([a.ndcg for a in np.array(asked, object)[answered]]):.3f}",
    ]
    cells += [f"{q[answered].mean():.2f}", f"{right[answered].mean():.2f}"]
    cells += [
        f"{calibration_error(q[answered], right[answered]):.3f}",
        f"{calibration_error(q, right):.3f}",
    ]
    for other in ("taken out", "unanswered"):
        some = answered | (kind == other)
        if not (kind == other).any():
            cells += ["", ""]
            continue
        cells += [
            f"{area(p[some], answered[some] * 1.0):.3f}",
            f"{calibration_error(p[some], answered[some] * 1.0):.3f}",
        ]
    some = answered | (kind == "unanswered") if (kind == "unanswered").any() else answered
    measured = measure_calibration(q[some].tolist(), right[some].tolist(), answered[some].tolist())
    coverage = measured.coverage
    return [*cells, f"{coverage.mean:.2f} [{coverage.low:.2f}, {coverage.high:.2f}]"]


HEAD = (
    "set",
    "questions",
    "nDCG@10",
    "first score",
    "first right",
    "ECE first",
    "ECE first, all",
    "AUC taken out",
    "ECE",
    "AUC unanswered",
    "ECE",
    "coverage at 5 %",
)


_EXAMPLES = Path(__file__).parents[1] / "examples"
# Questions with an answer, and without one: some that could be about the same, some about anything.
_OF_EXAMPLES = {
    "examples": ("golden", "paraphrases", "unanswered_near"),
    "examples_far": ("golden", "paraphrases", "unanswered_far"),
}


def read_labelled(data: Path, name: str) -> tuple[LabelledSet, tuple[Query, ...]]:
    """Return a set, and its questions that no document answers."""
    if name in _OF_EXAMPLES:
        return _read_examples(_OF_EXAMPLES[name])
    labelled = read_set(data / name)
    judged = {query.id for query in labelled.queries}
    return labelled, tuple(q for q in read_queries(data / name) if q.id not in judged)


def _read_examples(files: Sequence[str]) -> tuple[LabelledSet, tuple[Query, ...]]:
    read = [read_questions(_EXAMPLES / f"{file}.jsonl") for file in files]
    queries = tuple(query for some, _ in read for query in some.queries)
    grades = {id_: graded for some, _ in read for id_, graded in some.grades.items()}
    return LabelledSet((), queries, grades), tuple(q for _, some in read for q in some)


def load(name: str, kb: Path, model: str, data: Path, cache: Path, most: int) -> list[Asked]:
    """Return what the questions of a set found, from the cache or by asking them."""
    path = cache / f"{name.replace(':', '.')}.json"
    if not path.exists():
        check_folder(kb)
        labelled, others = read_labelled(data, name.partition(":")[0])
        some = replace(labelled, queries=take_spread(labelled.queries, most))
        with open_analysed(Settings(data=kb, model=model), holder="bench") as resources:
            asked = ask_all(some, others, resources)
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(one) for one in asked]))
    return [Asked(**one) for one in json.loads(path.read_text())]


def list_others(sets: Mapping[str, Sequence[Asked]], name: str) -> list[Sequence[Asked]]:
    """Return the sets of other articles than those of one."""
    return [some for other, some in sets.items() if _domain(other) != _domain(name)]


def _domain(name: str) -> str:
    """Return what sets of the same articles share."""
    return name.partition(":")[0].partition("_")[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which sets are asked."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--kb", action="append", required=True, help="NAME[:SUFFIX]=FOLDER[@MODEL]")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was found")
    parser.add_argument("--queries", type=int, default=300, help="so many of each set at most")


def load_all(arguments: argparse.Namespace) -> dict[str, list[Asked]]:
    """Return what the questions of each set found, by its name."""
    sets = {}
    for given in arguments.kb:
        name, _, rest = given.partition("=")
        folder, _, model = rest.partition("@")
        model = model or BUNDLED_MODEL
        some = arguments.data, arguments.cache, arguments.queries
        sets[name] = load(name, Path(folder), model, *some)
        print(name, len(sets[name]), file=sys.stderr)
    return sets


def main() -> None:
    """Ask the sets and print what scores are worth on each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    add_arguments(parser)
    parser.add_argument("--fit", action="store_true", help="print weights fitted to all sets")
    arguments = parser.parse_args()
    sets = load_all(arguments)
    print(f"each set with weights that were fitted to the others; {describe_machine()}")
    rows = []
    for name, asked in sets.items():
        others = list_others(sets, name)
        rows.append(report(name, asked, fit(others, of_hits=False), fit(others, of_hits=True)))
    print_table(HEAD, rows)
    if arguments.fit:
        every = list(sets.values())
        print("no_answer:", fit(every, of_hits=False).round(3).tolist())
        print("score:", fit(every, of_hits=True).round(3).tolist())


if __name__ == "__main__":
    main()
