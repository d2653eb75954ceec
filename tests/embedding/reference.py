"""What sentence-transformers and transformers make of a checkpoint, to compare with."""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from app.domain import Matrix, Span, Vector


class HiddenStates(NamedTuple):
    """The token vectors of one text, special tokens included: shape (tokens, hidden_size)."""

    vectors: npt.NDArray[np.float32]
    offsets: list[tuple[int, int]]
    special: list[bool]

    def pool(self, span: Span) -> Vector:
        """Return the unit-length mean over the tokens that hold a character of `span`."""
        chosen = [
            vector
            for vector, (start, end), special in zip(*self, strict=True)
            if not special and start < span.end and end > span.start
        ]
        return normalize(np.mean(chosen, axis=0))


def normalize(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def encode_with_sentence_transformers(
    folder: Path, texts: Sequence[str], *, adapter: str = "", prompt: str = ""
) -> Matrix:
    """Return one vector a text; `adapter` is the subfolder of the adapter to use."""
    model = _load_sentence_transformer(folder)
    if adapter:
        model.set_adapter(adapter)
    return np.asarray(model.encode(list(texts), prompt=prompt or None, show_progress_bar=False))


def read_hidden_states(folder: Path, text: str, *, adapter: str = "") -> HiddenStates:
    """Run a fresh model with at most one adapter over one text."""
    model, tokenizer = _load_transformer(folder, adapter)
    encoding = tokenizer(
        text, return_offsets_mapping=True, return_special_tokens_mask=True, return_tensors="pt"
    )
    with torch.inference_mode():
        output = model(input_ids=encoding["input_ids"], attention_mask=encoding["attention_mask"])
    return HiddenStates(
        output.last_hidden_state[0].numpy(),
        [(int(start), int(end)) for start, end in encoding["offset_mapping"][0]],
        [bool(special) for special in encoding["special_tokens_mask"][0]],
    )


@cache
def _load_sentence_transformer(folder: Path) -> SentenceTransformer:
    model = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32}
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        for config in sorted(folder.glob("*/adapter_config.json")):
            name = config.parent.name
            model.load_adapter(str(folder), adapter_name=name, adapter_kwargs={"subfolder": name})
    return model


@cache
def _load_transformer(folder: Path, adapter: str) -> tuple[Any, Any]:
    model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    if adapter:
        model.load_adapter(str(folder), adapter_name=adapter, adapter_kwargs={"subfolder": adapter})
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
