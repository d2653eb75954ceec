"""One score from what the stages say of a document: the weights, and how sure they are.

A score is the probability that the document answers, by a logistic function of the stages' own
scores. Each mode has weights of its own, so that a score, and `min_score`, mean the same in all.
The reasons: docs/decisions/0017-one-calibrated-score.md.
"""

from dataclasses import dataclass
from math import exp, log

from app.domain import Mode

_LEAST_PROBABILITY = 1e-9
# What is added to nearness: .2 to .5 rank equally well, 0 would let words count for nothing.
_FAR = 0.3


@dataclass(frozen=True, slots=True)
class StageScores:
    """What each stage gives a document for a query; None where a stage did not look."""

    unit: float | None = None
    """Inner product of the query and the best unit."""
    passage: float | None = None
    """Inner product of the query and the best passage."""
    lexical: float | None = None
    """Square root of BM25 over the most that any document could reach for the query: 0 to 1."""
    match: float | None = None
    """The greatest `match` of its passages; until a candidate is read, the most that it can be."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic function of stage scores."""

    bias: float
    unit: float = 0.0
    passage: float = 0.0
    lexical: float = 0.0
    match: float = 0.0

    def logit(self, stages: StageScores) -> float:
        return (
            self.bias
            + self.unit * (stages.unit or 0.0)
            + self.passage * (stages.passage or 0.0)
            + self.lexical * (stages.lexical or 0.0)
            + self.match * (stages.match or 0.0)
        )


# Fitted by bench/fusion.py to folio-mini on half of the questions of three sets.
WEIGHTS = {
    Mode.DENSE: Weights(bias=-7.21, unit=1.20, passage=6.82),
    Mode.LEXICAL: Weights(bias=-6.47, lexical=5.68),
    Mode.HYBRID: Weights(bias=-6.09, unit=0.84, passage=1.57, lexical=1.36, match=2.57),
}
# A function of the logit of the best hybrid score, fitted likewise: half of its cases are questions
# whose answers were taken out.
NO_ANSWER_BIAS, NO_ANSWER_SLOPE = -1.32, -0.683
# folio-mini. Of other models the same weights rank well, but nobody has fitted them.
CALIBRATED_FINGERPRINTS = frozenset({"84bc15b1e9c23ad4"})


def match(nearness: float, share: float) -> float:
    """Return how much of the query a passage says: by meaning and by words at once.

    `nearness` is its inner product with the query, `share` how much of the query's word weight
    (idf) stands in it or in its title. Words count also where the meaning is far: names and codes
    mean nothing to a model.
    """
    return max(nearness + _FAR, 0.0) * share


def score(stages: StageScores, mode: Mode) -> float:
    """Return the probability that a document answers: 0 to 1."""
    return logistic(WEIGHTS[mode].logit(stages))


def is_calibrated(fingerprint: str | None) -> bool:
    """Return whether scores are probabilities for vectors of this model."""
    return fingerprint in CALIBRATED_FINGERPRINTS


def no_answer(best_score: float, fingerprint: str | None) -> float | None:
    """Return the probability that nothing answers, by the best hybrid score; None if unknown."""
    if not is_calibrated(fingerprint):
        return None
    return logistic(NO_ANSWER_BIAS + NO_ANSWER_SLOPE * log_odds(best_score))


def logistic(x: float) -> float:
    # exp overflows past 709.
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


def log_odds(probability: float) -> float:
    """Return the inverse of `logistic`, finite for certainties too."""
    kept = min(max(probability, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY)
    return log(kept / (1 - kept))
