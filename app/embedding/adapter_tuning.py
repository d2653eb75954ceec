"""Teaches the query adapter of a checkpoint to rank the articles of a knowledge base.

Only the adapter of `retrieval.query` moves: what was embedded stays as it is. A question is taught
by the ranking that search uses, a weighted sum of the best unit, the best passage and the words in
common, as a softmax over the documents of its batch (InfoNCE, van den Oord et al. 2018) with hard
negatives among them. Few pairs teach chance as well, so the vectors of questions are held near the
ones they had, training ends when questions that it does not see stop to gain, and of the way from
the start to there the part is taken that serves those questions best (Wortsman et al. 2022).
"""

from collections.abc import Callable, Iterator, Sequence
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
from app.embedding.lessons import Lesson, Pool
from app.embedding.tokenization import TokenReader
from app.embedding.torch.engine import adapter_weights, load_model
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
    lessons: Sequence[Lesson],
    pool: Pool,
    weights: RankingWeights,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Fit:
    """Train on most of `lessons`, held against the others; `on_progress` counts batches.

    Raises TrainingStopped once `is_stopping` says so.
    """
    started = perf_counter()
    student = _Student(checkpoint)
    random = np.random.default_rng(_SEED)
    order = random.permutation(len(lessons))
    held = max(1, round(HELD_OUT * len(lessons)))
    held_out = [lessons[i] for i in order[:held]]
    taught = [lessons[i] for i in order[held:]]
    start = student.read_parameters()
    anchors = {
        lesson.text: row for lesson, row in zip(lessons, student.embed(lessons), strict=True)
    }
    before = _evaluate(student, held_out, pool, weights)
    best, best_epoch, best_weights = before, 0, start
    optimizer = torch.optim.AdamW(student.parameters, lr=LEARNING_RATE, weight_decay=0.0)
    batches = -(-len(taught) // BATCH)
    done = 0
    for epoch in range(1, MAX_EPOCHS + 1):
        for batch in _shuffle(taught, random):
            if is_stopping():
                raise TrainingStopped("training was cut off")
            warm = min(1.0, (done + 1) / batches)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * warm
            vectors = student.embed_batch(batch)
            fixed = torch.stack([anchors[lesson.text] for lesson in batch])
            moved = 1 - (vectors * fixed).sum(dim=1)
            loss = _ranking_loss(vectors, batch, pool, weights) + ANCHOR * moved.mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(student.parameters, 1.0)
            optimizer.step()
            done += 1
            on_progress(done, batches * MAX_EPOCHS)
        now = _evaluate(student, held_out, pool, weights)
        if now < best:
            best, best_epoch, best_weights = now, epoch, student.read_parameters()
        if epoch - best_epoch >= PATIENCE:
            break
    share = 0.0
    for tried in SHARES if best_epoch else ():
        student.write_parameters(start, best_weights, tried)
        loss_there = _evaluate(student, held_out, pool, weights)
        if share == 0.0 or loss_there < best:
            best, share = loss_there, tried
    student.write_parameters(start, best_weights, share)
    vectors = student.embed(held_out)
    kept = torch.stack([anchors[lesson.text] for lesson in held_out])
    return Fit(
        len(taught),
        len(held_out),
        epoch,
        best_epoch,
        share,
        before,
        best,
        float((1 - (vectors * kept).sum(dim=1)).mean()),
        perf_counter() - started,
        student.save() if share else b"",
    )


class _Student:
    """transformers' model, of which the query adapter alone learns."""

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

    def read_parameters(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def write_parameters(
        self, start: Sequence[torch.Tensor], end: Sequence[torch.Tensor], share: float
    ) -> None:
        """Stand at a part of the way from `start` to `end`."""
        for parameter, a, b in zip(self.parameters, start, end, strict=True):
            parameter.copy_(a + share * (b - a))

    def embed_batch(self, lessons: Sequence[Lesson]) -> torch.Tensor:
        """Return unit vectors of questions, with gradients: shape (len(lessons), dimensions)."""
        read = self._reader.read([Item(lesson.text, Task.QUERY) for lesson in lessons])
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
    def embed(self, lessons: Sequence[Lesson]) -> torch.Tensor:
        return torch.cat(
            [self.embed_batch(lessons[i : i + BATCH]) for i in range(0, len(lessons), BATCH)]
        )

    def save(self) -> bytes:
        """Return the adapter as a file that PEFT loads."""
        return save(
            {name: weight.detach().contiguous() for name, weight in self._named.items()},
            metadata={"format": "pt"},
        )


def _shuffle(lessons: Sequence[Lesson], random: np.random.Generator) -> Iterator[list[Lesson]]:
    order = random.permutation(len(lessons))
    for first in range(0, len(order), BATCH):
        yield [lessons[i] for i in order[first : first + BATCH]]


def _ranking_loss(
    vectors: torch.Tensor, lessons: Sequence[Lesson], pool: Pool, weights: RankingWeights
) -> torch.Tensor:
    """Return the mean of -log of the share that a question's right documents have."""
    rows = sorted({row for lesson in lessons for row in (*lesson.right, *lesson.negatives)})
    logits = _score(vectors, lessons, rows, pool, weights) / TEMPERATURE
    right = torch.tensor([[row in lesson.right for row in rows] for lesson in lessons])
    ignored = torch.tensor([[row in lesson.ignored for row in rows] for lesson in lessons])
    logits = logits.masked_fill(ignored & ~right, -torch.inf)
    shares = F.log_softmax(logits, dim=1).masked_fill(~right, -torch.inf)
    return -torch.logsumexp(shares, dim=1).mean()


def _score(
    vectors: torch.Tensor,
    lessons: Sequence[Lesson],
    rows: Sequence[int],
    pool: Pool,
    weights: RankingWeights,
) -> torch.Tensor:
    """Return the logits of search, without its bias: shape (len(lessons), len(rows))."""
    units = _best(vectors, pool.units, pool.unit_counts, rows)
    passages = _best(vectors, pool.passages, pool.passage_counts, rows)
    lexical = torch.from_numpy(np.stack([lesson.lexical[list(rows)] for lesson in lessons]))
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
    student: _Student, lessons: Sequence[Lesson], pool: Pool, weights: RankingWeights
) -> float:
    losses = []
    for first in range(0, len(lessons), BATCH):
        batch = lessons[first : first + BATCH]
        losses.append(len(batch) * _ranking_loss(student.embed_batch(batch), batch, pool, weights))
    return float(sum(losses)) / len(lessons)
