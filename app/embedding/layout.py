"""What the files of a checkpoint folder declare, one by one: pooling, adapters, prompts, window."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from safetensors import safe_open

from app.domain import Task
from app.errors import ModelUnavailable, UnsupportedCheckpoint

JINA_V3 = "jina_embeddings_v3"
JINA_V5 = "jina_embeddings_v5"

Pooling: TypeAlias = Literal["mean", "cls", "max", "last"]

_ADAPTER_FOLDERS = {
    Task.QUERY: "retrieval_query",
    Task.PASSAGE: "retrieval_passage",
    Task.TEXT_MATCHING: "text_matching",
    Task.CLASSIFICATION: "classification",
    Task.SEPARATION: "separation",
}
# One adapter for questions and articles: prompts tell them apart.
_V5_ADAPTER_FOLDERS = {
    Task.QUERY: "adapters/retrieval",
    Task.PASSAGE: "adapters/retrieval",
    Task.TEXT_MATCHING: "adapters/text-matching",
    Task.CLASSIFICATION: "adapters/classification",
    Task.SEPARATION: "adapters/clustering",
}
_V5_PROMPTS = {"query": "Query: ", "document": "Document: "}
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


def read_json(path: Path, *, required: bool = False) -> dict[str, Any]:
    if not path.exists() and not required:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UnsupportedCheckpoint(f"{path} is not a JSON object")
    return content


def list_weights(folder: Path) -> set[str]:
    """Return the names of all weights in the folder's safetensors files."""
    names: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            names.update(file.keys())
    return names


def read_pooling(folder: Path, model_type: str) -> tuple[Pooling, bool]:
    """Return the pooling that `modules.json` declares; mean, as sentence-transformers assumes.

    jina-embeddings-v5 declares it in its code.
    """
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
    config = read_json(folder / pooling_folder / "config.json")
    include_prompt = bool(config.get("include_prompt", True))
    modes = {key.removeprefix("pooling_mode_") for key, on in config.items() if on is True}
    modes -= {"include_prompt"}
    named = config.get("pooling_mode")
    declared = (
        {str(named)}
        if named
        else {mode.removesuffix("_token") for mode in modes}
        or {"lasttoken" if model_type == JINA_V5 else "mean_tokens"}
    )
    match sorted(declared):
        case ["mean"] | ["mean_tokens"]:
            return "mean", include_prompt
        case ["cls"]:
            return "cls", include_prompt
        case ["max"] | ["max_tokens"]:
            return "max", include_prompt
        case ["lasttoken"]:
            return "last", include_prompt
    raise UnsupportedCheckpoint(
        f"{folder} pools by {', '.join(sorted(declared))}; mean, cls, max or lasttoken is run"
    )


def read_adapters(folder: Path, model_type: str) -> dict[Task, str]:
    folders = _V5_ADAPTER_FOLDERS if model_type == JINA_V5 else _ADAPTER_FOLDERS
    adapters = {
        task: name
        for task, name in folders.items()
        if (folder / name / "adapter_config.json").exists()
    }
    for name in adapters.values():
        if not (folder / name / "adapter_model.safetensors").exists():
            raise UnsupportedCheckpoint(
                f"the adapter {folder / name} holds no adapter_model.safetensors"
            )
    missing = {Task.QUERY, Task.PASSAGE} - adapters.keys()
    if missing and (adapters or model_type in {JINA_V3, JINA_V5}):
        lacking = ", ".join(sorted({folders[task] for task in missing}))
        raise UnsupportedCheckpoint(f"{folder} lacks the adapters {lacking}")
    return adapters


def read_prompts(folder: Path, model_type: str) -> dict[Task, str]:
    config = read_json(folder / "config_sentence_transformers.json")
    declared = config.get("prompts") or {}
    usual = ""
    if model_type == JINA_V5:
        # What the model's own code takes; every text has one of the two.
        declared, usual = _V5_PROMPTS | declared, "document"
    default = declared.get(config.get("default_prompt_name") or usual, "")
    prompts = {}
    for task, names in _PROMPT_NAMES.items():
        prompts[task] = next((declared[name] for name in names if name in declared), default) or ""
    return {task: prompt for task, prompt in prompts.items() if prompt}


def read_max_tokens(folder: Path, config: Mapping[str, Any], model_type: str) -> int:
    """Return the window: what sentence_bert_config.json declares, within the position table."""
    positions = config.get("max_position_embeddings")
    limits = []
    if positions is not None:
        padding = int(config.get("pad_token_id") or 0) + 1 if model_type in _OFFSET_POSITIONS else 0
        limits.append(int(positions) - padding)
    declared = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    if declared is None:
        declared = read_json(folder / "tokenizer_config.json").get("model_max_length")
    if declared is not None:
        limits.append(int(declared))
    if not limits:
        raise UnsupportedCheckpoint(f"{folder} does not say how many tokens the model reads")
    return min(limits)
