"""jina-embeddings-v5-text: which model of transformers its weights belong to.

Its `config.json` names a type of its own, and code that is not run: what that adds is adapters by
task in `adapters/`, prompts and the pooling (Akram et al. 2026, arXiv:2602.15547). The base is
Qwen3 (small) or EuroBERT (nano), of which only the first normalizes its queries.
"""

from typing import Any

from transformers import AutoModel

from app.embedding.checkpoint import Checkpoint
from app.embedding.layout import JINA_V5, list_weights, read_json

# What is not a setting of the base.
_OWN_KEYS = {"auto_map", "architectures", "model_type", "task_names"}


def find_family(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Return the class that loads a checkpoint, and its configuration; None reads the file's."""
    if checkpoint.model_type != JINA_V5:
        return AutoModel, None
    # Half a second of processor time at every start of any other model.
    from transformers import EuroBertConfig, EuroBertModel, Qwen3Config, Qwen3Model

    declared = read_json(checkpoint.folder / "config.json", required=True)
    settings = {key: value for key, value in declared.items() if key not in _OWN_KEYS}
    if any(name.endswith("self_attn.q_norm.weight") for name in list_weights(checkpoint.folder)):
        return Qwen3Model, Qwen3Config(**settings)
    return EuroBertModel, EuroBertConfig(**settings)
