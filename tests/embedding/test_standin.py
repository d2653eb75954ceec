"""The stand-in of the benchmarks: the engine's own ways, without the model's layers."""

import numpy as np

from app.config import Settings
from app.domain import Item, Span, Task
from app.embedding.loader import open_checkpoint
from bench.standin import load_standin


def test_a_token_is_the_same_wherever_it_stands() -> None:
    engine = load_standin(open_checkpoint(Settings()), Settings())
    embedding, again = engine.embed(
        [
            Item("tea milk tea", Task.PASSAGE, spans=(Span(0, 3), Span(4, 8), Span(9, 12))),
            Item("milk", Task.PASSAGE, spans=(Span(0, 4),)),
        ]
    )
    first, milk, last = embedding.passages
    np.testing.assert_allclose(first, last, atol=1e-6)
    np.testing.assert_allclose(milk, again.passages[0], atol=1e-6)
    assert first @ milk < 0.9
