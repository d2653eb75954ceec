"""Whether scores mean the same with other models, fewer dimensions, small collections, and tuned.

    python bench/generality.py --data SETS --set mtrag_un_dev [--model FOLDER] [--tune]

Each row is a collection made for it: so many documents of the set, with the questions that they
answer, measured without labels. A question is asked with its articles, and as if these were not
there. The weights are those of the program. A model of random weights has the shape of folio-mini.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.embedding.loader import BUNDLED_FOLDER
from app.evaluation.calibration import area, calibration_error
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.quality.calibration import measure_anchors
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.tuning import TuningRequest, request_tuning
from app.services.search.candidates import Candidate, compare
from app.services.search.pipeline import Clock, retrieve
from app.services.search.scoring import Anchors, no_answer
from bench.collection import collection_of, open_analysed, request_of
from bench.ingest import add_all
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_set, take_spread

SIZES = (4, 16, 150)
DIMENSIONS = (256, 128)
_LARGEST = SIZES[-1]
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Variant:
    """A collection to measure."""

    name: str
    documents: int = _LARGEST
    model: str = BUNDLED_MODEL
    dimensions: int | None = None
    is_tuned: bool = False


@dataclass(slots=True)
class Outcome:
    """Of a question: probability that anything answers, that the first hit does, and the truth."""

    answers: float
    hit: float
    is_answered: bool
    is_right: bool


def list_variants(models: Sequence[str], random: Path, *, tunes: bool) -> Iterator[Variant]:
    """Yield what is measured: one row of the table each."""
    for size in SIZES:
        yield Variant(f"folio-mini, {size} articles", size)
    for dimensions in DIMENSIONS:
        yield Variant(f"folio-mini, {dimensions} dimensions", dimensions=dimensions)
    for model in models:
        yield Variant(f"{model}, {_LARGEST} articles", model=model)
    yield Variant("random weights", model=str(random))
    if tunes:
        # All of the set: of fewer articles too few questions would be left to learn from.
        yield Variant("folio-mini, tuned", sys.maxsize, is_tuned=True)


def randomize(folder: Path) -> Path:
    """Write folio-mini with weights drawn at random, and return its folder."""
    copytree(BUNDLED_FOLDER, folder)
    chance = np.random.default_rng(1)
    for path in folder.rglob("*.safetensors"):
        weights = load_file(path)
        for name, stored in weights.items():
            drawn = 0.02 * chance.standard_normal(stored.shape)
            weights[name] = drawn.astype(stored.dtype)
        save_file(weights, path)
    return folder


def take_documents(labelled: LabelledSet, count: int) -> tuple[LabelledSet, list[Query]]:
    """Return a set of `count` documents, half of them such as answer a question, and the rest.

    The rest are the questions that none of these answers.
    """
    wanted: dict[str, None] = {}
    for query in labelled.queries:
        if len(wanted) < max(2, count // 2):
            wanted |= dict.fromkeys(labelled.grades[query.id])
    wanted |= dict.fromkeys(document.id for document in labelled.documents)
    kept = set(list(wanted)[:count])
    documents = tuple(one for one in labelled.documents if one.id in kept)
    answered = tuple(q for q in labelled.queries if kept.issuperset(labelled.grades[q.id]))
    others = [q for q in labelled.queries if kept.isdisjoint(labelled.grades[q.id])]
    return LabelledSet(documents, answered, labelled.grades), others


def measure(resources: Resources, some: LabelledSet, others: Sequence[Query]) -> list[Outcome]:
    """Ask all questions; empty where the model tells nothing apart, and so nothing is said."""
    generation = resources.generations.live()
    anchors = measure_anchors(resources, generation, collection_of(resources))
    if anchors is None:
        return []
    outcomes = []
    for query in some.queries:
        grades = some.grades[query.id]
        found = _find(resources, query)
        left = [one for one in found if one.version.external_id not in grades]
        outcomes.append(_judge(found, anchors, grades, is_answered=True))
        outcomes.append(_judge(left, anchors, {}, is_answered=False))
    unanswered = (_judge(_find(resources, one), anchors, {}, is_answered=False) for one in others)
    return [*outcomes, *unanswered]


def _find(resources: Resources, query: Query) -> list[Candidate]:
    request = request_of(resources, query.text, limit=_DEPTH)
    return [one.candidate for one in retrieve(resources, request, Clock()).articles]


def _judge(
    found: Sequence[Candidate],
    anchors: Anchors,
    grades: Mapping[str, int],
    *,
    is_answered: bool,
) -> Outcome:
    if not found:
        return Outcome(0.0, 0.0, is_answered, is_right=False)
    nearest = max(one.stages.get("passage", 0.0) for one in found)
    scale = compare(replace(found[0].scale, nearest=nearest, anchors=anchors), found)
    first = found[0].with_scale(scale)
    nothing = no_answer(first.evidence, scale) or 0.0
    return Outcome(1 - nothing, first.score, is_answered, first.version.external_id in grades)


def run(variant: Variant, labelled: LabelledSet, queries: int, scratch: Path) -> list[str]:
    """Make a collection, measure it, and return its row."""
    some, others = take_documents(labelled, variant.documents)
    answered = take_spread(some.queries, queries)
    if variant.is_tuned:
        # What is learned is not asked.
        answered = take_spread(some.queries[1::2], queries)
    kb = scratch / variant.name.replace(" ", "-").replace("/", "-")
    source = scratch / "docs.jsonl"
    source.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in some.documents))
    add_all(source, kb, model=variant.model, dimensions=variant.dimensions)
    settings = Settings(data=kb, model=variant.model, dimensions=variant.dimensions)
    with open_analysed(settings, holder="bench") as resources:
        if variant.is_tuned:
            _tune(resources, some)
        asked = replace(some, queries=answered)
        outcomes = measure(resources, asked, take_spread(others, queries))
    return [variant.name, *_describe(outcomes)]


def _tune(resources: Resources, some: LabelledSet) -> None:
    golden = [GoldenQuery(q.id, q.text, some.grades[q.id]) for q in some.queries[::2]]
    ref = collection_of(resources)
    gate = GateRequest(ref, golden[:10], force=True)
    request_tuning(resources, TuningRequest(ref, golden, feedback=False), gate=gate)
    keep_generations(resources, lambda: False)


def _describe(outcomes: Sequence[Outcome]) -> Iterator[str]:
    if not outcomes:
        yield from ("null", *("–",) * 5)
        return
    answered = np.array([one.is_answered for one in outcomes]) * 1.0
    right = np.array([one.is_right for one in outcomes]) * 1.0
    answers = np.array([one.answers for one in outcomes])
    hits = np.array([one.hit for one in outcomes])
    yield f"{answered.sum():.0f} / {len(outcomes) - answered.sum():.0f}"
    yield f"{area(answers, answered) or 0.0:.3f}"
    yield f"{calibration_error(answers, answered):.3f}"
    yield f"{area(hits, right) or 0.0:.3f}"
    yield f"{calibration_error(hits, right):.3f}"
    yield f"{right[answered > 0].mean():.2f}"


HEAD = (
    *("collection", "with / without an answer", "AUC of no_answer", "its error"),
    *("AUC of the first score", "its error", "first right"),
)


def main() -> None:
    """Make and measure the collections, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--model", action="append", default=[], help="another model")
    parser.add_argument("--queries", type=int, default=60, help="so many of each kind at most")
    parser.add_argument("--tune", action="store_true", help="measure a tuned one too: minutes")
    arguments = parser.parse_args()
    labelled = read_set(arguments.data / arguments.set)
    rows = []
    with TemporaryDirectory(prefix="folio-bench-") as folder:
        scratch = Path(folder)
        random = randomize(scratch / "random")
        for variant in list_variants(arguments.model, random, tunes=arguments.tune):
            rows.append(run(variant, labelled, arguments.queries, scratch))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    print(f"{arguments.set}; {describe_machine()}")
    print_table(HEAD, rows)


if __name__ == "__main__":
    main()
