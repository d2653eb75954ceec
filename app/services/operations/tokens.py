"""Tokens for other programs: which ones a text has, and a vector for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.domain import Item, Matrix, Span, Task
from app.errors import InvalidRequest
from app.runtime.deadline import embed_in_time
from app.runtime.resources import Resources


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text, with the characters that it stands for."""

    id: int
    text: str
    is_special: bool
    start: int
    end: int


def embed_tokens(resources: Resources, texts: Sequence[str], task: Task) -> list[Matrix]:
    """Return a vector for each token of each text, unit length; raises TextTooLong."""
    engine = resources.generations.live().engine()
    items = []
    for text in texts:
        if not text:
            raise InvalidRequest("a text is empty", code="empty_input")
        edges = [*dict.fromkeys(int(start) for start in engine.token_starts(text)), len(text)]
        items.append(Item(text, task, spans=tuple(Span(a, b) for a, b in pairwise(edges))))
    return [embedding.passages for embedding in embed_in_time(engine, items, refuses=True)]


def tokenize(
    resources: Resources, texts: Sequence[str], *, with_special: bool
) -> list[list[Token]]:
    """Return the tokens of each text, as the model reads it."""
    tokenizer = resources.generations.live().engine().tokenizer
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=with_special)
    return [
        [
            Token(id_, text, bool(special), start, end)
            for id_, text, special, (start, end) in zip(
                encoding.ids,
                encoding.tokens,
                encoding.special_tokens_mask,
                encoding.offsets,
                strict=True,
            )
        ]
        for encoding in encodings
    ]
