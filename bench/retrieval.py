"""Measures how well questions find their article, beside BM25 and beside a best-chunk index.

    python bench/retrieval.py --data SETS --set aws_docs_small [--kb FOLDER] [--peers chunks]

Every system ranks the same documents for the same queries in the same run, and ir-measures scores
all of them. Intervals are percentiles of a bootstrap over the queries.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import R, nDCG
from sqlalchemy import func, select

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.db.models import UnitRow
from app.domain import Mode, Status
from app.resources import Resources, open_resources
from app.services.collections import get_collection
from app.services.search import search_documents
from bench.ingest import add_documents, check_folder, fresh_folder
from bench.peers import Peer, add_standardized, run_bm25, run_chunks
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, read_set

Rankings: TypeAlias = list[list[str]]
"""For each query of the set the ids of the documents found, best first."""
Scores: TypeAlias = npt.NDArray[np.float64]
"""Shape (queries, measures)."""

MEASURES = (nDCG @ 10, R @ 10, R @ 100)
DEPTH = 100
COLLECTION = "default"

OURS = "Folio, hybrid"
FOLIO = (
    (OURS, Mode.HYBRID, False),
    ("Folio, hybrid + rerank", Mode.HYBRID, True),
    ("Folio, dense", Mode.DENSE, False),
    ("Folio, lexical", Mode.LEXICAL, False),
)

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a system found, bytes of vectors a document, and milliseconds a query."""

    rankings: Rankings
    bytes_per_document: float
    ms_per_query: float


def rank_with_folio(
    labelled: LabelledSet, resources: Resources, mode: Mode, *, rerank: bool = False
) -> Ranked:
    """Rank by the search that a request runs."""
    started = perf_counter()
    rankings = [
        [
            hit.document_id
            for hit in search_documents(
                *(resources, COLLECTION, query.text),
                limit=DEPTH,
                passages=0,
                mode=mode,
                rerank=rerank,
            ).results
        ]
        for query in labelled.queries
    ]
    ms = 1000 * (perf_counter() - started) / len(labelled.queries)
    return Ranked(rankings, _vector_bytes(resources) / len(labelled.documents), ms)


def _vector_bytes(resources: Resources) -> int:
    with resources.database.read() as session:
        size = func.length(UnitRow.vector) + func.length(UnitRow.passage_vectors)
        return session.scalar(select(func.sum(size))) or 0


def rank_with_peer(labelled: LabelledSet, peer: Peer) -> Rankings:
    """Rank by a peer's scores; a BM25 score of 0 is a document that shares no word."""
    best = np.argsort(-peer.scores, axis=1, kind="stable")[:, :DEPTH]
    return [
        [labelled.documents[row].id for row in rows if scored[row] != 0]
        for rows, scored in zip(best, peer.scores, strict=True)
    ]


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


def _print_scores(
    names: Sequence[str], labelled: LabelledSet, ranked: Mapping[str, Ranked]
) -> None:
    scored = {name: score(labelled, system.rankings) for name, system in ranked.items()}
    print_table(
        ("system", *names, "bytes/document", "ms/query"),
        (
            (
                name,
                *_as_cells(scored[name]),
                f"{system.bytes_per_document:,.0f}",
                f"{system.ms_per_query:.1f}",
            )
            for name, system in ranked.items()
        ),
    )
    ours = scored[OURS]
    # The same queries are drawn for both, so that hard ones do not blur the difference.
    print_table(
        (f"{OURS} minus", *names),
        (
            (peer, *_as_cells(ours - theirs, signed=True))
            for peer, theirs in scored.items()
            if peer != OURS
        ),
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
    ranked: dict[str, Ranked] = {}
    with ExitStack() as stack:
        kb = arguments.kb or stack.enter_context(fresh_folder(None))
        if arguments.kb is None:
            add_documents(arguments.data / arguments.set / "docs.jsonl", kb)
        check_folder(kb)
        resources = stack.enter_context(open_resources(Settings(data=kb), holder="bench"))
        ready = _check_documents(labelled, resources)
        _ = resources.engine
        for name, mode, rerank in FOLIO:
            ranked[name] = rank_with_folio(labelled, resources, mode, rerank=rerank)
        model = resources.checkpoint.name
    peers = {"BM25 (bm25s)": run_bm25(labelled)}
    if "chunks" in arguments.peers:
        peers |= run_chunks(labelled)
        peers["MiniLM best chunk + BM25"] = add_standardized(
            peers["MiniLM, best chunk"], peers["BM25 (bm25s)"]
        )
    for name, peer in peers.items():
        ranked[name] = Ranked(
            rank_with_peer(labelled, peer), peer.bytes_per_document, peer.ms_per_query
        )
    print(
        f"{arguments.set}: {len(labelled.queries):,} queries, {ready}, Folio with {model}; "
        f"{describe_machine()}"
    )
    names = ("nDCG@10", "recall@10", "recall@100")
    _print_scores(names, labelled, ranked)


if __name__ == "__main__":
    main()
