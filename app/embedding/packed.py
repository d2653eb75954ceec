"""Encoders over packed sequences: nothing is padded, and a pass can be put aside between steps.

The tokens of all sequences of a batch stand one after another; only attention sees where one ends.
Whatever else a layer does is done block by block, so that neither the time of a step nor the memory
beside the hidden states grows with the batch.
"""

import platform
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import groupby, product
from operator import methodcaller
from time import perf_counter
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

from app.embedding.layers import Groups, Layer, Network, Norm

Steps: TypeAlias = Generator[None, None, torch.Tensor]
"""A pass: yields where it may be put aside, returns hidden states (sum(lengths), hidden), fp32."""

# A query that comes during a pass over documents waits for one step of about this much work.
_STEP_FLOPS = {"cpu": 5e9, "cuda": 5e12}
_LEAST_TIMED = 1 << 18
_LEAST_BLOCK = 64


class PackedEncoder:
    """A network ready to run in one dtype; the residual stream stays in fp32."""

    def __init__(self, network: Network, *, device: str, dtype: torch.dtype, merge_bytes: int):
        """`merge_bytes` bounds the copies of the layers that have an adapter merged in."""
        self.device = device
        self.dtype = dtype
        self._words = network.words.to(device)
        # Without the weights, of which there are copies in another dtype.
        self._network = replace(network, words=self._words, layers=())
        self._word_lora = {
            name: (a.to(device), b.to(device)) for name, (a, b) in network.word_lora.items()
        }
        self._types = None if network.types is None else network.types.to(device)
        self._positions = None if network.positions is None else network.positions.to(device)
        self._norm = _move(network.norm, device)
        layers = [
            _move_layer(layer.with_linears(lambda linear: linear.moved(device, dtype)), device)
            for layer in network.layers
        ]
        self._merged: dict[str, list[Layer]] = {}
        size = sum(
            linear.weight.numel() * linear.weight.element_size()
            for layer in layers
            for linear in layer.linears()
        )
        for name in sorted(layers[0].qkv.lora, key=_merge_order):
            if (len(self._merged) + 1) * size > merge_bytes:
                break
            merge = methodcaller("merged", name)
            self._merged[name] = [layer.with_linears(merge) for layer in layers]
        self.layer_weights = sum(linear.weight.numel() for linear in layers[0].linears())
        self.flops_per_token = 2 * self.layer_weights * len(layers)
        if can_prepack(device, dtype):
            self._merged = {name: _prepack(copies) for name, copies in self._merged.items()}
            layers = _prepack(layers)
        self._layers = layers
        self._hidden = network.words.shape[1]
        step = _STEP_FLOPS.get(device.partition(":")[0], 5e9)
        self._block_tokens = _block(step / (2 * self.layer_weights))
        self._step_flops = step

    @property
    def merged(self) -> tuple[str, ...]:
        """The adapters of which a merged copy is kept."""
        return tuple(self._merged)

    def run(self, ids: torch.Tensor, lengths: Sequence[int], adapters: Sequence[str]) -> Steps:
        """Run sequences of tokens `ids`, each with the adapter named at its place (or "").

        Neighbours of equal length share a call of attention.
        """
        ids = ids.to(self.device)
        places = torch.cat([torch.arange(length, device=self.device) for length in lengths])
        groups = self._group(lengths, adapters)
        x = self._embed(ids, places, groups)
        layers = self._layers
        if groups is not None and groups.mask is None and groups.names[0] in self._merged:
            layers, groups = self._merged[groups.names[0]], None
        rotation = self._rotate_by(places)
        blocks = [slice(i, i + self._block_tokens) for i in range(0, len(x), self._block_tokens)]
        for layer in layers:
            qkv = torch.empty(len(x), 3 * self._hidden, dtype=self.dtype, device=self.device)
            for block in blocks:
                part = groups and groups.part(block)
                qkv[block] = self._project(layer, x[block], part, rotation, block)
                yield
            attended = torch.empty(len(x), self._hidden, dtype=self.dtype, device=self.device)
            yield from self._attend(qkv, lengths, attended)
            del qkv
            for block in blocks:
                x[block] = _finish(layer, x[block], attended[block], groups and groups.part(block))
                yield
        return x

    def _group(self, lengths: Sequence[int], adapters: Sequence[str]) -> Groups | None:
        names = tuple(sorted(set(adapters) - {""}))
        if not names:
            return None
        if len(set(adapters)) == 1:
            return Groups(names, None)
        rows = torch.tensor([[float(a == name) for name in names] for a in adapters])
        mask = rows.repeat_interleave(torch.tensor(list(lengths)), dim=0)
        return Groups(names, mask.to(self.device))

    def _embed(
        self, ids: torch.Tensor, places: torch.Tensor, groups: Groups | None
    ) -> torch.Tensor:
        x = F.embedding(ids, self._words)
        if groups is not None and self._word_lora:
            for i, name in enumerate(groups.names):
                a, b = self._word_lora[name]
                update = F.embedding(ids, a) @ b.t()
                x = x + (update if groups.mask is None else update * groups.mask[:, i : i + 1])
        if self._types is not None:
            x = x + self._types
        if self._positions is not None:
            x = x + F.embedding(places + self._network.position_offset, self._positions)
        return self._norm(x)

    def _rotate_by(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return cosines and sines of rotary positions (Su et al. 2021), half a head wide."""
        if self._network.rope_theta is None:
            return None
        head = self._hidden // self._network.heads
        exponents = torch.arange(0, head, 2, device=self.device).float() / head
        angles = places.float()[:, None] * (1.0 / self._network.rope_theta**exponents)
        return angles.cos()[:, None, None], angles.sin()[:, None, None]

    def _project(
        self,
        layer: Layer,
        x: torch.Tensor,
        groups: Groups | None,
        rotation: tuple[torch.Tensor, torch.Tensor] | None,
        block: slice,
    ) -> torch.Tensor:
        qkv = layer.qkv(x, groups)
        if rotation is None:
            return qkv
        cos, sin = (part[block].to(qkv.dtype) for part in rotation)
        parts = qkv.view(len(x), 3, self._network.heads, -1)
        a, b = parts[:, :2].chunk(2, dim=-1)
        rotated = torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
        return torch.cat([rotated, parts[:, 2:]], dim=1).flatten(1)

    def _attend(
        self, qkv: torch.Tensor, lengths: Sequence[int], out: torch.Tensor
    ) -> Generator[None, None, None]:
        """Write the attention of every sequence to itself into `out`, some heads at a time."""
        heads, bias, at = self._network.heads, self._network.bias, 0
        for length, same in groupby(lengths):
            count = len(list(same))
            rows = slice(at, at + count * length)
            at += count * length
            q, k, v = qkv[rows].view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            target = out[rows].view(count, length, heads, -1)
            places = torch.arange(length, device=self.device)
            per_query = 4 * self._hidden * length * count
            # Few heads and many queries: the kernel is slow with less than 768 queries at a time.
            # A bias is computed for all heads.
            fitting = int(heads * self._step_flops / (per_query * length))
            width = heads if bias else max(1, min(heads, fitting))
            size = _block(self._step_flops / per_query * heads / width)
            for i, h in product(range(0, length, size), range(0, heads, width)):
                mask = None if bias is None else bias(places[i : i + size], places).to(q.dtype)
                part = slice(h, h + width)
                attended = F.scaled_dot_product_attention(
                    q[:, part, i : i + size], k[:, part], v[:, part], mask
                )
                target[:, i : i + size, part] = attended.transpose(1, 2)
                yield


def pick_dtype(network: Network, device: str) -> torch.dtype:
    """Return bfloat16 where this machine multiplies with it at least 1.2 times as fast.

    A processor with instructions for bfloat16 can be slower with them than in float32.
    """
    weight = network.layers[0].up.weight.to(device)
    if weight.numel() < _LEAST_TIMED:
        # Over too soon to be timed: the dtype, and the vectors with it, would change by chance.
        return torch.float32
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    # The best of many: on a busy machine most rounds are disturbed, and a wrong choice stays.
    for _ in range(16):
        for dtype in seconds:
            x, w = torch.ones(256, weight.shape[1], device=device, dtype=dtype), weight.to(dtype)
            started = perf_counter()
            for _ in range(2):
                y = F.linear(x, w)
            # Waits for a GPU.
            y.sum().item()
            seconds[dtype] = min(seconds[dtype], perf_counter() - started)
    is_faster = seconds[torch.float32] > 1.2 * seconds[torch.bfloat16]
    return torch.bfloat16 if is_faster else torch.float32


def can_prepack(device: str, dtype: torch.dtype) -> bool:
    """Return whether oneDNN has kernels of its own here; only x86 is tested."""
    if device != "cpu" or platform.machine() != "x86_64":
        return False
    # torch gives these two no types.
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _prepack(layers: Sequence[Layer]) -> list[Layer]:
    return [layer.with_linears(methodcaller("prepacked")) for layer in layers]


def _block(tokens: float) -> int:
    """Return a number of rows, a multiple of 64, near `tokens`."""
    return max(_LEAST_BLOCK, int(min(tokens, 1e9)) // _LEAST_BLOCK * _LEAST_BLOCK)


def _merge_order(adapter: str) -> tuple[bool, bool, str]:
    """The adapters that every knowledge base uses come first."""
    return adapter != "retrieval_query", adapter != "retrieval_passage", adapter


def _finish(
    layer: Layer, x: torch.Tensor, attended: torch.Tensor, groups: Groups | None
) -> torch.Tensor:
    x = layer.attention_norm(x + layer.out(attended, groups))
    inner = layer.up(x, groups)
    if layer.gated:
        gate, value = inner.chunk(2, dim=-1)
        inner = layer.activation(gate) * value
    else:
        inner = layer.activation(inner)
    return layer.norm(x + layer.down(inner, groups))


def _move(norm: Norm, device: str) -> Norm:
    return Norm(norm.weight.to(device), norm.bias.to(device), norm.eps)


def _move_layer(layer: Layer, device: str) -> Layer:
    return Layer(
        layer.qkv,
        layer.out,
        _move(layer.attention_norm, device),
        layer.up,
        layer.down,
        _move(layer.norm, device),
        layer.activation,
        layer.gated,
    )
