"""What comes before the layers: first hidden states, adapters of a batch, rotary positions."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

from app.embedding.torch.layers import Groups, Network, Norm

Rotation: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines of rotary positions: shape (tokens, half a head) each."""


class Inputs(NamedTuple):
    """What the layers of a batch begin with."""

    x: torch.Tensor
    """Hidden states: shape (tokens, hidden), fp32."""
    groups: Groups | None
    rotation: Rotation | None


class InputLayer:
    """Embeddings of words, token types and positions, with adapters, on one device."""

    def __init__(self, network: Network, device: str) -> None:
        self._device = device
        self._words = network.words.to(device)
        self._word_lora = {
            name: (a.to(device), b.to(device)) for name, (a, b) in network.word_lora.items()
        }
        self._types = None if network.types is None else network.types.to(device)
        self._positions = None if network.positions is None else network.positions.to(device)
        self._position_offset = network.position_offset
        self._norm = Norm(
            network.norm.weight.to(device), network.norm.bias.to(device), network.norm.eps
        )
        self._rope_theta = network.rope_theta
        self._head = network.hidden // network.heads

    def read(self, ids: torch.Tensor, lengths: Sequence[int], adapters: Sequence[str]) -> Inputs:
        """Return what sequences of tokens `ids` begin with, each with its adapter (or "")."""
        ids = ids.to(self._device)
        places = torch.cat([torch.arange(length, device=self._device) for length in lengths])
        groups = self._group(lengths, adapters)
        return Inputs(self._embed(ids, places, groups), groups, self._rotate_by(places))

    def _group(self, lengths: Sequence[int], adapters: Sequence[str]) -> Groups | None:
        names = tuple(sorted(set(adapters) - {""}))
        if not names:
            return None
        if len(set(adapters)) == 1:
            return Groups(names, None)
        rows = torch.tensor([[float(a == name) for name in names] for a in adapters])
        mask = rows.repeat_interleave(torch.tensor(list(lengths)), dim=0)
        return Groups(names, mask.to(self._device))

    def _embed(
        self, ids: torch.Tensor, places: torch.Tensor, groups: Groups | None
    ) -> torch.Tensor:
        words = self._words
        x = F.embedding(ids, words) if isinstance(words, torch.Tensor) else words.look_up(ids)
        if groups is not None and self._word_lora:
            for i, name in enumerate(groups.names):
                a, b = self._word_lora[name]
                update = F.embedding(ids, a) @ b.t()
                x = x + (update if groups.mask is None else update * groups.mask[:, i : i + 1])
        if self._types is not None:
            x = x + self._types
        if self._positions is not None:
            x = x + F.embedding(places + self._position_offset, self._positions)
        return self._norm(x)

    def _rotate_by(self, places: torch.Tensor) -> Rotation | None:
        """Return rotary positions (Su et al. 2021)."""
        if self._rope_theta is None:
            return None
        exponents = torch.arange(0, self._head, 2, device=self._device).float() / self._head
        angles = places.float()[:, None] * (1.0 / self._rope_theta**exponents)
        return angles.cos(), angles.sin()
