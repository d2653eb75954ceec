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
from typing import Any, Literal, TypeAlias

from app.domain import Task
from app.errors import InvalidRequest, ModelUnavailable, UnsupportedCheckpoint

TITLE_SEPARATOR = "\n\n"
JINA_V3 = "jina_embeddings_v3"

Pooling: TypeAlias = Literal["mean", "cls", "max"]

_ADAPTER_FOLDERS = {
    Task.QUERY: "retrieval_query",
    Task.PASSAGE: "retrieval_passage",
    Task.TEXT_MATCHING: "text_matching",
    Task.CLASSIFICATION: "classification",
    Task.SEPARATION: "separation",
}
# config_sentence_transformers.json names prompts freely; these are the names in use for a task.
_PROMPT_NAMES = {
    Task.QUERY: ("retrieval.query", "retrieval_query", "query"),
    Task.PASSAGE: ("retrieval.passage", "retrieval_passage", "document", "passage", "corpus"),
    Task.TEXT_MATCHING: ("text-matching", "text_matching"),
    Task.CLASSIFICATION: ("classification",),
    Task.SEPARATION: ("separation", "clustering"),
}
# RoBERTa-style position tables keep the first pad_token_id + 1 rows for padding.
_OFFSET_POSITIONS = {"xlm-roberta", "roberta", "camembert", "mpnet", JINA_V3}
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
    matryoshka: bool
    """Whether the model was trained so that the first dimensions of a vector stand alone."""
    identity: Mapping[str, str | int]
    """What made a vector, part by part; `fingerprint` is its digest."""
    query_adapter: bytes | None = None
    """A safetensors file that stands in for the folder's adapter of `retrieval.query`."""

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

    def prompt(self, task: Task) -> str:
        return self.prompts.get(task, "")

    def check_dimensions(self, dimensions: int) -> int:
        """Return `dimensions` if vectors of this model may be cut to that length, else raise."""
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
    config = _read_json(folder / "config.json", required=True)
    if config.get("auto_map") and config.get("model_type") is None:
        raise UnsupportedCheckpoint(f"{folder} needs remote code, which is never run")
    model_type = str(config.get("model_type", ""))
    hidden_size = int(config.get("hidden_size") or config.get("dim") or 0)
    if not model_type or not hidden_size:
        raise UnsupportedCheckpoint(f"{folder}/config.json names no model type or hidden size")
    pooling, include_prompt = _read_pooling(folder)
    adapters = _read_adapters(folder, model_type)
    prompts = _read_prompts(folder) if with_prompts else {}
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UnsupportedCheckpoint(f"{folder} holds no *.safetensors; other formats are not read")

    lowercase = bool(_read_json(folder / "sentence_bert_config.json").get("do_lower_case"))
    identity: dict[str, str | int] = {
        "model": name,
        "revision": revision,
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
        "passage_adapter": _digest(
            _file_sha256(folder / adapters[Task.PASSAGE] / file)
            for file in ("adapter_config.json", "adapter_model.safetensors")
        )
        if Task.PASSAGE in adapters
        else "",
        "passage_prompt": prompts.get(Task.PASSAGE, ""),
        # Only where it is set, so that the fingerprints of other models stay.
        **({"lowercase": 1} if lowercase else {}),
        "title_rule": f"title{TITLE_SEPARATOR}text",
        "pooling": pooling if include_prompt else f"{pooling}, prompt left out",
        "dimensions": hidden_size,
    }
    max_tokens = _read_max_tokens(folder, config, model_type)
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
        matryoshka=model_type == JINA_V3 or bool(config.get("matryoshka_dimensions")),
        identity=identity,
    )
    if dimensions is None:
        return checkpoint
    return replace(
        checkpoint,
        dimensions=checkpoint.check_dimensions(dimensions),
        identity={**checkpoint.identity, "dimensions": dimensions},
    )


def _read_json(path: Path, *, required: bool = False) -> dict[str, Any]:
    if not path.exists() and not required:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UnsupportedCheckpoint(f"{path} is not a JSON object")
    return content


def _read_pooling(folder: Path) -> tuple[Pooling, bool]:
    """Return the pooling that `modules.json` declares; mean, as sentence-transformers assumes."""
    pooling_folder = "1_Pooling"
    modules_path = folder / "modules.json"
    if modules_path.exists():
        try:
            modules = json.loads(modules_path.read_text(encoding="utf-8"))
            kinds = [(str(module["type"]).rpartition(".")[2], module["path"]) for module in modules]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelUnavailable(
                f"{modules_path} cannot be read: {type(error).__name__}"
            ) from error
        for kind, path in kinds:
            if kind not in {"Transformer", "Pooling", "Normalize"}:
                raise UnsupportedCheckpoint(
                    f"{modules_path} names a module {kind}, which would be left out"
                )
            if kind == "Pooling":
                pooling_folder = path
    config = _read_json(folder / pooling_folder / "config.json")
    include_prompt = bool(config.get("include_prompt", True))
    modes = {key.removeprefix("pooling_mode_") for key, on in config.items() if on is True}
    modes -= {"include_prompt"}
    named = config.get("pooling_mode")
    declared = (
        {str(named)}
        if named
        else {mode.removesuffix("_token") for mode in modes} or {"mean_tokens"}
    )
    match sorted(declared):
        case ["mean"] | ["mean_tokens"]:
            return "mean", include_prompt
        case ["cls"]:
            return "cls", include_prompt
        case ["max"] | ["max_tokens"]:
            return "max", include_prompt
    raise UnsupportedCheckpoint(
        f"{folder} pools by {', '.join(sorted(declared))}; mean, cls or max is run"
    )


def _read_adapters(folder: Path, model_type: str) -> dict[Task, str]:
    adapters = {
        task: name
        for task, name in _ADAPTER_FOLDERS.items()
        if (folder / name / "adapter_config.json").exists()
    }
    for name in adapters.values():
        if not (folder / name / "adapter_model.safetensors").exists():
            raise UnsupportedCheckpoint(
                f"the adapter {folder / name} holds no adapter_model.safetensors"
            )
    missing = {Task.QUERY, Task.PASSAGE} - adapters.keys()
    if missing and (adapters or model_type == JINA_V3):
        folders = ", ".join(sorted(_ADAPTER_FOLDERS[task] for task in missing))
        raise UnsupportedCheckpoint(f"{folder} lacks the adapters {folders}")
    return adapters


def _read_prompts(folder: Path) -> dict[Task, str]:
    config = _read_json(folder / "config_sentence_transformers.json")
    declared = config.get("prompts") or {}
    default = declared.get(config.get("default_prompt_name") or "", "")
    prompts = {}
    for task, names in _PROMPT_NAMES.items():
        prompts[task] = next((declared[name] for name in names if name in declared), default) or ""
    return {task: prompt for task, prompt in prompts.items() if prompt}


def _read_max_tokens(folder: Path, config: Mapping[str, Any], model_type: str) -> int:
    """Return the window: what sentence_bert_config.json declares, within the position table."""
    positions = config.get("max_position_embeddings")
    limits = []
    if positions is not None:
        padding = int(config.get("pad_token_id") or 0) + 1 if model_type in _OFFSET_POSITIONS else 0
        limits.append(int(positions) - padding)
    declared = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    if declared is None:
        declared = _read_json(folder / "tokenizer_config.json").get("model_max_length")
    if declared is not None:
        limits.append(int(declared))
    if not limits:
        raise UnsupportedCheckpoint(f"{folder} does not say how many tokens the model reads")
    return min(limits)


def _digest(parts: Iterable[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
