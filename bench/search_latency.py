"""Measures a search over many articles without the model: real texts, stand-in vectors.

    python bench/search_latency.py --data SETS --set aws_docs_full --kb FOLDER

Sets the interpreter up as `folio serve` does.

Stores the articles with the functions that ingestion uses (not kept without --kb), asks the set's
questions through the service, and prints the percentiles of what is left of a search without the
embedding of its question; then checks that a filter which keeps 1% of the articles finds the same
ones that comparing all of them finds.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy import select

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.db.models import Document, Version
from app.domain import Article, Condition, Mode, Status
from app.index.analysis import count_article_terms
from app.index.segments import pack_terms
from app.runtime.interpreter import favour_requests
from app.runtime.resources import Resources
from app.services.articles.collections import create_collection, get_collection
from app.services.articles.documents import Upload, put_documents
from app.services.search.search import search_documents
from bench.collection import COLLECTION, collection_of, open_analysed, request_of
from bench.ingest import fresh_folder
from bench.report import describe_machine, print_table
from bench.sets import read_lines, read_queries
from bench.span_vectors import StandInEngine
from ingest.commit import store_article
from ingest.parse_and_cut import embed_article

DIMENSIONS = 384
SHARE_KEY = "percent"

_AT_ONCE = 250
_LIMITS = (10, 100)
_MODES = (Mode.HYBRID, Mode.DENSE, Mode.LEXICAL)
_ROUNDS = 3
_WARM_UP = 20
_CHECKED = 5
"""Questions whose filtered hits are compared: ranking all articles takes seconds."""


def store_articles(resources: Resources, documents: Path, limit: int | None) -> None:
    """Store the articles of a JSONL file as if they had been embedded: see `read_lines`.

    Goes on where an earlier run was broken off.
    """
    stored = get_collection(resources.database, collection_of(resources)).documents[Status.READY]
    for batch in _batches(islice(read_lines(documents, limit), stored, None), _AT_ONCE):
        _store_batch(resources, batch, first=stored)
        stored += len(batch)


def _batches(lines: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(lines, size)):
        yield batch


def _store_batch(resources: Resources, batch: Sequence[dict[str, Any]], *, first: int) -> None:
    texts = {str(line["id"]): line for line in batch}
    # One article of a hundred for each value: what the filter keeps.
    shares = {id_: {SHARE_KEY: (first + n) % 100} for n, id_ in enumerate(texts)}
    uploads = [
        Upload(id_, line["text"].encode(), "text/plain", title=line["title"], url=line.get("url"))
        for id_, line in texts.items()
    ]
    put_documents(resources, collection_of(resources), uploads)
    generation = resources.generations.live()
    engine = generation.engine()
    with resources.database.write() as session:
        rows = session.execute(
            select(Document.external_id, Version)
            .join(Version, Version.document_id == Document.id)
            .where(Document.external_id.in_(list(texts)), ~Version.is_live)
        ).all()
        for external_id, version in rows:
            line = texts[external_id]
            article = Article(line["text"], line["title"], line.get("url"), shares[external_id])
            embedded = embed_article(
                engine,
                article,
                passage_tokens=resources.settings.passage_tokens,
                source_bytes=len(line["text"]),
            )
            terms = pack_terms(count_article_terms(article.title, article.text, "en"))
            store_article(generation, session, version, article, article, embedded, terms)


def time_searches(resources: Resources, questions: Sequence[str]) -> None:
    """Ask every question several times in each mode and print the percentiles."""
    rows = []
    for mode in _MODES:
        for limit in _LIMITS:
            requests = [
                request_of(resources, question, mode=mode, limit=limit) for question in questions
            ]
            for request in requests[:_WARM_UP]:
                search_documents(resources, request)
            ms = [
                search_documents(resources, request).took_ms.search
                for _ in range(_ROUNDS)
                for request in requests
            ]
            cells = (f"{value:.1f}" for value in np.percentile(ms, (50, 95, 99)))
            rows.append((mode.value, f"{limit}", f"{len(ms)}", *cells))
    print_table(("mode", "limit", "searches", "p50, ms", "p95, ms", "p99, ms"), rows)


def check_filters(resources: Resources, questions: Sequence[str], *, limit: int = 10) -> str:
    """Compare filtered searches with all articles ranked and then filtered; raises SystemExit."""
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    count = len(indexes.terms)
    took = []
    for number, question in enumerate(questions):
        condition = Condition("eq", SHARE_KEY, number)
        for mode in (Mode.HYBRID, Mode.DENSE):
            whole = request_of(resources, question, limit=count, mode=mode)
            some = replace(whole, limit=limit, filters=condition)
            found = search_documents(resources, some, passages=0)
            every = search_documents(resources, whole, passages=0)
            kept = [hit for hit in every.results if hit.attributes[SHARE_KEY] == number][:limit]
            if [hit.document_id for hit in found.results] != [hit.document_id for hit in kept]:
                raise SystemExit(f"{mode}, question {number}: the filter changes what is found")
            took.append(found.took_ms.search)
    return (
        f"{len(took)} searches with a filter that keeps 1%: {limit} hits each, those of comparing "
        f"all {count:,} articles; p50 {np.median(took):.1f} ms"
    )


def main() -> None:
    """Build or open a data folder with stand-in vectors and measure searches in it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, help="data folder to make and keep, or made before")
    parser.add_argument(
        "--limit", type=int, help="so many articles; past the set's, the set again in other words"
    )
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    questions = [query.text for query in read_queries(folder)]
    with ExitStack() as stack:
        kb = arguments.kb or stack.enter_context(fresh_folder(None))
        is_made = (kb / "folio.db").exists()
        settings = Settings(data=kb, model=BUNDLED_MODEL, dimensions=None)
        resources = stack.enter_context(
            open_analysed(settings, load=lambda *_: StandInEngine(DIMENSIONS))
        )
        if not is_made:
            create_collection(resources.database, COLLECTION)
        started = perf_counter()
        store_articles(resources, folder / "docs.jsonl", arguments.limit)
        print(f"stored in {perf_counter() - started:,.0f} s")
        indexes = resources.generations.live().catch_up()
        assert indexes is not None
        print(
            f"{arguments.set}: {len(indexes.terms):,} articles, {len(indexes.vectors):,} units; "
            f"{describe_machine()}"
        )
        favour_requests()
        time_searches(resources, questions)
        print(f"\n{check_filters(resources, questions[:_CHECKED])}")


if __name__ == "__main__":
    main()
