"""The jina-embeddings-v3 architecture as functions of a dict of weights, for training.

Names and layout of the weights are those of transformers' `JinaEmbeddingsV3Model`, so that a dict
of them is a checkpoint. Sequences of any lengths stand one after another in one row of tokens:
nothing is padded, and only attention sees where one ends. A dict that holds a table of absolute
positions (`embeddings.position_embeddings.weight`) runs as the BERT that it came from. Everything
is computed where the weights lie: on a CPU, or on a GPU.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from torch.nn.attention.varlen import varlen_attn

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
    positions = place(rows_of([(0, length) for length in lengths]), ids.device)
    x = F.embedding(ids, weights[WORDS]) + weights[_TYPES][0]
    rotation = None
    if _POSITIONS in weights:
        x = x + F.embedding(positions, weights[_POSITIONS])
    else:
        cos, sin = _rotations(max(lengths), x)
        rotation = cos[positions][:, None, None], sin[positions][:, None, None]
    x = _normalize(x, weights, "embeddings.LayerNorm")
    states = [x]
    sequences = _Sequences.of(lengths, x)
    for layer in range(LAYERS):
        name = f"layers.{layer}"
        attended = _linear(_attend(x, weights, name, sequences, rotation), weights, name, "o_proj")
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

    A span holds a row at least.
    """
    device = hidden.device
    sizes = torch.tensor([end - start for start, end in spans])
    owners = place(torch.repeat_interleave(sizes), device)
    sums = hidden.new_zeros(len(spans), hidden.shape[1], dtype=torch.float32).index_add(
        0, owners, hidden[place(rows_of(spans), device)].float()
    )
    means = sums / place(sizes, device)[:, None]
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
        device = weights[f"{name}.weight"].device
        adapter[f"{name}.lora_A"] = torch.randn(rank, inputs).to(device) / inputs**0.5
        adapter[f"{name}.lora_B"] = torch.zeros(outputs, rank, device=device)
    return adapter


def cast(weights: Weights, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return `weights` in `dtype`; gradients reach the originals."""
    return {name: weight.to(dtype) for name, weight in weights.items()}


def best_device() -> torch.device:
    """Return the GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def place(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return `values` on `device`, without waiting for what a GPU has still to do."""
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values


def place_all(weights: Weights, device: torch.device) -> dict[str, torch.Tensor]:
    """Return all of `weights` on `device`."""
    return {name: weight.to(device) for name, weight in weights.items()}


def rows_of(spans: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Return the numbers from `start` to `end` of one span after another."""
    starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    sizes = ends - starts
    before = np.cumsum(sizes) - sizes
    return torch.from_numpy(np.arange(sizes.sum()) + np.repeat(starts - before, sizes))


def fastest_dtype(device: torch.device) -> torch.dtype:
    """Return what `device` multiplies faster: bfloat16 or float32.

    A processor that has instructions for bfloat16 is not always faster with them: one ran them at
    half the rate of float32, another at one and a half times.
    """
    if device.type == "cuda":
        return torch.bfloat16
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


@dataclass(frozen=True, slots=True)
class _Sequences:
    """Where sequences end in a row of tokens; on a GPU as its attention wants to be told."""

    lengths: Sequence[int]
    bounds: torch.Tensor | None

    @classmethod
    def of(cls, lengths: Sequence[int], x: torch.Tensor) -> "_Sequences":
        if not x.is_cuda or x.dtype == torch.float32:
            return cls(lengths, None)
        bounds = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
        return cls(lengths, place(bounds, x.device))


def _attend(
    x: torch.Tensor,
    weights: Weights,
    name: str,
    sequences: _Sequences,
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
    if sequences.bounds is not None:
        longest = max(sequences.lengths)
        q, k = qk.unbind(1)
        # A tuple only where more is asked for.
        out: torch.Tensor = varlen_attn(  # type: ignore[assignment]
            q, k, v[:, 0], sequences.bounds, sequences.bounds, longest, longest
        )
        return out.flatten(1)
    # Neighbours of one length are one batch. Splitting once, where a slice for each sequence would
    # give each its own gradient of full size.
    runs = [(length, len(list(same))) for length, same in groupby(sequences.lengths)]
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


def _rotations(length: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines of rotary positions (Su et al. 2021): shape (length, HEAD / 2).

    In the dtype of `like`, and where that lies.
    """
    frequencies = ROPE_THETA ** -(torch.arange(0, HEAD, 2, device=like.device).float() / HEAD)
    angles = torch.outer(torch.arange(length, device=like.device).float(), frequencies)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)
