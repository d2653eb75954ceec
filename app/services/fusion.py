"""One score from what the stages say of a document: the weights, and how sure they are.

A score is the probability that the document answers, by a logistic function of the stages' own
scores. Each mode has weights of its own, so that a score, and `min_score`, mean the same in all.
Chosen by bench/fusion.py, with the reasons: docs/decisions/0017-one-calibrated-score.md.
"""

from dataclasses import dataclass
from math import exp

from app.domain import Mode


@dataclass(frozen=True, slots=True)
class StageScores:
    """What each stage gives a document for a query; None where a stage did not look."""

    unit: float | None = None
    """Inner product of the query and the best unit."""
    passage: float | None = None
    """Inner product of the query and the best passage."""
    lexical: float | None = None
    """BM25 over the most that any document could reach for the query: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic function of stage scores."""

    bias: float
    unit: float = 0.0
    passage: float = 0.0
    lexical: float = 0.0

    def logit(self, stages: StageScores) -> float:
        return (
            self.bias
            + self.unit * (stages.unit or 0.0)
            + self.passage * (stages.passage or 0.0)
            + self.lexical * (stages.lexical or 0.0)
        )


# Fitted to the model whose fingerprint stands below. Other encoders get the same ranking rule, and
# answers that say `calibrated: false`.
WEIGHTS = {
    Mode.DENSE: Weights(bias=-8.0, unit=6.0, passage=6.0),
    Mode.LEXICAL: Weights(bias=-6.0, lexical=12.0),
    Mode.HYBRID: Weights(bias=-8.0, unit=3.0, passage=6.0, lexical=8.0),
}
CALIBRATED_FINGERPRINTS = frozenset[str]()

# The probability that no article answers, from the logit of the best one.
NO_ANSWER = Weights(bias=0.0, unit=-1.0)


def score(stages: StageScores, mode: Mode) -> float:
    """Return the probability that a document answers: 0 to 1."""
    return logistic(WEIGHTS[mode].logit(stages))


def is_calibrated(mode: Mode, fingerprint: str | None) -> bool:
    """Return whether scores are probabilities for vectors of this model."""
    return mode is Mode.LEXICAL or fingerprint in CALIBRATED_FINGERPRINTS


def estimate_no_answer(best: StageScores | None) -> float:
    """Return the probability that nothing answers, given the best document of a hybrid search."""
    if best is None:
        return 1.0
    logit = WEIGHTS[Mode.HYBRID].logit(best)
    return logistic(NO_ANSWER.bias + NO_ANSWER.unit * logit)


def logistic(x: float) -> float:
    # exp overflows past 709.
    return 1 / (1 + exp(-x)) if x > -700 else 0.0
