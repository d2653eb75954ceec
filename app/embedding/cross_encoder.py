"""A sequence-classification checkpoint that reads a question together with a text."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.errors import ModelUnavailable, TextTooLong, UnsupportedCheckpoint

_BATCH = 8
# Tokens of a text that must fit in beside the question.
_MIN_WINDOW = 16


class CrossEncoder:
    """Scores pairs of a question and a text with one forward pass each. Thread-safe."""

    def __init__(self, folder: Path, *, device: str = "auto") -> None:
        """Load a folder with safetensors; no remote code is run.

        Raises ModelUnavailable, and UnsupportedCheckpoint for a model of more than one class.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            self._model = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
        # Loading runs transformers and safetensors over files from outside, whatever they raise.
        except Exception as error:
            raise ModelUnavailable(
                f"the reranker in {folder} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        if self._model.config.num_labels != 1:
            raise UnsupportedCheckpoint(
                f"the reranker in {folder} has {self._model.config.num_labels} classes; one score "
                "is needed"
            )
        self.name = folder.name
        self._device = device
        self._model.eval().requires_grad_(False).to(device)
        # Positions that an XLM-RoBERTa model declares include two for padding.
        positions = int(self._model.config.max_position_embeddings)
        self.max_tokens = min(int(self._tokenizer.model_max_length), positions - 2)
        self._lock = Lock()

    def count_tokens(self, query: str, text: str) -> int:
        """Return the tokens of a pair, without truncation."""
        # The tokenizer keeps how it truncates as a state of its own.
        with self._lock:
            pair = self._tokenizer(query, text, truncation=False, verbose=False)
        return len(pair["input_ids"])

    def score(self, query: str, texts: Sequence[str], *, seconds: float) -> list[float]:
        """Return the logits of the first texts, as many as can be begun within `seconds`.

        A text that is too long beside the question is read in windows, and has its best one's.
        Raises TextTooLong for a question that leaves no room for a text.
        """
        tokens = self.count_tokens(query, "")
        if tokens > self.max_tokens - _MIN_WINDOW:
            raise TextTooLong(tokens, self.max_tokens - _MIN_WINDOW, "query")
        ends = monotonic() + seconds
        scores: list[float] = []
        while len(scores) < len(texts) and monotonic() < ends:
            scores += self._score_batch(query, texts[len(scores) : len(scores) + _BATCH])
        return scores

    @torch.inference_mode()
    def _score_batch(self, query: str, texts: Sequence[str]) -> list[float]:
        # One batch at a time: several would take the processor from the questions of searches.
        with self._lock:
            windows = self._tokenizer(
                [query] * len(texts),
                list(texts),
                truncation="only_second",
                max_length=self.max_tokens,
                return_overflowing_tokens=True,
                padding=True,
                return_tensors="pt",
            )
            of_text = windows.pop("overflow_to_sample_mapping").tolist()
            logits = self._model(**windows.to(self._device)).logits[:, 0].tolist()
        best = [float("-inf")] * len(texts)
        for index, logit in zip(of_text, logits, strict=True):
            best[index] = max(best[index], logit)
        return best
