"""One score from what the stages say of a document, and how sure it is.

A stage's inner products are compared with those of a sample of the collection, so that they mean
the same for every model. What ranks is `evidence`, a weighted sum; a score is the probability that
the document answers, by a logistic function of the evidence and of how it compares with what the
collection gives to questions that it cannot answer and to its own sentences. The reasons:
docs/decisions/0048-evidence-in-the-bases-own-units.md and
docs/decisions/0049-calibrated-without-labels.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, NamedTuple, TypeAlias

from app.domain import Mode
from app.index.samples import Spread

_MIN_PROBABILITY = 1e-9
# A standard deviation counts as much as this many units of an inner product, folio-mini's spread.
_UNIT = 0.15
# What is added to nearness: 0 would let words count for nothing where the meaning is far.
_FAR = 0.4


Stages: TypeAlias = Mapping[str, float]
"""What each stage gives a document for a query, by the stage's name.

`unit` and `passage` are inner products of the query with the best unit and the best passage,
`lexical` the square root of BM25 over the maximum that any document could reach for the query (0 to
1), and `match` the greatest `match` of its passages; until a candidate is read, the most that it
can be. A stage that did not look is missing.
"""


@dataclass(frozen=True, slots=True)
class Correction:
    """What questions whose answers are known change on log odds; as it is, nothing."""

    shift: float = 0.0
    slope: float = 1.0

    def apply(self, odds: float) -> float:
        """Return log odds corrected."""
        return self.shift + self.slope * odds


NO_CORRECTION = Correction()


@dataclass(frozen=True, slots=True)
class Anchors:
    """What a collection gives to questions: the nearest passage in it, and the evidence.

    `null` is the mean for questions that it cannot answer, `own` that for its own headings and
    sentences.
    """

    null_nearness: float
    own_nearness: float
    null_evidence: float
    own_evidence: float
    hits: Correction = NO_CORRECTION
    """Of the scores of hits."""
    answers: Correction = NO_CORRECTION
    """Of whether anything answers."""


def load_anchors(stored: Mapping[str, Any] | None) -> dict[int, Anchors]:
    """Return the anchors that a generation keeps, by collection id."""
    collections = (stored or {}).get("collections", {})
    return {
        int(collection_id): _load(kept["anchors"], kept.get("labels") or {})
        for collection_id, kept in collections.items()
        if kept["anchors"] is not None
    }


def _load(anchors: Mapping[str, float], labels: Mapping[str, Any]) -> Anchors:
    return make_anchors(
        [anchors[name] for name in ANCHORS],
        Correction(**labels.get("hits", {})),
        Correction(**labels.get("answers", {})),
    )


def make_anchors(means: Sequence[float], hits: Correction, answers: Correction) -> Anchors:
    """Return anchors of means in the order of ANCHORS."""
    null_nearness, own_nearness, null_evidence, own_evidence = means
    return Anchors(null_nearness, own_nearness, null_evidence, own_evidence, hits, answers)


ANCHORS = ("null_nearness", "own_nearness", "null_evidence", "own_evidence")
# Means over the collections that the weights were fitted to, for one that was not measured yet.
TYPICAL = Anchors(0.26, 0.6, 0.25, 1.39)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the stage scores of one question mean in the collections that are searched."""

    spread: Spread
    word_weight: float = 1.0
    """How much words count: 0 to 1, see `weigh_words`."""
    nearest: float = 0.0
    """The greatest inner product with a passage of any candidate."""
    anchors: Anchors | None = None
    """None where a collection was not measured."""
    best: float | None = None
    """The evidence of the best document; None until it is known."""
    second: float | None = None
    """That of the best one which has less; None where there is none, or until it is known.

    What has as much is a copy: it does not make the best one doubtful."""

    def nearness(self, product: float) -> float:
        """Return an inner product in units that are the same for every model; 0 is usual."""
        return _UNIT * self.spread.standardize(product)

    def match(self, product: float, coverage: float) -> float:
        """Return how much of the query a passage says: by meaning and by words at once.

        `coverage` is how much of the query's term weight (idf) stands in it or in its title. Words
        count also where the meaning is far: names and codes mean nothing to a model.
        """
        return (max(self.nearness(product), 0.0) + _FAR) * coverage


class Features(NamedTuple):
    """What says whether a document answers."""

    nearest: float
    """The inner product with the nearest passage: 0 as for a question without an answer, 1 as for
    one of the collection's own sentences."""
    standout: float
    """Its deviations above the mean, less the logarithm of the number of passages."""
    evidence: float
    """The evidence, in the same way as `nearest`."""
    lead: float
    """How much more evidence it has than the second document, at least 0."""
    behind: float
    """How much more evidence it has than the best document, at most 0."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic function of features."""

    bias: float
    nearest: float = 0.0
    standout: float = 0.0
    evidence: float = 0.0
    lead: float = 0.0
    behind: float = 0.0

    def weigh(self, found: Features) -> float:
        """Return the log odds."""
        return (
            self.bias
            + self.nearest * found.nearest
            + self.standout * found.standout
            + self.evidence * found.evidence
            + self.lead * found.lead
            + self.behind * found.behind
        )


# What `bench/scores.py --fit` printed at 3b5f8ef: decision 83 kept them when it changed how much
# words count. Those of `evidence` are not among them: decisions 48 and 83 chose them by nDCG.
_ANSWERS = Weights(0.368, 2.06, 0.502, 1.382)
_HIT = Weights(-1.318, 1.335, 0.431, 1.328, lead=4.189, behind=4.507)
_DENSE = Weights(-0.151, 3.086, 0.88)
_LEXICAL_BIAS, _LEXICAL_WEIGHT = -4.901, 5.934


def evidence(stages: Stages, mode: Mode, scale: Scale) -> float:
    """Return what ranks a document: it grows with every stage."""
    if mode is Mode.LEXICAL:
        return stages.get("lexical", 0.0)
    if mode is Mode.DENSE:
        return scale.nearness(_mix(stages))
    near = scale.nearness(stages["unit"]) if "unit" in stages else 0.0
    if "passage" in stages:
        near += scale.nearness(stages["passage"])
    words = 0.9 * stages.get("match", 0.0) + 0.2 * stages.get("lexical", 0.0)
    return 0.2 * near + scale.word_weight * words


def score(stages: Stages, mode: Mode, scale: Scale) -> float:
    """Return the probability that a document answers: 0 to 1."""
    if mode is Mode.LEXICAL:
        return logistic(_LEXICAL_BIAS + _LEXICAL_WEIGHT * stages.get("lexical", 0.0))
    if mode is Mode.DENSE:
        return logistic(_DENSE.weigh(describe(stages, mode, scale)))
    odds = _HIT.weigh(describe(stages, mode, scale))
    return logistic((scale.anchors or TYPICAL).hits.apply(odds))


def no_answer(best_evidence: float, scale: Scale) -> float | None:
    """Return the probability that nothing answers, by the best document's evidence.

    None where the collection was not measured. It is that of a hybrid search.
    """
    if scale.anchors is None:
        return None
    return 1.0 - logistic(scale.anchors.answers.apply(answer_odds(best_evidence, scale)))


def answer_odds(best_evidence: float, scale: Scale) -> float:
    """Return what grows with the probability that anything answers, measured or not."""
    return _ANSWERS.weigh(_describe(best_evidence, scale.nearest, scale))


def describe(stages: Stages, mode: Mode, scale: Scale) -> Features:
    """Return what a document's score is made of, unless it is found by words alone."""
    if mode is Mode.DENSE:
        return _describe(0.0, _mix(stages), scale)
    return _describe(evidence(stages, mode, scale), scale.nearest, scale)


def _mix(stages: Stages) -> float:
    """Return the inner product that ranks where words do not count: above all the passage's."""
    return 0.2 * stages.get("unit", 0.0) + 0.8 * stages.get("passage", 0.0)


def _describe(found: float, nearest: float, scale: Scale) -> Features:
    anchors = scale.anchors or TYPICAL
    separation = anchors.own_evidence - anchors.null_evidence
    # What is alone is ahead of what a question finds that nothing answers.
    second = anchors.null_evidence if scale.second is None else scale.second
    return Features(
        nearest=_between(nearest, anchors.null_nearness, anchors.own_nearness),
        standout=scale.spread.standardize(nearest) - log(scale.spread.passages),
        evidence=_between(found, anchors.null_evidence, anchors.own_evidence),
        lead=max(found - second, 0.0) / separation,
        behind=0.0 if scale.best is None else (found - scale.best) / separation,
    )


def _between(value: float, null: float, own: float) -> float:
    return (value - null) / (own - null)


def logistic(x: float) -> float:
    # exp overflows past 709.
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


def log_odds(probability: float) -> float:
    """Return the inverse of `logistic`, finite for certainties too."""
    kept = min(max(probability, _MIN_PROBABILITY), 1 - _MIN_PROBABILITY)
    return log(kept / (1 - kept))
