"""Products of 8-bit whole numbers: weights by their row, activations by their token.

Each row of a weight has a scale of its own, and so has each token, taken from its largest value: a
vector does not depend on what else is in its batch. The products are exact (int32), by oneDNN's
kernels for VNNI; all between them stays in fp32. The scheme is the vector-wise quantization of
LLM.int8() (Dettmers et al. 2022), without its outliers in 16 bits.
"""

from dataclasses import dataclass

import torch

from app.embedding.torch.layers import PREPACKED_TOKENS, Linear

_LARGEST = 127
# oneDNN multiplies unsigned activations with signed weights: zero is written as this.
_ZERO = 128
# For tokens that are zero throughout.
_MIN_SCALE = 1e-20


@dataclass(slots=True, kw_only=True)
class Int8Linear(Linear):
    """A linear layer whose weight is in 8 bits, in the layout of oneDNN's kernels."""

    scales: torch.Tensor
    """Of each output."""
    zeros: torch.Tensor
    """Of each output: whole numbers of 32 bits."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def _multiply(self, x: torch.Tensor) -> torch.Tensor:
        # Both ends in place of the absolute values, which would be written first.
        largest = torch.maximum(x.amax(1, keepdim=True), x.amin(1, keepdim=True).neg_())
        steps = (largest / _LARGEST).clamp_min_(_MIN_SCALE)
        rounded = (x * steps.reciprocal()).round_().to(torch.int8)
        # From whole numbers with a sign to those from zero up.
        numbers = rounded.view(torch.uint8).bitwise_xor_(_ZERO)
        y: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            numbers,
            1.0,
            _ZERO,
            self.weight,
            self.scales,
            self.zeros,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return y.mul_(steps) if self.bias is None else torch.addcmul(self.bias, y, steps, out=y)


def quantize(linear: Linear) -> Int8Linear:
    """Return an fp32 layer with its weight in 8 bits; its adapters stay in fp32."""
    scales = (linear.weight.abs().amax(dim=1) / _LARGEST).clamp_min_(_MIN_SCALE)
    numbers = (linear.weight / scales[:, None]).round_().to(torch.int8)
    shape = [PREPACKED_TOKENS, numbers.shape[1]]
    return Int8Linear(
        torch.ops.onednn.qlinear_prepack(numbers, shape),
        linear.bias,
        linear.lora,
        scales=scales,
        zeros=torch.zeros(len(scales), dtype=torch.int32),
    )
