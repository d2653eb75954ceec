"""Encoder checkpoints: where they are, what their files declare, and what identifies them.

Reads only configuration and hashes; torch is not needed to say which model a folder holds. The
layout is the one sentence-transformers and transformers write: `config.json`, `tokenizer.json`,
`*.safetensors`, and optionally `modules.json`, `1_Pooling/config.json`,
`sentence_bert_config.json`, `config_sentence_transformers.json` and, for jina-embeddings-v3, one
PEFT folder for each adapter.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.domain import Task
from app.embedding.card import read_languages
from app.embedding.layout import (
    JINA_V3,
    JINA_V5,
    Pooling,
    read_adapters,
    read_json,
    read_max_tokens,
    read_pooling,
    read_prompts,
)
from app.errors import InvalidRequest, UnsupportedCheckpoint

TITLE_SEPARATOR = "\n\n"
# Keys of config.json that record how the file was written, not what the model computes.
_INCIDENTAL_CONFIG = {
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the files of a checkpoint declare."""

    folder: Path
    name: str
    revision: str
    model_type: str
    hidden_size: int
    dimensions: int
    max_tokens: int
    unit_tokens: int
    """The window that articles are read in: shorter where `unit_tokens` of config.json says that
    the model ranks them better so."""
    pooling: Pooling
    include_prompt: bool
    prompts: Mapping[Task, str]
    adapters: Mapping[Task, str]
    lowercase: bool
    """Whether `do_lower_case` of sentence_bert_config.json asks for it before the tokenizer."""
    languages: frozenset[str]
    """What its card says that it reads, in ISO 639-1; empty where that is all, or not said."""
    matryoshka: bool
    """Whether the model was trained so that the first dimensions of a vector stand alone."""
    identity: Mapping[str, str | int]
    """What made a vector, part by part; `fingerprint` is its digest."""
    query_adapter: bytes | None = None
    """A safetensors file that stands in for the folder's adapter of `retrieval.query`."""

    @property
    def has_query_adapter(self) -> bool:
        """Whether questions have an adapter that articles do not share."""
        asks = self.adapters.get(Task.QUERY)
        return asks is not None and asks != self.adapters.get(Task.PASSAGE)

    @property
    def late_chunking(self) -> bool:
        """Whether the tokens of a part of a text say what it says: not where the last one does."""
        return self.pooling != "last"

    @property
    def fingerprint(self) -> str:
        """Digest of everything that gives a stored vector its meaning."""
        return sha256(json.dumps(dict(self.identity), sort_keys=True).encode()).hexdigest()[:16]

    def with_query_adapter(self, data: bytes) -> "Checkpoint":
        """Return the same model with another adapter of `retrieval.query`.

        What is embedded of documents does not change, but the fingerprint does: what a question
        scores is of both.
        """
        identity = {**self.identity, "query_adapter": sha256(data).hexdigest()}
        return replace(self, query_adapter=data, identity=identity)

    def find_adapter(self, task: Task) -> str:
        """Return the adapter of a task, "" where there are none; raises InvalidRequest."""
        if self.adapters and task not in self.adapters:
            raise InvalidRequest(f"{self.name} has no adapter for the task {task}")
        return self.adapters.get(task, "")

    def prompt(self, task: Task) -> str:
        return self.prompts.get(task, "")

    def check_dimensions(self, dimensions: int | None) -> int:
        """Return `dimensions` if vectors of this model may be cut to that length, else raise.

        None stands for its own.
        """
        if dimensions is None:
            return self.dimensions
        if dimensions == self.hidden_size or (
            self.matryoshka and 1 <= dimensions < self.hidden_size
        ):
            return dimensions
        allowed = f"1 to {self.hidden_size}" if self.matryoshka else f"{self.hidden_size}"
        raise InvalidRequest(
            f"{self.name} gives vectors of {allowed} dimensions; {dimensions} was asked for",
            code="unsupported_dimensions",
        )


def read_checkpoint(
    folder: Path,
    *,
    name: str = "",
    revision: str = "",
    dimensions: int | None = None,
    with_prompts: bool = True,
) -> Checkpoint:
    """Read a checkpoint folder; `name` is its Hugging Face id, empty for a local folder."""
    config = read_json(folder / "config.json", required=True)
    if config.get("auto_map") and config.get("model_type") is None:
        raise UnsupportedCheckpoint(f"{folder} needs remote code, which is never run")
    model_type = str(config.get("model_type", ""))
    hidden_size = int(config.get("hidden_size") or config.get("dim") or 0)
    if not model_type or not hidden_size:
        raise UnsupportedCheckpoint(f"{folder}/config.json names no model type or hidden size")
    if str(config.get("position_embedding_type")).startswith("relative_key"):
        # transformers 5 would run the model as if it had absolute ones.
        raise UnsupportedCheckpoint(f"{folder} has relative positions, which are not run")
    pooling, include_prompt = read_pooling(folder, model_type)
    adapters = read_adapters(folder, model_type)
    prompts = read_prompts(folder, model_type) if with_prompts else {}
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UnsupportedCheckpoint(f"{folder} holds no *.safetensors; other formats are not read")
    lowercase = bool(read_json(folder / "sentence_bert_config.json").get("do_lower_case"))
    max_tokens = read_max_tokens(folder, config, model_type)
    checkpoint = Checkpoint(
        folder=folder,
        name=name or folder.resolve().name,
        revision=revision,
        model_type=model_type,
        hidden_size=hidden_size,
        dimensions=hidden_size,
        max_tokens=max_tokens,
        unit_tokens=min(int(config.get("unit_tokens") or max_tokens), max_tokens),
        pooling=pooling,
        include_prompt=include_prompt,
        prompts=prompts,
        adapters=adapters,
        lowercase=lowercase,
        matryoshka=model_type in {JINA_V3, JINA_V5} or bool(config.get("matryoshka_dimensions")),
        languages=read_languages(folder),
        identity={},
    )
    checkpoint = replace(checkpoint, dimensions=checkpoint.check_dimensions(dimensions))
    return replace(checkpoint, identity=_identify(checkpoint, name, config, weights))


def _identify(
    checkpoint: Checkpoint, name: str, config: Mapping[str, Any], weights: Iterable[Path]
) -> dict[str, str | int]:
    """Return what gives a vector its meaning, part by part: see `Checkpoint.identity`."""
    folder, pooling = checkpoint.folder, checkpoint.pooling
    passage_adapter = ""
    if Task.PASSAGE in checkpoint.adapters:
        passage_adapter = _digest(
            _file_sha256(folder / checkpoint.adapters[Task.PASSAGE] / file)
            for file in ("adapter_config.json", "adapter_model.safetensors")
        )
    identity: dict[str, str | int] = {
        "model": name,
        "revision": checkpoint.revision,
        "weights": ",".join(_file_sha256(path) for path in weights),
        "config": _digest(
            f"{key}={json.dumps(value, sort_keys=True)}"
            for key, value in sorted(config.items())
            if key not in _INCIDENTAL_CONFIG
        ),
        "tokenizer": _digest(
            _file_sha256(path)
            for path in (folder / "tokenizer.json", folder / "vocab.txt")
            if path.exists()
        ),
        "passage_adapter": passage_adapter,
        "passage_prompt": checkpoint.prompts.get(Task.PASSAGE, ""),
        "title_rule": f"title{TITLE_SEPARATOR}text",
        "pooling": pooling if checkpoint.include_prompt else f"{pooling}, prompt left out",
        "dimensions": checkpoint.dimensions,
    }
    if checkpoint.lowercase:
        # Only where it is set, so that the fingerprints of other models stay.
        identity["lowercase"] = 1
    return identity


def _digest(parts: Iterable[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
