"""From items to tokens: what precedes a text, what counts, and where each span lies."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from app.domain import Item, Span, Task
from app.embedding.checkpoint import TITLE_SEPARATOR, Checkpoint
from app.embedding.pieces import PIECE_CHARACTERS, cut_pieces
from app.errors import TextTooLong, WorkCancelled


class ReadItem(NamedTuple):
    """One tokenized item."""

    ids: npt.NDArray[np.int32]
    prompt_tokens: int
    text_tokens: int
    spans: list[tuple[int, int]]
    """First and last-plus-one token of each span of the item."""


class TokenReader:
    """A tokenizer with the prompts and the window of a checkpoint; threads may share it."""

    def __init__(self, tokenizer: Tokenizer, checkpoint: Checkpoint) -> None:
        """Take the tokenizer over: from here on it is not changed any more."""
        self.tokenizer = tokenizer
        self._checkpoint = checkpoint
        if checkpoint.lowercase:
            normalizer = tokenizer.normalizer
            tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Lowercase(), *([normalizer] if normalizer else [])]
            )
        tokenizer.no_truncation()
        tokenizer.no_padding()
        _split_unreadable(tokenizer)
        self._unknown = _find_unknown(tokenizer)
        self._leading, self._trailing = _find_edges(tokenizer)

    def count_tokens(self, item: Item) -> int:
        """Return the tokens of an item, prompt, title and special tokens included."""
        text = self.prefix(item.title, item.task) + item.text
        tokens = 0
        for begin, end in cut_pieces(text):
            # As a batch of one: `encode` keeps the interpreter, in a long text for tenths of a
            # second.
            (encoding,) = self.tokenizer.encode_batch_fast(
                [text[begin:end]], add_special_tokens=not begin
            )
            tokens += len(encoding)
        return tokens

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """Return the offset of the first character of each token of `text`, ascending."""
        starts = []
        for begin, end in cut_pieces(text):
            (encoding,) = self.tokenizer.encode_batch([text[begin:end]], add_special_tokens=False)
            starts.append(np.array([start for start, _ in encoding.offsets], np.int64) + begin)
        return np.concatenate(starts)

    def count_unknown(self, text: str) -> int:
        """Return how many tokens of `text` stand for what the tokenizer does not know."""
        if self._unknown is None:
            return 0
        unknown = 0
        for begin, end in cut_pieces(text):
            pieces = [text[begin:end]]
            (encoding,) = self.tokenizer.encode_batch_fast(pieces, add_special_tokens=False)
            unknown += int(np.count_nonzero(np.array(encoding.ids) == self._unknown))
        return unknown

    def prefix(self, title: str, task: Task) -> str:
        """Return what precedes a text: prompt and title."""
        return self._checkpoint.prompt(task) + (title + TITLE_SEPARATOR if title else "")

    def read(
        self, items: Sequence[Item], is_cancelled: Callable[[], bool] = lambda: False
    ) -> list[ReadItem]:
        """Tokenize; raises TextTooLong for the first item past the window, and WorkCancelled."""
        prefixes = [self.prefix(item.title, item.task) for item in items]
        texts = [prefix + item.text for prefix, item in zip(prefixes, items, strict=True)]
        rows: list[ReadItem] = []
        for batch in _cut_batches(texts):
            _check_wanted(is_cancelled)
            known = len(rows)
            if len(batch[0]) > PIECE_CHARACTERS:
                encoded = [self._encode_long(batch[0], items[known].task, is_cancelled)]
            else:
                encoded = list(map(_Tokens.of, self.tokenizer.encode_batch(batch)))
            rows += [
                self._read_item(items[i], prefixes[i], tokens)
                for i, tokens in enumerate(encoded, known)
            ]
        return rows

    def _read_item(self, item: Item, prefix: str, tokens: "_Tokens") -> ReadItem:
        self._check_count(len(tokens.ids), item.task)
        text_first, text_last = tokens.overlapping(Span(len(prefix), len(prefix) + len(item.text)))
        prompt = self._checkpoint.prompt(item.task)
        return ReadItem(
            tokens.ids,
            tokens.overlapping(Span(0, len(prompt)))[1] if prompt else 0,
            text_last - text_first,
            [tokens.overlapping(span.shifted(len(prefix))) for span in item.spans],
        )

    def _encode_long(self, text: str, task: Task, is_cancelled: Callable[[], bool]) -> "_Tokens":
        """Tokenize piece by piece; what is past the window is counted and not kept."""
        count = len(self._leading) + len(self._trailing)
        ids: list[list[int]] = [self._leading]
        offsets: list[npt.NDArray[np.int64]] = []
        for begin, end in cut_pieces(text):
            _check_wanted(is_cancelled)
            (encoding,) = self.tokenizer.encode_batch([text[begin:end]], add_special_tokens=False)
            count += len(encoding)
            if count <= self._checkpoint.max_tokens:
                ids.append(encoding.ids)
                offsets.append(_offsets_of(encoding) + begin)
        self._check_count(count, task)
        ids.append(self._trailing)
        return _Tokens(np.concatenate(ids).astype(np.int32), np.concatenate(offsets), len(ids[0]))

    def _check_count(self, tokens: int, task: Task) -> None:
        if tokens > self._checkpoint.max_tokens:
            what = "the query" if task is Task.QUERY else "the text"
            raise TextTooLong(tokens, self._checkpoint.max_tokens, what)


class ReadsTokens:
    """What an engine says of texts by its tokenizer: see Engine."""

    _reader: TokenReader

    @property
    def tokenizer(self) -> Tokenizer:
        """See Engine.tokenizer."""
        return self._reader.tokenizer

    def count_tokens(self, item: Item) -> int:
        """See Engine.count_tokens."""
        return self._reader.count_tokens(item)

    def count_unknown(self, text: str) -> int:
        """See Engine.count_unknown."""
        return self._reader.count_unknown(text)

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """See Engine.token_starts."""
        return self._reader.token_starts(text)

    def overhead(self, title: str, task: Task) -> int:
        """See Engine.overhead."""
        return self.count_tokens(Item("", task, title))


def _split_unreadable(tokenizer: Tokenizer) -> None:
    """Let WordPiece read a word but for its unknown characters, and a long word in parts.

    By itself it makes one unknown token of the whole word, so that all such words are one.
    """
    model = tokenizer.model
    if not isinstance(model, WordPiece):
        return
    prefix = model.continuing_subword_prefix
    known = {character for word in tokenizer.get_vocab() for character in word.removeprefix(prefix)}
    others = Regex(f"[^{''.join(map(re.escape, sorted(known)))}]")
    splits = [
        pre_tokenizers.Split(others, "isolated"),
        pre_tokenizers.FixedLength(model.max_input_chars_per_word),
    ]
    former = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*([former] if former else []), *splits])


def _find_unknown(tokenizer: Tokenizer) -> int | None:
    """Return the id of the token for what is not known; None where every text is."""
    unknown = getattr(tokenizer.model, "unk_token", None)
    if unknown is None:
        # Unigram models keep the token's number to themselves.
        unknown = next((t for t in ("<unk>", "[UNK]") if tokenizer.token_to_id(t) is not None), "")
    return tokenizer.token_to_id(unknown)


def _find_edges(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens that stand before and behind each text."""
    encoding = tokenizer.encode("a")
    kept = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    first, last = (kept[0], kept[-1] + 1) if kept else (len(encoding), len(encoding))
    return encoding.ids[:first], encoding.ids[last:]


def _cut_batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield texts that together are no longer than a piece, and a longer one by itself."""
    first, total = 0, 0
    for i, text in enumerate(texts):
        if i > first and total + len(text) > PIECE_CHARACTERS:
            yield texts[first:i]
            first, total = i, 0
        total += len(text)
    if texts:
        yield texts[first:]


def _check_wanted(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise WorkCancelled("nobody waits for these vectors any more")


def _offsets_of(encoding: Encoding) -> npt.NDArray[np.int64]:
    # `encoding.offsets` makes a new list of all of them at each access.
    return np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)


class _Tokens(NamedTuple):
    """The tokens of one text, and the character offsets of those that are not special."""

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    first: int
    """The first token that is not special."""

    @classmethod
    def of(cls, encoding: Encoding) -> Self:
        kept = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        ids = np.array(encoding.ids, dtype=np.int32)
        return cls(ids, _offsets_of(encoding)[kept], kept[0] if kept else 0)

    def overlapping(self, span: Span) -> tuple[int, int]:
        """Return the first and last-plus-one token that holds a character of `span`."""
        starts, ends = self.offsets[:, 0], self.offsets[:, 1]
        first = int(np.searchsorted(ends, span.start, side="right"))
        last = int(np.searchsorted(starts, span.end, side="left"))
        return self.first + first, self.first + max(first, last)
