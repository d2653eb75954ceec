"""A stand-in for a model: vectors that depend on the text and cost next to nothing.

What is measured without the model, such as the search over many articles, needs vectors of the real
shape and number, made of the real texts, and not real ones.
"""

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models

from app.domain import Embedding, Item, Matrix, Task
from app.embedding.metrics import EngineMetrics

_ROWS = 1 << 12
_LETTERS = 4
"""Characters of a token, as a learned vocabulary has them on average."""


class StandInEngine:
    """Takes four characters for a token and gives each span a vector; units pool their spans."""

    name = "stand-in"
    dtype = "float32"
    device = "cpu"
    max_tokens = unit_tokens = 8192
    problem = None
    late_chunking = True
    languages: frozenset[str] = frozenset()

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.metrics = EngineMetrics()
        shape = (2, _ROWS, dimensions)
        self._vectors = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed."""
        return [self._embed(item) for item in items]

    def _embed(self, item: Item) -> Embedding:
        parts = [item.text[span.start : span.end] for span in item.spans] or [item.text]
        # Of two tables: millions of different vectors.
        hashes = [crc32(part.encode("utf-8", "surrogatepass")) for part in parts]
        sums = np.stack([self._vectors[0, h % _ROWS] + self._vectors[1, h >> 20] for h in hashes])
        rows = np.concatenate([sums.sum(axis=0, keepdims=True), sums])
        norms = np.linalg.norm(rows, axis=1)
        vectors: Matrix = rows / norms[:, None]
        tokens = self.count_tokens(item)
        passages = slice(1, 1 + len(item.spans))
        return Embedding(
            vectors[0], vectors[passages], tokens, tokens, float(norms[0]), norms[passages]
        )

    @property
    def tokenizer(self) -> Tokenizer:
        """See Engine.tokenizer: of no words."""
        return Tokenizer(models.Unigram())

    def count_tokens(self, item: Item) -> int:
        """See Engine.count_tokens."""
        return len(self.token_starts(item.text))

    def count_unknown(self, text: str) -> int:
        """See Engine.count_unknown: every letter is known here."""
        return 0

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """See Engine.token_starts."""
        return np.arange(0, len(text), _LETTERS, dtype=np.int64)

    def overhead(self, title: str, task: Task) -> int:
        """See Engine.overhead: titles cost nothing here."""
        return 0

    def warm_up(self) -> None:
        """See Engine.warm_up."""
