"""Vectors for other programs: texts in, what the model makes of them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.domain import Embedding, Item, Span, Task, Vector
from app.embedding.engine import Engine
from app.embedding.pieces import cut_pieces
from app.errors import InvalidRequest, TextTooLong
from app.runtime.deadline import check_time, count_in_time, embed_in_time
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources

MAX_TEXTS = 2048
_CUT_TOKENS = 8


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """The vector of one text: unit length, shape (dimensions,)."""

    vector: Vector
    norm: float
    """Length of the pooled vector, in these dimensions, before it was brought to one."""
    tokens: int
    """Read for this text; with late chunking, its own tokens, the rest with the first text."""
    truncated_from: int | None = None
    """Tokens of the whole text, where it was cut."""
    parts: int = 1
    """Of how many parts this is the mean."""


def embed_texts(
    resources: Resources,
    texts: Sequence[str],
    *,
    task: Task,
    dimensions: int | None = None,
    late_chunking: bool = False,
    truncate: bool = False,
    splits: bool = False,
) -> list[TextEmbedding]:
    """Return one embedding a text, in order.

    With `splits` a text past the window gets the mean of its parts, weighted by their tokens. With
    `late_chunking` the texts are one document cut in order, read in one forward pass. Only with
    `truncate` is a text past the window cut, and its embedding says so; a document that is cut for
    late chunking never is. Raises InvalidRequest, and TextTooLong naming the first such text.
    """
    if not all(texts):
        empty = next(index for index, text in enumerate(texts) if not text)
        raise InvalidRequest(f"input {empty} is empty", code="empty_input")
    # The engine and what its checkpoint allows must be of one generation.
    generation = resources.generations.live()
    engine = generation.engine()
    if dimensions is not None:
        dimensions = _check_dimensions(generation, dimensions)
    if late_chunking:
        return _embed_chunks(engine, texts, task, dimensions)
    if splits:
        return _embed_parts(engine, texts, task, dimensions)
    whole: dict[int, int] = {}
    kept = list(texts)
    if truncate:
        for index, text in enumerate(texts):
            kept[index], tokens = _truncate(engine, text, task)
            if kept[index] != text:
                whole[index] = tokens
    try:
        embeddings = embed_in_time(
            engine,
            [Item(text, task) for text in kept],
            dimensions=dimensions,
            refuses=True,
        )
    except TextTooLong as error:
        raise _name_text(engine, kept, task, error) from None
    return [
        TextEmbedding(e.vector, e.norm, e.tokens, whole.get(index))
        for index, e in enumerate(embeddings)
    ]


def _check_dimensions(generation: ActiveGeneration, dimensions: int) -> int:
    engine = generation.engine()
    if dimensions > engine.dimensions:
        raise InvalidRequest(
            f"this service gives vectors of {engine.dimensions} dimensions; {dimensions} were "
            "asked for",
            code="unsupported_dimensions",
        )
    return generation.checkpoint().check_dimensions(dimensions)


def _embed_chunks(
    engine: Engine,
    texts: Sequence[str],
    task: Task,
    dimensions: int | None,
) -> list[TextEmbedding]:
    document, spans = "", []
    for text in texts:
        # Whoever cut the document may have stripped what stood between the pieces.
        if document and not (document[-1].isspace() or text[0].isspace()):
            document += " "
        spans.append(Span(len(document), len(document) + len(text)))
        document += text
    item = Item(document, task, spans=tuple(spans))
    (embedding,) = embed_in_time(engine, [item], dimensions=dimensions, refuses=True)
    tokens = [embedding.tokens] + [0] * (len(texts) - 1)
    return [
        TextEmbedding(vector, float(norm), count)
        for vector, norm, count in zip(
            embedding.passages, embedding.passage_norms, tokens, strict=True
        )
    ]


def _embed_parts(
    engine: Engine,
    texts: Sequence[str],
    task: Task,
    dimensions: int | None,
) -> list[TextEmbedding]:
    """Embed texts of which some are past the window, as a client that splits them would itself."""
    parts = [_split(engine, text, task) for text in texts]
    embeddings = iter(
        embed_in_time(
            engine,
            [Item(part, task) for some in parts for part in some],
            dimensions=dimensions,
            refuses=True,
        )
    )
    return [_merge([next(embeddings) for _ in some]) for some in parts]


def _split(engine: Engine, text: str, task: Task) -> list[str]:
    """Return a text in as few parts of equal size as the model reads."""
    check_time()
    if (tokens := engine.count_tokens(Item(text, task))) <= engine.max_tokens:
        return [text]
    starts = engine.token_starts(text)
    room = engine.max_tokens - (tokens - len(starts))
    # A part may have a few tokens more than it had within the whole.
    count = -(-len(starts) // max(1, room - _CUT_TOKENS))
    edges = [int(starts[len(starts) * n // count]) for n in range(count)] + [len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def _merge(parts: Sequence[Embedding]) -> TextEmbedding:
    tokens = [part.tokens for part in parts]
    if len(parts) == 1:
        return TextEmbedding(parts[0].vector, parts[0].norm, tokens[0])
    mean = np.average([part.vector for part in parts], axis=0, weights=tokens)
    norm = float(np.linalg.norm(mean))
    vector: Vector = np.asarray(mean / (norm or 1.0), dtype=np.float32)
    return TextEmbedding(vector, norm, sum(tokens), parts=len(parts))


def _truncate(engine: Engine, text: str, task: Task) -> tuple[str, int]:
    """Return the longest beginning of a text that the model reads, and the tokens of the whole."""
    check_time()
    whole = count_in_time(engine, Item(text, task))
    if whole <= engine.max_tokens:
        return text, whole
    starts: list[int] = []
    end = 0
    # What lies far behind the cut is not looked at again.
    for begin, end in cut_pieces(text):
        starts += (engine.token_starts(text[begin:end]) + begin).tolist()
        if len(starts) > engine.max_tokens:
            break
    text = text[:end]
    tokens = engine.count_tokens(Item(text, task))
    keep = len(starts) - max(0, tokens - engine.max_tokens)
    # A word that is cut may fall into more tokens than it had.
    while tokens > engine.max_tokens and keep > 0:
        text = text[: starts[keep]]
        tokens = engine.count_tokens(Item(text, task))
        keep -= max(1, tokens - engine.max_tokens)
    return text, whole


def _name_text(engine: Engine, texts: Sequence[str], task: Task, error: TextTooLong) -> TextTooLong:
    for index, text in enumerate(texts):
        check_time()
        if (tokens := count_in_time(engine, Item(text, task))) > error.max_tokens:
            return TextTooLong(tokens, error.max_tokens, f"input {index}")
    return error
