"""Encoders over packed sequences: none is padded to another, and a pass can be put aside.

The tokens of all sequences of a batch stand one after another; only attention sees where one ends.
Whatever else a layer does is done block by block, so that neither the time of a step nor the memory
beside the hidden states grows with the batch. A pass is put aside between two steps.
"""

import platform
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, product
from operator import methodcaller
from time import perf_counter, thread_time
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

from app.embedding.torch.inputs import InputLayer, Rotation
from app.embedding.torch.int8 import quantize
from app.embedding.torch.layers import Groups, Layer, Network, Norm, count_copies

Steps: TypeAlias = Generator[None, None, torch.Tensor]
"""A pass: yields where it may be put aside, returns hidden states (sum(lengths), hidden), fp32."""

# A query that comes during a pass over documents waits for one step of about this much work, or of
# so many tokens through the whole network, which a query is itself: small steps of a large network
# would fetch its weights more often.
_STEP_FLOPS = {"cpu": 1.5e9, "cuda": 5e12}
_STEP_TOKENS = 32
# A short pass is one step; its sequences are told apart by a mask, and multiplied all the same.
_SHORT_FLOPS = 5e9
_SHORT_TOKENS = 256
_MIN_TIMED = 1 << 18
_MIN_BLOCK = 64
# A pass over questions is not put aside, and few large blocks are faster.
_URGENT_BLOCK = 1024
# Attention by products, where that is the faster way: so many scores at a time stay in a cache, and
# shorter sequences are over before it pays.
_PRODUCT_SCORES = 1 << 21
_PRODUCT_QUERIES = 512
_MIN_PRODUCT_TOKENS = 128
# oneDNN compiles a kernel for every shape that it meets and keeps 1,024 of them, each of up to half
# a MiB. So passes of more than _MIN_BLOCK tokens are filled up, as sequences are for attention by
# products: shapes recur.
_FILL_TOKENS = 16
_FILL_SEQUENCE = 32
# An operation of attention takes so many times as long as one of a product with weights.
_PRODUCT_COST = 6


class ShortPass(Protocol):
    """All layers at once, of a network without adapters or with one merged in."""

    def run(
        self, x: torch.Tensor, lengths: Sequence[int], rotation: Rotation | None
    ) -> torch.Tensor: ...


CompilePass: TypeAlias = Callable[[Network, Sequence[Layer], torch.dtype], ShortPass]


class PackedEncoder:
    """A network ready to run in one dtype; the residual stream stays in fp32."""

    def __init__(
        self,
        network: Network,
        *,
        device: str,
        dtype: torch.dtype,
        merge_bytes: int,
        compile_pass: CompilePass | None = None,
    ):
        """Take over a network; int8 is for the products with its weights, the rest is fp32 then.

        `merge_bytes` bounds the copies of the layers that have an adapter merged in.

        `compile_pass` makes one copy more, for passes over questions of so few tokens that they are
        one step.
        """
        self.device = device
        self.dtype = torch.float32 if dtype == torch.int8 else dtype
        self._inputs = InputLayer(network, device)
        self._heads, self._hidden, self._bias = network.heads, network.hidden, network.bias
        layers = [
            _move_layer(layer.with_linears(lambda linear: linear.moved(device, self.dtype)), device)
            for layer in network.layers
        ]
        names = sorted(layers[0].qkv.lora, key=_merge_order)
        self._short: dict[str, ShortPass] = {}
        if compile_pass is not None:
            asks = names[0] if names else ""
            merged = [layer.with_linears(methodcaller("merged", asks)) for layer in network.layers]
            self._short[asks] = compile_pass(network, merged, self.dtype)
            # Larger batches of questions are rarer than articles.
            names[:2] = reversed(names[:2])
        self._merged = {
            name: [layer.with_linears(methodcaller("merged", name)) for layer in layers]
            for name in names[: count_copies(network, dtype, merge_bytes)]
        }
        self.flops_per_token = network.flops_per_token
        self._fills = can_prepack(device, self.dtype)
        if self._fills:
            pack = quantize if dtype == torch.int8 else methodcaller("prepacked")
            self._merged = {
                name: [layer.with_linears(pack) for layer in copies]
                for name, copies in self._merged.items()
            }
            layers = [layer.with_linears(pack) for layer in layers]
        self._layers = layers
        self._multiplies = network.bias is None and prefers_products(device, self.dtype)
        self._step_flops = count_step_flops(network, device)
        short = max(_SHORT_FLOPS, self._step_flops) / network.flops_per_token
        self._short_tokens = min(short, _SHORT_TOKENS)

    @property
    def merged(self) -> tuple[str, ...]:
        """The adapters of which a merged copy is kept."""
        return tuple(self._merged)

    def run(
        self,
        ids: torch.Tensor,
        lengths: Sequence[int],
        adapters: Sequence[str],
        *,
        is_urgent: bool = False,
        share: float = 1.0,
    ) -> Steps:
        """Run sequences of tokens `ids`, each with the adapter named at its place (or "").

        Neighbours of equal length share a call of attention. A pass that is urgent has fewer and
        longer steps; one that has but a `share` of the processors has smaller ones, which take no
        longer.
        """
        # The adapter that all have; None where they differ.
        name = adapters[0] if len(set(adapters)) == 1 else None
        if name in self._short and len(ids) <= self._short_tokens:
            x, _, rotation = self._inputs.read(ids, lengths, adapters)
            return self._short[name].run(x, lengths, rotation)
        tokens = len(ids)
        if self._fills:
            ids, lengths, adapters = _add_filler(ids, lengths, adapters)
        x, groups, rotation = self._inputs.read(ids, lengths, adapters)
        layers = self._layers
        if name in self._merged:
            layers, groups = self._merged[name], None
        if rotation is not None:
            cos, sin = (part.to(self.dtype) for part in rotation)
            rotation = cos, sin
        step_flops = self._step_flops * share
        size = count_block(step_flops * len(layers) / self.flops_per_token)
        if is_urgent:
            size = max(size, _URGENT_BLOCK)
        blocks = [slice(i, i + size) for i in range(0, len(x), size)]
        # Allocated once: the pages of new memory would be cleared in every layer.
        qkv = torch.empty(len(x), 3 * self._hidden, dtype=self.dtype, device=self.device)
        attended = torch.empty(len(x), self._hidden, dtype=self.dtype, device=self.device)
        for layer in layers:
            for block in blocks:
                part = groups and groups.part(block)
                qkv[block] = self._project(layer, x[block], part, rotation, block)
                yield
            yield from self._attend(qkv, lengths, attended, step_flops)
            for block in blocks:
                part = groups and groups.part(block)
                rest = layer.attention_norm(x[block] + layer.out(attended[block], part))
                inner = _widen(layer, rest, part)
                yield
                x[block] = layer.norm(rest + layer.down(inner, part))
                yield
        return x[:tokens]

    def _project(
        self,
        layer: Layer,
        x: torch.Tensor,
        groups: Groups | None,
        rotation: Rotation | None,
        block: slice,
    ) -> torch.Tensor:
        qkv = layer.qkv(x, groups)
        if rotation is None:
            return qkv
        cos, sin = (part[block, None, None] for part in rotation)
        a, b = qkv.view(len(x), 3, self._heads, -1)[:, :2].chunk(2, dim=-1)
        turned = (a * cos).addcmul_(b, sin, value=-1), (b * cos).addcmul_(a, sin)
        a.copy_(turned[0])
        b.copy_(turned[1])
        return qkv

    def _attend(
        self, qkv: torch.Tensor, lengths: Sequence[int], out: torch.Tensor, step_flops: float
    ) -> Generator[None, None, None]:
        """Write the attention of every sequence to itself into `out`, some heads at a time."""
        at = 0
        for length, same in groupby(lengths):
            count = len(list(same))
            rows = slice(at, at + count * length)
            at += count * length
            q, k, v = qkv[rows].view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            target = out[rows].view(count, length, self._heads, -1).transpose(1, 2)
            if self._multiplies and length >= _MIN_PRODUCT_TOKENS:
                yield from attend_by_products(q, k, v, target, step_flops / _PRODUCT_COST)
            else:
                yield from self._attend_by_kernel(q, k, v, target, step_flops)

    def _attend_by_kernel(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        out: torch.Tensor,
        step_flops: float,
    ) -> Generator[None, None, None]:
        count, heads, length, _ = q.shape
        bias, places = self._bias, torch.arange(length, device=self.device)
        per_query = 4 * self._hidden * length * count
        # Few heads and many queries: the kernel is slow with less than 768 queries at a time.
        # A bias is computed for all heads.
        fitting = int(heads * step_flops / (per_query * length))
        width = heads if bias else max(1, min(heads, fitting))
        size = count_block(step_flops / per_query * heads / width)
        for i, h in product(range(0, length, size), range(0, heads, width)):
            mask = None if bias is None else bias(places[i : i + size], places).to(q.dtype)
            part = slice(h, h + width)
            out[:, part, i : i + size] = F.scaled_dot_product_attention(
                q[:, part, i : i + size], k[:, part], v[:, part], mask
            )
            yield


def _add_filler(
    ids: torch.Tensor, lengths: Sequence[int], adapters: Sequence[str]
) -> tuple[torch.Tensor, Sequence[int], Sequence[str]]:
    """Return a pass with one sequence more, if that makes a number of tokens that recurs."""
    spare = -len(ids) % _FILL_TOKENS
    if not spare or len(ids) <= _MIN_BLOCK:
        return ids, lengths, adapters
    # Of an adapter that the pass has already.
    return F.pad(ids, (0, spare)), [*lengths, spare], [*adapters, adapters[-1]]


def attend_by_products(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, out: torch.Tensor, step_flops: float
) -> Generator[None, None, None]:
    """Write the attention of sequences to themselves into `out`; all (count, heads, length, head).

    Scores have the dtype of `q`, and are made in blocks that stay in a cache. Sequences have at
    least 8 tokens. Yields once they are copied, and after each `step_flops`.
    """
    count, heads, length, dimensions = q.shape
    # Blocks of one size, so that all of them share a shape.
    size = _round_up(-(-length // -(-length // _PRODUCT_QUERIES)), _FILL_SEQUENCE)
    keys = _round_up(length, max(_FILL_SEQUENCE, 1 << (length.bit_length() - 4)))
    rows = size * -(-length // size)
    fitting = _PRODUCT_SCORES // (size * keys)
    width = max(n for n in range(1, heads + 1) if heads % n == 0 and n <= max(1, fitting))
    q, k, v = (_fill(part, to) for part, to in ((q, rows), (k, keys), (v, keys)))
    yield
    k = k.transpose(1, 2)
    scores = q.new_empty(width, size, keys)
    attended = torch.empty_like(q)
    spent = 0.0
    for h, i in product(range(0, count * heads, width), range(0, rows, size)):
        part, block = slice(h, h + width), slice(i, i + size)
        torch.baddbmm(scores, q[part, block], k[part], beta=0, alpha=dimensions**-0.5, out=scores)
        scores[..., length:] = -torch.inf
        torch.softmax(scores, -1, out=scores)
        attended[part, block] = torch.bmm(scores, v[part])
        spent += 4.0 * dimensions * scores.numel()
        if spent >= step_flops:
            spent = 0.0
            yield
    out.copy_(attended.view(count, heads, rows, dimensions)[:, :, :length])
    yield


def _fill(part: torch.Tensor, length: int) -> torch.Tensor:
    """Return sequences (count, heads, shorter, head) with zeros up to `length`, heads in a row."""
    count, heads, shorter, dimensions = part.shape
    filled = part.new_zeros(count, heads, length, dimensions)
    filled[:, :, :shorter] = part
    return filled.view(count * heads, length, dimensions)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def pick_dtype(weight: torch.Tensor) -> torch.dtype:
    """Return bfloat16 where a weight's device multiplies with it at least 1.2 times as fast.

    A processor with instructions for bfloat16 can be slower with them than in float32.
    """
    if weight.numel() < _MIN_TIMED:
        # Over too soon to be timed: the dtype, and the vectors with it, would change by chance.
        return torch.float32
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    # A wrong choice stays: on a busy machine no wait for a processor may count.
    clock = thread_time if weight.device.type == "cpu" else perf_counter
    weights = {dtype: weight.to(dtype) for dtype in seconds}
    with _one_thread():
        for _, (dtype, w) in product(range(16), weights.items()):
            x = torch.ones(256, w.shape[1], device=w.device, dtype=dtype)
            started = clock()
            for _ in range(2):
                y = F.linear(x, w)
            # Waits for a GPU.
            y.sum().item()
            seconds[dtype] = min(seconds[dtype], clock() - started)
    is_faster = seconds[torch.float32] > 1.2 * seconds[torch.bfloat16]
    return torch.bfloat16 if is_faster else torch.float32


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have this thread compute alone while the block runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def can_prepack(device: str, dtype: torch.dtype) -> bool:
    """Return whether oneDNN has kernels of its own here; only x86 is tested."""
    if device != "cpu" or platform.machine() != "x86_64":
        return False
    # torch gives these two no types.
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def can_quantize(device: str) -> bool:
    """Return whether products of 8 bits are exact here: without VNNI a processor saturates."""
    return can_prepack(device, torch.float32) and torch.cpu._is_vnni_supported()


def prefers_products(device: str, dtype: torch.dtype) -> bool:
    """Return whether softmax between two products beats torch's kernel of attention.

    In bfloat16 on a CPU without AMX it does: the kernel makes no use of the instructions for
    bfloat16 that AVX-512 has, and the products do. What AMX does to either is not measured.
    """
    if dtype != torch.bfloat16 or not can_prepack(device, dtype):
        return False
    return not torch.cpu._is_amx_tile_supported()


def _merge_order(adapter: str) -> tuple[bool, bool, str]:
    """The adapters that every knowledge base uses come first."""
    return adapter != "retrieval_query", adapter != "retrieval_passage", adapter


def count_step_flops(network: Network, device: str) -> float:
    """Return the work of one step of a pass."""
    least = _STEP_FLOPS.get(device.partition(":")[0], _STEP_FLOPS["cpu"])
    return max(least, _STEP_TOKENS * network.flops_per_token)


def count_block(tokens: float) -> int:
    """Return a number of rows, a multiple of 64, near `tokens`."""
    return max(_MIN_BLOCK, int(min(tokens, 1e9)) // _MIN_BLOCK * _MIN_BLOCK)


def _widen(layer: Layer, x: torch.Tensor, groups: Groups | None) -> torch.Tensor:
    inner = layer.up(x, groups)
    if not layer.gated:
        return layer.activation(inner)
    gate, value = inner.chunk(2, dim=-1)
    return layer.activation(gate) * value


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
