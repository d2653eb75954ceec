"""Weights in blocks of four bits (ggml's Q4_0), as the bundled multilingual model keeps them.

A block is 18 bytes: a scale in float16, then 32 numbers of four bits, byte j holding number j in
its low half and number j + 16 in its high half; a weight is (number - 8) times the scale. In a
safetensors file such a weight is called by its name and `.q4_0`, and is of bytes: shape (rows,
blocks, 18).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from app.embedding.layout import list_weights
from app.embedding.torch.architectures import read_network
from app.embedding.torch.layers import Network
from app.errors import ModelUnavailable

SUFFIX = ".q4_0"
_WORDS = "embeddings.word_embeddings.weight"


class PackedRows:
    """A table of packed rows; a row is unpacked each time it is looked up.

    Of a large vocabulary few rows are needed at a time, and in float32 it is seven times as large.
    """

    def __init__(self, blocks: torch.Tensor) -> None:
        self._blocks = blocks
        self.shape = torch.Size((blocks.shape[0], blocks.shape[1] * 32))

    def to(self, device: str) -> "PackedRows":
        return PackedRows(self._blocks.to(device))

    def look_up(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the rows `ids`: shape (len(ids), width), float32."""
        return unpack(self._blocks[ids])


def unpack(blocks: torch.Tensor) -> torch.Tensor:
    """Return packed rows in float32, exactly: shape (rows, 32 * blocks)."""
    scales = blocks[..., :2].contiguous().view(torch.float16).float()
    numbers = torch.cat([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], dim=-1)
    return ((numbers.float() - 8) * scales).flatten(1)


def is_packed(folder: Path) -> bool:
    """Return whether a checkpoint folder has weights in this format."""
    return any(name.endswith(SUFFIX) for name in list_weights(folder))


def read_packed(folder: Path) -> Network:
    """Return the network of a packed checkpoint; its word embeddings stay packed."""
    stored: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        stored |= load_file(path)
    words = stored.pop(_WORDS + SUFFIX)
    weights = {
        name.removesuffix(SUFFIX): unpack(weight) if name.endswith(SUFFIX) else weight
        for name, weight in stored.items()
    }
    with torch.device("meta"):
        config = AutoConfig.from_pretrained(folder)
        model: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    missing, _ = model.load_state_dict(weights, strict=False, assign=True)
    lacking = [name for name in missing if name != _WORDS and not name.startswith("pooler.")]
    network = read_network(model.requires_grad_(False), [])
    if lacking or network is None:
        raise ModelUnavailable(f"{folder} lacks {len(lacking)} weights, such as {lacking[:1]}")
    return replace(network, words=PackedRows(words))
