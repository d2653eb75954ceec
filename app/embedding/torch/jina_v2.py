"""jina-embeddings-v2: BERT with linear biases instead of positions, and a gated feed-forward.

Günther et al. 2023 (arXiv 2310.19923), with the symmetric form of ALiBi (Press et al. 2022, arXiv
2108.12409) and GEGLU (Shazeer 2020, arXiv 2002.05202). transformers runs it with remote code only;
here its published weights are read by their names. The variants that normalize queries and keys
(`-base-code`, `-base-de`, `-base-zh`, `-base-es`) have other names and are refused.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers.activations import ACT2FN

from app.embedding.layout import read_json
from app.embedding.torch.layers import Layer, Linear, Network, Norm
from app.errors import UnsupportedCheckpoint


def is_jina_v2(folder: Path) -> bool:
    """Return whether the configuration asks for ALiBi, as no BERT of transformers does."""
    config = read_json(folder / "config.json", required=True)
    return bool(config.get("position_embedding_type") == "alibi")


def read_jina_v2(folder: Path) -> Network:
    """Read config.json and the safetensors; raises UnsupportedCheckpoint for another variant."""
    config = read_json(folder / "config.json", required=True)
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights.update(
            (name.removeprefix("bert."), weight.float()) for name, weight in load_file(path).items()
        )
    activation = {"geglu": "gelu", "reglu": "relu"}.get(config.get("feed_forward_type", ""))
    if activation is None or any("layer_norm_q" in name for name in weights):
        raise UnsupportedCheckpoint(
            f"{folder} is a variant of jina-embeddings-v2 that is not known here: "
            "only those with a gated feed-forward and plain queries and keys are"
        )
    eps = float(config["layer_norm_eps"])

    def linear(*names: str) -> Linear:
        parts = [weights[f"{name}.weight"] for name in names]
        biases = [weights[f"{name}.bias"] for name in names if f"{name}.bias" in weights]
        return Linear(torch.cat(parts), torch.cat(biases) if biases else None)

    def norm(name: str) -> Norm:
        return Norm(weights[f"{name}.weight"], weights[f"{name}.bias"], eps)

    def layer(number: int) -> Layer:
        name = f"encoder.layer.{number}"
        return Layer(
            linear(*(f"{name}.attention.self.{part}" for part in ("query", "key", "value"))),
            linear(f"{name}.attention.output.dense"),
            norm(f"{name}.attention.output.LayerNorm"),
            linear(f"{name}.mlp.gated_layers"),
            linear(f"{name}.mlp.wo"),
            norm(f"{name}.mlp.layernorm"),
            ACT2FN[activation],
            gated=True,
        )

    try:
        layers = tuple(layer(number) for number in range(config["num_hidden_layers"]))
        words = weights["embeddings.word_embeddings.weight"]
        types = weights["embeddings.token_type_embeddings.weight"][0]
        embedding_norm = norm("embeddings.LayerNorm")
    except KeyError as error:
        raise UnsupportedCheckpoint(f"{folder} holds no weight {error}") from None
    slopes = torch.tensor(alibi_slopes(config["num_attention_heads"]))

    def bias(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        distance = (queries[:, None] - keys[None, :]).abs()
        return -slopes.to(distance.device)[:, None, None] * distance

    return Network(
        words,
        {},
        types,
        None,
        0,
        embedding_norm,
        layers,
        config["num_attention_heads"],
        bias=bias,
    )


def alibi_slopes(heads: int) -> list[float]:
    """Return the slope of each head: 2^(-8/n), 2^(-16/n), … for n heads, a power of two.

    For another number the next lower power comes first, then every second slope of twice as many
    (the authors' rule).
    """
    power = 1 << (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    if power == heads:
        return slopes
    return slopes + alibi_slopes(2 * power)[0::2][: heads - power]
