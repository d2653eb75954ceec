"""Measures what a context holds for its tokens, beside the best chunks of 800 tokens.

    python bench/context.py --data SETS --set aws_docs_small --kb FOLDER --cache FILES
    python bench/context.py --data SETS --set aws_docs_small --kb FOLDER --calls 10000
    python bench/context.py --data SETS --set aws_docs_small --kb FOLDER --quotes

Both systems have the same model, the same questions and the same budgets. The chunks are ranked as
a tutorial does, by their vectors plus BM25, z-scored, and taken from the best on while they fit.
Where the questions come with reference answers, one is found when a block holds at least 80% of its
telling words within three times its length; else an article is found when a block quotes a relevant
one.

With --calls it asks for so many contexts of random budgets instead, and counts the tokens again.
With --quotes it counts how often what a search quotes of a relevant article holds the answer.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Protocol

import bm25s
import numpy as np
import numpy.typing as npt

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Item, Matrix, Mode, Task
from app.embedding.engine import Engine
from app.index.analysis import list_terms
from app.index.query import count_query_terms
from app.runtime.resources import Resources
from app.services.search.context import build_context
from app.services.search.search import search_documents
from bench.collection import open_analysed, request_of
from bench.ingest import check_folder
from bench.peers import cut_windows, standardize
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, Query, read_set

BUDGETS = (1000, 2000, 4000, 8000)
CHUNK_TOKENS = 800

_FOUND_SHARE = 0.8
_EMBEDDED_AT_ONCE = 64
_QUOTES = 3


@dataclass(frozen=True, slots=True)
class Quote:
    """A text in a prompt, the document it is from, and what it costs with its title and heading."""

    document_id: str
    text: str
    tokens: int


class System(Protocol):
    """What fills a prompt."""

    def __call__(self, query: str, budget: int) -> Sequence[Quote]: ...


def quote_folio(resources: Resources, query: str, budget: int) -> list[Quote]:
    """Return the blocks that a context request answers with."""
    context = build_context(resources, request_of(resources, query), max_tokens=budget)
    return [Quote(block.document_id, block.quoted, block.tokens) for block in context.blocks]


class Chunks:
    """Fixed windows of every article, with their titles, ranked by vectors and BM25."""

    def __init__(self, labelled: LabelledSet, engine: Engine, cache: Path) -> None:
        """Embed all chunks with `engine`, or take their vectors from the file `cache`."""
        self._engine = engine
        self._quotes: list[Quote] = []
        items: list[Item] = []
        for document in labelled.documents:
            title_tokens = len(engine.token_starts(document.title))
            for text in cut_windows(engine, document.text, CHUNK_TOKENS):
                tokens = title_tokens + len(engine.token_starts(text))
                self._quotes.append(Quote(document.id, text, tokens))
                items.append(Item(text, Task.PASSAGE, document.title))
        self._vectors = _embed_once(engine, items, cache)
        self._words = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        texts = [f"{item.title}\n{item.text}" for item in items]
        tokenized = bm25s.tokenize(texts, stopwords="en", show_progress=False)
        self._words.index(tokenized, show_progress=False)

    def __call__(self, query: str, budget: int) -> list[Quote]:
        """Return the best chunks while they fit."""
        (asked,) = self._engine.embed([Item(query, Task.QUERY)])
        (tokens,) = bm25s.tokenize([query], stopwords="en", return_ids=False, show_progress=False)
        words = self._words.get_scores(list(tokens)) if tokens else np.zeros(len(self._quotes))
        scores = np.stack([self._vectors @ asked.vector, words]).astype(np.float64)
        chosen: list[Quote] = []
        left = budget
        for row in np.argsort(-standardize(scores).sum(axis=0), kind="stable"):
            if self._quotes[row].tokens <= left:
                chosen.append(self._quotes[row])
                left -= self._quotes[row].tokens
            if left < CHUNK_TOKENS // 4:
                break
        return chosen


def _embed_once(engine: Engine, items: Sequence[Item], cache: Path) -> Matrix:
    if not cache.exists():
        vectors = [
            embedding.vector
            for first in range(0, len(items), _EMBEDDED_AT_ONCE)
            for embedding in engine.embed(items[first : first + _EMBEDDED_AT_ONCE])
        ]
        np.save(cache, np.stack(vectors))
    stored: Matrix = np.load(cache)
    if len(stored) != len(items):
        raise SystemExit(f"{cache} holds {len(stored)} vectors for {len(items)} chunks")
    return stored


def holds_answer(text: str, answer: str) -> bool:
    """Return whether one place of a text holds the telling words of an answer."""
    wanted = set(count_query_terms(answer))
    tokens = [wanted.intersection(terms) for terms in list_terms(text)]
    width = 3 * sum(1 for _ in list_terms(answer)) + 10
    inside: Counter[int] = Counter()
    most = 0
    for place, terms in enumerate(tokens):
        inside.update(terms)
        if place >= width:
            inside.subtract(tokens[place - width])
            inside = +inside
        most = max(most, len(inside))
    return most >= _FOUND_SHARE * len(wanted)


def read_answers(folder: Path) -> dict[str, str]:
    """Return the reference answers of a set by the query's id; empty when it has none."""
    lines = (json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8"))
    return {line["id"]: line["answer"] for line in lines if "answer" in line}


def measure(
    labelled: LabelledSet, answers: dict[str, str], system: System, budget: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], float]:
    """Return, by query, whether its answer or article is there and the tokens; and ms a query."""

    def is_found(query: Query, quote: Quote) -> bool:
        if answers:
            return holds_answer(quote.text, answers[query.id])
        return quote.document_id in labelled.grades[query.id]

    started = perf_counter()
    contexts = [system(query.text, budget) for query in labelled.queries]
    ms = 1000 * (perf_counter() - started) / len(contexts)
    found = [
        any(is_found(query, quote) for quote in quotes)
        for query, quotes in zip(labelled.queries, contexts, strict=True)
    ]
    tokens = [sum(quote.tokens for quote in quotes) for quotes in contexts]
    return np.array(found), np.array(tokens), ms


def _rows(
    labelled: LabelledSet, answers: dict[str, str], systems: dict[str, System]
) -> Iterator[list[str]]:
    for budget in BUDGETS:
        for name, system in systems.items():
            found, tokens, ms = measure(labelled, answers, system, budget)
            per_thousand = 1000 * found.sum() / max(1, tokens.sum())
            yield [
                *(name, f"{budget:,}", f"{found.mean():.3f}", f"{tokens.mean():,.0f}"),
                *(f"{per_thousand:.3f}", f"{ms:.1f}"),
            ]


def check_budgets(resources: Resources, queries: Sequence[Query], calls: int) -> str:
    """Ask for contexts of random budgets; raises SystemExit when one holds more than that."""
    random = Random(0)
    engine = resources.generations.live().engine()
    blocks = 0
    for _ in range(calls):
        budget = int(10 ** random.uniform(0, 4.3))
        query = random.choice(queries).text
        context = build_context(resources, request_of(resources, query), max_tokens=budget)
        counted = sum(
            len(engine.token_starts(part))
            for block in context.blocks
            for part in (block.title, block.heading, block.table_head, block.text)
        )
        blocks += len(context.blocks)
        if counted != context.tokens or counted > budget:
            raise SystemExit(f"{counted} tokens, {context.tokens} stated, {budget} allowed")
    return f"{calls:,} contexts with {blocks:,} blocks: none over its budget"


def count_quotes(
    resources: Resources, labelled: LabelledSet, answers: dict[str, str]
) -> Iterator[list[str]]:
    """Yield, by mode, how often the first quote and the first three hold the answer."""
    for mode in (Mode.HYBRID, Mode.DENSE):
        counts = Counter[int]()
        for query in labelled.queries:
            request = request_of(resources, query.text, limit=100, mode=mode)
            hits = search_documents(resources, request, passages=_QUOTES).results
            relevant = next((h for h in hits if h.document_id in labelled.grades[query.id]), None)
            quotes = [] if relevant is None else relevant.passages
            held = [holds_answer(quote.text, answers[query.id]) for quote in quotes]
            counts.update(count for count in (1, _QUOTES) if any(held[:count]))
        yield [mode.value, *(f"{counts[count]}" for count in (1, _QUOTES))]


def main() -> None:
    """Compare contexts with chunks at several budgets, or check budgets or quotes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder with the set")
    parser.add_argument("--cache", type=Path, help="folder for the vectors of chunks")
    parser.add_argument("--calls", type=int, help="check so many random budgets instead")
    parser.add_argument("--quotes", action="store_true", help="count answers in quotes instead")
    arguments = parser.parse_args()
    check_folder(arguments.kb)
    folder = arguments.data / arguments.set
    labelled = read_set(folder)
    with open_analysed(Settings(data=arguments.kb), holder="bench") as resources:
        engine = resources.generations.live().engine()
        print(f"{arguments.set}: {len(labelled.queries):,} queries; {describe_machine()}")
        if arguments.calls is not None:
            print(check_budgets(resources, labelled.queries, arguments.calls))
            return
        if arguments.quotes:
            print_table(
                ("mode", "answer in the first quote", f"in the first {_QUOTES}"),
                count_quotes(resources, labelled, read_answers(folder)),
            )
            return
        if arguments.cache is None:
            parser.error("--cache is needed for the vectors of chunks")
        arguments.cache.mkdir(parents=True, exist_ok=True)
        fingerprint = resources.generations.live().checkpoint().fingerprint
        name = f"{arguments.set}-{CHUNK_TOKENS}-{fingerprint}.npy"
        systems: dict[str, System] = {
            "Folio's context": partial(quote_folio, resources),
            f"chunks of {CHUNK_TOKENS}": Chunks(labelled, engine, arguments.cache / name),
        }
        answers = read_answers(folder)
        found = "answer found" if answers else "article found"
        columns = ("system", "budget", found, "tokens", f"{found} / 1,000 tokens", "ms")
        print_table(columns, _rows(labelled, answers, systems))


if __name__ == "__main__":
    main()
