"""Runs a checkpoint with torch, on a CPU or a GPU."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Encoding, normalizers
from transformers import AutoModel, AutoTokenizer
from transformers import logging as transformers_logging

from app.domain import Embedding, Item, Span, Task
from app.embedding.checkpoint import TITLE_SEPARATOR, Checkpoint
from app.errors import EmbeddingCancelled, InvalidRequest, TextTooLong

_MAX_BATCH_ROWS = 64
# A second thread saves such a pass little, and on a busy machine costs it much: each of its many
# short parallel parts waits for the thread that was not scheduled.
_ONE_THREAD_BELOW_FLOPS = 1e9


class _Row(NamedTuple):
    """One tokenized item and where it belongs in the answer."""

    position: int
    ids: list[int]
    prompt_tokens: int
    text_tokens: int
    spans: list[tuple[int, int]]
    """First and last-plus-one token of each span of the item."""


class TorchEngine:
    """The reference engine: fp32, unmerged adapters, one forward pass at a time."""

    name = "torch"
    dtype = "float32"

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto", batch_tokens: int = 1024):
        """Load the weights; `batch_tokens` bounds the padded size of one document batch."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = device
        self.checkpoint = checkpoint
        self.max_tokens = checkpoint.max_tokens
        self.dimensions = checkpoint.dimensions
        self._batch_tokens = batch_tokens
        # Loading bars on stderr would end up between the lines of a command's output.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        folder = str(checkpoint.folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # The Rust tokenizer itself: immutable from here on, so that threads can share it.
        self._tokenizer = tokenizer.backend_tokenizer
        if checkpoint.lowercase:
            normalizer = self._tokenizer.normalizer
            self._tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Lowercase(), *([normalizer] if normalizer else [])]
            )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pad_id = tokenizer.pad_token_id or 0
        self._model = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
        with warnings.catch_warnings():
            # PEFT warns of the second adapter; several are what is wanted.
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            # transformers reports the adapters that it loaded before as missing from the next one.
            verbosity = transformers_logging.get_verbosity()
            transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
            for adapter in checkpoint.adapters.values():
                self._model.load_adapter(
                    folder,
                    adapter_name=adapter,
                    adapter_kwargs={"subfolder": adapter, "local_files_only": True},
                )
        transformers_logging.set_verbosity(verbosity)
        self._model.eval().requires_grad_(False).to(device)
        # A multiplication and an addition for each weight but those that are only looked up.
        self._flops_per_token = 2 * sum(
            weights.numel()
            for module in self._model.modules()
            if not isinstance(module, torch.nn.Embedding)
            for weights in module.parameters(recurse=False)
        )
        self._threads = torch.get_num_threads()
        self._turns = _Turns()

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Embedding]:
        """See Engine.embed."""
        cut = (
            self.dimensions if dimensions is None else self.checkpoint.check_dimensions(dimensions)
        )
        rows = self._tokenize(items)
        embeddings: dict[int, Embedding] = {}
        for task in Task:
            mine = [row for row in rows if items[row.position].task is task]
            if mine and self.checkpoint.adapters and task not in self.checkpoint.adapters:
                raise InvalidRequest(f"{self.checkpoint.name} has no adapter for the task {task}")
            for batch in self._batches(mine):
                if is_cancelled():
                    raise EmbeddingCancelled("nobody waits for these vectors any more")
                with self._turns.take(urgent=task is Task.QUERY):
                    embeddings.update(self._forward(batch, task, cut))
        return [embeddings[position] for position in range(len(items))]

    def count_tokens(self, item: Item) -> int:
        """See Engine.count_tokens."""
        return len(self._tokenizer.encode(self._prefix(item.title, item.task) + item.text).ids)

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """See Engine.token_starts."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array([start for start, _ in offsets], dtype=np.int64)

    def overhead(self, title: str, task: Task) -> int:
        """See Engine.overhead."""
        return self.count_tokens(Item("", task, title))

    def warm_up(self) -> None:
        """See Engine.warm_up."""
        for task in (Task.PASSAGE, Task.QUERY):
            self.embed([Item("warm up", task)])

    def _prefix(self, title: str, task: Task) -> str:
        return self.checkpoint.prompt(task) + (title + TITLE_SEPARATOR if title else "")

    def _tokenize(self, items: Sequence[Item]) -> list[_Row]:
        prefixes = [self._prefix(item.title, item.task) for item in items]
        texts = [prefix + item.text for prefix, item in zip(prefixes, items, strict=True)]
        encodings = self._tokenizer.encode_batch(texts)
        rows = []
        for position, (item, prefix, encoding) in enumerate(
            zip(items, prefixes, encodings, strict=True)
        ):
            if len(encoding.ids) > self.max_tokens:
                what = "the query" if item.task is Task.QUERY else "the text"
                raise TextTooLong(len(encoding.ids), self.max_tokens, what)
            tokens = _TokenOffsets(encoding)
            text_first, text_last = tokens.overlapping(
                Span(len(prefix), len(prefix) + len(item.text))
            )
            prompt = self.checkpoint.prompt(item.task)
            rows.append(
                _Row(
                    position,
                    encoding.ids,
                    tokens.overlapping(Span(0, len(prompt)))[1] if prompt else 0,
                    text_last - text_first,
                    [tokens.overlapping(span.shifted(len(prefix))) for span in item.spans],
                )
            )
        return rows

    def _batches(self, rows: list[_Row]) -> Iterator[list[_Row]]:
        """Yield batches of similar length whose padded size stays within the token budget."""
        batch: list[_Row] = []
        # Longest first: the first row of a batch is its padded width.
        for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
            width = len(batch[0].ids) if batch else 0
            if batch and (
                width * (len(batch) + 1) > self._batch_tokens or len(batch) == _MAX_BATCH_ROWS
            ):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    @torch.inference_mode()
    def _forward(self, rows: list[_Row], task: Task, dimensions: int) -> dict[int, Embedding]:
        width = len(rows[0].ids)
        ids = torch.full((len(rows), width), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)] = torch.tensor(row.ids)
            mask[i, : len(row.ids)] = 1
        if self.checkpoint.adapters:
            self._model.set_adapter(self.checkpoint.adapters[task])
        is_small = ids.numel() * self._flops_per_token < _ONE_THREAD_BELOW_FLOPS
        torch.set_num_threads(1 if is_small else self._threads)
        output = self._model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device))
        hidden = output.last_hidden_state
        return {
            row.position: self._pool(hidden[i, : len(row.ids)], row, dimensions)
            for i, row in enumerate(rows)
        }

    def _pool(self, hidden: torch.Tensor, row: _Row, dimensions: int) -> Embedding:
        """Pool the token vectors of one row (tokens, hidden_size) into unit and span vectors."""
        read = hidden
        if not self.checkpoint.include_prompt and row.prompt_tokens:
            read = hidden[row.prompt_tokens :]
        match self.checkpoint.pooling:
            case "mean":
                unit = read.mean(dim=0)
            case "cls":
                unit = read[0]
            case "max":
                unit = read.amax(dim=0)
        # A span without tokens of its own (characters that the tokenizer drops) reads as its unit.
        pooled = [hidden[a:b].mean(dim=0) if b > a else unit for a, b in row.spans]
        vectors = torch.stack([unit, *pooled])[:, :dimensions]
        norms = vectors.norm(dim=1)
        normalized = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        lengths = norms.cpu().numpy()
        return Embedding(
            normalized[0],
            normalized[1:],
            len(row.ids),
            row.text_tokens,
            float(lengths[0]),
            lengths[1:],
        )


class _TokenOffsets:
    """Character offsets of the tokens of one encoding, special tokens left out."""

    def __init__(self, encoding: Encoding) -> None:
        kept = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        self._first = kept[0] if kept else 0
        # `encoding.offsets` makes a new list of all of them at each access.
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)[kept]
        self._starts, self._ends = offsets[:, 0], offsets[:, 1]

    def overlapping(self, span: Span) -> tuple[int, int]:
        """Return the first and last-plus-one token that holds a character of `span`."""
        first = int(np.searchsorted(self._ends, span.start, side="right"))
        last = int(np.searchsorted(self._starts, span.end, side="left"))
        return self._first + first, self._first + max(first, last)


class _Turns:
    """One forward pass at a time: queries in the order they came, before waiting documents.

    A plain lock is not fair: the thread that embeds documents would take it again before a waiting
    query wakes up.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._busy = False
        self._urgent: deque[object] = deque()

    @contextmanager
    def take(self, *, urgent: bool) -> Iterator[None]:
        ticket = object()
        with self._changed:
            if urgent:
                self._urgent.append(ticket)
            try:
                self._changed.wait_for(lambda: not self._busy and self._is_next(ticket, urgent))
                self._busy = True
            finally:
                if urgent:
                    self._urgent.remove(ticket)
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _is_next(self, ticket: object, urgent: bool) -> bool:
        return self._urgent[0] is ticket if urgent else not self._urgent
