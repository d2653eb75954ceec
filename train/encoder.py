"""The jina-embeddings-v3 architecture as functions of a dict of weights, for training on CPUs.

Names and layout of the weights are those of transformers' `JinaEmbeddingsV3Model`, so that a dict
of them is a checkpoint. Sequences of any lengths stand one after another in one row of tokens:
nothing is padded, and only attention sees where one ends. A dict that holds a table of absolute
positions (`embeddings.position_embeddings.weight`) runs as the BERT that it came from.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

Weights: TypeAlias = Mapping[str, torch.Tensor]

HIDDEN, LAYERS, HEADS, INTERMEDIATE = 384, 6, 12, 1536
HEAD = HIDDEN // HEADS
ROPE_THETA = 20_000.0
LAYER_NORM_EPS = 1e-12
LINEARS = tuple(
    f"layers.{layer}.{name}"
    for layer in range(LAYERS)
    for name in (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.fc1",
        "mlp.fc2",
    )
)

WORDS = "embeddings.word_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"


def encode(weights: Weights, ids: torch.Tensor, lengths: Sequence[int]) -> list[torch.Tensor]:
    """Return the hidden states after the embeddings and after each layer.

    `ids` holds the tokens of all sequences, shape (sum(lengths),); each state has shape
    (sum(lengths), HIDDEN). Runs in the dtype of the weights.
    """
    positions = torch.cat([torch.arange(length) for length in lengths])
    x = F.embedding(ids, weights[WORDS]) + weights[_TYPES][0]
    rotation = None
    if _POSITIONS in weights:
        x = x + F.embedding(positions, weights[_POSITIONS])
    else:
        cos, sin = _rotations(max(lengths), x.dtype)
        rotation = cos[positions][:, None, None], sin[positions][:, None, None]
    x = _normalize(x, weights, "embeddings.LayerNorm")
    states = [x]
    for layer in range(LAYERS):
        name = f"layers.{layer}"
        attended = _linear(_attend(x, weights, name, lengths, rotation), weights, name, "o_proj")
        x = _normalize(x + attended, weights, f"{name}.post_attention_layernorm")
        inner = F.gelu(_linear(x, weights, name, "fc1"))
        x = _normalize(
            x + _linear(inner, weights, name, "fc2"), weights, f"{name}.post_mlp_layernorm"
        )
        states.append(x)
    return states


def pool(
    hidden: torch.Tensor, spans: Sequence[tuple[int, int]], *, normalize: bool = True
) -> torch.Tensor:
    """Return the means over rows `start` to `end` of `hidden`: shape (len(spans), HIDDEN), fp32.

    Spans ascend and do not overlap; rows between two of them are left out.
    """
    sizes: list[int] = []
    kept: list[int] = []
    at = 0
    for start, end in spans:
        sizes += [start - at, end - start]
        kept.append(len(sizes) - 1)
        at = end
    sizes.append(len(hidden) - at)
    parts = torch.split(hidden.float(), sizes)
    means = torch.stack([parts[i].mean(dim=0) for i in kept])
    return F.normalize(means, dim=1) if normalize else means


def adapted(weights: Weights, adapter: Weights) -> dict[str, torch.Tensor]:
    """Return `weights` with a LoRA adapter merged in; gradients reach the adapter.

    The adapter holds `NAME.lora_A` (rank, inputs) and `NAME.lora_B` (outputs, rank) for each name
    in LINEARS; its scale is 1.
    """
    merged = dict(weights)
    for name in LINEARS:
        update = adapter[f"{name}.lora_B"] @ adapter[f"{name}.lora_A"]
        merged[f"{name}.weight"] = weights[f"{name}.weight"] + update
    return merged


def new_adapter(weights: Weights, rank: int) -> dict[str, torch.Tensor]:
    """Return an adapter that changes nothing yet: B is zero, A is random (Hu et al. 2021)."""
    adapter = {}
    for name in LINEARS:
        outputs, inputs = weights[f"{name}.weight"].shape
        adapter[f"{name}.lora_A"] = torch.randn(rank, inputs) / inputs**0.5
        adapter[f"{name}.lora_B"] = torch.zeros(outputs, rank)
    return adapter


def cast(weights: Weights, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return `weights` in `dtype`; gradients reach the originals."""
    return {name: weight.to(dtype) for name, weight in weights.items()}


def fastest_dtype() -> torch.dtype:
    """Return what this machine multiplies faster: bfloat16 or float32.

    A processor that has instructions for bfloat16 is not always faster with them: one ran them at
    half the rate of float32, another at one and a half times.
    """
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, weight = (
            torch.ones(2048, HIDDEN, dtype=dtype),
            torch.ones(INTERMEDIATE, HIDDEN, dtype=dtype),
        )
        F.linear(x, weight)
        started = time.perf_counter()
        for _ in range(10):
            F.linear(x, weight)
        seconds[dtype] = time.perf_counter() - started
    return min(seconds, key=seconds.__getitem__)


def _attend(
    x: torch.Tensor,
    weights: Weights,
    name: str,
    lengths: Sequence[int],
    rotation: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    parts = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
    qkv = F.linear(
        x,
        torch.cat([weights[f"{part}.weight"] for part in parts]),
        torch.cat([weights[f"{part}.bias"] for part in parts]),
    ).view(len(x), 3, HEADS, HEAD)
    qk, v = torch.split(qkv, [2, 1], dim=1)
    if rotation is not None:
        cos, sin = rotation
        a, b = qk.chunk(2, dim=-1)
        qk = torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
    # Neighbours of one length are one batch. Splitting once, where a slice for each sequence would
    # give each its own gradient of full size.
    runs = [(length, len(list(same))) for length, same in groupby(lengths)]
    sizes = [length * count for length, count in runs]
    attended = []
    for (length, count), qk_run, v_run in zip(
        runs, torch.split(qk, sizes), torch.split(v, sizes), strict=True
    ):
        q, k = qk_run.view(count, length, 2, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        values = v_run.view(count, length, HEADS, HEAD).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, values)
        attended.append(out.transpose(1, 2).reshape(count * length, HIDDEN))
    return torch.cat(attended)


def _linear(x: torch.Tensor, weights: Weights, layer: str, part: str) -> torch.Tensor:
    name = f"{layer}.{'mlp' if part.startswith('fc') else 'self_attn'}.{part}"
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normalize(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    return F.layer_norm(
        x, (HIDDEN,), weights[f"{name}.weight"], weights[f"{name}.bias"], LAYER_NORM_EPS
    )


def _rotations(length: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines of rotary positions (Su et al. 2021): shape (length, HEAD / 2)."""
    frequencies = ROPE_THETA ** -(torch.arange(0, HEAD, 2).float() / HEAD)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    return angles.cos().to(dtype), angles.sin().to(dtype)
