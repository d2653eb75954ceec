"""Times the pages at /admin over many articles, without the model: real texts, stand-in vectors.

    python -m bench.admin_pages --data SETS --set aws_docs_full --kb FOLDER

Stores the articles as bench/search_latency.py does (FOLDER may be the one that it made), keeps a
golden set of the set's questions, and asks each page several times inside this process.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from urllib.parse import quote
from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select

from app.application import create_app
from app.config import BUNDLED_MODEL, Settings
from app.db.models import LoggedQuery
from app.domain import Mode
from app.evaluation.golden import read_golden
from app.runtime.resources import Resources
from app.services.articles.collections import create_collection
from app.services.quality.golden_sets import add_golden
from bench.collection import COLLECTION, collection_of, open_analysed
from bench.report import describe_machine, print_table
from bench.search_latency import DIMENSIONS, store_articles
from bench.span_vectors import StandInEngine

HOME = f"/admin/collections/{COLLECTION}"
_ROUNDS = 9
_LIMIT_MS = 300
_LOGGED = 20_000


def log_questions(resources: Resources) -> None:
    """Fill the query log, unless that was done: of ten questions one found nothing good."""
    collection_id = collection_of(resources).id
    with resources.database.write() as session:
        logged = session.scalar(select(func.count()).select_from(LoggedQuery)) or 0
        if logged < _LOGGED:
            session.execute(
                insert(LoggedQuery),
                [
                    {
                        "id": uuid4().hex,
                        "collection_id": collection_id,
                        "text": f"how do I set option {n}?",
                        "mode": Mode.HYBRID,
                        "found": ["a", "b", "c"],
                        "score": 0.5 if n % 10 else 0.01,
                    }
                    for n in range(_LOGGED)
                ],
            )


def list_pages(http: TestClient) -> Iterator[tuple[str, str]]:
    """Yield (name, path) of the pages, the first and a later page of what is listed in pages."""
    yield "collections", "/admin"
    yield "articles", HOME
    yield "articles, next page", HOME + _find_next(http, HOME)
    for status in ("ready", "failed", "queued"):
        yield f"articles, {status}", f"{HOME}?status={status}"
    documents = http.get(f"/v1/collections/{COLLECTION}/documents", params={"limit": 500}).json()
    document_id = documents["documents"][-1]["id"]
    yield "an article", f"{HOME}/articles/{quote(document_id)}"
    question = quote("how do I restore a bucket from a backup?")
    for mode in ("hybrid", "dense", "lexical"):
        yield f"search, {mode}", f"{HOME}/search?mode={mode}&q={question}"
    yield "search, why", f"{HOME}/search?q={question}&why={quote(document_id)}"
    yield "uploads", f"{HOME}/uploads"
    yield "questions", f"{HOME}/questions"
    yield "golden set", f"{HOME}/golden"
    yield "golden set, next page", f"{HOME}/golden" + _find_next(http, f"{HOME}/golden")
    yield "quality", "/admin/quality"
    yield "operations", "/admin/operations"


def _find_next(http: TestClient, path: str) -> str:
    link = re.search(r'href="(\?[^"]+)">Next page', http.get(path).text)
    return link[1].replace("&amp;", "&") if link else ""


def time_pages(resources: Resources) -> None:
    """Ask each page several times and print its size and times; the first round is not counted."""
    rows = []
    app = create_app(resources, requires_keys=False, works=False)
    with TestClient(app, base_url="http://127.0.0.1") as http:
        for name, path in list_pages(http):
            times: list[Mapping[str, float]] = []
            for _ in range(_ROUNDS):
                wall, processor = perf_counter(), process_time()
                answer = http.get(path)
                times.append(
                    {
                        "wall": 1000 * (perf_counter() - wall),
                        "processor": 1000 * (process_time() - processor),
                    }
                )
                if answer.status_code != 200:
                    raise SystemExit(f"{path} answered {answer.status_code}")
            walls = [one["wall"] for one in times[1:]]
            processors = [one["processor"] for one in times[1:]]
            figures = (median(walls), max(walls), median(processors))
            size = f"{len(answer.content) / 1000:.1f}"
            mark = "over" if median(walls) > _LIMIT_MS else ""
            rows.append((name, size, *(f"{figure:.1f}" for figure in figures), mark))
    columns = ("page", "KB", "median, ms", "longest, ms", "processor, ms", f"{_LIMIT_MS} ms")
    print_table(columns, rows)


def main() -> None:
    """Build or open a data folder with stand-in vectors and time the pages over it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder to make or made before")
    parser.add_argument("--limit", type=int, help="only so many articles, from the first")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    is_made = (arguments.kb / "folio.db").exists()
    settings = Settings(data=arguments.kb, model=BUNDLED_MODEL, dimensions=None, query_log_days=1)
    with open_analysed(settings, load=lambda *_: StandInEngine(DIMENSIONS)) as resources:
        if not is_made:
            create_collection(resources.database, COLLECTION)
        store_articles(resources, folder / "docs.jsonl", arguments.limit)
        log_questions(resources)
        add_golden(resources, collection_of(resources), read_golden(folder))
        indexes = resources.generations.live().catch_up()
        assert indexes is not None
        print(f"{arguments.set}: {len(indexes.terms):,} articles; {describe_machine()}")
        time_pages(resources)


if __name__ == "__main__":
    main()
