"""What Folio is compared with: BM25, and what a tutorial builds of chunks and a small model.

Each gives a score to every document for every query, so that scores can be added.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import bm25s
import numpy as np
import numpy.typing as npt

from app.config import Settings
from app.domain import Item, Matrix, Task
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint
from bench.compute import count_flops
from bench.sets import Document, LabelledSet
from train.teacher import find_teacher

Scores: TypeAlias = npt.NDArray[np.float64]
"""Shape (queries, documents)."""

Ids: TypeAlias = npt.NDArray[np.int64]

BEST_CHUNK = "MiniLM, best chunk"
MEAN_CHUNK = "MiniLM, mean of chunks"
FIRST_CHUNK = "MiniLM, first chunk"

_CHUNK_TOKENS = 254
_DOCUMENTS_A_FILE = 200


@dataclass(frozen=True, slots=True)
class Peer:
    """A system's scores, what vectors it stores and computes for a document, ms a query."""

    scores: Scores
    bytes_per_document: float
    gflop_per_document: float
    ms_per_query: float


def run_bm25(labelled: LabelledSet) -> Peer:
    """Score by BM25 over title and text: Lucene's formula and parameters, English stop words."""
    texts = [f"{document.title}\n{document.text}" for document in labelled.documents]
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    started = perf_counter()
    found, scored = index.retrieve(
        bm25s.tokenize(
            [query.text for query in labelled.queries], stopwords="en", show_progress=False
        ),
        k=len(texts),
        show_progress=False,
    )
    ms = 1000 * (perf_counter() - started) / len(labelled.queries)
    scores = np.zeros((len(labelled.queries), len(texts)))
    np.put_along_axis(scores, found.astype(np.int64), scored.astype(np.float64), axis=1)
    return Peer(scores, 0.0, 0.0, ms)


def run_chunks(
    labelled: LabelledSet, cache: Path, settings: Settings | None = None
) -> dict[str, Peer]:
    """Score by all-MiniLM-L6-v2 over fixed windows of tokens: best one, mean of them, first one.

    Another model where `settings` name one.

    `cache` is a folder for the vectors, a file for so many documents: a run that is broken off goes
    on there.
    """
    settings = settings or Settings(model=str(find_teacher()), dimensions=None)
    checkpoint = open_checkpoint(settings)
    engine = load_engine(checkpoint, settings)
    cut = [_cut(engine, document) for document in labelled.documents]
    firsts = np.cumsum([0, *map(len, cut[:-1])])
    stored = _embed_parts(engine, cut, cache)
    started = perf_counter()
    asked = engine.embed([Item(query.text, Task.QUERY) for query in labelled.queries])
    queries = np.stack([query.vector for query in asked])
    embed_ms = 1000 * (perf_counter() - started)
    means = np.add.reduceat(stored, firsts, axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    count = len(labelled.documents)
    lengths = [[engine.count_tokens(item) for item in items] for items in cut]

    def score(rows: Matrix, read: Iterable[int], *, best_of: Ids | None = None) -> Peer:
        started = perf_counter()
        scores = (queries @ rows.T).astype(np.float64)
        if best_of is not None:
            scores = np.maximum.reduceat(scores, best_of, axis=1)
        ms = embed_ms + 1000 * (perf_counter() - started)
        gflop = count_flops(checkpoint.folder, read) / 1e9 / count
        return Peer(scores, rows.nbytes / count, gflop, ms / len(queries))

    every = [length for some in lengths for length in some]
    return {
        BEST_CHUNK: score(stored, every, best_of=firsts),
        MEAN_CHUNK: score(means, every),
        FIRST_CHUNK: score(stored[firsts], [some[0] for some in lengths]),
    }


def _cut(engine: Engine, document: Document) -> list[Item]:
    text = f"{document.title}\n\n{document.text}"
    return [Item(part, Task.PASSAGE) for part in cut_windows(engine, text, _CHUNK_TOKENS)]


def _embed_parts(engine: Engine, cut: Sequence[Sequence[Item]], cache: Path) -> Matrix:
    cache.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(cut), _DOCUMENTS_A_FILE):
        path = cache / f"{first:06}.npy"
        if not path.exists():
            some = [
                embedding.vector
                for items in cut[first : first + _DOCUMENTS_A_FILE]
                for embedding in engine.embed(items)
            ]
            np.save(path, np.stack(some))
        parts.append(np.load(path))
    vectors: Matrix = np.concatenate(parts)
    if len(vectors) != sum(map(len, cut)):
        raise SystemExit(f"{cache} holds vectors of other chunks")
    return vectors


def add_standardized(left: Peer, right: Peer) -> Peer:
    """Add the z-scores of two systems over all documents: the tutorial's hybrid."""
    return Peer(
        standardize(left.scores) + standardize(right.scores),
        left.bytes_per_document + right.bytes_per_document,
        left.gflop_per_document + right.gflop_per_document,
        left.ms_per_query + right.ms_per_query,
    )


def standardize(scores: Scores) -> Scores:
    """Return the z-scores of each row."""
    deviation = scores.std(axis=1, keepdims=True)
    centred = scores - scores.mean(axis=1, keepdims=True)
    standardized: Scores = centred / np.where(deviation > 0, deviation, 1.0)
    return standardized


def cut_windows(engine: Engine, text: str, tokens: int) -> Iterator[str]:
    """Yield `text` in windows of so many tokens, as plain chunking does: in the midst of anything.

    An empty text is one window: each document must have a row.
    """
    starts = [*engine.token_starts(text).tolist(), len(text)]
    first, end = 0, len(starts) - 1
    if not end:
        yield ""
    while first < end:
        last = min(first + tokens, end)
        window = text[starts[first] : starts[last]]
        # A word that is cut in two can have more tokens than it had in one piece.
        while engine.count_tokens(Item(window, Task.PASSAGE)) > engine.max_tokens:
            last -= 1
            window = text[starts[first] : starts[last]]
        yield window
        first = last
