"""Texts of megabytes are tokenized piece by piece, and come out as if they had been one."""

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from app.config import Settings
from app.domain import Item, Span, Task
from app.embedding import pieces, tokenization
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.pieces import PIECE_CHARACTERS
from app.embedding.tokenization import ReadsTokens
from app.errors import OutOfTime, TextTooLong, WorkCancelled
from app.runtime.deadline import count_in_time, limit_time
from app.services.operations import embeddings


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


def test_long_text_is_refused_without_being_tokenized_as_a_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tokenizer says of a text of 2 MB of commas took 1.2 GB."""
    longest = 0
    encode = Tokenizer.encode_batch

    class Watched:
        def __init__(self, tokenizer: Tokenizer) -> None:
            self._tokenizer = tokenizer

        def encode_batch(self, texts: list[str], **options: Any) -> Any:
            nonlocal longest
            longest = max(longest, sum(map(len, texts)))
            return encode(self._tokenizer, texts, **options)

        encode_batch_fast = encode_batch

    assert isinstance(engine, ReadsTokens)
    monkeypatch.setattr(engine._reader, "tokenizer", Watched(engine.tokenizer))
    with pytest.raises(TextTooLong) as error:
        engine.embed([Item("tea", Task.PASSAGE), Item("," * 200_000, Task.PASSAGE)])
    assert error.value.tokens == engine.count_tokens(Item("," * 200_000, Task.PASSAGE))
    engine._reader.read([Item("tea " * 1000, Task.PASSAGE)] * 50)
    assert longest <= PIECE_CHARACTERS


def test_tokenizing_ends_when_nobody_waits(engine: Engine) -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(WorkCancelled):
        engine.embed([Item("," * 400_000, Task.PASSAGE)], is_cancelled=is_cancelled)
    assert asked == 3


@pytest.mark.parametrize("task", [Task.PASSAGE, Task.QUERY])
def test_long_text_that_fits_is_read_as_a_short_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    text = "Hot tea is poured\nfrom a pump into 12.5 cups\n" * 20
    item = Item(text, task, "Tea", (Span(0, 7), Span(40, 80), Span(len(text) - 5, len(text))))
    assert isinstance(engine, ReadsTokens)
    (whole,) = engine._reader.read([item])
    monkeypatch.setattr(pieces, "PIECE_CHARACTERS", 100)
    monkeypatch.setattr(tokenization, "PIECE_CHARACTERS", 100)
    (joined,) = engine._reader.read([item])
    assert joined.ids.tolist() == whole.ids.tolist()
    assert joined[1:] == whole[1:]
    assert engine.count_tokens(item) == len(whole.ids)


def test_beginning_of_a_long_text_is_cut_without_its_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_CHARACTERS", 1 << 12)
    text = "Hot tea is poured, 12.5 cups\n" * 20_000
    (kept, whole) = embeddings._truncate(engine, text, Task.PASSAGE)
    assert whole == engine.count_tokens(Item(text, Task.PASSAGE)) > engine.max_tokens
    assert text.startswith(kept)
    assert engine.count_tokens(Item(kept, Task.PASSAGE)) == engine.max_tokens


def test_counting_ends_with_the_time_of_the_request(engine: Engine) -> None:
    with limit_time(0), pytest.raises(OutOfTime):
        count_in_time(engine, Item("tea " * PIECE_CHARACTERS, Task.PASSAGE))
