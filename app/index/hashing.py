"""The numbers that stand for terms in the index.

A polynomial of the code points, modulo 2^64, then mixed: those of many terms are made at once by
arithmetic on arrays, so that all slips of a word are looked up in an index that holds no words.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from app.index.byte_cache import keep_each

Hashes = npt.NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
POWERS: Hashes = np.array(
    [pow(BASE, exponent, 1 << 64) for exponent in range(128)], dtype=np.uint64
)
"""The powers of BASE."""
_MIX_ONE, _MIX_OTHER = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# Of longer terms the arrays would take more memory than they are worth.
_MAX_CHARACTERS, _BATCH = 100, 1024


@dataclass(frozen=True, slots=True)
class SortedHashes:
    """Hashes in ascending order: so, many are looked up in a third of the time."""

    hashes: Hashes
    order: npt.NDArray[np.int64]
    """Where each stood before."""

    @classmethod
    def of(cls, hashes: Hashes) -> "SortedHashes":
        order = np.argsort(hashes)
        return cls(hashes[order], order)


def hash_term(term: str) -> int:
    """Return the 64-bit hash of a term."""
    value = 0
    for character in term:
        value = (value * BASE + ord(character)) & _MASK
    # The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
    value = ((value ^ (value >> 30)) * _MIX_ONE) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_OTHER) & _MASK
    return value ^ (value >> 31)


def hash_terms(terms: Iterable[str]) -> Iterator[int]:
    """Yield the hashes of many terms: those of hash_term in a tenth of the time."""
    left = iter(terms)
    while batch := list(islice(left, _BATCH)):
        if max(map(len, batch)) > _MAX_CHARACTERS:
            yield from map(hash_term, batch)
        else:
            yield from _hash_batch(batch).tolist()


@keep_each(1 << 20)
def hash_known(terms: Sequence[str], _: None = None) -> list[int]:
    """Return the hashes of terms that are asked for again and again: the words of questions."""
    return list(hash_terms(terms))


def _hash_batch(terms: list[str]) -> Hashes:
    # A zero before each term changes no hash, and none is empty.
    joined = "\0" + "\0".join(terms)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = np.fromiter(map(len, terms), dtype=np.int64, count=len(terms)) + 1
    ends = np.cumsum(sizes)
    exponents = np.repeat(ends, sizes) - np.arange(1, len(codes) + 1)
    return mix(np.add.reduceat(codes * POWERS[exponents], ends - sizes))


def mix(values: Hashes) -> Hashes:
    """Return the hashes of terms by the values of their polynomials."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX_ONE)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX_OTHER)
    return values ^ (values >> np.uint64(31))
