"""Whether scores are the probabilities that they say they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.evaluation.statistics import Estimate, bootstrap_interval

Array = npt.NDArray[np.float64]

MAX_WRONG = 0.05
"""The share of wrong first hits that coverage allows."""

_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Questions whose first hit has about the same score."""

    low: float
    high: float
    questions: int
    score: float
    """Their mean score."""
    right: float
    """The share of them whose first hit answers."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the first hit's score is worth as the probability that it answers."""

    questions: int
    unanswered: int
    """How many of them nothing answers."""
    error: float
    """Expected calibration error over ten bins of equal width (Naeini and others 2015)."""
    area: float | None
    """Area under the ROC curve: questions with an answer against those without, by this score."""
    coverage: Estimate
    """The greatest share of the questions that can be answered, surest first, with at most
    MAX_WRONG of these wrong."""
    bins: tuple[ReliabilityBin, ...]
    """Without those that hold no question."""


def measure_calibration(
    scores: Sequence[float], right: Sequence[bool], answerable: Sequence[bool]
) -> Calibration:
    """Measure the first hits of questions; one without a hit has the score 0 and is wrong."""
    p = np.asarray(scores, dtype=np.float64)
    hit = np.asarray(right, dtype=np.float64)
    has_answer = np.asarray(answerable, dtype=np.float64)
    bins = tuple(_fill_bins(p, hit))
    low, high = bootstrap_interval(
        len(p), lambda rows: coverage_at(p[rows], hit[rows], wrong=MAX_WRONG)
    )
    return Calibration(
        len(p),
        int((has_answer == 0).sum()),
        calibration_error(p, hit),
        area(p, has_answer),
        Estimate(coverage_at(p, hit, wrong=MAX_WRONG), low, high),
        bins,
    )


def calibration_error(p: Array, right: Array) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    filled = _fill_bins(p, right)
    return sum(abs(one.score - one.right) * one.questions for one in filled) / max(len(p), 1)


def area(p: Array, right: Array) -> float | None:
    """Return the area under the ROC curve; None where all are right, or none is."""
    positive, negative = p[right > 0], p[right == 0]
    if not len(positive) or not len(negative):
        return None
    above = (positive[:, None] > negative).mean()
    return float(above + 0.5 * (positive[:, None] == negative).mean())


def coverage_at(p: Array, right: Array, wrong: float) -> float:
    """Return the greatest share of questions answered with at most `wrong` of them wrong.

    Questions of one score are answered together, or not at all.
    """
    order = np.argsort(-p, kind="stable")
    errors = np.cumsum(1 - right[order]) / np.arange(1, len(p) + 1)
    is_last = np.append(np.diff(p[order]) != 0, values=True)
    fitting = np.flatnonzero((errors <= wrong) & is_last)
    return float((fitting[-1] + 1) / len(p)) if len(fitting) else 0.0


def _fill_bins(p: Array, right: Array) -> list[ReliabilityBin]:
    place = np.minimum((p * _BINS).astype(int), _BINS - 1)
    return [
        ReliabilityBin(
            n / _BINS,
            (n + 1) / _BINS,
            int((place == n).sum()),
            float(p[place == n].mean()),
            float(right[place == n].mean()),
        )
        for n in range(_BINS)
        if (place == n).any()
    ]
