"""Products of 8 bits: what they lose is their rounding, whatever shares their batch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from app.config import Settings
from app.domain import Item, Span, Task
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.int8 import quantize
from app.embedding.torch.layers import Groups, Linear
from app.embedding.torch.packed import can_quantize
from app.errors import ModelUnavailable
from tests.checkpoints import make_plain
from train.teacher import find_teacher

TEXTS = [
    "Tea is hot. Milk is cold, sugar is not.",
    "How do I reset the machine?",
    "Hold the button for eight seconds, then wait until it is cold.",
    "The water tank holds two litres and is filled from above.",
    "Invoices are sent on the first working day of a month.",
    "hot " * 100,
]

needs_vnni = pytest.mark.skipif(not can_quantize("cpu"), reason="the processor has no VNNI")


def make_linear(outputs: int, inputs: int, *, bias: bool = True) -> Linear:
    chance = torch.Generator().manual_seed(0)
    weight = torch.randn(outputs, inputs, generator=chance)
    # Rows of different sizes, as a trained weight has them.
    weight *= torch.logspace(-3, 1, outputs)[:, None]
    return Linear(weight, torch.randn(outputs, generator=chance) if bias else None)


@needs_vnni
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tokens", [1, 7, 192, 500])
def test_product_is_that_of_the_rounded_numbers(tokens: int, *, bias: bool) -> None:
    linear = make_linear(160, 96, bias=bias)
    x = torch.randn(tokens, 96, generator=torch.Generator().manual_seed(1)) * 3

    found = quantize(linear)(x, None)

    x_steps = x.double().abs().amax(dim=1, keepdim=True) / 127
    w_steps = linear.weight.double().abs().amax(dim=1, keepdim=True) / 127
    rounded_x, rounded_w = (x / x_steps).round(), (linear.weight / w_steps).round()
    expected = (rounded_x @ rounded_w.T) * x_steps * w_steps.T
    if linear.bias is not None:
        expected = expected + linear.bias
    # A number amid two steps may be rounded to either.
    allowed = (2 * 127 * x_steps * w_steps.T).clamp_min(1e-5)
    assert ((found - expected).abs() <= allowed).all()
    exact = torch.isclose(found.double(), expected, rtol=1e-4, atol=1e-4)
    assert exact.double().mean() > 0.99
    plain = linear(x, None)
    assert (found - plain).norm() < 0.02 * plain.norm()


@needs_vnni
def test_product_of_a_token_is_the_same_beside_others() -> None:
    linear = quantize(make_linear(160, 96))
    x = torch.randn(64, 96, generator=torch.Generator().manual_seed(1))
    beside = torch.cat([x, 1000 * x])
    assert torch.equal(linear(beside, None)[:64], linear(x, None))


@needs_vnni
def test_tokens_and_rows_of_zeros_give_the_bias() -> None:
    plain = make_linear(32, 64)
    plain.weight[3] = 0
    found = quantize(plain)(torch.cat([torch.zeros(1, 64), torch.ones(1, 64)]), None)
    assert plain.bias is not None
    assert torch.equal(found[0], plain.bias)
    assert found[1, 3] == plain.bias[3]


@needs_vnni
def test_adapters_are_added_in_full() -> None:
    chance = torch.Generator().manual_seed(2)
    a, b = torch.randn(4, 96, generator=chance), torch.randn(160, 4, generator=chance)
    linear = make_linear(160, 96)
    linear.lora["x"] = (a, b)
    x = torch.randn(70, 96, generator=chance)
    eight = quantize(linear)
    added = eight(x, Groups(("x",), None)) - eight(x, None)
    torch.testing.assert_close(added, x @ a.T @ b.T, rtol=1e-3, atol=1e-3)


@needs_vnni
@pytest.mark.slow
@pytest.mark.parametrize(
    ("open_model", "least"),
    [
        (lambda: open_checkpoint(Settings()), 0.99),
        (lambda: open_checkpoint(Settings(model="multilingual-e5-small")), 0.98),
        (lambda: read_checkpoint(find_teacher()), 0.99),
    ],
    ids=["folio-mini", "multilingual-e5-small", "MiniLM"],
)
def test_vectors_are_near_those_of_float32(
    open_model: Callable[[], Checkpoint], least: float
) -> None:
    """The mean over the texts is taken away: it is in all vectors and hides differences."""
    checkpoint = open_model()
    items = [Item(text, Task.PASSAGE, spans=(Span(0, 3),)) for text in TEXTS]
    vectors = []
    for dtype in ("float32", "int8"):
        engine = TorchEngine(checkpoint, device="cpu", dtype=dtype)
        assert engine.dtype == dtype
        found = engine.embed(items)
        both = np.stack([row for e in found for row in (e.vector, *e.passages)])
        vectors.append(both - both.mean(axis=0))
    ours, theirs = vectors
    cosines = (ours * theirs).sum(axis=1) / (
        np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    )
    assert cosines.min() > least


@needs_vnni
def test_merged_adapter_is_near_the_grouped_one(jina_v3: Path) -> None:
    checkpoint = read_checkpoint(jina_v3)
    grouped, merged = (
        TorchEngine(checkpoint, device="cpu", dtype="int8", merge_bytes=size) for size in (0, 2**24)
    )
    for text in TEXTS:
        a, b = (e.embed([Item(text, Task.PASSAGE)])[0].vector for e in (grouped, merged))
        assert a @ b > 0.999


def test_processor_without_the_instructions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedding.torch.engine.can_quantize", lambda device: False)
    checkpoint = read_checkpoint(make_plain(tmp_path, "bert"))
    with pytest.raises(ModelUnavailable, match="FOLIO_DTYPE=int8: it takes an x86 processor"):
        load_engine(checkpoint, Settings(device="cpu", dtype="int8"))


def test_model_without_a_packed_form_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedding.torch.engine.read_network", lambda *_: None)
    checkpoint = read_checkpoint(make_plain(tmp_path, "bert"))
    with pytest.raises(ModelUnavailable, match="no layers of its own"):
        load_engine(checkpoint, Settings(device="cpu", dtype="int8"))
