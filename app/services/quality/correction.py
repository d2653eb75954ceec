"""How scores are corrected by questions whose answers are known.

Platt's method (1999): a shift and a slope on the log odds. Few questions change little, since what
the collection's scores mean without them counts as much as a few.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.services.search.scoring import NO_CORRECTION, Correction

Array = npt.NDArray[np.float64]

_PRIOR = 1.0
_STEPS = 60
_MIN_SLOPE = 0.1
_LARGEST = 30.0


def fit_correction(
    odds: Sequence[float], right: Sequence[bool], questions: Sequence[int]
) -> Correction:
    """Return the correction of these log odds, or none where it does not help on other questions.

    `questions` numbers what each was asked for. Whether it helps is seen by twofold
    cross-validation: by the likelihood of each half of the questions under what was fitted to the
    other.
    """
    x, y = np.asarray(odds, dtype=np.float64), np.asarray(right, dtype=np.float64)
    # What was asked for one question stays together: else a half could be all right.
    half = np.asarray(questions) % 2 == 0
    lost = sum(_loss(x[there], y[there], _fit(x[~there], y[~there])) for there in (half, ~half))
    return _fit(x, y) if lost < _loss(x, y, NO_CORRECTION) else NO_CORRECTION


def correct(odds: Sequence[float], correction: Correction) -> list[float]:
    """Return the probabilities of log odds under a correction."""
    return list(map(float, _probabilities(np.asarray(odds, dtype=np.float64), correction)))


def _fit(x: Array, y: Array) -> Correction:
    columns = np.stack([np.ones_like(x), x], axis=1)
    start = np.array([0.0, 1.0])
    found = start
    for _ in range(_STEPS):
        p = _probabilities(x, Correction(found[0], found[1]))
        hessian = (columns * (p * (1 - p))[:, None]).T @ columns + _PRIOR * np.eye(2)
        step = np.linalg.solve(hessian, columns.T @ (y - p) - _PRIOR * (found - start))
        # Newton's steps are too long where all is certain.
        found = found + np.clip(step, -1, 1)
    return Correction(float(found[0]), max(float(found[1]), _MIN_SLOPE))


def _loss(x: Array, y: Array, correction: Correction) -> float:
    p = np.clip(_probabilities(x, correction), 1e-6, 1 - 1e-6)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum())


def _probabilities(x: Array, correction: Correction) -> Array:
    odds = np.clip(correction.shift + correction.slope * x, -_LARGEST, _LARGEST)
    return np.asarray(1 / (1 + np.exp(-odds)))
