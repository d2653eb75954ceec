"""How much a JSON body consists of, told without parsing it."""

import numpy as np

_QUOTE = ord('"')
_SLICE_BYTES = 1 << 18


def count_signs(body: bytes, signs: bytes) -> int:
    """Return how often any of these signs stands in a body."""
    return sum(body.count(sign) for sign in signs)


def count_outside_texts(body: bytes, signs: bytes) -> int:
    """Return how often any of these signs stands outside of the strings of a body.

    By numpy, beside which other threads run, and in slices, which take little memory.
    """
    # Without escapes each quotation mark begins or ends a string.
    data = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    total, inside = 0, np.False_
    for start in range(0, len(data), _SLICE_BYTES):
        part = data[start : start + _SLICE_BYTES]
        within = np.logical_xor.accumulate(part == _QUOTE) ^ inside
        total += sum(int(np.count_nonzero((part == sign) & ~within)) for sign in signs)
        inside = within[-1]
    return total
