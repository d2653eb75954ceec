"""How sure a mean is: bootstrap intervals and the paired randomisation test.

Both are seeded, so that the same values give the same answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
LEVEL = 0.95

# For what takes longer than a mean.
_FEW_RESAMPLES = 1_000
_SEED = 7
_VALUES_AT_ONCE = 2_000_000
# Of two sums that differ by rounding alone, neither is the more extreme.
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95% interval."""

    mean: float
    low: float
    high: float


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Return the mean with its percentile bootstrap interval (Efron and Tibshirani 1993)."""
    sample = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(_SEED)
    means = np.concatenate(
        [
            sample[random.integers(len(sample), size=(rows, len(sample)))].mean(axis=1)
            for rows in _chunks(len(sample))
        ]
    )
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(sample.mean()), float(low), float(high))


def bootstrap_interval(
    count: int, measure: Callable[[npt.NDArray[np.int64]], float]
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of what `measure` gives for rows of a sample."""
    random = np.random.default_rng(_SEED)
    drawn = [measure(random.integers(count, size=count)) for _ in range(_FEW_RESAMPLES)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def randomisation_p(differences: Sequence[float]) -> float:
    """Return the two-sided p value of paired differences under random signs.

    Fisher's randomisation test as Smucker, Allan and Carterette (2007) recommend it for retrieval:
    the share of sign patterns whose mean is at least as far from 0, the observed one counted.
    """
    sample: npt.NDArray[np.float64] = np.asarray(differences, dtype=np.float64)
    observed = abs(sample.sum()) - _TOLERANCE
    random = np.random.default_rng(_SEED)
    extreme = 0
    for rows in _chunks(len(sample)):
        signs = random.integers(2, size=(rows, len(sample)), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ sample) >= observed).sum())
    return (extreme + 1) / (RESAMPLES + 1)


def _chunks(length: int) -> Iterator[int]:
    """Yield how many resamples to draw at once, so that memory stays small."""
    at_once = max(1, _VALUES_AT_ONCE // length)
    for first in range(0, RESAMPLES, at_once):
        yield min(at_once, RESAMPLES - first)
