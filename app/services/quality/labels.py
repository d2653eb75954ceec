"""What scores mean in a collection by questions whose answers are known: golden set or feedback."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.domain import Mode
from app.errors import TextTooLong, UnreadableDocument
from app.evaluation.calibration import measure_calibration
from app.evaluation.golden import GoldenQuery
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.quality.correction import correct, fit_correction
from app.services.quality.evaluations import dump_golden, keep_current, load_golden
from app.services.quality.feedback import learn_golden
from app.services.search.candidates import Candidate, compare
from app.services.search.pipeline import ask
from app.services.search.ranking import rank_articles
from app.services.search.scoring import Anchors, Correction, log_odds, no_answer
from app.services.search.snapshot import snapshots

MIN_LABELS = 20
"""Questions with an answer; fewer say too little."""
MAX_LABELS = 500
"""Of more, so many from all over the set are asked."""

_DEPTH = 10


@dataclass(frozen=True, slots=True)
class _Asked:
    """Log odds of a question as they are without labels, and what is known of it."""

    hit: float
    """That the first hit answers."""
    answers: float
    """That anything does."""
    is_right: bool
    is_answered: bool
    question: int
    """Its place among the labels."""


def find_labels(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef
) -> list[GoldenQuery]:
    """Return the questions to calibrate with: a golden set that was given, or what feedback says.

    Feedback on fewer than MIN_LABELS questions says too little, and gives none.
    """
    with resources.database.read() as session:
        row = generation.find_row(session)
        stored = (row and row.labels) or {}
    if given := stored.get(str(ref.id)):
        return load_golden(given)
    if not resources.settings.query_log_days:
        return []
    learned = [
        GoldenQuery(f"feedback {number}", one.query, one.relevant)
        for number, one in enumerate(learn_golden(resources, ref))
    ]
    return pick_labels(learned) if len(learned) >= MIN_LABELS else []


def pick_labels(labels: Sequence[GoldenQuery]) -> list[GoldenQuery]:
    """Return at most MAX_LABELS questions from all over a set.

    Few with an answer are all kept, or enough of them for some to be gone when they are asked.
    """
    if len(labels) <= MAX_LABELS:
        return list(labels)
    answered = [query for query in labels if query.relevant]
    unanswered = [query for query in labels if not query.relevant]
    usual = MAX_LABELS * len(answered) // len(labels)
    count = max(usual, min(len(answered), 2 * MIN_LABELS))
    return [*_thin(answered, count), *_thin(unanswered, MAX_LABELS - count)]


def _thin(labels: Sequence[GoldenQuery], count: int) -> list[GoldenQuery]:
    return [labels[n * len(labels) // count] for n in range(count)]


def dump_labels(labels: Sequence[GoldenQuery]) -> list[dict[str, Any]]:
    """Return questions as a generation keeps them."""
    return dump_golden(pick_labels(labels))


def measure_labels(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    anchors: Anchors,
    labels: Sequence[GoldenQuery],
) -> dict[str, Any] | None:
    """Return the corrections by these questions and what they bring, as a generation keeps it.

    Each question with an answer is asked with its articles, and as if they were not there. Those
    whose articles are gone, or that the model does not read whole, are left out. None where fewer
    than MIN_LABELS with an answer are left.
    """
    plain = replace(anchors, hits=Correction(), answers=Correction())
    asked = [
        replace(one, question=number)
        for number, query in enumerate(keep_current(resources.database, ref, labels))
        for one in _ask(resources, generation, ref, plain, query)
    ]
    answered = sum(one.is_answered for one in asked)
    if answered < MIN_LABELS:
        return None
    hit_odds, right = [one.hit for one in asked], [one.is_right for one in asked]
    odds, has_answer = [one.answers for one in asked], [one.is_answered for one in asked]
    numbers = [one.question for one in asked]
    hits = fit_correction(hit_odds, right, numbers)
    answers = fit_correction(odds, has_answer, numbers)
    none = Correction()
    return {
        "queries": answered,
        "unanswered": sum(not query.relevant for query in labels),
        "hits": asdict(hits),
        "answers": asdict(answers),
        "error": measure_calibration(correct(hit_odds, none), right, has_answer).error,
        "corrected_error": measure_calibration(correct(hit_odds, hits), right, has_answer).error,
    }


def _ask(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    anchors: Anchors,
    query: GoldenQuery,
) -> list[_Asked]:
    try:
        found = _find(resources, generation, ref, query.text)
    except (TextTooLong, UnreadableDocument):
        return []
    others = [c for c in found if c.version.external_id not in query.relevant]
    if len(others) == len(found):
        # Nothing answers it, or what answers was not found: an answer may be there.
        return [] if query.relevant and not found else [_describe(found, anchors, query)]
    without = replace(query, relevant={})
    return [_describe(found, anchors, query), _describe(others, anchors, without)]


def _describe(found: Sequence[Candidate], anchors: Anchors, query: GoldenQuery) -> _Asked:
    if not found:
        return _Asked(log_odds(0.0), log_odds(0.0), False, bool(query.relevant), 0)
    nearest = max(candidate.stages.get("passage", 0.0) for candidate in found)
    scale = compare(replace(found[0].scale, nearest=nearest, anchors=anchors), found)
    first = found[0].with_scale(scale)
    nothing = no_answer(first.evidence, scale) or 0.0
    is_right = first.version.external_id in query.relevant
    return _Asked(log_odds(first.score), -log_odds(nothing), is_right, bool(query.relevant), 0)


def _find(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef, text: str
) -> list[Candidate]:
    """Return the candidates of a hybrid search, best first; `_DEPTH` of them are read."""
    question = ask(generation, text, Mode.HYBRID)
    found: list[Candidate] = []
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            found = list(rank_articles(snapshot, question, [ref], limit=_DEPTH).candidates)
    return found
