"""Measures questions over articles in their own language, and over those in all others.

    python bench/languages.py --data SETS --set xquad_r_articles --cache FILES --queries 220
    python bench/languages.py … --model multilingual-e5-small --chunks

Articles and questions of the set have a `lang`. All articles lie in one collection; what a search
finds is then divided into those of the question's language (`same`) and the others (`cross`).
--chunks adds the model's own figure: the best of plain windows of 254 tokens. nDCG@10.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import ir_measures
import numpy as np
from ir_measures import nDCG

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.domain import Mode
from app.runtime.resources import Resources
from app.services.search.search import search_documents
from bench.collection import open_analysed, request_of
from bench.ingest import add_all
from bench.peers import BEST_CHUNK, run_chunks
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_set, take_spread

Rankings: TypeAlias = dict[str, list[str]]
"""For each query the documents found, best first."""

_DEPTH = 100


def rank_by_folio(resources: Resources, queries: Sequence[Query], mode: Mode) -> Rankings:
    """Return what a search of the whole collection finds."""
    return {
        query.id: [
            hit.document_id
            for hit in search_documents(
                resources, request_of(resources, query.text, limit=_DEPTH, mode=mode), passages=0
            ).results
        ]
        for query in queries
    }


def rank_by_chunks(labelled: LabelledSet, cache: Path, settings: Settings) -> Rankings:
    """Return all documents, each as near as its best window of 254 tokens."""
    scores = run_chunks(labelled, cache, settings)[BEST_CHUNK].scores
    ids = [document.id for document in labelled.documents]
    return {
        query.id: [ids[row] for row in np.argsort(-scored, kind="stable")]
        for query, scored in zip(labelled.queries, scores, strict=True)
    }


def measure(
    labelled: LabelledSet, rankings: Rankings, languages: Mapping[str, str], *, same: bool
) -> dict[str, float]:
    """Return nDCG@10 by the question's language, over one part of the articles."""
    run, grades = {}, {}
    for query in labelled.queries:
        mine = languages[query.id]
        relevant = {i for i in labelled.grades[query.id] if (languages[i] == mine) is same}
        # One grade: translations answer alike.
        grades[query.id] = dict.fromkeys(relevant, 1)
        kept = [i for i in rankings[query.id] if (languages[i] == mine) is same]
        run[query.id] = {document_id: -float(rank) for rank, document_id in enumerate(kept)}
    values: dict[str, list[float]] = {}
    for metric in ir_measures.iter_calc([nDCG @ 10], grades, run):
        values.setdefault(languages[metric.query_id], []).append(metric.value)
    return {language: sum(some) / len(some) for language, some in sorted(values.items())}


def _rank_all(
    labelled: LabelledSet, folder: Path, cache: Path, settings: Settings, *, chunks: bool
) -> Iterator[tuple[str, Rankings]]:
    # What is there is passed over: a run that was broken off goes on.
    add_all(folder / "docs.jsonl", settings.data, model=settings.model)
    with open_analysed(settings, holder="bench") as resources:
        for mode in (Mode.LEXICAL, Mode.DENSE, Mode.HYBRID):
            yield f"Folio, {mode}", rank_by_folio(resources, labelled.queries, mode)
    if chunks:
        yield "best window", rank_by_chunks(labelled, cache, settings)


def _read_languages(folder: Path) -> dict[str, str]:
    """Return the language of each document and each question."""
    languages: dict[str, str] = {}
    for name in ("docs.jsonl", "queries.jsonl"):
        with (folder / name).open(encoding="utf-8") as lines:
            languages |= {line["id"]: line["lang"] for line in map(json.loads, lines)}
    return languages


def main() -> None:
    """Print nDCG@10 by language of the question."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", default="xquad_r_articles", help="a folder in --data")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was ingested")
    parser.add_argument("--model", default=BUNDLED_MODEL)
    parser.add_argument("--queries", type=int, help="only so many, from all over the set")
    parser.add_argument("--chunks", action="store_true", help="also plain windows of 254 tokens")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    languages, every = _read_languages(folder), read_set(folder)
    queries = take_spread(every.queries, arguments.queries)
    labelled = LabelledSet(every.documents, queries, every.grades)
    name = Path(arguments.model).name
    settings = Settings(data=arguments.cache / f"kb-{name}", model=arguments.model)
    rows = []
    ranked = _rank_all(
        labelled, folder, arguments.cache / f"chunks-{name}", settings, chunks=arguments.chunks
    )
    for system, rankings in ranked:
        for same in (True, False):
            values = measure(labelled, rankings, languages, same=same)
            mean = sum(values.values()) / len(values)
            cells = [f"{value:.3f}" for value in values.values()]
            rows.append(("same" if same else "cross", system, f"{mean:.3f}", *cells))
    print(f"{arguments.set}, {len(queries)} questions, {name}; {describe_machine()}")
    rows.sort(key=lambda row: row[0], reverse=True)
    print_table(("articles", "system", "mean", *values), rows, names=2)


if __name__ == "__main__":
    main()
