"""Runs a checkpoint with torch, on a CPU or a GPU."""

import warnings
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Encoding, normalizers
from transformers import AutoModel, AutoTokenizer
from transformers import logging as transformers_logging

from app.domain import Embedding, Item, Span, Task
from app.embedding.checkpoint import TITLE_SEPARATOR, Checkpoint
from app.embedding.jina_v2 import is_jina_v2, read_jina_v2
from app.embedding.lanes import Lane, Lanes
from app.embedding.metrics import EngineMetrics
from app.embedding.packed import Network, PackedEncoder, Steps, pick_dtype, read_network
from app.errors import InvalidRequest, TextTooLong

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# A second thread saves such a pass little, and on a busy machine costs it much: each of its many
# short parallel parts waits for the thread that was not scheduled.
_ONE_THREAD_BELOW_FLOPS = 1e9
# More tokens in one call than this are no question that somebody waits for.
_MAX_QUERY_TOKENS = 4096


class _Row(NamedTuple):
    """One tokenized item and what is to be made of it."""

    dimensions: int
    adapter: str
    ids: list[int]
    prompt_tokens: int
    text_tokens: int
    spans: list[tuple[int, int]]
    """First and last-plus-one token of each span of the item."""


class _Encoder(Protocol):
    flops_per_token: int

    def run(self, ids: torch.Tensor, lengths: Sequence[int], adapters: Sequence[str]) -> Steps: ...


class TorchEngine:
    """Packed passes with all adapters at once; architectures it does not know run padded."""

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        batch_tokens: int = 1024,
        dtype: str = "float32",
        merge_bytes: int = 0,
        max_waiting_tokens: int = 262_144,
    ):
        """Load the weights; `batch_tokens` bounds a batch, a longer row runs alone.

        `dtype` is `float32`, `bfloat16` or `auto`, which times both. `merge_bytes` bounds the
        copies of the weights that have an adapter merged in.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = device
        self.checkpoint = checkpoint
        self.max_tokens = checkpoint.max_tokens
        self.dimensions = checkpoint.dimensions
        self.metrics = EngineMetrics()
        self._load_tokenizer()
        model: Any = None
        if is_jina_v2(checkpoint.folder):
            network: Network | None = read_jina_v2(checkpoint.folder)
        else:
            model = _load_model(checkpoint)
            network = read_network(model, list(checkpoint.adapters.values()))
        self._encoder: _Encoder
        if network is None:
            self.dtype = "float32"
            self._encoder = _PaddedEncoder(model.to(device), device)
        else:
            chosen = pick_dtype(network, device) if dtype == "auto" else DTYPES[dtype]
            self.dtype = str(chosen).removeprefix("torch.")
            self._encoder = PackedEncoder(
                network, device=device, dtype=chosen, merge_bytes=merge_bytes
            )
        self._threads = torch.get_num_threads()
        self._lanes: Lanes[_Row, Embedding] = Lanes(
            batch_tokens=batch_tokens,
            max_waiting_tokens=max_waiting_tokens,
            metrics=self.metrics,
        )
        weakref.finalize(self, self._lanes.close)

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed."""
        cut = (
            self.dimensions if dimensions is None else self.checkpoint.check_dimensions(dimensions)
        )
        adapters = self.checkpoint.adapters
        for task in {item.task for item in items} if adapters else ():
            if task not in adapters:
                raise InvalidRequest(f"{self.checkpoint.name} has no adapter for the task {task}")
        rows = [(row, len(row.ids)) for row in self._tokenize(items, cut)]
        is_urgent = (
            all(item.task is Task.QUERY for item in items)
            and sum(tokens for _, tokens in rows) <= _MAX_QUERY_TOKENS
        )
        lane = Lane.QUERIES if is_urgent else Lane.DOCUMENTS
        return self._lanes.run(
            rows, lane, self._start_pass, is_cancelled=is_cancelled, refuses=refuses
        )

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

    def _load_tokenizer(self) -> None:
        tokenizer = AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), local_files_only=True
        )
        # The Rust tokenizer itself: immutable from here on, so that threads can share it.
        self._tokenizer = tokenizer.backend_tokenizer
        if self.checkpoint.lowercase:
            normalizer = self._tokenizer.normalizer
            self._tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Lowercase(), *([normalizer] if normalizer else [])]
            )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def _prefix(self, title: str, task: Task) -> str:
        return self.checkpoint.prompt(task) + (title + TITLE_SEPARATOR if title else "")

    def _tokenize(self, items: Sequence[Item], dimensions: int) -> list[_Row]:
        prefixes = [self._prefix(item.title, item.task) for item in items]
        texts = [prefix + item.text for prefix, item in zip(prefixes, items, strict=True)]
        encodings = self._tokenizer.encode_batch(texts)
        rows = []
        for item, prefix, encoding in zip(items, prefixes, encodings, strict=True):
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
                    dimensions,
                    self.checkpoint.adapters.get(item.task, ""),
                    encoding.ids,
                    tokens.overlapping(Span(0, len(prompt)))[1] if prompt else 0,
                    text_last - text_first,
                    [tokens.overlapping(span.shifted(len(prefix))) for span in item.spans],
                )
            )
        return rows

    @torch.inference_mode()
    def _start_pass(self, rows: list[_Row]) -> Generator[None, None, list[Embedding]]:
        """Run rows as one batch; yields between steps."""
        # Rows of one length share a call of attention.
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i].ids), rows[i].adapter))
        lengths = [len(rows[i].ids) for i in order]
        ids = torch.tensor([token for i in order for token in rows[i].ids])
        is_small = len(ids) * self._encoder.flops_per_token < _ONE_THREAD_BELOW_FLOPS
        steps = self._encoder.run(ids, lengths, [rows[i].adapter for i in order])
        while True:
            # Another pass may have run since the last step.
            torch.set_num_threads(1 if is_small else self._threads)
            try:
                next(steps)
            except StopIteration as end:
                hidden = end.value
                break
            yield
        parts = dict(zip(order, torch.split(hidden, lengths), strict=True))
        return [self._pool(parts[i], row) for i, row in enumerate(rows)]

    def _pool(self, hidden: torch.Tensor, row: _Row) -> Embedding:
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
        vectors = torch.stack([unit, *pooled])[:, : row.dimensions]
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


def _load_model(checkpoint: Checkpoint) -> Any:
    """Return transformers' model in fp32 with the adapters of the checkpoint."""
    folder = str(checkpoint.folder)
    # Loading bars on stderr would end up between the lines of a command's output.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = AutoModel.from_pretrained(
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
            model.load_adapter(
                folder,
                adapter_name=adapter,
                adapter_kwargs={"subfolder": adapter, "local_files_only": True},
            )
    transformers_logging.set_verbosity(verbosity)
    return model.eval().requires_grad_(False)


class _PaddedEncoder:
    """transformers' own forward pass, an adapter after another; one step a batch."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device
        # A multiplication and an addition for each weight but those that are only looked up.
        self.flops_per_token = 2 * sum(
            weights.numel()
            for module in model.modules()
            if not isinstance(module, torch.nn.Embedding)
            for weights in module.parameters(recurse=False)
        )

    def run(self, ids: torch.Tensor, lengths: Sequence[int], adapters: Sequence[str]) -> Steps:
        rows = torch.split(ids, list(lengths))
        states: dict[int, torch.Tensor] = {}
        for adapter in sorted(set(adapters)):
            mine = [i for i, name in enumerate(adapters) if name == adapter]
            if adapter:
                self._model.set_adapter(adapter)
            padded = torch.nn.utils.rnn.pad_sequence([rows[i] for i in mine], batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence(
                [torch.ones_like(rows[i]) for i in mine], batch_first=True
            )
            hidden = self._model(
                input_ids=padded.to(self._device), attention_mask=mask.to(self._device)
            ).last_hidden_state
            states.update((i, hidden[at, : lengths[i]]) for at, i in enumerate(mine))
            yield
        return torch.cat([states[i] for i in range(len(rows))])


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
