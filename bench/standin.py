"""A stand-in for a model: vectors that depend on the letters and cost next to nothing.

What is measured without the model, such as the search over many articles, needs vectors of the real
shape and number, made of the real texts, and not real ones.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from app.domain import Embedding, Item, Matrix, Task
from app.embedding.metrics import EngineMetrics

_ROWS = 1 << 14
_LETTERS = 4
"""Characters of a token, as a learned vocabulary has them on average."""
_MIX = np.array([1, 31, 31**2, 31**3], dtype=np.uint32)


class StandInEngine:
    """Takes every four characters for a token, and pools a random vector for each token."""

    name = "stand-in"
    dtype = "float32"
    device = "cpu"
    max_tokens = 8192

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.metrics = EngineMetrics()
        shape = (_ROWS, dimensions)
        self._vectors = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed; each span is pooled from the tokens that start inside it."""
        return [self._embed(item) for item in items]

    def _embed(self, item: Item) -> Embedding:
        places, rows = self.token_starts(item.text), _hash(item.text)
        # The sums up to each token: a span's is a difference of two.
        sums = np.zeros((len(rows) + 1, self.dimensions), dtype=np.float32)
        np.cumsum(self._vectors[rows], axis=0, out=sums[1:])
        edges = np.array([(span.start, span.end) for span in item.spans], np.int64).reshape(-1, 2)
        first, last = np.searchsorted(places, edges.T)
        norm, vectors = _normalize(np.concatenate([sums[-1:], sums[last] - sums[first]]))
        tokens = len(rows)
        return Embedding(vectors[0], vectors[1:], tokens, tokens, float(norm[0]), norm[1:])

    def count_tokens(self, item: Item) -> int:
        """See Engine.count_tokens."""
        return len(self.token_starts(item.text))

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """See Engine.token_starts."""
        return np.arange(0, len(text), _LETTERS, dtype=np.int64)

    def overhead(self, title: str, task: Task) -> int:
        """See Engine.overhead: titles cost nothing here."""
        return 0

    def warm_up(self) -> None:
        """See Engine.warm_up."""


def _hash(text: str) -> npt.NDArray[np.uint32]:
    """Return the row of each token of a text."""
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    padded = np.pad(letters, (0, -len(letters) % _LETTERS)).reshape(-1, _LETTERS)
    rows: npt.NDArray[np.uint32] = (padded * _MIX).sum(axis=1, dtype=np.uint32) % _ROWS
    return rows


def _normalize(vectors: Matrix) -> tuple[npt.NDArray[np.float32], Matrix]:
    norms = np.linalg.norm(vectors, axis=1)
    # A span without a token points somewhere: its vector must be of unit length too.
    vectors[norms == 0, 0] = 1.0
    norms[norms == 0] = 1.0
    return norms, vectors / norms[:, None]
