"""What an embedding server and who asks it say to each other.

Items travel as they are, spans in characters: the server reads them as it would its own, so that
its vectors are those of a local model. Vectors travel as float32, bit for bit.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from app.domain import Embedding, Item
from app.embedding.checkpoint import Checkpoint

ENGINE_PATH = "/v1/engine"
TOKENIZER_PATH = "/v1/engine/tokenizer"
EMBEDDINGS_PATH = "/v1/engine/embeddings"

_MAX_ITEMS = 128
_MAX_REQUEST_BYTES = 8 * 2**20
# What a span takes in a request is more than the vector of a small model takes in the answer.
_SPAN_BYTES = 2048


class Description(BaseModel):
    """The model that a server runs, and the settings that chose it."""

    model_config = ConfigDict(protected_namespaces=())

    model: str
    model_revision: str
    dimensions: int | None
    checkpoint: Checkpoint
    dtype: str


class EmbedRequest(BaseModel):
    """A call of Engine.embed."""

    fingerprint: str
    """Of the model that must answer."""
    items: tuple[Item, ...] = Field(min_length=1)
    dimensions: int
    refuses: bool = False


class EmbedAnswer(BaseModel):
    """Its embeddings: of each item the vector, then those of its spans."""

    tokens: tuple[int, ...]
    text_tokens: tuple[int, ...]
    vectors: str
    """Base64 of little-endian float32, row by row, of unit length."""
    norms: str
    """The same of the lengths that the rows had."""


def cut_requests(items: Sequence[Item], dimensions: int) -> Iterator[Sequence[Item]]:
    """Yield the items of each request: none holds up others for long, a larger one goes alone."""
    start, total = 0, 0
    for position, item in enumerate(items):
        rows = 1 + len(item.spans)
        size = len(to_json(item.text)) + len(to_json(item.title))
        size += rows * max(_SPAN_BYTES, 4 * dimensions)
        if position > start and (
            total + size > _MAX_REQUEST_BYTES or position - start == _MAX_ITEMS
        ):
            yield items[start:position]
            start, total = position, 0
        total += size
    if items:
        yield items[start:]


def pack(embeddings: Sequence[Embedding]) -> EmbedAnswer:
    """Return embeddings as they travel."""
    rows = [row for one in embeddings for row in (one.vector[None], one.passages)]
    norms = [row for one in embeddings for row in ([one.norm], one.passage_norms)]
    return EmbedAnswer(
        tokens=tuple(one.tokens for one in embeddings),
        text_tokens=tuple(one.text_tokens for one in embeddings),
        vectors=_encode(np.concatenate(rows)),
        norms=_encode(np.concatenate(norms)),
    )


def unpack(content: bytes, items: Sequence[Item], dimensions: int) -> list[Embedding]:
    """Return the embeddings of items; raises ValueError where the answer is not theirs."""
    answer = EmbedAnswer.model_validate_json(content)
    vectors, norms = _decode(answer.vectors).reshape(-1, dimensions), _decode(answer.norms)
    ends = np.cumsum([1 + len(item.spans) for item in items])
    if not len(vectors) == len(norms) == ends[-1] or not np.isfinite(vectors).all():
        raise ValueError(f"{len(vectors)} vectors in place of {ends[-1]}")
    return [
        # Copies: one that is kept must not hold the others.
        Embedding(rows[0].copy(), rows[1:].copy(), tokens, of_text, float(norm[0]), norm[1:])
        for rows, norm, tokens, of_text in zip(
            np.split(vectors, ends[:-1]),
            np.split(norms, ends[:-1]),
            answer.tokens,
            answer.text_tokens,
            strict=True,
        )
    ]


def _encode(numbers: npt.NDArray[np.float32]) -> str:
    return b64encode(numbers.astype("<f4").tobytes()).decode()


def _decode(text: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)
