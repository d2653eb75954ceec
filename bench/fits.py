"""Logistic functions of what questions find, fitted to sets of questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

_STEPS = 60
_RIDGE = 1e-3
# How much the three kinds of question weigh: with an answer, with its articles taken out, without.
_MIX = {"answered": 0.6, "taken out": 0.28, "unanswered": 0.12}
# The first hit is what is looked at most.
_SHARE_OF_OTHERS = 0.25
# Of the first hit's features those that say whether anything answers.
_OF_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it found: of each of the first hits its features and whether it answers.

    Features are what weights apply to, in their order.
    """

    kind: str
    features: list[list[float]]
    answers: list[bool]
    ndcg: float


Sets: TypeAlias = Mapping[str, Sequence[Asked]]
"""What the questions of sets found, by the name of the set."""


def list_others(sets: Sets, name: str) -> Sets:
    """Return the sets of other articles than those of one."""
    return {other: some for other, some in sets.items() if _domain(other) != _domain(name)}


def _domain(name: str) -> str:
    """Return what sets of the same articles share."""
    return name.partition(":")[0].partition("_")[0]


def fit(sets: Sets, *, of_hits: bool) -> Array:
    """Return bias and weights, of hits or of whether anything answers.

    Every set counts the same, and so does every kind of question in it.
    """
    rows, labels, weights = [], [], []
    for asked in sets.values():
        counts = {kind: sum(one.kind == kind for one in asked) for kind in _MIX}
        for one in asked:
            for n, features in enumerate(one.features if of_hits else one.features[:1]):
                rows.append([1.0, *(features if of_hits else features[:_OF_ANSWERS])])
                labels.append(one.answers[n] if of_hits else one.kind == "answered")
                share = _SHARE_OF_OTHERS if n else 1.0
                weights.append(share * _MIX[one.kind] / counts[one.kind])
    x, y = np.array(rows), np.array(labels, dtype=float)
    return _fit_logistic(x, y, np.array(weights) / sum(weights))


def _fit_logistic(x: Array, y: Array, w: Array) -> Array:
    """Return the weights of greatest likelihood, none but the bias below 0."""
    free = np.ones(x.shape[1], dtype=bool)
    while True:
        some = x[:, free]
        ridge = _RIDGE * np.eye(some.shape[1])
        ridge[0, 0] = 0
        b = np.zeros(some.shape[1])
        for _ in range(_STEPS):
            p = 1 / (1 + np.exp(-some @ b))
            hessian = (some * (w * p * (1 - p))[:, None]).T @ some + ridge
            b += np.linalg.solve(hessian, some.T @ (w * (y - p)) - ridge @ b)
        full = np.zeros(x.shape[1])
        full[free] = b
        wrong = (full < 0) & (np.arange(len(full)) > 0)
        if not wrong.any():
            return full
        free &= ~wrong


def predict(weights: Array, asked: Sequence[Asked]) -> Array:
    """Return the probability of the first hit of each question; 0 where it found nothing."""
    used = len(weights) - 1
    first = np.array([one.features[0][:used] if one.features else [0.0] * used for one in asked])
    found = np.array([bool(one.features) for one in asked])
    return np.where(found, 1 / (1 + np.exp(-(weights[0] + first @ weights[1:]))), 0.0)
