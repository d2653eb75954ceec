"""The published values of jina-embeddings-v3, where its weights are.

Set FOLIO_TEST_JINA_V3 to a folder, or to a Hugging Face id together with
FOLIO_TEST_JINA_V3_REVISION.
"""

import os

import numpy as np
import pytest
import torch

from app.config import Settings
from app.domain import Task
from app.embedding.loader import open_checkpoint
from app.embedding.torch.engine import TorchEngine

MODEL = os.environ.get("FOLIO_TEST_JINA_V3", "")
REVISION = os.environ.get("FOLIO_TEST_JINA_V3_REVISION", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MODEL, reason="FOLIO_TEST_JINA_V3 names no weights"),
]

# transformers' integration test: ids, with the first token masked.
IDS = [0, 345, 232, 328, 740, 140, 1695, 69, 6078, 1588, 2]
BY_IDS = {
    Task.QUERY: [
        [-1.5202, 2.4074, -0.9706],
        [-1.5279, 2.4025, -1.1237],
        [-1.5252, 2.6143, -0.9416],
    ],
    Task.PASSAGE: [
        [-1.0778, 1.8124, -0.8223],
        [-1.3796, 1.8108, -0.9868],
        [-1.1073, 1.9459, -0.8104],
    ],
}
# Reported for jina-embeddings-v3-hf.
TEXT = "Jina Embeddings V3 is great for semantic search."
BY_TEXT = {
    Task.QUERY: [
        [-1.9765, 0.7356, -0.4414],
        [-2.0078, 0.9562, -0.3315],
        [-1.9107, 0.7120, -0.4675],
    ],
    Task.PASSAGE: [
        [-1.7028, 0.5688, -0.8541],
        [-1.6631, 0.6571, -0.8641],
        [-1.4739, 0.4739, -0.8745],
    ],
}


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    settings = Settings(model=MODEL, model_revision=REVISION, device="cpu")
    return TorchEngine(open_checkpoint(settings), device="cpu")


def assert_golden(
    engine: TorchEngine, task: Task, ids: list[int], expected: list[list[float]], *, first: int
) -> None:
    """Compare rows `first` to `first + 3` with the published `last_hidden_state[0, 1:4, 1:4]`."""
    steps = engine._encoder.run(torch.tensor(ids), [len(ids)], [engine.checkpoint.adapters[task]])
    with torch.inference_mode():
        try:
            while True:
                next(steps)
        except StopIteration as end:
            hidden = end.value
    found = hidden[first : first + 3, 1:4].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("task", BY_IDS)
def test_hidden_states_of_token_ids_are_the_published_ones(engine: TorchEngine, task: Task) -> None:
    # Nobody reads a masked token, and rotary positions are relative: it can be left out.
    assert_golden(engine, task, IDS[1:], BY_IDS[task], first=0)


@pytest.mark.parametrize("task", BY_TEXT)
def test_hidden_states_of_a_text_are_the_published_ones(engine: TorchEngine, task: Task) -> None:
    assert_golden(engine, task, engine._reader.tokenizer.encode(TEXT).ids, BY_TEXT[task], first=1)
