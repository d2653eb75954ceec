"""What scores are worth on labelled sets, and the weights that turn evidence into probability.

    python bench/scores.py --data SETS --kb NAME=FOLDER [--kb …] --cache FILES [--fit]

Every question runs once through the service's own stages; what it finds is kept in --cache (a
folder outside the project). A question is asked twice: with the articles that answer it, and as if
these were not there. Each set is measured with weights that were fitted to the others; NAME is
that of a folder in SETS, with a suffix after a colon where one set is there for several models;
`examples` and `examples_far` are the questions of this project's examples/, to a folder that `folio
add examples/articles` made.
`--fit` prints all weights of app/services/search/scoring.py, fitted to all sets.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.domain import Mode
from app.evaluation.calibration import area, calibration_error, measure_calibration
from app.runtime.resources import Resources
from app.services.quality.calibration import measure_anchors
from app.services.search.candidates import Candidate, compare
from app.services.search.pipeline import ask
from app.services.search.ranking import rank_articles
from app.services.search.scoring import Anchors, describe
from app.services.search.snapshot import snapshots
from bench.collection import collection_of, open_analysed, ranking_rules
from bench.fits import Array, Asked, Sets, fit, list_others, predict
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_queries, read_questions, read_set, take_spread

# Hits of a question that a fit of scores learns from: those that are looked at.
_SHOWN = 5
# So many are read, and enough of them are left where the articles that answer are taken out.
_DEPTH = 10


def ask_all(
    labelled: LabelledSet, unanswered: Sequence[Query], resources: Resources
) -> dict[Mode, list[Asked]]:
    """Ask every question with and without its articles, and those that none answers."""
    generation = resources.generations.live()
    ref = collection_of(resources)
    anchors = measure_anchors(resources, generation, ref)
    if anchors is None:
        raise SystemExit("the model tells nothing apart: there are no anchors")
    return {mode: list(_ask(labelled, unanswered, resources, anchors, mode)) for mode in Mode}


def _ask(
    labelled: LabelledSet,
    unanswered: Sequence[Query],
    resources: Resources,
    anchors: Anchors,
    mode: Mode,
) -> Iterator[Asked]:
    for query in labelled.queries:
        grades = labelled.grades[query.id]
        found = _find(resources, query.text, mode)
        yield _describe("answered", found, grades, anchors)
        others = [c for c in found if c.version.external_id not in grades]
        yield _describe("taken out", others, {}, anchors)
    for query in unanswered:
        yield _describe("unanswered", _find(resources, query.text, mode), {}, anchors)


def _find(resources: Resources, text: str, mode: Mode) -> list[Candidate]:
    """Return all candidates, best first: which passage is nearest is a matter of all."""
    generation = resources.generations.live()
    question = ask(generation, text, mode)
    found: list[Candidate] = []
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            refs = [collection_of(resources)]
            found = list(rank_articles(snapshot, question, refs, limit=_DEPTH).candidates)
    return found


def _describe(kind: str, found: Sequence[Candidate], grades: Any, anchors: Anchors) -> Asked:
    gains = [grades.get(c.version.external_id, 0) for c in found]
    rows = [_read_features(c, found, anchors) for c in found[:_SHOWN]]
    return Asked(kind, rows, [gain > 0 for gain in gains[:_SHOWN]], _ndcg(gains, grades))


def _read_features(one: Candidate, found: Sequence[Candidate], anchors: Anchors) -> list[float]:
    """Return what the weights of the candidate's mode apply to, beside all that were found."""
    if one.mode is Mode.LEXICAL:
        return [one.stages.get("lexical", 0.0)]
    nearest = max(c.stages.get("passage", 0.0) for c in found)
    scale = replace(one.scale, nearest=nearest, anchors=anchors)
    if one.mode is Mode.HYBRID:
        return list(describe(one.stages, one.mode, compare(scale, found)))
    features = describe(one.stages, one.mode, scale)
    return [features.nearest, features.standout]


def _ndcg(gains: Sequence[int], grades: Any) -> float:
    def add(values: Sequence[int]) -> float:
        # As trec_eval weighs grades.
        return float(sum(v / np.log2(i + 2) for i, v in enumerate(values[:_DEPTH])))

    return add(gains) / add(sorted(grades.values(), reverse=True)) if grades else 0.0


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
    cells += report_hits(asked, q)
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


def report_modes(sets: Mapping[Mode, Sets], name: str) -> list[str]:
    """Return a row of the table of the modes of one stage."""
    cells = [name]
    for mode in (Mode.DENSE, Mode.LEXICAL):
        asked = sets[mode][name]
        scores = predict(fit(list_others(sets[mode], name), of_hits=True), asked)
        cells += report_hits(asked, scores)
    return cells


def report_hits(asked: Sequence[Asked], scores: Array) -> list[str]:
    """Return what first hits score, how many are right, and the errors."""
    answered = np.array([one.kind == "answered" for one in asked])
    right = np.array([bool(one.answers and one.answers[0]) for one in asked], dtype=float)
    return [
        f"{scores[answered].mean():.2f}",
        f"{right[answered].mean():.2f}",
        f"{calibration_error(scores[answered], right[answered]):.3f}",
        f"{calibration_error(scores, right):.3f}",
    ]


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
HEAD_OF_OTHER_MODES = (
    "set",
    *("dense: first score", "right", "ECE first", "all"),
    *("lexical: first score", "right", "ECE first", "all"),
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


def load(
    name: str, kb: Path, model: str, data: Path, cache: Path, most: int
) -> dict[Mode, list[Asked]]:
    """Return what the questions of a set found, from the cache or by asking them."""
    path = cache / f"{name.replace(':', '.')}-{ranking_rules(model, most)}.json"
    if not path.exists():
        check_folder(kb)
        labelled, others = read_labelled(data, name.partition(":")[0])
        some = replace(labelled, queries=take_spread(labelled.queries, most))
        with open_analysed(Settings(data=kb, model=model), holder="bench") as resources:
            asked = ask_all(some, others, resources)
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({mode: list(map(asdict, asked[mode])) for mode in asked}))
    stored = json.loads(path.read_text())
    return {mode: [Asked(**one) for one in stored[mode]] for mode in Mode}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which sets are asked."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--kb", action="append", required=True, help="NAME[:SUFFIX]=FOLDER[@MODEL]")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was found")
    parser.add_argument("--queries", type=int, default=300, help="so many of each set at most")


def load_all(arguments: argparse.Namespace) -> dict[Mode, dict[str, list[Asked]]]:
    """Return what the questions of each set found, by mode and by the set's name."""
    sets: dict[Mode, dict[str, list[Asked]]] = {mode: {} for mode in Mode}
    for given in arguments.kb:
        name, _, rest = given.partition("=")
        folder, _, model = rest.partition("@")
        some = arguments.data, arguments.cache, arguments.queries
        loaded = load(name, Path(folder), model or BUNDLED_MODEL, *some)
        for mode, asked in loaded.items():
            sets[mode][name] = asked
        print(name, len(loaded[Mode.HYBRID]), file=sys.stderr)
    return sets


def main() -> None:
    """Ask the sets and print what scores are worth on each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    add_arguments(parser)
    parser.add_argument("--fit", action="store_true", help="print weights fitted to all sets")
    arguments = parser.parse_args()
    sets = load_all(arguments)
    if any(not list_others(sets[Mode.HYBRID], name) for name in sets[Mode.HYBRID]):
        parser.error("sets of at least two kinds of articles are needed: one is fitted to the rest")
    print(f"each set with weights that were fitted to the others; {describe_machine()}")
    hybrid = sets[Mode.HYBRID]
    rows = []
    for name, asked in hybrid.items():
        others = list_others(hybrid, name)
        rows.append(report(name, asked, fit(others, of_hits=False), fit(others, of_hits=True)))
    print_table(HEAD, rows)
    print("\nby vectors alone, and by words alone")
    print_table(HEAD_OF_OTHER_MODES, [report_modes(sets, name) for name in hybrid])
    if arguments.fit:
        print("no_answer:", fit(hybrid, of_hits=False).round(3).tolist())
        for mode in Mode:
            print(f"score, {mode}:", fit(sets[mode], of_hits=True).round(3).tolist())


if __name__ == "__main__":
    main()
