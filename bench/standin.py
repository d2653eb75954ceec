"""A stand-in for the model: folio-mini without its layers.

A token's state is what the layers would begin with, whatever stands around it. Tokenizer, queues,
batches, pooling and vectors of the right shape are the real ones, so that a benchmark of what is
around the model does not wait for the model.
"""

from collections.abc import Generator, Sequence
from typing import Any

import torch

from app.config import Settings
from app.embedding.checkpoint import Checkpoint
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.inputs import InputLayer

NAME = "folio-mini without its layers"


class _InputEncoder:
    flops_per_token = 0

    def __init__(self, inputs: InputLayer) -> None:
        self._inputs = inputs

    def run(
        self,
        ids: torch.Tensor,
        lengths: Sequence[int],
        adapters: Sequence[str],
        *,
        is_urgent: bool = False,
        share: float = 1.0,
    ) -> Generator[None, None, torch.Tensor]:
        yield
        return self._inputs.read(ids, lengths, adapters).x


def load_standin(checkpoint: Checkpoint, settings: Settings) -> TorchEngine:
    """Load what app.embedding.loader.load_engine loads, and leave the layers out."""
    engine = TorchEngine(
        checkpoint,
        device="cpu",
        batch_tokens=settings.batch_tokens,
        dtype="float32",
        max_waiting_tokens=settings.max_waiting_tokens,
    )
    encoder: Any = engine._encoder
    engine._encoder = _InputEncoder(encoder._inputs)
    return engine
