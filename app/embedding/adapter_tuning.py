"""Fine-tunes the query adapter of a checkpoint to rank the articles of a knowledge base.

Only the adapter of `retrieval.query` is trained: what was embedded stays as it is. The loss is that
of the ranking search uses, a weighted sum of the best unit, the best passage and the words in
common, as a softmax over the documents of a batch (InfoNCE, van den Oord et al. 2018) with hard
negatives among them. Few pairs also teach noise, so the vectors of questions are anchored to the
ones they had, training stops early by a validation loss, and the adapter is interpolated between
its start and its best epoch (Wortsman et al. 2022).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from safetensors.torch import save
from transformers import AutoTokenizer

from app.domain import Item, Task
from app.embedding.checkpoint import Checkpoint
from app.embedding.tokenization import TokenReader
from app.embedding.torch.engine import adapter_weights, load_model
from app.embedding.training_examples import Pool, TrainingExample
from app.errors import TrainingStopped

BATCH = 32
LEARNING_RATE = 1e-3
TEMPERATURE = 1.0
"""Of the logits of search; lower looks at the hardest negatives only."""
ANCHOR = 1.0
"""What one unit of 1 - cosine between a question's vector and the one it had costs."""
MAX_EPOCHS = 12
PATIENCE = 2
"""Epochs without a gain on the held-out questions after which training ends."""
HELD_OUT = 0.2
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Parts of the way from the start to the best epoch that are tried."""

_SEED = 7


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """How search adds up what its stages give a document."""

    unit: float
    passage: float
    lexical: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What a run of training came to. Losses are means over held-out questions."""

    pairs: int
    held_out: int
    epochs: int
    best_epoch: int
    share: float
    """How far from the start to the best epoch the adapter stands; 0 when nothing was learned."""
    loss_before: float
    loss_after: float
    movement: float
    """Mean of 1 - cosine between the vectors of held-out questions and those they had."""
    seconds: float
    adapter: bytes
    """A safetensors file as PEFT writes it; empty when nothing was learned."""


def fit_query_adapter(
    checkpoint: Checkpoint,
    examples: Sequence[TrainingExample],
    pool: Pool,
    weights: RankingWeights,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Fit:
    """Train on most of `examples`, validate on the others; `on_progress` counts batches.

    Raises TrainingStopped once `is_stopping` says so.
    """
    started = perf_counter()
    random = np.random.default_rng(_SEED)
    order = random.permutation(len(examples))
    count = max(1, round(HELD_OUT * len(examples)))
    held_out = [examples[i] for i in order[:count]]
    trained_on = [examples[i] for i in order[count:]]
    encoder = _QueryEncoder(checkpoint)
    start = encoder.copy_parameters()
    vectors = encoder.embed(examples)
    anchors = {example.text: row for example, row in zip(examples, vectors, strict=True)}
    before = _evaluate(encoder, held_out, pool, weights)
    best, best_epoch, end = before, 0, start
    trainer = _Trainer(encoder, pool, weights, anchors, on_progress, is_stopping)
    for epoch in range(1, MAX_EPOCHS + 1):
        trainer.run_epoch(trained_on, random)
        loss = _evaluate(encoder, held_out, pool, weights)
        if loss < best:
            best, best_epoch, end = loss, epoch, encoder.copy_parameters()
        if epoch - best_epoch >= PATIENCE:
            break
    share = 0.0
    for candidate in SHARES if best_epoch else ():
        encoder.interpolate(start, end, candidate)
        loss = _evaluate(encoder, held_out, pool, weights)
        if share == 0.0 or loss < best:
            best, share = loss, candidate
    encoder.interpolate(start, end, share)
    return Fit(
        len(trained_on),
        len(held_out),
        epoch,
        best_epoch,
        share,
        before,
        best,
        float(_movements(encoder.embed(held_out), held_out, anchors).mean()),
        perf_counter() - started,
        encoder.save() if share else b"",
    )


class _Trainer:
    """Steps of the optimizer, whose rate grows over the first epoch."""

    def __init__(
        self,
        encoder: "_QueryEncoder",
        pool: Pool,
        weights: RankingWeights,
        anchors: Mapping[str, torch.Tensor],
        on_progress: Callable[[int, int], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._encoder, self._pool, self._weights = encoder, pool, weights
        self._anchors = anchors
        self._on_progress, self._is_stopping = on_progress, is_stopping
        self._optimizer = torch.optim.AdamW(encoder.parameters, lr=LEARNING_RATE, weight_decay=0.0)
        self._done = 0

    def run_epoch(self, examples: Sequence[TrainingExample], random: np.random.Generator) -> None:
        """Take a step for each batch; raises TrainingStopped."""
        batches = -(-len(examples) // BATCH)
        for batch in _shuffle(examples, random):
            if self._is_stopping():
                raise TrainingStopped("training was cut off")
            for group in self._optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (self._done + 1) / batches)
            self._step(batch)
            self._done += 1
            self._on_progress(self._done, batches * MAX_EPOCHS)

    def _step(self, batch: Sequence[TrainingExample]) -> None:
        vectors = self._encoder.embed_batch(batch)
        moved = _movements(vectors, batch, self._anchors).mean()
        loss = _ranking_loss(vectors, batch, self._pool, self._weights) + ANCHOR * moved
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._encoder.parameters, 1.0)
        self._optimizer.step()


def _movements(
    vectors: torch.Tensor,
    examples: Sequence[TrainingExample],
    anchors: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Return 1 - cosine between vectors of questions and those they had: shape (len(examples),)."""
    return 1 - (vectors * torch.stack([anchors[one.text] for one in examples])).sum(dim=1)


class _QueryEncoder:
    """transformers' model, of which the query adapter alone is trained."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._dimensions = checkpoint.dimensions
        self._include_prompt = checkpoint.include_prompt
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint.folder), local_files_only=True)
        self._reader = TokenReader(tokenizer.backend_tokenizer, checkpoint)
        self._model = load_model(checkpoint)
        self._model.set_adapter(checkpoint.adapters[Task.QUERY])
        self._model.requires_grad_(False)
        self._named = adapter_weights(self._model, checkpoint.adapters[Task.QUERY])
        for parameter in self._named.values():
            parameter.requires_grad_(True)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        return list(self._named.values())

    def copy_parameters(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def interpolate(
        self, start: Sequence[torch.Tensor], end: Sequence[torch.Tensor], share: float
    ) -> None:
        """Set the parameters to a point between `start` and `end`."""
        for parameter, a, b in zip(self.parameters, start, end, strict=True):
            parameter.copy_(a + share * (b - a))

    def embed_batch(self, examples: Sequence[TrainingExample]) -> torch.Tensor:
        """Return unit vectors of questions, with gradients: shape (len(examples), dimensions)."""
        read = self._reader.read([Item(example.text, Task.QUERY) for example in examples])
        ids = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(row.ids).long() for row in read], batch_first=True
        )
        mask = torch.zeros(ids.shape, dtype=torch.long)
        pooled = torch.zeros(ids.shape)
        for i, row in enumerate(read):
            mask[i, : len(row.ids)] = 1
            skipped = 0 if self._include_prompt else row.prompt_tokens
            pooled[i, skipped : len(row.ids)] = 1 / (len(row.ids) - skipped)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        vectors = (hidden * pooled[:, :, None]).sum(dim=1)[:, : self._dimensions]
        return F.normalize(vectors, dim=1)

    @torch.no_grad()
    def embed(self, examples: Sequence[TrainingExample]) -> torch.Tensor:
        return torch.cat(
            [self.embed_batch(examples[i : i + BATCH]) for i in range(0, len(examples), BATCH)]
        )

    def save(self) -> bytes:
        """Return the adapter as a file that PEFT loads."""
        return save(
            {name: weight.detach().contiguous() for name, weight in self._named.items()},
            metadata={"format": "pt"},
        )


def _shuffle(
    examples: Sequence[TrainingExample], random: np.random.Generator
) -> Iterator[list[TrainingExample]]:
    order = random.permutation(len(examples))
    for first in range(0, len(order), BATCH):
        yield [examples[i] for i in order[first : first + BATCH]]


def _ranking_loss(
    vectors: torch.Tensor, examples: Sequence[TrainingExample], pool: Pool, weights: RankingWeights
) -> torch.Tensor:
    """Return the mean of -log of the share that a question's right documents have."""
    rows = sorted({row for example in examples for row in (*example.right, *example.negatives)})
    logits = _score(vectors, examples, rows, pool, weights) / TEMPERATURE
    right = torch.tensor([[row in example.right for row in rows] for example in examples])
    ignored = torch.tensor([[row in example.ignored for row in rows] for example in examples])
    logits = logits.masked_fill(ignored & ~right, -torch.inf)
    shares = F.log_softmax(logits, dim=1).masked_fill(~right, -torch.inf)
    return -torch.logsumexp(shares, dim=1).mean()


def _score(
    vectors: torch.Tensor,
    examples: Sequence[TrainingExample],
    rows: Sequence[int],
    pool: Pool,
    weights: RankingWeights,
) -> torch.Tensor:
    """Return the logits of search, without its bias: shape (len(examples), len(rows))."""
    units = _best(vectors, pool.units, pool.unit_counts, rows)
    passages = _best(vectors, pool.passages, pool.passage_counts, rows)
    lexical = torch.from_numpy(np.stack([example.lexical[list(rows)] for example in examples]))
    return weights.unit * units + weights.passage * passages + weights.lexical * lexical


def _best(
    vectors: torch.Tensor,
    stored: npt.NDArray[Any],
    counts: npt.NDArray[np.int64],
    rows: Sequence[int],
) -> torch.Tensor:
    """Return the largest inner product with the vectors of each document."""
    ends = np.cumsum(counts)
    picked = np.concatenate([np.arange(ends[row] - counts[row], ends[row]) for row in rows])
    products = vectors @ torch.from_numpy(stored[picked].astype(np.float32)).T
    owners = torch.from_numpy(np.repeat(np.arange(len(rows)), counts[list(rows)]))
    best = torch.full((len(vectors), len(rows)), -torch.inf)
    return best.scatter_reduce(1, owners.expand(len(vectors), -1), products, "amax")


@torch.no_grad()
def _evaluate(
    encoder: _QueryEncoder, examples: Sequence[TrainingExample], pool: Pool, weights: RankingWeights
) -> float:
    losses = []
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        losses.append(len(batch) * _ranking_loss(encoder.embed_batch(batch), batch, pool, weights))
    return float(sum(losses)) / len(examples)
