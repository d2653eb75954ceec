"""Samples of passage vectors by collection: what a question is compared with to see what is usual.

An inner product says little by itself: one model's lie within .02, another's within .5. Compared
with those of a sample of the collection it means the same for every model.
"""

from dataclasses import dataclass

import numpy as np

from app.domain import Matrix, Vector
from app.index.byte_cache import MISSING, ByteCache
from app.index.flat import Ids

MAX_UNITS = 128
"""Units that a sample is taken from; a collection of fewer is taken whole."""
MAX_PASSAGES = 8
"""Passages of one unit that come into a sample."""

# With fewer vectors than this, part of the deviation is the usual one.
_ENOUGH = 16
_USUAL_DEVIATION = 0.1
_DRIFT = 8
_DIGITS = 5
# Of some forty large collections under a model of 384 dimensions.
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Spread:
    """How a question's inner products with the passages of a collection are distributed."""

    mean: float
    deviation: float
    passages: float
    """About how many passages the collection has."""

    def standardize(self, product: float) -> float:
        """Return how many standard deviations an inner product is above the mean."""
        return (product - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class PassageSample:
    """Passage vectors of some units of a collection, each row of unit length."""

    unit_ids: Ids
    units: int
    """How many units the collection had."""
    passages: float
    """About how many passages it had."""
    vectors: Matrix

    def spread(self, query: Vector) -> Spread:
        """Return the distribution of a query's inner products; a short query compares as much."""
        if not len(self.vectors):
            return Spread(0.0, _USUAL_DEVIATION, 1.0)
        vectors = self.vectors[:, : len(query)]
        products = vectors @ query
        if len(query) < self.vectors.shape[1]:
            products = products / np.linalg.norm(vectors, axis=1)
        variance, count = float(products.var()), len(products)
        if count < _ENOUGH:
            variance = (count * variance + (_ENOUGH - count) * _USUAL_DEVIATION**2) / _ENOUGH
        # Later digits depend on where arrays lie in memory.
        deviation = max(round(float(np.sqrt(variance)), _DIGITS), 10.0**-_DIGITS)
        mean = round(float(products.mean()), _DIGITS)
        return Spread(mean, deviation, max(self.passages, 1.0))


class PassageSamples:
    """The samples of one generation's collections, each kept while the collection hardly changes.

    Of those in use so many as fit. Thread-safe.
    """

    def __init__(self) -> None:
        self._samples = ByteCache(_MAX_BYTES)

    def find(self, collection_id: int, units: int) -> PassageSample | None:
        """Return the sample of a large collection that still has about as many units."""
        sample = self._find(collection_id)
        if sample is None or min(units, sample.units) <= MAX_UNITS:
            return None
        return sample if abs(units - sample.units) * _DRIFT <= sample.units else None

    def find_same(self, collection_id: int, unit_ids: Ids) -> PassageSample | None:
        """Return the sample that was taken from just these units."""
        sample = self._find(collection_id)
        if sample is None or not np.array_equal(sample.unit_ids, unit_ids):
            return None
        return sample

    def keep(self, collection_id: int, sample: PassageSample) -> None:
        """Keep a sample in place of the collection's former one."""
        self._samples.forget([collection_id])
        self._samples.put(collection_id, sample)

    def _find(self, collection_id: int) -> PassageSample | None:
        found = self._samples.find(collection_id)
        return None if found is MISSING else found
