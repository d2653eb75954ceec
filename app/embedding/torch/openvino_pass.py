"""A whole network as one OpenVINO graph, for the short passes of questions on an x86 processor.

Between two operations torch goes back to Python; in a pass over a few tokens that is most of the
time. Long passes gain nothing, and could not be put aside for a question:
docs/decisions/0026-openvino-reads-questions.md. The operations are those of
https://docs.openvino.ai/2025/documentation/openvino-ir-format.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import openvino
import torch
from openvino import opset13 as ops
from torch import nn
from transformers import activations

from app.embedding.processors import count_processors
from app.embedding.torch.inputs import Rotation
from app.embedding.torch.layers import Layer, Linear, Network, Norm

Array: TypeAlias = npt.NDArray[np.float32]
Node: TypeAlias = Any
"""A value in a graph; OpenVINO gives its nodes no types."""

# What is added to a score that must not count: far below any, and finite in bfloat16.
_MASKED = -1e30

_ACTIVATIONS: dict[type, Callable[[Node], Node]] = {
    activations.GELUActivation: lambda x: ops.gelu(x, "erf"),
    activations.NewGELUActivation: lambda x: ops.gelu(x, "tanh"),
    nn.GELU: lambda x: ops.gelu(x, "erf"),
    nn.ReLU: ops.relu,
}


def can_compile(network: Network) -> bool:
    """Return whether all that the layers are made of has a counterpart here."""
    return all(type(layer.activation) in _ACTIVATIONS for layer in network.layers)


class OpenVinoPass:
    """The layers of a network, compiled; hidden states outside are fp32."""

    def __init__(self, network: Network, layers: Sequence[Layer], dtype: torch.dtype) -> None:
        """Compile `layers`, which are those of `network` with at most one adapter merged in."""
        self._bias = network.bias
        graph = _Graph(network)
        precision = {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype]
        hints = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(count_processors()),
        }
        compiled = openvino.Core().compile_model(graph.write(layers), "CPU", hints)
        self._request = compiled.create_infer_request()
        # Whose tensors are those of one pass at a time.
        self._lock = Lock()

    def run(
        self, x: torch.Tensor, lengths: Sequence[int], rotation: Rotation | None
    ) -> torch.Tensor:
        """Return the last hidden states of sequences that begin with `x` (tokens, hidden)."""
        inputs = [x, self._add_to_scores(lengths), *(rotation or ())]
        arrays = [np.ascontiguousarray(value.numpy()) for value in inputs]
        with self._lock:
            for i, array in enumerate(arrays):
                self._request.set_input_tensor(i, openvino.Tensor(array, shared_memory=True))
            self._request.infer()
            # The next pass writes to the same memory.
            return torch.from_numpy(self._request.get_output_tensor(0).data.copy())

    def _add_to_scores(self, lengths: Sequence[int]) -> torch.Tensor:
        """Return what keeps sequences apart, and biases: (1 or heads, tokens, tokens)."""
        added = torch.zeros(1, 1, 1)
        if len(lengths) > 1:
            sequence = torch.arange(len(lengths)).repeat_interleave(torch.tensor(list(lengths)))
            is_own = sequence[:, None] == sequence[None]
            added = torch.where(is_own, 0.0, _MASKED)[None]
        if self._bias is not None:
            places = torch.cat([torch.arange(length) for length in lengths])
            added = self._bias(places, places) + added
        return added


class _Graph:
    """Writes the layers of a network as operations."""

    def __init__(self, network: Network) -> None:
        self._hidden = network.hidden
        self._heads = network.heads
        self._head = network.hidden // network.heads
        self._turns = network.rope_theta is not None

    def write(self, layers: Sequence[Layer]) -> openvino.Model:
        x, added = _input(self._hidden), _input(-1, -1)
        angles = [_input(self._head // 2) for _ in range(2)] if self._turns else []
        y = x
        for layer in layers:
            y = self._finish(layer, y, self._attend(layer, y, added, angles))
        return openvino.Model([ops.result(y)], [x, added, *angles])

    def _attend(self, layer: Layer, x: Node, added: Node, angles: Sequence[Node]) -> Node:
        qkv = ops.split(_multiply(x, layer.qkv), _whole(1), 3)
        q, k, v = (self._part_heads(qkv.output(i)) for i in range(3))
        if angles:
            q, k = (self._rotate(part, *angles) for part in (q, k))
        heads = [ops.transpose(part, _whole([1, 0, 2])) for part in (q, k, v)]
        batch = [ops.unsqueeze(part, _whole([0])) for part in (*heads, added)]
        found = ops.squeeze(ops.scaled_dot_product_attention(*batch), _whole([0]))
        return ops.reshape(
            ops.transpose(found, _whole([1, 0, 2])), _whole([-1, self._hidden]), False
        )

    def _part_heads(self, x: Node) -> Node:
        return ops.reshape(x, _whole([-1, self._heads, self._head]), False)

    def _rotate(self, x: Node, cos: Node, sin: Node) -> Node:
        """Return (tokens, heads, head) turned by rotary positions, as packed.py does."""
        halves = ops.split(x, _whole(2), 2)
        a, b = halves.output(0), halves.output(1)
        cos, sin = (ops.unsqueeze(angle, _whole([1])) for angle in (cos, sin))
        return ops.concat(
            [
                ops.subtract(ops.multiply(a, cos), ops.multiply(b, sin)),
                ops.add(ops.multiply(b, cos), ops.multiply(a, sin)),
            ],
            2,
        )

    def _finish(self, layer: Layer, x: Node, attended: Node) -> Node:
        activate = _ACTIVATIONS[type(layer.activation)]
        h = _normalize(ops.add(x, _multiply(attended, layer.out)), layer.attention_norm)
        inner = _multiply(h, layer.up)
        if layer.gated:
            halves = ops.split(inner, _whole(1), 2)
            inner = ops.multiply(activate(halves.output(0)), halves.output(1))
        else:
            inner = activate(inner)
        return _normalize(ops.add(h, _multiply(inner, layer.down)), layer.norm)


def _input(*last: int) -> Node:
    """Return an input of any length, with `last` as its other sizes."""
    return ops.parameter([-1, *last], np.float32)


def _whole(values: int | list[int]) -> Node:
    return ops.constant(np.array(values, dtype=np.int64))


def _constant(values: torch.Tensor) -> Node:
    return ops.constant(values.detach().contiguous().numpy())


def _multiply(x: Node, linear: Linear) -> Node:
    y = ops.matmul(x, _constant(linear.weight), False, True)
    return y if linear.bias is None else ops.add(y, _constant(linear.bias))


def _normalize(x: Node, norm: Norm) -> Node:
    centred = ops.mvn(x, _whole([-1]), True, norm.eps, "inside_sqrt")
    return ops.add(ops.multiply(centred, _constant(norm.weight)), _constant(norm.bias))
