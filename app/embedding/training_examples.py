"""What a query adapter is fine-tuned on: questions, and the documents to tell apart.

Apart from the training, so that collecting them does not import torch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.domain import Matrix


@dataclass(frozen=True, slots=True)
class Pool:
    """The documents that questions are trained to tell apart, with their stored vectors.

    Rows of `units` and `passages` (rows, dimensions) come in the order of the documents;
    `unit_counts` and `passage_counts` say how many belong to each, at least 1.
    """

    units: Matrix
    unit_counts: npt.NDArray[np.int64]
    passages: npt.NDArray[np.float16]
    passage_counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.unit_counts)

    @classmethod
    def empty(cls) -> "Pool":
        none = np.empty(0, dtype=np.int64)
        return cls(np.empty((0, 0), np.float32), none, np.empty((0, 0), np.float16), none)


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A question with documents of the pool: right ones, hard negatives, and what is neither.

    `lexical` is what each document of the pool scores by words: shape (len(pool),). `ignored` may
    answer as well, and is not a negative.
    """

    text: str
    right: tuple[int, ...]
    negatives: tuple[int, ...]
    ignored: frozenset[int]
    lexical: npt.NDArray[np.float32]
