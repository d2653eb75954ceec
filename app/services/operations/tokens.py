"""Tokens for other programs: which ones a text has, and a vector for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Encoding

from app.domain import Item, Matrix, Span, Task
from app.embedding.engine import Engine
from app.errors import InvalidRequest, TooLarge
from app.runtime.deadline import embed_in_time, tokenize_in_time
from app.runtime.resources import Resources

MAX_EMBEDDED_TOKENS = 8192
"""Of one answer with a vector for each: 60 MB, where they have 384 dimensions."""
MAX_SHOWN_TOKENS = 131_072
MAX_SHOWN_CHARACTERS = 1 << 20
"""Of all texts: in white space there are no tokens to count."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text, with the characters that it stands for."""

    id: int
    text: str
    is_special: bool
    start: int
    end: int


def embed_tokens(resources: Resources, texts: Sequence[str], task: Task) -> list[Matrix]:
    """Return a vector for each token of each text, unit length.

    Raises TextTooLong, TooLarge for more than MAX_EMBEDDED_TOKENS, and InvalidRequest for a model
    whose tokens have no vectors of their own.
    """
    engine = resources.generations.live().engine()
    if not engine.late_chunking:
        raise InvalidRequest(
            "this model gives a vector for a text, and none for each of its tokens",
            code="no_token_vectors",
        )
    if not all(texts):
        raise InvalidRequest("a text is empty", code="empty_input")
    _check_tokens(engine, texts, MAX_EMBEDDED_TOKENS)
    items = []
    for text in texts:
        edges = [*dict.fromkeys(int(start) for start in engine.token_starts(text)), len(text)]
        items.append(Item(text, task, spans=tuple(Span(a, b) for a, b in pairwise(edges))))
    return [embedding.passages for embedding in embed_in_time(engine, items, refuses=True)]


def tokenize(
    resources: Resources, texts: Sequence[str], *, with_special: bool
) -> Iterator[Iterator[Token]]:
    """Return the tokens of each text, as the model reads it.

    Raises TooLarge for more than MAX_SHOWN_TOKENS or MAX_SHOWN_CHARACTERS.
    """
    engine = resources.generations.live().engine()
    if (characters := sum(map(len, texts))) > MAX_SHOWN_CHARACTERS:
        raise TooLarge(
            f"the texts have {characters} characters; at most {MAX_SHOWN_CHARACTERS} are tokenized",
        )
    _check_tokens(engine, texts, MAX_SHOWN_TOKENS)
    encodings = engine.tokenizer.encode_batch(list(texts), add_special_tokens=with_special)
    return map(_read_tokens, encodings)


def _read_tokens(encoding: Encoding) -> Iterator[Token]:
    parts = zip(
        encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
    )
    return (
        Token(id_, text, bool(special), start, end) for id_, text, special, (start, end) in parts
    )


def _check_tokens(engine: Engine, texts: Sequence[str], most: int) -> None:
    """Raise TooLarge where texts have more than so many tokens, counted no further than that."""
    tokens = 0
    for text in texts:
        for starts in tokenize_in_time(engine, text):
            tokens += len(starts)
            if tokens > most:
                raise TooLarge(f"the texts have more than {most} tokens", code="too_many_tokens")
