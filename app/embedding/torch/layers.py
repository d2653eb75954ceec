"""What encoders are made of: weights with their adapters, norms, layers, networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

Bias: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From positions of queries and keys to what is added to their scores: (heads, queries, keys)."""

# The number of tokens that the layout is chosen for; it serves every other one.
PREPACKED_TOKENS = 192


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

    @property
    def dtype(self) -> torch.dtype:
        """What its inputs and outputs are in."""
        return self.weight.dtype

    def __call__(self, x: torch.Tensor, groups: Groups | None) -> torch.Tensor:
        x = x.to(self.dtype)
        y = self._multiply(x)
        if groups is None or not self.lora:
            return y
        a, b, ranks = self._join(groups.names)
        inner = F.linear(x, a)
        if groups.mask is not None:
            # One product for all adapters; what a token has from the others is put to zero.
            inner = inner * groups.mask.repeat_interleave(ranks, dim=1).to(inner.dtype)
        return y.addmm_(inner, b.t())

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

    def prepacked(self) -> "Linear":
        """Return the same with the weight in the layout of oneDNN's kernels: CPU only.

        Otherwise every product of few tokens first copies the whole weight into such a layout. The
        operators are those that torch.compile emits.
        """
        weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, PREPACKED_TOKENS)
        return Linear(weight, self.bias, self.lora)

    def _multiply(self, x: torch.Tensor) -> torch.Tensor:
        if not self.weight.is_mkldnn:
            return F.linear(x, self.weight, self.bias)
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, "none", [], ""
        )
        return y

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


class Rows(Protocol):
    """A table that is only looked up in."""

    shape: torch.Size

    def to(self, device: str) -> "Rows": ...

    def look_up(self, ids: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True)
class Network:
    """What an architecture is made of, in fp32 on the CPU."""

    words: torch.Tensor | Rows
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

    @property
    def hidden(self) -> int:
        return self.words.shape[1]

    @property
    def layer_weights(self) -> int:
        """Weights of the products of one layer."""
        return sum(linear.weight.numel() for linear in self.layers[0].linears())

    @property
    def flops_per_token(self) -> int:
        """A multiplication and an addition for each weight of a product; attention comes on top."""
        return 2 * self.layer_weights * len(self.layers)


def count_copies(network: Network, dtype: torch.dtype, merge_bytes: int) -> int:
    """Return how many copies of the layers fit."""
    return merge_bytes // (network.layer_weights * len(network.layers) * dtype.itemsize)
