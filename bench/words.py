"""Measures the search by words on labelled sets: nDCG@10, time, memory; no model is needed.

python bench/words.py --data SETS --set scifact_beir --set xquad_r_articles
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import ir_measures
import numpy as np
from ir_measures import nDCG

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.index.analysis import count_article_terms
from app.index.bm25 import LexicalIndex
from app.index.language import detect_language
from app.index.query import parse_query
from app.index.segments import TermDocument, pack_terms
from bench.report import describe_machine, print_table
from bench.sets import Document, LabelledSet, read_set

_AT_ONCE = 2000
_DEPTH = 10


def analyse(documents: Sequence[Document], languages: Sequence[str | None]) -> list[bytes]:
    """Return the stored terms of each document."""
    return [
        pack_terms(count_article_terms(document.title, document.text, language)).data
        for document, language in zip(documents, languages, strict=True)
    ]


def build_index(terms: Sequence[bytes], *, corrects_spelling: bool) -> LexicalIndex:
    """Return an index of documents, numbered from 0."""
    index = LexicalIndex(corrects_spelling=corrects_spelling)
    for first in range(0, len(terms), _AT_ONCE):
        some = terms[first : first + _AT_ONCE]
        index.apply([TermDocument(first + n, 1, data) for n, data in enumerate(some)])
    index.merge()
    return index


def measure(labelled: LabelledSet, index: LexicalIndex) -> tuple[float, list[float]]:
    """Return nDCG@10 and the milliseconds of processor time of each question."""
    run: dict[str, dict[str, float]] = {}
    took = []
    for query in labelled.queries:
        started = process_time()
        best = index.score(parse_query(query.text), 1).best(_DEPTH)
        took.append(1000 * (process_time() - started))
        run[query.id] = {labelled.documents[n].id: -rank for rank, (n, _) in enumerate(best)}
    grades = {query.id: dict(labelled.grades[query.id]) for query in labelled.queries}
    values = [metric.value for metric in ir_measures.iter_calc([nDCG @ _DEPTH], grades, run)]
    return sum(values) / len(labelled.queries), took


def main() -> None:
    """Print what the search by words does on each set, with and without the mending of slips."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", action="append", required=True, help="a folder in --data")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.set:
        labelled = read_set(arguments.data / name)
        languages = [detect_language(document.text) for document in labelled.documents]
        started = process_time()
        terms = analyse(labelled.documents, languages)
        seconds = process_time() - started
        count = len(labelled.documents)
        for corrects in (True, False):
            index = build_index(terms, corrects_spelling=corrects)
            quality, took = measure(labelled, index)
            p50, p99 = np.percentile(took, (50, 99))
            rows.append(
                (
                    *(name, "with slips" if corrects else "without", f"{quality:.3f}"),
                    *(f"{p50:.2f}", f"{p99:.2f}", f"{index.size_bytes() / count / 1024:.2f}"),
                    f"{1000 * seconds / count:.2f}",
                )
            )
    print(describe_machine())
    columns = ("set", "words", "nDCG@10", "ms p50", "ms p99", "KiB/document", "analysis ms")
    print_table(columns, rows, names=2)


if __name__ == "__main__":
    main()
