"""Late interaction: each token of a question finds its best token in a text.

The score of a text is the mean over the question's tokens of the greatest inner product with any
token of the text: MaxSim of ColBERT (Khattab and Zaharia, 2020) divided by the question's length,
so that it lies between -1 and 1. The token vectors are computed again by the model that is loaded
already: each token is a span of its own to the engine.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from app.config import Settings
from app.domain import Hit, Item, Matrix, Span, Task
from app.embedding.engine import Engine
from app.embedding.pieces import cut_pieces
from app.errors import TooLarge
from app.runtime.deadline import check_between, check_time, embed_in_time, tokenize_in_time
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.search.scoring import log_odds, logistic

if TYPE_CHECKING:
    # Importing it imports torch.
    from app.embedding.cross_encoder import CrossEncoder

RERANK_TOKENS = 4096
"""Tokens of passages that are read again for one search."""
MAX_CANDIDATES = 15
"""Articles that are read again; more of them cost time and changed nothing that was measured."""

# How far a passage's score, compared with that of the others, moves the log odds. The first is
# fitted by bench/rerank.py; the second is a guess: no cross-encoder was there to measure.
INTERACTION_WEIGHT = 4.0
CROSS_ENCODER_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Relevance:
    """How well a text answers: 0 to 1, and its place among the texts that were given."""

    index: int
    relevance_score: float


@dataclass(frozen=True, slots=True)
class Reranked:
    """Texts, best first, the tokens that were read of them, and by which model."""

    model: str
    results: tuple[Relevance, ...]
    tokens: int


def rerank_texts(resources: Resources, query: str, texts: Sequence[str]) -> Reranked:
    """Rank texts for a question; long ones are read in several windows, to their ends.

    Raises TooLarge for more tokens than the settings allow, and TextTooLong for a query that the
    model cannot read at once.
    """
    cross_encoder = resources.load_cross_encoder()
    if cross_encoder is not None:
        tokens = _add_up(_count_pairs(cross_encoder, query, texts), resources.settings)
        logits = list(_score_all(cross_encoder, query, texts))
        return _rank(cross_encoder.name, [logistic(logit) for logit in logits], tokens)
    # The name in the answer must be that of the model that read.
    generation = resources.generations.live()
    engine = generation.engine()
    # Before anything is cut or kept: tokens of megabytes take gigabytes.
    counted = (len(starts) for text in texts for starts in tokenize_in_time(engine, text))
    _add_up(counted, resources.settings)
    windows = [list(_cut(engine, text)) for text in texts]
    items = (item for items in windows for item in items)
    tokens = _add_up(map(engine.count_tokens, items), resources.settings)
    tokens += engine.count_tokens(Item(query, Task.QUERY))
    # From -1…1, in the same order.
    scores = [(1 + score) / 2 for score in interact(engine, query, windows)]
    return _rank(generation.checkpoint().name, scores, tokens)


def rerank_hits(
    resources: Resources,
    generation: ActiveGeneration,
    query: str,
    hits: Sequence[Hit],
    *,
    is_paged: bool = False,
) -> list[Hit]:
    """Rank hits again by their best passage, as many from the top as score_hits reads.

    The others keep their scores: as if theirs were an average passage. Of a list that is paged they
    also keep their places, whatever else of it a page has read.
    """
    interacts = resources.load_cross_encoder() is None
    weight = INTERACTION_WEIGHT if interacts else CROSS_ENCODER_WEIGHT
    moved = _move(hits, score_hits(resources, generation, query, hits), weight)
    others = hits[len(moved) :]
    if is_paged and moved:
        least = moved[-1].score
        return [*moved, *(replace(hit, score=min(hit.score, least)) for hit in others)]
    return sorted([*moved, *others], key=lambda hit: -hit.score)


def score_hits(
    resources: Resources, generation: ActiveGeneration, query: str, hits: Sequence[Hit]
) -> list[float]:
    """Return how well the best passages of the first hits answer, by the model that reranks.

    Those are at most MAX_CANDIDATES, and as many as RERANK_TOKENS and the time allow.
    """
    hits = hits[:MAX_CANDIDATES]
    cross_encoder = resources.load_cross_encoder()
    if cross_encoder is not None:
        return cross_encoder.score(
            query,
            list(_pairs_within_budget(cross_encoder, query, hits)),
            seconds=resources.settings.rerank_seconds,
        )
    engine = generation.engine()
    items = list(_within_budget(engine, hits))
    return interact(engine, query, [[item] for item in items]) if items else []


def _score_all(cross_encoder: "CrossEncoder", query: str, texts: Sequence[str]) -> Iterator[float]:
    for first in range(0, len(texts), MAX_CANDIDATES):
        check_time()
        yield from cross_encoder.score(query, texts[first : first + MAX_CANDIDATES], seconds=inf)


def _count_pairs(cross_encoder: "CrossEncoder", query: str, texts: Sequence[str]) -> Iterator[int]:
    """Yield the tokens of pieces of texts: each is read beside the question, as windows are."""
    for text in texts:
        for begin, end in check_between(cut_pieces(text), at_once=1):
            yield cross_encoder.count_tokens(query, text[begin:end])


def _add_up(counts: Iterable[int], settings: Settings) -> int:
    """Return the sum; raises TooLarge as soon as it is more than is reranked, OutOfTime."""
    most, tokens = settings.max_rerank_tokens, 0
    for count in check_between(counts, at_once=1):
        tokens += count
        if tokens > most:
            raise TooLarge(
                f"the documents have more than {most} tokens, which is the most that is reranked",
                code="too_many_tokens",
            )
    return tokens


def _rank(model: str, scores: Sequence[float], tokens: int) -> Reranked:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return Reranked(model, tuple(Relevance(i, scores[i]) for i in order), tokens)


def _move(hits: Sequence[Hit], scores: Sequence[float], weight: float) -> list[Hit]:
    """Return the first hits, their log odds moved by how far their scores are from the mean."""
    mean = sum(scores) / len(scores) if scores else 0.0
    moved = [
        replace(hit, score=logistic(log_odds(hit.score) + weight * (scored - mean)))
        for hit, scored in zip(hits, scores, strict=False)
    ]
    return sorted(moved, key=lambda hit: -hit.score)


def interact(engine: Engine, query: str, texts: Sequence[Sequence[Item]]) -> list[float]:
    """Return the late interaction of a query with each text, given as items: -1 to 1."""
    (asked,) = _embed_tokens(engine, [Item(query, Task.QUERY)])
    flat = [item for items in texts for item in items]
    vectors = iter(_embed_tokens(engine, flat))
    scores = []
    for items in texts:
        best = [asked @ next(vectors).T for _ in items]
        scores.append(float(np.concatenate(best, axis=1).max(axis=1).mean()))
    return scores


def _embed_tokens(engine: Engine, items: Sequence[Item]) -> Iterator[Matrix]:
    """Yield the token vectors of each item: unit length, shape (tokens, dimensions).

    A model without late chunking has but one for each: a token alone says nothing.
    """
    cut = items
    if engine.late_chunking:
        cut = [replace(item, spans=tuple(_tokens(engine, item.text))) for item in items]
    for embedding in embed_in_time(engine, cut, refuses=True):
        # A text without a token of its own reads as a whole.
        yield embedding.passages if len(embedding.passages) else embedding.vector[None]


def _tokens(engine: Engine, text: str) -> Iterator[Span]:
    # A character that is several tokens is one span, the mean of them.
    starts = np.unique(engine.token_starts(text)).tolist()
    return (Span(start, end) for start, end in pairwise([*starts, len(text)]))


def _cut(engine: Engine, text: str) -> Iterator[Item]:
    """Yield a text in the fewest windows that the model reads."""
    starts = [*engine.token_starts(text).tolist(), len(text)]
    room = max(1, engine.max_tokens - engine.overhead("", Task.PASSAGE))
    first, end = 0, len(starts) - 1
    if not end:
        yield Item(text, Task.PASSAGE)
    while first < end:
        last = min(first + room, end)
        item = Item(text[starts[first] : starts[last]], Task.PASSAGE)
        # A word that is cut in two can have more tokens than it had in one piece.
        while last > first + 1 and engine.count_tokens(item) > engine.max_tokens:
            last -= 1
            item = Item(text[starts[first] : starts[last]], Task.PASSAGE)
        yield item
        first = last


def _within_budget(engine: Engine, hits: Sequence[Hit]) -> Iterator[Item]:
    left = RERANK_TOKENS
    for hit in hits:
        if not hit.passages:
            return
        item = Item(hit.passages[0].quoted, Task.PASSAGE, hit.title)
        tokens = engine.count_tokens(item)
        if tokens > engine.max_tokens:
            # In a search by words the best passage may be longer than a window beside its title.
            item = replace(item, title="")
            tokens = engine.count_tokens(item)
        left -= tokens
        if left < 0 or tokens > engine.max_tokens:
            return
        yield item


def _pairs_within_budget(
    cross_encoder: "CrossEncoder", query: str, hits: Sequence[Hit]
) -> Iterator[str]:
    left = RERANK_TOKENS
    for hit in hits:
        if not hit.passages:
            return
        text = "\n".join(part for part in (hit.title, hit.passages[0].quoted) if part)
        left -= cross_encoder.count_tokens(query, text)
        if left < 0:
            return
        yield text
