"""Measures how well questions find their article, beside BM25 and beside a best-chunk index.

    python bench/retrieval.py --data SETS --set covidqa_papers --set scifact_beir --cache FILES

Every system ranks the same documents for the same queries, and ir-measures scores all of them.
Intervals are percentiles of a bootstrap over the queries. What a system found, the ingested sets
and the vectors of chunks are kept in --cache (a folder outside the project): a run that is broken
off goes on there, and one with another model, or other code that ranks, makes anew only what
depends on it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import R, nDCG
from sqlalchemy import select

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.db import queries
from app.db.models import UnitRow
from app.domain import Mode, Status, Vector
from app.embedding.loader import open_checkpoint
from app.runtime.resources import Resources
from app.services.articles.collections import get_collection
from app.services.search.pipeline import ask
from app.services.search.search import search_documents
from bench.collection import collection_of, open_analysed, ranking_rules, request_of
from bench.compute import count_flops
from bench.ingest import add_documents
from bench.peers import (
    BEST_CHUNK,
    FIRST_CHUNK,
    MEAN_CHUNK,
    Peer,
    add_standardized,
    run_bm25,
    run_chunks,
)
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_set, take_spread

Rankings: TypeAlias = list[list[str]]
"""For each query of the set the ids of the documents found, best first."""
Scores: TypeAlias = npt.NDArray[np.float64]
"""Shape (queries, measures)."""

MEASURES = (nDCG @ 10, R @ 10, R @ 100)
NAMES = ("nDCG@10", "recall@10", "recall@100")
DEPTH = 100

BM25 = "BM25 (bm25s)"
TUTORIAL = "MiniLM, best chunk + BM25"
DOCUMENT = "Folio, document vector alone"
PASSAGES = "Folio, passages alone"
HYBRID = "Folio, hybrid"
RERANKED = "Folio, hybrid + rerank"
DIFFERENCES = (
    (HYBRID, (TUTORIAL, BM25)),
    (RERANKED, (HYBRID,)),
    # Of equal bytes, and of equal compute: the last column says how equal.
    (DOCUMENT, (MEAN_CHUNK, FIRST_CHUNK, BEST_CHUNK)),
)

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a system found, what vectors it stores and computes for a document, and ms a query."""

    rankings: Rankings
    bytes_per_document: float
    gflop_per_document: float
    ms_per_query: float


# Folio


def rank_with_folio(
    labelled: LabelledSet, find: Callable[[Query], list[str]], size: float, gflop: float
) -> Ranked:
    """Rank by what `find` returns for a query: ids, best first."""
    started = perf_counter()
    rankings = [find(query) for query in labelled.queries]
    ms = 1000 * (perf_counter() - started) / len(labelled.queries)
    return Ranked(rankings, size / len(labelled.documents), gflop, ms)


def folio_systems(labelled: LabelledSet, resources: Resources) -> dict[str, Callable[[], Ranked]]:
    """Return what ranks with one stage alone, with both in one score, and reranked."""
    vectors, passages, lengths = _read_sizes(resources)
    gflop = (
        count_flops(resources.generations.live().checkpoint().folder, lengths)
        / 1e9
        / len(labelled.documents)
    )

    def run(find: Callable[[Query], list[str]], size: float, gflop: float = gflop) -> Ranked:
        return rank_with_folio(labelled, find, size, gflop)

    def search(mode: Mode, *, rerank: bool = False) -> Callable[[Query], list[str]]:
        return lambda query: [
            hit.document_id
            for hit in search_documents(
                resources,
                request_of(resources, query.text, limit=DEPTH, mode=mode),
                passages=0,
                rerank=rerank,
            ).results
        ]

    both = vectors + passages
    return {
        DOCUMENT: lambda: run(_find_by_unit(resources), vectors),
        PASSAGES: lambda: run(_find_by_passage(resources), passages),
        "Folio, words alone": lambda: run(search(Mode.LEXICAL), 0, 0.0),
        "Folio, dense": lambda: run(search(Mode.DENSE), both),
        HYBRID: lambda: run(search(Mode.HYBRID), both),
        RERANKED: lambda: run(search(Mode.HYBRID, rerank=True), both),
    }


def _read_sizes(resources: Resources) -> tuple[int, int, list[int]]:
    """Return the bytes of the vectors of units and of passages, and the tokens of each unit."""
    with resources.database.read() as session:
        rows = session.execute(
            select(UnitRow.vector, UnitRow.passage_vectors, UnitRow.tokens)
        ).all()
    return (
        sum(len(vector) for vector, _, _ in rows),
        sum(len(passages) for _, passages, _ in rows),
        [tokens for _, _, tokens in rows],
    )


def _find_by_unit(resources: Resources) -> Callable[[Query], list[str]]:
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    collection_id = collection_of(resources).id
    names = _read_names(resources)

    def find(query: Query) -> list[str]:
        vector = _embed(resources, query)
        hits = indexes.vectors.search(vector, collection_id, limit=DEPTH)
        return [names[hit.document_id] for hit in hits]

    return find


def _find_by_passage(resources: Resources) -> Callable[[Query], list[str]]:
    """Return what compares a question with every passage: a document scores as its best one."""
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    names = _read_names(resources)
    with resources.database.read() as session:
        of_version = {
            version.version_id: row_id
            for row_id, version in queries.find_live(session, list(names)).items()
        }
        units = queries.list_units(session, list(of_version), indexes.generation_id)
        stored = queries.find_passage_vectors(session, [unit.id for unit in units])
    dimensions = indexes.vectors.dimensions
    kept = [(unit.version_id, stored[unit.id]) for unit in units if stored[unit.id]]
    joined = np.frombuffer(b"".join(data for _, data in kept), "<f2").reshape(-1, dimensions)
    vectors = joined.astype(np.float32)
    firsts = np.cumsum([0, *(len(data) // (2 * dimensions) for _, data in kept[:-1])])
    owners = [of_version[version_id] for version_id, _ in kept]

    def find(query: Query) -> list[str]:
        best = np.maximum.reduceat(vectors @ _embed(resources, query), firsts)
        ranked = dict.fromkeys(owners[row] for row in np.argsort(-best, kind="stable"))
        return [names[row_id] for row_id in list(ranked)[:DEPTH]]

    return find


def _embed(resources: Resources, query: Query) -> Vector:
    vector = ask(resources.generations.live(), query.text, Mode.DENSE).vector
    assert vector is not None
    return vector


def _read_names(resources: Resources) -> dict[int, str]:
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    with resources.database.read() as session:
        versions = queries.find_live(session, sorted(indexes.terms.document_ids()))
    return {row_id: version.external_id for row_id, version in versions.items()}


# Peers


def peer_systems(labelled: LabelledSet, cache: Path) -> dict[str, Callable[[], Ranked]]:
    """Return BM25 and what a tutorial builds of chunks, which are embedded when first asked."""
    made: dict[str, Peer] = {}

    def find(name: str) -> Peer:
        if name == BM25:
            made.setdefault(BM25, run_bm25(labelled))
        elif BEST_CHUNK not in made:
            made.update(run_chunks(labelled, cache))
        if name == TUTORIAL:
            return add_standardized(made[BEST_CHUNK], find(BM25))
        return made[name]

    names = (BM25, FIRST_CHUNK, MEAN_CHUNK, BEST_CHUNK, TUTORIAL)
    return {name: lambda name=name: rank_with_peer(labelled, find(name)) for name in names}  # type: ignore[misc]


def rank_with_peer(labelled: LabelledSet, peer: Peer) -> Ranked:
    """Rank by a peer's scores; a BM25 score of 0 is a document that shares no word."""
    best = np.argsort(-peer.scores, axis=1, kind="stable")[:, :DEPTH]
    rankings = [
        [labelled.documents[row].id for row in rows if scored[row] != 0]
        for rows, scored in zip(best, peer.scores, strict=True)
    ]
    return Ranked(rankings, peer.bytes_per_document, peer.gflop_per_document, peer.ms_per_query)


# Measures


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


def _rows(name: str, ranked: Mapping[str, Ranked], scored: Mapping[str, Scores]) -> Iterator[Any]:
    for system, found in ranked.items():
        yield (
            *(name, system, *_as_cells(scored[system])),
            f"{found.bytes_per_document:,.0f}",
            f"{found.gflop_per_document:,.1f}",
            f"{found.ms_per_query:.1f}",
        )


def _difference_rows(
    name: str, ranked: Mapping[str, Ranked], scored: Mapping[str, Scores]
) -> Iterator[Any]:
    for ours, others in DIFFERENCES:
        for other in others if ours in scored else ():
            # The same queries are drawn for both: hard ones do not blur the difference.
            cells = _as_cells(scored[ours] - scored[other], signed=True)
            a, b = ranked[ours], ranked[other]
            ratios = (
                f"{x / y:.2f}" if y else ""
                for x, y in (
                    (a.bytes_per_document, b.bytes_per_document),
                    (a.gflop_per_document, b.gflop_per_document),
                )
            )
            yield name, f"{ours} minus {other}", *cells, *ratios


# Running


def rank_once(path: Path, run: Callable[[], Ranked]) -> Ranked:
    """Return what a system found, from the file `path` if it is there."""
    if not path.exists():
        path.write_text(json.dumps(asdict(run())), encoding="utf-8")
    return Ranked(**json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def _open_set(documents: Path, count: int, kb: Path) -> Iterator[Resources]:
    """Open the data folder of a set, which is ingested, or ingested to its end, before."""
    settings = Settings(data=kb)
    if not _holds(settings, count):
        add_documents(documents, kb)
    with open_analysed(settings, holder="bench") as resources:
        counts = get_collection(resources.database, collection_of(resources)).documents
        if sum(counts.values()) != count or counts[Status.READY] != count:
            raise SystemExit(f"{kb} holds {dict(counts)}; the set has {count} documents")
        resources.generations.live().engine()
        yield resources


def _holds(settings: Settings, count: int) -> bool:
    if not (settings.data / "folio.db").exists():
        return False
    with open_analysed(settings, holder="bench") as resources:
        return (
            get_collection(resources.database, collection_of(resources)).documents[Status.READY]
            == count
        )


def rank_set(
    labelled: LabelledSet, folder: Path, kb: Path | None, cache: Path, *, reranks: bool
) -> dict[str, Ranked]:
    """Rank a set with every system, but for the slow one where it is not asked for."""
    asked = len(labelled.queries)
    ranked = {
        name: rank_once(cache / f"{name}-{asked}.json", run)
        for name, run in peer_systems(labelled, cache / "chunks").items()
    }
    fingerprint = open_checkpoint(Settings()).fingerprint
    kb = kb or cache / f"kb-{fingerprint}"
    with _open_set(folder / "docs.jsonl", len(labelled.documents), kb) as resources:
        for name, run in folio_systems(labelled, resources).items():
            if name == RERANKED and not reranks:
                continue
            found = f"{name}-{asked}-{fingerprint}-{ranking_rules()}.json"
            ranked[name] = rank_once(cache / found, run)
    return ranked


def main() -> None:
    """Rank the queries of sets with every system and print the measures side by side."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument(
        "--set", action="append", required=True, help="name of a set: a folder in --data"
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was found")
    parser.add_argument(
        "--kb", action="append", default=[], metavar="NAME=FOLDER", help="a set, ingested before"
    )
    parser.add_argument("--queries", type=int, help="only so many questions of each set")
    parser.add_argument("--no-rerank", action="store_true", help="without the slowest system")
    arguments = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (kb.partition("=") for kb in arguments.kb)}
    rows: list[Sequence[str]] = []
    differences: list[Sequence[str]] = []
    for name in arguments.set:
        folder = arguments.data / name
        every = read_set(folder)
        labelled = replace(every, queries=take_spread(every.queries, arguments.queries))
        cache = arguments.cache / name
        cache.mkdir(parents=True, exist_ok=True)
        ranked = rank_set(
            labelled, folder, folders.get(name), cache, reranks=not arguments.no_rerank
        )
        scored = {system: score(labelled, found.rankings) for system, found in ranked.items()}
        print(
            f"{name}: {len(labelled.documents):,} documents, {len(labelled.queries):,} queries",
            flush=True,
        )
        rows += _rows(name, ranked, scored)
        differences += _difference_rows(name, ranked, scored)
    print(f"Folio with {open_checkpoint(Settings()).name}; {describe_machine()}")
    print_table(
        ("set", "system", *NAMES, "bytes/document", "GFLOP/document", "ms/query"), rows, names=2
    )
    print("\nbytes of vectors as stored: Folio's passages in float16, all others in float32")
    print_table(("set", "difference", *NAMES, "bytes ratio", "GFLOP ratio"), differences, names=2)


if __name__ == "__main__":
    main()
