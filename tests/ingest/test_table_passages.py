"""Passages of a table: what the model reads with them, and what an answer has beside them."""

import numpy as np
import pytest

from app.domain import Embedding, Span
from bench.tables import run
from ingest.parse_and_cut import Headed, pool_heads

pytestmark = pytest.mark.slow


def test_passages_of_rows_are_pooled_with_the_tokens_of_their_head() -> None:
    """The mean of two means by their numbers of tokens is the mean of all tokens."""
    tokens = np.random.default_rng(7).normal(size=(10, 4)).astype(np.float32)
    means = np.stack([tokens[2:6].mean(axis=0), tokens[6:10].mean(axis=0), tokens[:2].mean(axis=0)])
    norms = np.linalg.norm(means, axis=1)
    embedding = Embedding(tokens[0], means / norms[:, np.newaxis], 10, 10, 1.0, norms)
    pooled = pool_heads(embedding, [Headed(1, Span(0, 2), 2 / 6)])
    expected = np.concatenate([tokens[:2], tokens[6:10]]).mean(axis=0)
    assert len(pooled.passages) == 2
    np.testing.assert_allclose(pooled.passages[0], embedding.passages[0], rtol=1e-6)
    np.testing.assert_allclose(
        pooled.passages[1] * pooled.passage_norms[1], expected, rtol=1e-5, atol=1e-6
    )


def test_question_about_a_cell_finds_its_row_under_its_head() -> None:
    counts = [int(value.split()[0]) for _, value in run(6)]
    assert counts[0] == 18
    assert counts[-1] >= 16
