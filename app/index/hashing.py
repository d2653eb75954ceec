"""The numbers that stand for terms in the index.

A polynomial of the code points, modulo 2^64, then mixed. From that of a word those of all words
that are one letter away follow by arithmetic on arrays: so slips are looked up in an index that
holds no words.
"""

import numpy as np
import numpy.typing as npt

from app.index.byte_cache import keep

Hashes = npt.NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_MIX_ONE, _MIX_OTHER = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@keep(16 << 20)
def hash_term(term: str) -> int:
    """Return the 64-bit hash of a term."""
    value = 0
    for character in term:
        value = (value * BASE + ord(character)) & _MASK
    # The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
    value = ((value ^ (value >> 30)) * _MIX_ONE) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_OTHER) & _MASK
    return value ^ (value >> 31)


def mix(values: Hashes) -> Hashes:
    """Return the hashes of terms by the values of their polynomials."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX_ONE)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX_OTHER)
    return values ^ (values >> np.uint64(31))
