"""Measures a model of train/ on labelled sets while it is made: without a database.

    python bench/model.py --state adapt.pt --data SETS --set scifact_beir

The service's own search path is measured by `bench/retrieval.py`; this is for choosing between
checkpoints. Articles are cut and pooled as the service does it.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.domain import Article
from app.embedding.checkpoint import TITLE_SEPARATOR
from bench.sets import Document, LabelledSet, read_set
from ingest.units import split_article
from train.articles import is_adapted, split_model
from train.contrast import embed_alone, read_articles
from train.data import PASSAGE_TOKENS, Example, Reader, as_example
from train.encoder import Weights, adapted, best_device, cast, fastest_dtype, place_all
from train.export import read_weights
from train.state import load_learned
from train.teacher import find_teacher, read_tokenizer

WINDOW = 8192

_BATCH_TOKENS = 12_000
_DEPTH = 10

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A set as vectors: units and passages with the row of their document, and queries."""

    units: Array
    unit_owners: npt.NDArray[np.int64]
    passages: Array
    passage_owners: npt.NDArray[np.int64]
    queries: Array


def take_sample(labelled: LabelledSet, documents: int, queries: int) -> LabelledSet:
    """Return up to `queries` queries with their documents, filled up to about `documents`."""
    chance = random.Random(0)
    asked = labelled.queries
    if queries < len(asked):
        asked = tuple(chance.sample(asked, queries))
    needed = {document for query in asked for document in labelled.grades[query.id]}
    others = [document for document in labelled.documents if document.id not in needed]
    chance.shuffle(others)
    kept = [document for document in labelled.documents if document.id in needed]
    kept += others[: max(0, documents - len(kept))]
    return LabelledSet(tuple(kept), asked, labelled.grades)


def embed_set(
    labelled: LabelledSet,
    reader: Reader,
    of_query: Weights,
    of_passage: Weights,
    *,
    words: int | None = None,
) -> Embedded:
    """Embed documents and queries; `words` keeps only the first ones of each text."""
    examples: list[Example] = []
    owners: list[int] = []
    for row, document in enumerate(labelled.documents):
        for example in _cut(document, reader, words):
            examples.append(example)
            owners.append(row)
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    units: list[Array] = [np.empty(0, np.float32)] * len(examples)
    passages = list(units)
    batch: list[int] = []
    tokens = 0
    for i in order:
        batch.append(i)
        tokens += len(examples[i].ids)
        if tokens >= _BATCH_TOKENS or i == order[-1]:
            vectors, of_passages = _embed(of_passage, [examples[j] for j in batch])
            first = 0
            for j, vector in zip(batch, vectors, strict=True):
                last = first + len(examples[j].passages)
                units[j], passages[j] = vector, of_passages[first:last]
                first = last
            batch, tokens = [], 0
    queries = embed_alone(
        of_query, [reader.tokenizer.encode(query.text).ids for query in labelled.queries]
    )
    counts = [len(example.passages) for example in examples]
    return Embedded(
        np.stack(units),
        np.array(owners),
        np.concatenate(passages),
        np.repeat(np.array(owners), counts),
        queries.cpu().numpy(),
    )


def score_units(embedded: Embedded, documents: int, *, dimensions: int | None = None) -> Array:
    """Return each document's best unit score: shape (queries, documents)."""
    return _best(embedded.queries, embedded.units, embedded.unit_owners, documents, dimensions)


def score_passages(embedded: Embedded, documents: int, *, dimensions: int | None = None) -> Array:
    """Return each document's best passage score: shape (queries, documents)."""
    return _best(
        embedded.queries, embedded.passages, embedded.passage_owners, documents, dimensions
    )


def ndcg(labelled: LabelledSet, scores: Array) -> float:
    """Return mean nDCG@10 with the gains of trec_eval: the grade over log2 of the rank plus 1."""
    discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
    values = []
    for query, row in zip(labelled.queries, scores, strict=True):
        grades = labelled.grades[query.id]
        ranked = np.argsort(-row, kind="stable")[:_DEPTH]
        gains = [grades.get(labelled.documents[i].id, 0) for i in ranked]
        ideal = sorted(grades.values(), reverse=True)[:_DEPTH]
        values.append(
            float(np.dot(gains, discounts[: len(gains)]))
            / float(np.dot(ideal, discounts[: len(ideal)]))
        )
    return float(np.mean(values))


def _cut(document: Document, reader: Reader, words: int | None) -> list[Example]:
    text = document.text
    if words is not None:
        text = " ".join(text.split()[:words])
    if not text.strip():
        text = document.title or "."
    prefix = document.title + TITLE_SEPARATOR if document.title else ""
    article = Article(text, title=document.title)
    overhead = len(reader.tokenizer.encode(prefix).ids)
    units = split_article(
        article,
        reader.token_starts(text),
        unit_tokens=WINDOW - overhead - 8,
        passage_tokens=PASSAGE_TOKENS,
    )
    cut = (as_example(article, unit, prefix, reader.tokenizer)[0] for unit in units)
    return [example for example in cut if example is not None]


def _embed(weights: Weights, examples: Sequence[Example]) -> tuple[Array, Array]:
    with torch.inference_mode():
        units, passages, _ = read_articles(weights, examples)
    return units.cpu().numpy(), passages.cpu().numpy()


def _best(
    queries: Array,
    vectors: Array,
    owners: npt.NDArray[np.int64],
    documents: int,
    dimensions: int | None,
) -> Array:
    if dimensions is not None:
        queries, vectors = _shorten(queries, dimensions), _shorten(vectors, dimensions)
    sims = queries @ vectors.T
    best = np.full((documents, len(queries)), -2.0, dtype=np.float32)
    np.maximum.at(best, owners, sims.T)
    return best.T


def _shorten(vectors: Array, dimensions: int) -> Array:
    cut = vectors[:, :dimensions]
    shortened: Array = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    return shortened


def _print_measures(
    name: str, labelled: LabelledSet, reader: Reader, of_query: Weights, of_passage: Weights
) -> None:
    count = len(labelled.documents)
    embedded = embed_set(labelled, reader, of_query, of_passage)
    whole, best = score_units(embedded, count), score_passages(embedded, count)
    scores: dict[str, Array] = {"document": whole, "passages": best}
    for share in (0.3, 0.5, 0.7):
        scores[f"both, {share} passage"] = share * best + (1 - share) * whole
    for dimensions in (256, 128, 64):
        scores[f"document, {dimensions}"] = score_units(embedded, count, dimensions=dimensions)
    shortened = embed_set(labelled, reader, of_query, of_passage, words=350)
    scores["document, 350 words"] = score_units(shortened, count)
    print(f"{name}, {count} documents, {len(labelled.queries)} queries: nDCG@10")
    for system, scored in scores.items():
        print(f"  {system:20} {ndcg(labelled, scored):.4f}", flush=True)


def _read_weights(arguments: argparse.Namespace) -> tuple[Weights, Weights]:
    """Return the weights that read queries and those that read passages."""
    if arguments.checkpoint is not None:
        base, adapters = read_weights(arguments.checkpoint)
    else:
        learned = load_learned(arguments.state)
        if not is_adapted(learned):
            return learned, learned
        base, adapters = split_model(learned)
    return adapted(base, adapters["query"]), adapted(base, adapters["passage"])


def main() -> None:
    """Print nDCG@10 of one vector a document, of passages, and of both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--checkpoint", type=Path, help="exported folder")
    which.add_argument("--state", type=Path, help="instead of a folder: state of step 2, 3 or 4")
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--set", action="append", required=True)
    parser.add_argument("--documents", type=int, default=1000, help="those of a sample")
    parser.add_argument("--queries", type=int, default=300, help="those of a sample")
    arguments = parser.parse_args()
    of_query, of_passage = _read_weights(arguments)
    device = best_device()
    dtype = fastest_dtype(device)
    fast = [cast(place_all(weights, device), dtype) for weights in (of_query, of_passage)]
    reader = Reader(read_tokenizer(find_teacher()))
    for name in arguments.set:
        labelled = take_sample(
            read_set(arguments.data / name), arguments.documents, arguments.queries
        )
        _print_measures(name, labelled, reader, *fast)


if __name__ == "__main__":
    main()
