"""Training the query adapter of a generation that shares the vectors of another one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from zlib import crc32

from app.db.models import AdapterRow, Generation
from app.domain import GenerationState
from app.errors import Conflict, FolioError, InvalidRequest, NotFound
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.runtime.signals import TrainingProgress
from app.services.access.collections import CollectionRef, recall_named
from app.services.quality.evaluations import load_golden
from app.services.quality.feedback import learn_golden, same_text
from app.services.quality.training_data import mine_lessons

logger = logging.getLogger("folio")

MIN_PAIRS = 40
"""With fewer, a fifth of them says nothing of what was learned."""
MAX_PAIRS = 4000
"""More take longer and teach little that is new; the first ones are taken."""


class TooFewPairs(InvalidRequest):
    code = "too_few_pairs"

    def __init__(self, count: int, why: str) -> None:
        super().__init__(
            f"{count} questions with an article that answers them {why}; at least {MIN_PAIRS} are "
            "needed to learn more than chance"
        )


class NothingLearned(FolioError):
    """Held-out questions rank no better whatever is taught."""

    status, code = 409, "nothing_learned"


@dataclass(frozen=True, slots=True)
class Taught:
    """Questions to learn from, and how many of them people's feedback gave."""

    queries: tuple[GoldenQuery, ...]
    from_feedback: int


def collect_pairs(
    resources: Resources,
    collection: CollectionRef,
    training: Sequence[GoldenQuery],
    gate: Sequence[GoldenQuery],
    *,
    with_feedback: bool,
) -> Taught:
    """Return golden pairs and those of feedback, without what the gate asks.

    Raises TooFewPairs.
    """
    learned = learn_golden(resources, collection) if with_feedback else []
    asked = {same_text(query.text) for query in gate}
    pairs: dict[str, GoldenQuery] = {}
    for query in training:
        pairs.setdefault(same_text(query.text), query)
    golden = len([text for text in pairs if text not in asked])
    for number, query_learned in enumerate(learned):
        pairs.setdefault(
            same_text(query_learned.query),
            GoldenQuery(f"feedback {number}", query_learned.query, query_learned.relevant),
        )
    kept = tuple(query for text, query in pairs.items() if text not in asked)[:MAX_PAIRS]
    if len(kept) < MIN_PAIRS:
        raise TooFewPairs(len(kept), "were given beside those that the gate asks")
    return Taught(kept, max(0, len(kept) - golden))


def train_generation(
    resources: Resources, generation_id: int, is_stopping: Callable[[], bool]
) -> None:
    """Train the adapter that a generation waits for, and store it; its gate comes after.

    Raises TooFewPairs, NothingLearned, NotFound, and TrainingStopped once `is_stopping` says so.
    """
    # torch and transformers take seconds to import.
    from app.embedding.adapter_tuning import RankingWeights, fit_query_adapter

    started = perf_counter()
    with resources.database.read() as session:
        generation = session.get(Generation, generation_id)
        if generation is None:
            raise NotFound("the generation was removed meanwhile", code="generation_not_found")
        asked, gate = generation.tuning or {}, generation.gate or {}
        if session.get(AdapterRow, generation_id) is not None:
            return
        teacher = session.get(Generation, asked["start"])
        if teacher is None:
            raise Conflict("the generation that it starts from is gone", code="generation_gone")
        collection = recall_named(session, asked["collection"])
        if collection is None:
            raise Conflict("the collection that it learns from is gone", code="collection_gone")
    taught = collect_pairs(
        resources,
        collection,
        load_golden(asked["queries"]),
        load_golden(gate.get("queries", [])),
        with_feedback=asked["feedback"],
    )
    teaching = resources.generations.get(asked["start"])
    progress = TrainingProgress(resources.signals.training, generation_id)
    with progress:
        lessons, pool = mine_lessons(resources, teaching, collection, taught.queries)
        if len(lessons) < MIN_PAIRS:
            raise TooFewPairs(len(lessons), "were found among the first hundred hits")
        fit = fit_query_adapter(
            teaching.checkpoint(),
            lessons,
            pool,
            # What search added up until decision 48, for inner products as folio-mini spreads them;
            # the weights of `evidence` are for deviations. What one passage holds of a question's
            # words is not known here: half is usual, and counts for it.
            RankingWeights(unit=0.84, passage=2.86, lexical=1.36),
            on_progress=progress.report,
            is_stopping=is_stopping,
        )
    report: dict[str, Any] = {
        "pairs": len(lessons),
        "from_feedback": taught.from_feedback,
        "out_of_reach": len(taught.queries) - len(lessons),
        "trained_on": fit.pairs,
        "held_out": fit.held_out,
        "documents": len(pool),
        "epochs": fit.epochs,
        "best_epoch": fit.best_epoch,
        "share": fit.share,
        "loss_before": fit.loss_before,
        "loss_after": fit.loss_after,
        "movement": fit.movement,
        "seconds": round(perf_counter() - started, 1),
    }
    if not fit.adapter:
        raise NothingLearned(
            f"nothing was learned from {fit.pairs} questions: {fit.held_out} others rank no better"
        )
    logger.info("generation %d was trained on %d questions", generation_id, fit.pairs)
    identity = teaching.checkpoint().with_query_adapter(fit.adapter)
    with resources.database.write() as session:
        stored = session.get(Generation, generation_id)
        if stored is None or stored.state != GenerationState.BUILDING:
            return
        # By a process that leads since this one's connection to the database was lost.
        if session.get(AdapterRow, generation_id) is not None:
            return
        session.add(
            AdapterRow(generation_id=generation_id, data=fit.adapter, data_crc32=crc32(fit.adapter))
        )
        stored.identity, stored.fingerprint = dict(identity.identity), identity.fingerprint
        stored.tuning = {**asked, "report": report}


def describe_training(report: dict[str, Any]) -> str:
    """Return a sentence on what was learned."""
    return (
        f"learned from {report['trained_on']} questions in {report['seconds']:.0f} s; on "
        f"{report['held_out']} others the loss went from {report['loss_before']:.3f} to "
        f"{report['loss_after']:.3f}"
    )
