"""Vectors from a service: Jina's API, or any that speaks OpenAI's `POST /embeddings`.

Tokens are counted here, with the tokenizer that the model has: what a service would cut silently
never leaves. Passages come from `late_chunking` where the service is Jina's, and are embedded as
texts of their own elsewhere.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from app.config import Settings
from app.domain import Embedding, Item, Matrix, Task
from app.embedding.checkpoint import TITLE_SEPARATOR, Checkpoint
from app.embedding.metrics import EngineMetrics
from app.embedding.scheduler import Lane, choose_lane
from app.embedding.service import ATTEMPTS, Service, ServiceFails, host_of, refuse_text
from app.embedding.tokenization import ReadItem, ReadsTokens, TokenReader
from app.errors import EngineBusy, ModelUnavailable

_MAX_INPUTS = 128
_MAX_LATE_INPUTS = 2048
_REQUEST_TOKENS = 32_768
# By these a service refuses what it was sent; by others it says that it, or the key, is at fault.
_REFUSALS = {400, 413, 422}
_WARM_UP = "warm up"
# A vector of another length has no direction, or its length is not a float32.
_MIN_LENGTH, _MAX_LENGTH = 1e-12, 1e18


def describe_remote(settings: Settings) -> Checkpoint:
    """Return what is known of the configured remote model; connects to nothing."""
    missing = [
        name
        for name in ("model_tokenizer", "dimensions", "model_max_tokens")
        if getattr(settings, name) is None
    ]
    if missing:
        wanted = ", ".join(f"FOLIO_{name.upper()}" for name in missing)
        raise ModelUnavailable(f"the model at {host_of(settings)} needs the settings {wanted}")
    tokenizer = _tokenizer_file(settings)
    if not tokenizer.is_file():
        raise ModelUnavailable(f"no such tokenizer: {tokenizer}")
    assert settings.dimensions is not None
    assert settings.model_max_tokens is not None
    return Checkpoint(
        folder=tokenizer.parent,
        name=settings.model,
        revision="",
        model_type=f"remote, {settings.model_api}",
        hidden_size=settings.dimensions,
        dimensions=settings.dimensions,
        max_tokens=settings.model_max_tokens,
        unit_tokens=settings.model_max_tokens,
        languages=frozenset(),
        pooling="mean",
        include_prompt=True,
        prompts={},
        adapters={},
        lowercase=False,
        matryoshka=settings.model_api == "jina",
        identity={
            "model": settings.model,
            "service": host_of(settings),
            "api": settings.model_api,
            "tokenizer": sha256(tokenizer.read_bytes()).hexdigest(),
            "title_rule": f"title{TITLE_SEPARATOR}text",
            "dimensions": settings.dimensions,
        },
    )


class RemoteEngine(ReadsTokens):
    """Batches, a budget of tokens a minute, and retries with jitter on 429, 5xx and lost lines."""

    name = "remote"
    dtype = "float32"

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: Settings,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_tokens = checkpoint.max_tokens
        self.unit_tokens = checkpoint.unit_tokens
        self.languages = checkpoint.languages
        self.dimensions = checkpoint.dimensions
        self.metrics = EngineMetrics()
        self._reader = TokenReader(Tokenizer.from_file(str(_tokenizer_file(settings))), checkpoint)
        self._is_jina = self.late_chunking = settings.model_api == "jina"
        self._budget = _Budget(settings.model_tokens_per_minute)
        self._service = Service(settings, name=checkpoint.name, pause=pause)
        self.device = self._service.host

    @property
    def problem(self) -> str | None:
        """See Engine.problem."""
        return self._service.problem

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed. Raises ModelUnavailable when the service does not answer well.

        UnreadableDocument for texts that it does not embed while it does others. With `refuses`,
        raises EngineBusy instead of waiting for the budget of the minute.
        """
        cut = self.checkpoint.check_dimensions(dimensions)
        reads = self._reader.read(items, is_cancelled)
        lane = choose_lane(items, of_others=refuses)
        started = time.perf_counter()

        def ask(texts: Sequence[str], tokens: int, task: Task, *, late: bool = False) -> Matrix:
            self._wait_for_budget(tokens, lane, is_cancelled, refuses=refuses)
            with self._service.note_problems():
                vectors = self._ask(texts, task, late=late, is_cancelled=is_cancelled)
            self.metrics.tokens.labels(lane).inc(tokens)
            self.metrics.fill.labels(lane).observe(tokens / _REQUEST_TOKENS)
            return vectors[:, :cut]

        units: dict[int, npt.NDArray[np.float32]] = {}
        sizes = [len(read.ids) for read in reads]
        for task in Task:
            mine = [i for i, item in enumerate(items) if item.task is task]
            for batch in _batches(mine, sizes, _MAX_INPUTS, _REQUEST_TOKENS):
                texts = [self._reader.prefix(items[i].title, task) + items[i].text for i in batch]
                tokens = sum(sizes[i] for i in batch)
                units.update(zip(batch, ask(texts, tokens, task), strict=True))
        embeddings = []
        for i, (item, read) in enumerate(zip(items, reads, strict=True)):
            rows = [units[i][None]]
            sizes = [end - first for first, end in read.spans]
            most = _MAX_LATE_INPUTS if self._is_jina else _MAX_INPUTS
            # Heads of tables are spans of many passages: all together they can pass the window.
            for batch in _batches(range(len(sizes)), sizes, most, self.max_tokens):
                spans = [item.spans[at] for at in batch]
                texts = [item.text[span.start : span.end] for span in spans]
                tokens = sum(sizes[at] for at in batch)
                rows.append(ask(texts, tokens, item.task, late=self._is_jina))
            embeddings.append(_join(np.concatenate(rows), read))
        self.metrics.seconds.labels(lane).observe(time.perf_counter() - started)
        return embeddings

    def warm_up(self) -> None:
        """Ask once, so that a wrong key or name is found at the start."""
        self.embed([Item(_WARM_UP, Task.QUERY)])

    def _wait_for_budget(
        self, tokens: int, lane: Lane, is_cancelled: Callable[[], bool], *, refuses: bool
    ) -> None:
        # Queries take what they need and leave documents to wait for it.
        while wait_s := self._budget.take(tokens, may_borrow=lane is Lane.QUERIES):
            if refuses:
                self.metrics.refused.labels(lane).inc()
                raise EngineBusy("the tokens of this minute are used up", round(wait_s) + 1)
            self._service.rest(wait_s, is_cancelled)

    def _ask(
        self,
        texts: Sequence[str],
        task: Task,
        *,
        late: bool,
        is_cancelled: Callable[[], bool],
        attempts: int = ATTEMPTS,
    ) -> Matrix:
        body: dict[str, Any] = {"model": self.checkpoint.name, "input": list(texts)}
        if self._is_jina:
            body |= {"task": task.value, "embedding_type": "base64", "late_chunking": late}
            body |= {"dimensions": self.dimensions, "truncate": False}
        else:
            body |= {"encoding_format": "base64"}
        try:
            answer = self._service.ask(
                "POST",
                "embeddings",
                content=json.dumps(body).encode(),
                attempts=attempts,
                is_cancelled=is_cancelled,
            )
        except ServiceFails as failure:
            if list(texts) == [_WARM_UP]:
                raise
            # At once: a service that comes back later failed for another reason than this text.
            self._ask([_WARM_UP], task, late=late, is_cancelled=is_cancelled, attempts=1)
            raise refuse_text(str(failure)) from None
        if answer.is_success:
            vectors = self._read(answer, len(texts))
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
            if ((lengths > _MIN_LENGTH) & (lengths < _MAX_LENGTH)).all():
                return vectors
            problem = "gives a vector that is zero or not finite"
        else:
            problem = f"answers with status {answer.status_code}"
        problem = f"{self.checkpoint.name} at {self.device} {problem}"
        is_of_texts = answer.is_success or answer.status_code in _REFUSALS
        if not is_of_texts or list(texts) == [_WARM_UP]:
            raise ModelUnavailable(problem)
        # Raises ModelUnavailable where no text at all is embedded.
        self._ask([_WARM_UP], task, late=late, is_cancelled=is_cancelled)
        raise refuse_text(problem)

    def _read(self, answer: httpx.Response, count: int) -> Matrix:
        try:
            content = answer.json()
            parts = sorted(content["data"], key=lambda part: part["index"])
            vectors = np.stack([_decode(part["embedding"]) for part in parts])
            answered_by = content.get("model")
        except (ValueError, KeyError, TypeError) as error:
            raise ModelUnavailable(
                f"{self.device} gives no embeddings: {type(error).__name__}"
            ) from None
        if answered_by is not None and answered_by != self.checkpoint.name:
            raise ModelUnavailable(
                f"{self.checkpoint.name} was asked at {self.device}, and {answered_by} answered",
                code="other_model",
            )
        if vectors.shape != (count, self.dimensions):
            raise ModelUnavailable(
                f"{self.device} gives vectors of shape {vectors.shape}, "
                f"{(count, self.dimensions)} is wanted"
            )
        return np.asarray(vectors, dtype=np.float32)


class _Budget:
    """Tokens a minute, refilled evenly; None is without bound."""

    def __init__(self, tokens_per_minute: int | None) -> None:
        self._rate = None if tokens_per_minute is None else tokens_per_minute / 60
        self._most = tokens_per_minute or 0
        self._left = float(self._most)
        self._at = time.monotonic()
        self._lock = Lock()

    def take(self, tokens: int, *, may_borrow: bool) -> float:
        """Take tokens and return 0, or return the seconds until there will be enough."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            # One request may be larger than a minute's budget: it takes a full one.
            needed = min(tokens, self._most)
            if self._left < needed and not may_borrow:
                return (needed - self._left) / self._rate
            # Services count a minute: questions of an hour do not keep documents for another one.
            self._left = max(self._left - tokens, -float(self._most))
            return 0.0


def _batches(
    positions: Sequence[int], sizes: Sequence[int], max_inputs: int, max_tokens: int
) -> Iterator[list[int]]:
    """Yield the positions of the texts of each request; `sizes` are the tokens of all texts."""
    batch: list[int] = []
    total = 0
    for i in positions:
        if batch and (len(batch) == max_inputs or total + sizes[i] > max_tokens):
            yield batch
            batch, total = [], 0
        batch.append(i)
        total += sizes[i]
    if batch:
        yield batch


def _decode(embedding: str | list[float]) -> npt.NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32)


def _join(vectors: Matrix, read: ReadItem) -> Embedding:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    unit = np.asarray(vectors / norms[:, None], dtype=np.float32)
    return Embedding(unit[0], unit[1:], len(read.ids), read.text_tokens, float(norms[0]), norms[1:])


def _tokenizer_file(settings: Settings) -> Path:
    path = settings.model_tokenizer or Path()
    return path / "tokenizer.json" if path.is_dir() else path
