"""One score from what the stages say of a document: the weights, and how sure they are.

A score is the probability that the document answers, by a logistic function of the stages' own
scores. Each mode has weights of its own, so that a score, and `min_score`, mean the same in all.
The reasons: docs/decisions/0017-one-calibrated-score.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import TypeAlias

from app.domain import Mode

_MIN_PROBABILITY = 1e-9
# What is added to nearness: .2 to .5 rank equally well, 0 would let words count for nothing.
_FAR = 0.3


Stages: TypeAlias = Mapping[str, float]
"""What each stage gives a document for a query, by the stage's name.

`unit` and `passage` are inner products of the query with the best unit and the best passage,
`lexical` the square root of BM25 over the maximum that any document could reach for the query (0 to
1), and `match` the greatest `match` of its passages; until a candidate is read, the most that it
can be. A stage that did not look is missing.
"""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic function of stage scores: a bias, and a weight for each stage by its name."""

    bias: float
    by_stage: Mapping[str, float]

    def logit(self, stages: Stages) -> float:
        return self.bias + sum(
            weight * stages.get(stage, 0.0) for stage, weight in self.by_stage.items()
        )


# Fitted by bench/fusion.py to folio-mini on half of the questions of three sets.
WEIGHTS = {
    Mode.DENSE: Weights(-7.21, {"unit": 1.20, "passage": 6.82}),
    Mode.LEXICAL: Weights(-6.47, {"lexical": 5.68}),
    Mode.HYBRID: Weights(-6.09, {"unit": 0.84, "passage": 1.57, "lexical": 1.36, "match": 2.57}),
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


def score(stages: Stages, mode: Mode) -> float:
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
    kept = min(max(probability, _MIN_PROBABILITY), 1 - _MIN_PROBABILITY)
    return log(kept / (1 - kept))
