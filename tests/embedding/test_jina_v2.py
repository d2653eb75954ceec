"""jina-embeddings-v2 against a forward pass written from the papers, in numpy, a head at a time."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from app.domain import Item, Task
from app.embedding.checkpoint import read_checkpoint
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.jina_v2 import alibi_slopes
from app.errors import UnsupportedCheckpoint
from tests.checkpoints import make_jina_v2

Array = npt.NDArray[np.float64]
TEXTS = ["tea", "How do I reset the machine?", "ÄÖÜ 漢字 🙂", "hot tea with milk " * 12]


class Reference:
    """The architecture in double precision: no batch, no mask, no fused projection."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {
            k: v.astype(float) for k, v in load_file(folder / "model.safetensors").items()
        }

    def linear(self, name: str, x: Array) -> Array:
        return np.asarray(
            x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)
        )

    def norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
        return np.asarray(scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])

    def attend(self, name: str, x: Array) -> Array:
        heads = self.config["num_attention_heads"]
        q, k, v = (
            np.split(self.linear(f"{name}.{part}", x), heads, axis=1)
            for part in ("query", "key", "value")
        )
        outputs = []
        for head, slope in enumerate(slopes_of_the_authors(heads)):
            scores = q[head] @ k[head].T / math.sqrt(q[head].shape[1])
            for i in range(len(x)):
                for j in range(len(x)):
                    scores[i, j] -= slope * abs(i - j)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            outputs.append(weights / weights.sum(axis=1, keepdims=True) @ v[head])
        return np.concatenate(outputs, axis=1)

    def hidden(self, ids: list[int]) -> Array:
        x = self.weights["embeddings.word_embeddings.weight"][ids]
        x = self.norm(
            "embeddings.LayerNorm", x + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        for number in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}"
            attended = self.attend(f"{layer}.attention.self", x)
            out = self.linear(f"{layer}.attention.output.dense", attended)
            x = self.norm(f"{layer}.attention.output.LayerNorm", x + out)
            gate, value = np.split(self.linear(f"{layer}.mlp.gated_layers", x), 2, axis=1)
            gelu = gate * 0.5 * (1 + np.vectorize(math.erf)(gate / math.sqrt(2)))
            x = self.norm(
                f"{layer}.mlp.layernorm", x + self.linear(f"{layer}.mlp.wo", gelu * value)
            )
        return x


def slopes_of_the_authors(heads: int) -> list[float]:
    """Return what ALiBi's paper and its code for other than powers of two give, spelled out."""
    known = {
        2: [1 / 16, 1 / 256],
        4: [1 / 4, 1 / 16, 1 / 64, 1 / 256],
        6: [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8],
        8: [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256],
    }
    return known[heads]


@pytest.mark.parametrize("heads", [4, 6])
def test_vectors_are_those_of_the_reference(tmp_path: Path, heads: int) -> None:
    folder = make_jina_v2(tmp_path, heads=heads)
    engine = TorchEngine(read_checkpoint(folder), device="cpu")
    assert engine.max_tokens == 8192
    reference, tokenizer = Reference(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, embedding in zip(
        TEXTS, engine.embed([Item(text, Task.PASSAGE) for text in TEXTS]), strict=True
    ):
        mean = reference.hidden(tokenizer.encode(text).ids).mean(axis=0)
        np.testing.assert_allclose(embedding.vector, mean / np.linalg.norm(mean), atol=1e-5, rtol=0)


@pytest.mark.parametrize("heads", [2, 4, 6, 8])
def test_slopes_are_those_of_the_paper(heads: int) -> None:
    assert alibi_slopes(heads) == pytest.approx(slopes_of_the_authors(heads))


def test_order_of_words_matters(tmp_path: Path) -> None:
    engine = TorchEngine(read_checkpoint(make_jina_v2(tmp_path)), device="cpu")
    first, second = engine.embed(
        [Item(text, Task.PASSAGE) for text in ("tea hot milk cold", "milk cold tea hot")]
    )
    assert not np.allclose(first.vector, second.vector, atol=1e-3)


@pytest.mark.parametrize("change", ["ungated", "missing"])
def test_other_variant_is_refused(tmp_path: Path, change: str) -> None:
    folder = make_jina_v2(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"feed_forward_type": "original"} if change == "ungated" else {"num_hidden_layers": 3}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedCheckpoint):
        TorchEngine(read_checkpoint(folder), device="cpu")
