"""Measures how well questions find their article, beside BM25 and beside a best-chunk index.

    python bench/retrieval.py --data SETS --set aws_docs_small [--kb FOLDER] [--peers chunks]

Every system ranks the same documents for the same queries in the same run, and ir-measures scores
all of them. Intervals are percentiles of a bootstrap over the queries.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import bm25s
import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import R, nDCG

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Item, Status, Task, Vector
from app.embedding.checkpoint import open_checkpoint
from app.embedding.engine import Engine, load_engine
from app.resources import Resources, open_resources
from app.services.collections import get_collection
from app.services.search import search_documents
from bench.ingest import add_documents, check_folder, fresh_folder
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, read_set
from train.teacher import find_teacher

Rankings: TypeAlias = list[list[str]]
"""For each query of the set the ids of the documents found, best first."""
Scores: TypeAlias = npt.NDArray[np.float64]
"""Shape (queries, measures)."""

MEASURES = (nDCG @ 10, R @ 10, R @ 100)
DEPTH = 100
COLLECTION = "default"

_CHUNK_TOKENS = 254
_RESAMPLES = 10_000


def rank_with_folio(labelled: LabelledSet, resources: Resources) -> Rankings:
    """Rank by the search that a request runs."""
    return [
        [
            hit.document_id
            for hit in search_documents(
                resources, COLLECTION, query.text, limit=DEPTH, passages=0
            ).results
        ]
        for query in labelled.queries
    ]


def rank_with_bm25(labelled: LabelledSet) -> Rankings:
    """Rank by BM25 over title and text: Lucene's formula and parameters, English stop words."""
    texts = [f"{document.title}\n{document.text}" for document in labelled.documents]
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    found, scores = index.retrieve(
        bm25s.tokenize(
            [query.text for query in labelled.queries], stopwords="en", show_progress=False
        ),
        k=min(DEPTH, len(texts)),
        show_progress=False,
    )
    # Documents that share no word with the query pad a short result with a score of 0.
    return [
        [labelled.documents[row].id for row in rows[scored > 0]]
        for rows, scored in zip(found, scores, strict=True)
    ]


def rank_with_chunks(labelled: LabelledSet) -> Rankings:
    """Rank by each document's best chunk: all-MiniLM-L6-v2 over fixed windows of tokens."""
    settings = Settings(model=str(find_teacher()), dimensions=None)
    engine = load_engine(open_checkpoint(settings), settings)
    first_rows: list[int] = []
    vectors: list[Vector] = []
    for document in labelled.documents:
        chunks = list(_cut(engine, f"{document.title}\n\n{document.text}"))
        first_rows.append(len(vectors))
        vectors += [embedding.vector for embedding in engine.embed(chunks)]
    queries = engine.embed([Item(query.text, Task.QUERY) for query in labelled.queries])
    of_chunks = np.stack([query.vector for query in queries]) @ np.stack(vectors).T
    of_documents = np.maximum.reduceat(of_chunks, first_rows, axis=1)
    best = np.argsort(-of_documents, axis=1, kind="stable")[:, :DEPTH]
    return [[labelled.documents[row].id for row in rows] for rows in best]


def _cut(engine: Engine, text: str) -> Iterator[Item]:
    """Yield `text` in windows of 254 tokens, as plain chunking does: in the midst of anything."""
    starts = [*engine.token_starts(text).tolist(), len(text)]
    first, end = 0, len(starts) - 1
    if not end:
        # Each document must have a row.
        yield Item("", Task.PASSAGE)
    while first < end:
        last = min(first + _CHUNK_TOKENS, end)
        item = Item(text[starts[first] : starts[last]], Task.PASSAGE)
        # A word that is cut in two can have more tokens than it had in one piece.
        while engine.count_tokens(item) > engine.max_tokens:
            last -= 1
            item = Item(text[starts[first] : starts[last]], Task.PASSAGE)
        yield item
        first = last


def score(labelled: LabelledSet, rankings: Rankings) -> Scores:
    """Return the measures of each query; a query without hits scores 0."""
    run = {
        # ir-measures breaks ties of scores by id; by rank there are none.
        query.id: {document_id: -float(rank) for rank, document_id in enumerate(ranking)}
        for query, ranking in zip(labelled.queries, rankings, strict=True)
    }
    rows = {query.id: row for row, query in enumerate(labelled.queries)}
    grades = {query_id: dict(labelled.grades[query_id]) for query_id in rows}
    scores = np.zeros((len(rows), len(MEASURES)))
    for metric in ir_measures.iter_calc(MEASURES, grades, run):
        scores[rows[metric.query_id], MEASURES.index(metric.measure)] = metric.value
    return scores


def bootstrap(scores: Scores) -> Scores:
    """Return 2.5 and 97.5 percentiles of the means of resampled queries: shape (2, measures)."""
    count = len(scores)
    weights = np.random.default_rng(0).multinomial(count, [1 / count] * count, size=_RESAMPLES)
    interval: Scores = np.percentile(weights @ scores / count, (2.5, 97.5), axis=0)
    return interval


def _as_cells(scores: Scores, *, signed: bool = False) -> list[str]:
    sign = "+" if signed else ""
    low, high = bootstrap(scores)
    return [
        f"{mean:{sign}.3f} [{below:{sign}.3f}, {above:{sign}.3f}]"
        for mean, below, above in zip(scores.mean(axis=0), low, high, strict=True)
    ]


def _print_scores(names: Sequence[str], scored: Mapping[str, Scores]) -> None:
    print_table(
        ("system", *names), ((system, *_as_cells(scores)) for system, scores in scored.items())
    )
    (first, ours), *peers = scored.items()
    # The same queries are drawn for both, so that hard ones do not blur the difference.
    print_table(
        (f"{first} minus", *names),
        ((peer, *_as_cells(ours - theirs, signed=True)) for peer, theirs in peers),
    )


def _check_documents(labelled: LabelledSet, resources: Resources) -> str:
    """Return how many of the set are ready; raises SystemExit when the folder holds other ones."""
    counts = get_collection(resources, COLLECTION).documents
    if sum(counts.values()) != len(labelled.documents):
        raise SystemExit(
            f"the data folder holds {sum(counts.values())} documents, the set has "
            f"{len(labelled.documents)}"
        )
    return f"{counts[Status.READY]:,} of {len(labelled.documents):,} documents ready"


def _time(name: str, rank: Callable[[], Rankings]) -> Rankings:
    started = perf_counter()
    rankings = rank()
    print(f"{name}: {perf_counter() - started:.1f} s", file=sys.stderr)
    return rankings


def main() -> None:
    """Rank a set's queries with every system and print the measures side by side."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, help="data folder with the set; made if not given")
    parser.add_argument(
        "--peers",
        choices=["chunks"],
        action="append",
        default=[],
        help="slow peers to run as well: `chunks` embeds the whole set once more",
    )
    arguments = parser.parse_args()
    labelled = read_set(arguments.data / arguments.set)
    with ExitStack() as stack:
        kb = arguments.kb or stack.enter_context(fresh_folder(None))
        if arguments.kb is None:
            add_documents(arguments.data / arguments.set / "docs.jsonl", kb)
        check_folder(kb)
        resources = stack.enter_context(open_resources(Settings(data=kb), holder="bench"))
        ready = _check_documents(labelled, resources)
        ours = f"Folio, {resources.checkpoint.name}"
        rankings = {ours: _time(ours, lambda: rank_with_folio(labelled, resources))}
    rankings["BM25"] = _time("BM25", lambda: rank_with_bm25(labelled))
    if "chunks" in arguments.peers:
        name = "all-MiniLM-L6-v2, best chunk"
        rankings[name] = _time(name, lambda: rank_with_chunks(labelled))
    print(f"{arguments.set}: {len(labelled.queries):,} queries, {ready}; {describe_machine()}")
    names = ("nDCG@10", "recall@10", "recall@100")
    _print_scores(names, {name: score(labelled, ranked) for name, ranked in rankings.items()})


if __name__ == "__main__":
    main()
