"""What the rest of Folio asks of a model, whatever runs it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from app.domain import Embedding, Item, Task
from app.embedding.metrics import EngineMetrics


class Engine(Protocol):
    """A model that is ready to embed. Calls are thread-safe; queries go before documents."""

    name: str
    """What runs the model: `torch`, `openvino` or `remote`."""
    dtype: str
    device: str
    max_tokens: int
    unit_tokens: int
    """The longest unit that articles are cut into; `max_tokens` or less."""
    late_chunking: bool
    """Whether spans are pooled from the pass over their text; else each is a text of its own."""
    dimensions: int
    languages: frozenset[str]
    """What it reads, in ISO 639-1; empty where that is not limited."""
    metrics: EngineMetrics

    @property
    def problem(self) -> str | None:
        """Why the last call got no embeddings, of a model that runs elsewhere; None: it did."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """What its texts are read with; it is not changed."""
        ...

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """Return one embedding an item, in order: unit length, float32.

        `dimensions` cuts the vectors of a Matryoshka model; None gives `self.dimensions`. Raises
        TextTooLong when an item, with its title, prompt and special tokens, has more than
        `self.max_tokens` tokens: nothing is cut silently; WorkCancelled once `is_cancelled`
        says that nobody waits any more; and with `refuses` EngineBusy while too much waits. Such
        calls, of other programs, wait in a lane of their own.
        """
        ...

    def count_tokens(self, item: Item) -> int:
        """Return the tokens that `embed` would read for `item`, without truncation."""
        ...

    def count_unknown(self, text: str) -> int:
        """Return how many tokens of `text` stand for what the model does not know."""
        ...

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """Return the offset of the first character of each token of `text`, ascending."""
        ...

    def overhead(self, title: str, task: Task) -> int:
        """Return the tokens of title, prompt and special tokens that come with each text."""
        ...

    def warm_up(self) -> None:
        """Run once, so that the first caller does not pay for lazy set-up.

        Raises ModelUnavailable for a model that does not run.
        """
        ...
