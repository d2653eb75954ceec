"""Encoders over packed sequences: nothing is padded, and a pass can be put aside between steps.

The tokens of all sequences of a batch stand one after another; only attention sees where one ends.
Whatever else a layer does is done block by block, so that neither the time of a step nor the memory
beside the hidden states grows with the batch. Weights are read off transformers' and PEFT's own
modules; a dict of functions by model type says where they are.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from operator import methodcaller
from time import perf_counter
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from transformers.activations import ACT2FN

from app.errors import UnsupportedCheckpoint

Steps: TypeAlias = Generator[None, None, torch.Tensor]
"""A pass: yields where it may be put aside, returns hidden states (sum(lengths), hidden), fp32."""
Bias: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From positions of queries and keys to what is added to their scores: (heads, queries, keys)."""

# A query that comes during a pass over documents waits for one step of about this much work.
_STEP_FLOPS = {"cpu": 5e9, "cuda": 5e12}
_LEAST_TIMED = 1 << 18
_LEAST_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Groups:
    """Which adapters a batch needs, and which tokens belong to each."""

    names: tuple[str, ...]
    mask: torch.Tensor | None
    """1 where a token belongs to an adapter: shape (tokens, len(names)); None where all do."""

    def part(self, block: slice) -> "Groups":
        return self if self.mask is None else Groups(self.names, self.mask[block])


@dataclass(slots=True)
class Linear:
    """A weight with its low-rank updates (Hu et al. 2021): for each adapter A and scaled B."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    lora: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    _joined: dict[tuple[str, ...], tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = field(
        default_factory=dict
    )

    def __call__(self, x: torch.Tensor, groups: Groups | None) -> torch.Tensor:
        x = x.to(self.weight.dtype)
        y = F.linear(x, self.weight, self.bias)
        if groups is None or not self.lora:
            return y
        a, b, ranks = self._join(groups.names)
        inner = F.linear(x, a)
        if groups.mask is not None:
            # One product for all adapters; what a token has from the others is put to zero.
            inner = inner * groups.mask.repeat_interleave(ranks, dim=1).to(inner.dtype)
        return torch.addmm(y, inner, b.t())

    def merged(self, name: str) -> "Linear":
        """Return the same with one adapter in the weight."""
        if name not in self.lora:
            return Linear(self.weight, self.bias)
        a, b = (part.float() for part in self.lora[name])
        return Linear((self.weight.float() + b @ a).to(self.weight.dtype), self.bias)

    def moved(self, device: str, dtype: torch.dtype) -> "Linear":
        return Linear(
            self.weight.to(device, dtype),
            None if self.bias is None else self.bias.to(device, dtype),
            {n: (a.to(device, dtype), b.to(device, dtype)) for n, (a, b) in self.lora.items()},
        )

    def _join(self, names: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if names not in self._joined:
            parts = [self.lora[name] for name in names]
            self._joined[names] = (
                torch.cat([a for a, _ in parts]),
                torch.cat([b for _, b in parts], dim=1).contiguous(),
                torch.tensor([len(a) for a, _ in parts], device=self.weight.device),
            )
        return self._joined[names]


@dataclass(frozen=True, slots=True)
class Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class Layer:
    """Attention and a feed-forward network, each normalized after its residual."""

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm
    activation: Callable[[torch.Tensor], torch.Tensor]
    gated: bool = False
    """Whether the first half of `up`, activated, multiplies the second (Shazeer 2020)."""

    def linears(self) -> tuple[Linear, ...]:
        return self.qkv, self.out, self.up, self.down

    def with_linears(self, change: Callable[[Linear], Linear]) -> "Layer":
        qkv, out, up, down = map(change, self.linears())
        return Layer(
            qkv, out, self.attention_norm, up, down, self.norm, self.activation, self.gated
        )


@dataclass(frozen=True, slots=True)
class Network:
    """What an architecture is made of, in fp32 on the CPU."""

    words: torch.Tensor
    word_lora: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    """For each adapter A transposed (vocabulary, rank) and scaled B (hidden, rank)."""
    types: torch.Tensor | None
    """The vector of the first token type, which all tokens have: shape (hidden,)."""
    positions: torch.Tensor | None
    position_offset: int
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    rope_theta: float | None = None
    bias: Bias | None = None


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
        self._layers = layers
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


def read_network(model: Any, adapters: Sequence[str]) -> Network | None:
    """Read a model of transformers with its PEFT adapters; None for an unknown architecture."""
    read = _READERS.get(model.config.model_type)
    return None if read is None else read(model, adapters)


def pick_dtype(network: Network, device: str) -> torch.dtype:
    """Return bfloat16 where this machine multiplies with it at least 1.2 times as fast.

    A processor with instructions for bfloat16 can be slower with them than in float32.
    """
    weight = network.layers[0].up.weight.to(device)
    if weight.numel() < _LEAST_TIMED:
        # Over too soon to be timed: the dtype, and the vectors with it, would change by chance.
        return torch.float32
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(4):
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


# Reading transformers' modules


def _read_jina_v3(model: Any, adapters: Sequence[str]) -> Network | None:
    config = model.config
    if config.rope_parameters["rope_type"] != "default":
        return None
    layers = tuple(
        Layer(
            _join([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj]),
            _read_linear(layer.self_attn.o_proj),
            _read_norm(layer.post_attention_layernorm),
            _read_linear(layer.mlp.fc1),
            _read_linear(layer.mlp.fc2),
            _read_norm(layer.post_mlp_layernorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.layers
    )
    words = model.embeddings.word_embeddings
    word_lora = {}
    for name in adapters if hasattr(words, "lora_embedding_A") else ():
        a, b = words.lora_embedding_A[name].data, words.lora_embedding_B[name].data
        word_lora[name] = (a.t().contiguous(), b * words.scaling[name])
    return Network(
        getattr(words, "base_layer", words).weight.data,
        word_lora,
        model.embeddings.token_type_embeddings.weight.data[0],
        None,
        0,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
        rope_theta=config.rope_parameters["rope_theta"],
    )


def _read_bert(model: Any, adapters: Sequence[str]) -> Network | None:
    config = model.config
    if adapters or getattr(config, "is_decoder", False):
        return None
    layers = tuple(
        Layer(
            _join(
                [layer.attention.self.query, layer.attention.self.key, layer.attention.self.value]
            ),
            _read_linear(layer.attention.output.dense),
            _read_norm(layer.attention.output.LayerNorm),
            _read_linear(layer.intermediate.dense),
            _read_linear(layer.output.dense),
            _read_norm(layer.output.LayerNorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.encoder.layer
    )
    return Network(
        model.embeddings.word_embeddings.weight.data,
        {},
        model.embeddings.token_type_embeddings.weight.data[0],
        model.embeddings.position_embeddings.weight.data,
        # RoBERTa's table keeps its first rows for padding.
        0 if config.model_type == "bert" else config.pad_token_id + 1,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
    )


def _read_mpnet(model: Any, adapters: Sequence[str]) -> Network | None:
    if adapters:
        return None
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    config = model.config
    table = model.encoder.relative_attention_bias.weight.data

    def bias(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        distance = keys[None, :] - queries[:, None]
        bucket: torch.Tensor = MPNetEncoder.relative_position_bucket(  # type: ignore[no-untyped-call]
            distance, num_buckets=config.relative_attention_num_buckets
        )
        return F.embedding(bucket, table.to(bucket.device)).permute(2, 0, 1)

    layers = tuple(
        Layer(
            _join([layer.attention.attn.q, layer.attention.attn.k, layer.attention.attn.v]),
            _read_linear(layer.attention.attn.o),
            _read_norm(layer.attention.LayerNorm),
            _read_linear(layer.intermediate.dense),
            _read_linear(layer.output.dense),
            _read_norm(layer.output.LayerNorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.encoder.layer
    )
    return Network(
        model.embeddings.word_embeddings.weight.data,
        {},
        None,
        model.embeddings.position_embeddings.weight.data,
        model.embeddings.padding_idx + 1,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
        bias=bias,
    )


_READERS: Mapping[str, Callable[[Any, Sequence[str]], Network | None]] = {
    "jina_embeddings_v3": _read_jina_v3,
    "bert": _read_bert,
    "xlm-roberta": _read_bert,
    "roberta": _read_bert,
    "mpnet": _read_mpnet,
}


def _read_linear(module: Any) -> Linear:
    base = getattr(module, "base_layer", module)
    lora = {}
    for name, a in getattr(module, "lora_A", {}).items():
        b = module.lora_B[name]
        if b.bias is not None or getattr(module, "lora_magnitude_vector", None):
            raise UnsupportedCheckpoint(f"the adapter {name} is more than two low-rank matrices")
        lora[name] = (a.weight.data, b.weight.data * module.scaling[name])
    bias = None if base.bias is None else base.bias.data
    return Linear(base.weight.data, bias, lora)


def _join(modules: Sequence[Any]) -> Linear:
    """Return several projections of one input as one, one under the other."""
    linears = [_read_linear(module) for module in modules]
    names = {name for linear in linears for name in linear.lora}
    lora = {}
    for name in names:
        parts = [
            linear.lora.get(
                name,
                (
                    linear.weight.new_zeros(0, linear.weight.shape[1]),
                    linear.weight.new_zeros(linear.weight.shape[0], 0),
                ),
            )
            for linear in linears
        ]
        joined: torch.Tensor = torch.block_diag(*(b for _, b in parts))  # type: ignore[no-untyped-call]
        lora[name] = (torch.cat([a for a, _ in parts]), joined)
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return Linear(
        torch.cat([linear.weight for linear in linears]),
        torch.cat(biases) if biases else None,
        lora,
    )


def _read_norm(module: Any) -> Norm:
    return Norm(module.weight.data, module.bias.data, module.eps)
