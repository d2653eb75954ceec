"""Texts of megabytes are tokenized piece by piece, and come out as if they had been one."""

import numpy as np
import pytest

from app.config import Settings
from app.embedding.engine import Engine
from app.embedding.loading import load_engine, open_checkpoint
from app.embedding.pieces import PIECE_CHARACTERS


@pytest.fixture(scope="module")
def engine() -> Engine:
    settings = Settings()
    return load_engine(open_checkpoint(settings), settings)


@pytest.mark.parametrize("line", ["Hot tea is poured, 12.5 cups\n", "unbelievable pump; "])
def test_long_text_has_the_tokens_of_its_lines(engine: Engine, line: str) -> None:
    times = 3 * PIECE_CHARACTERS // len(line)
    starts = engine.token_starts(line)
    expected = np.arange(times)[:, np.newaxis] * len(line) + starts
    assert np.array_equal(engine.token_starts(line * times), expected.ravel())


def test_word_that_is_longer_than_a_piece_is_tokenized_to_its_end(engine: Engine) -> None:
    starts = engine.token_starts("x" * (2 * PIECE_CHARACTERS + 5) + " tea")
    assert np.all(np.diff(starts) > 0)
    assert starts[-1] == 2 * PIECE_CHARACTERS + 6
