"""Fits how much reranking counts on half of the questions, reports what it adds on the other half.

    python bench/rerank.py --data SETS --kb covidqa_papers=FOLDER [--kb NAME=FOLDER …] --cache FILES

Questions are searched and their first articles read again by the service's own functions: by late
interaction, or by the cross-encoder that FOLIO_RERANK_MODEL names. What each article scored is kept
in --cache (a folder outside the project), so that another fit costs seconds.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from tokenizers import Tokenizer

from app.config import Settings
from app.domain import Embedding, Hit, Item, Task
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint
from app.runtime.resources import Resources
from app.services.search.rerank import MAX_CANDIDATES, score_hits
from app.services.search.scoring import log_odds
from app.services.search.search import search_documents
from bench.collection import open_analysed, ranking_rules, request_of
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.retrieval import bootstrap
from bench.sets import LabelledSet, Query, read_set, take_spread

Array: TypeAlias = npt.NDArray[np.float64]

DEPTHS = (5, 10, MAX_CANDIDATES)

_SEARCHED = 50
_STEPS = 60
_TIMED = 20
"""Questions whose passages are all computed anew."""
# Keeps the weights finite where the questions can be told apart without an error.
_RIDGE = 1e-3


def gain(grades: Array) -> float:
    """Return the discounted gain of the first ten grades in the order given."""
    top = grades[:10]
    return float(top @ (1 / np.log2(np.arange(2, len(top) + 2))))


@dataclass(frozen=True, slots=True)
class Read:
    """One question: arrays over its first articles, best first, and what nDCG@10 divides by."""

    logits: Array
    """Log odds of the search's score."""
    scores: Array
    """What the reranker gives, NaN for articles that it did not read."""
    grades: Array
    ideal: float

    def rerank(self, weight: float, depth: int) -> float:
        """Return nDCG@10 when the first `depth` articles move by the weighted scores."""
        logits = self.logits.copy()
        seen = ~np.isnan(self.scores) & (np.arange(len(logits)) < depth)
        if seen.any():
            logits[seen] += weight * (self.scores[seen] - self.scores[seen].mean())
        return gain(self.grades[np.argsort(-logits, kind="stable")]) / self.ideal


def read_questions(
    labelled: LabelledSet, queries: Sequence[Query], kb: Path, cache: Path
) -> tuple[list[Read], float]:
    """Return the questions, read by the reranker now or before, and its median milliseconds."""
    if not cache.exists():
        rows = list(_read_again(labelled, queries, kb))
        parts = [part for part, _ in rows]
        np.savez(
            cache,
            counts=[len(part) for part in parts],
            rows=np.concatenate(parts),
            ms=[ms for _, ms in rows],
        )
    with np.load(cache) as kept:
        counts, ms = kept["counts"], float(np.nanmedian(kept["ms"]))
        parts = np.split(kept["rows"], np.cumsum(counts)[:-1])
    if len(counts) != len(queries):
        raise SystemExit(f"{cache} holds {len(counts)} questions, {len(queries)} are asked for")
    ideals = [
        gain(np.sort(np.array(list(labelled.grades[query.id].values()), float))[::-1])
        for query in queries
    ]
    reads = [
        Read(part[:, 0], part[:, 1], part[:, 2], ideal)
        for part, ideal in zip(parts, ideals, strict=True)
    ]
    return reads, ms


def _read_again(
    labelled: LabelledSet, queries: Sequence[Query], kb: Path
) -> Iterator[tuple[Array, float]]:
    """Yield, by query, (log odds, reranker's score, grade) of articles, and its milliseconds."""
    check_folder(kb)
    with open_analysed(
        Settings(data=kb), load=lambda *_: RememberingEngine(load_engine(*_))
    ) as resources:
        generation = resources.generations.live()
        engine = generation.engine()
        assert isinstance(engine, RememberingEngine)
        for number, query in enumerate(queries):
            hits = _search(resources, query.text)
            if number < _TIMED:
                engine.forget()
            started = perf_counter()
            scores = score_hits(resources, generation, query.text, hits)
            ms = 1000 * (perf_counter() - started)
            padded = [*scores, *([np.nan] * (len(hits) - len(scores)))]
            grades = labelled.grades[query.id]
            rows = [
                [log_odds(hit.score), scored, grades.get(hit.document_id, 0)]
                for hit, scored in zip(hits, padded, strict=True)
            ]
            yield np.array(rows).reshape(-1, 3), ms if number < _TIMED else np.nan


class RememberingEngine:
    """The real engine, which embeds the same passage once: many questions find the same ones."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made: dict[tuple[str, str], Embedding] = {}
        self.name = engine.name
        self.dtype = engine.dtype
        self.device = engine.device
        self.max_tokens = engine.max_tokens
        self.unit_tokens = engine.unit_tokens
        self.late_chunking = engine.late_chunking
        self.languages = engine.languages
        self.dimensions = engine.dimensions
        self.metrics = engine.metrics

    def forget(self) -> None:
        """Embed every passage anew: what is timed must be computed."""
        self._made.clear()

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed."""
        if any(item.task is not Task.PASSAGE for item in items):
            return self._engine.embed(items, dimensions=dimensions)
        missing = [item for item in items if (item.title, item.text) not in self._made]
        for item, made in zip(missing, self._engine.embed(missing), strict=True):
            self._made[item.title, item.text] = made
        return [self._made[item.title, item.text] for item in items]

    @property
    def tokenizer(self) -> Tokenizer:
        """See Engine.tokenizer."""
        return self._engine.tokenizer

    def count_tokens(self, item: Item) -> int:
        """See Engine.count_tokens."""
        return self._engine.count_tokens(item)

    def count_unknown(self, text: str) -> int:
        """See Engine.count_unknown."""
        return self._engine.count_unknown(text)

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """See Engine.token_starts."""
        return self._engine.token_starts(text)

    def overhead(self, title: str, task: Task) -> int:
        """See Engine.overhead."""
        return self._engine.overhead(title, task)

    def warm_up(self) -> None:
        """See Engine.warm_up."""
        self._engine.warm_up()


def _search(resources: Resources, query: str) -> Sequence[Hit]:
    """Return the hits that a search hands to the reranker."""
    return search_documents(resources, request_of(resources, query, limit=_SEARCHED)).results


def fit_weight(sets: Sequence[Sequence[Read]]) -> float:
    """Return the weight beside log odds that gives relevant articles the largest softmax share.

    Each set counts the same, however many questions it has.
    """
    fitted = np.ones(2)
    for _ in range(_STEPS):
        slope, curve = -_RIDGE * fitted, _RIDGE * np.eye(2)
        for reads in sets:
            for read in reads:
                seen = ~np.isnan(read.scores)
                relevant = read.grades[seen] > 0
                if not relevant.any():
                    continue
                x = np.column_stack([read.logits[seen], read.scores[seen]])
                share = np.exp(x @ fitted - (x @ fitted).max())
                share /= share.sum()
                mean = share @ x
                slope += (relevant / relevant.sum() - share) @ x / len(reads)
                curve += ((x * share[:, None]).T @ x - np.outer(mean, mean)) / len(reads)
        fitted = fitted + np.linalg.solve(curve, slope)
    return float(fitted[1] / fitted[0])


def _print_sets(names: Sequence[str], sets: Sequence[Sequence[Read]], weight: float) -> None:
    def measure(reads: Sequence[Read], depth: int) -> Array:
        return np.array([read.rerank(weight, depth) for read in reads])

    def describe(reads: Sequence[Read], depth: int) -> str:
        gained = measure(reads, depth) - measure(reads, 0)
        low, high = bootstrap(gained[:, None])[:, 0]
        return (
            f"{measure(reads, depth).mean():.3f} ({gained.mean():+.3f} [{low:+.3f}, {high:+.3f}])"
        )

    rows: list[list[str]] = [["none", *(f"{measure(reads, 0).mean():.3f}" for reads in sets)]]
    rows += [[f"{depth}", *(describe(reads, depth) for reads in sets)] for depth in DEPTHS]
    print_table(("articles read again: nDCG@10, half 1", *names), rows)


def main() -> None:
    """Print the fitted weight, what reranking adds at several depths, and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument(
        "--kb", action="append", required=True, metavar="NAME=FOLDER", help="a set, ingested"
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was scored")
    parser.add_argument("--queries", type=int, help="only so many questions of each set")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    names, sets, took = [], [], []
    rules = ranking_rules(Settings().rerank_model, open_checkpoint(Settings()).fingerprint)
    for pair in arguments.kb:
        name, _, folder = pair.partition("=")
        labelled = read_set(arguments.data / name)
        asked = take_spread(labelled.queries, arguments.queries)
        reads, ms = read_questions(
            labelled, asked, Path(folder), arguments.cache / f"rerank-{name}-{rules}.npz"
        )
        names.append(name)
        sets.append(reads)
        took.append(f"{name} {ms:.0f} ms for {len(reads)} questions")
    weight = fit_weight([reads[0::2] for reads in sets])
    print(describe_machine())
    print(f"INTERACTION_WEIGHT = {weight:.1f}; a question, median: {', '.join(took)}")
    _print_sets(names, [reads[1::2] for reads in sets], weight)


if __name__ == "__main__":
    main()
