"""Training the query adapter of a generation that shares the vectors of another one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from zlib import crc32

from app.db.models import AdapterRow, Generation
from app.domain import GenerationState
from app.embedding.checkpoint import Checkpoint
from app.errors import Conflict, FolioError, InvalidRequest, NotFound
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.runtime.signals import TrainingProgress
from app.services.access.collections import CollectionRef, recall_named
from app.services.quality.evaluations import load_golden
from app.services.quality.feedback import learn_golden, same_text
from app.services.quality.training_data import mine_examples

logger = logging.getLogger("folio")

MIN_PAIRS = 40
"""With fewer, a fifth of them says nothing of what was learned."""
MAX_PAIRS = 4000
"""More take longer and add little that is new; the first ones are taken."""


class TooFewPairs(InvalidRequest):
    code = "too_few_pairs"

    def __init__(self, count: int, why: str) -> None:
        super().__init__(
            f"{count} questions with an article that answers them {why}; at least {MIN_PAIRS} are "
            "needed to learn more than chance"
        )


class NothingLearned(FolioError):
    """Held-out questions rank no better after training."""

    status, code = 409, "nothing_learned"


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """Questions to train on, and how many of them people's feedback gave."""

    queries: tuple[GoldenQuery, ...]
    from_feedback: int


@dataclass(frozen=True, slots=True)
class _Task:
    """What a generation is to be trained on, and the generation that it starts from."""

    tuning: dict[str, Any]
    gate: dict[str, Any]
    start: int
    collection: CollectionRef


def collect_pairs(
    resources: Resources,
    collection: CollectionRef,
    training: Sequence[GoldenQuery],
    gate: Sequence[GoldenQuery],
    *,
    with_feedback: bool,
) -> TrainingPairs:
    """Return golden pairs and those of feedback, without what the gate asks.

    Raises TooFewPairs.
    """
    feedback = learn_golden(resources, collection) if with_feedback else []
    asked = {same_text(query.text) for query in gate}
    pairs: dict[str, GoldenQuery] = {}
    for query in training:
        pairs.setdefault(same_text(query.text), query)
    golden = len([text for text in pairs if text not in asked])
    for number, judged in enumerate(feedback):
        pairs.setdefault(
            same_text(judged.query),
            GoldenQuery(f"feedback {number}", judged.query, judged.relevant),
        )
    kept = tuple(query for text, query in pairs.items() if text not in asked)[:MAX_PAIRS]
    if len(kept) < MIN_PAIRS:
        raise TooFewPairs(len(kept), "were given beside those that the gate asks")
    return TrainingPairs(kept, max(0, len(kept) - golden))


def train_generation(
    resources: Resources, generation_id: int, is_stopping: Callable[[], bool]
) -> None:
    """Train the adapter that a generation waits for, and store it; its gate comes after.

    Raises TooFewPairs, NothingLearned, NotFound, and TrainingStopped once `is_stopping` says so.
    """
    # torch and transformers take seconds to import.
    from app.embedding.adapter_tuning import RankingWeights, fit_query_adapter

    started = perf_counter()
    task = _find_task(resources, generation_id)
    if task is None:
        return
    pairs = collect_pairs(
        resources,
        task.collection,
        load_golden(task.tuning["queries"]),
        load_golden(task.gate.get("queries", [])),
        with_feedback=task.tuning["feedback"],
    )
    parent = resources.generations.get(task.start)
    progress = TrainingProgress(resources.signals.training, generation_id)
    with progress:
        examples, pool = mine_examples(resources, parent, task.collection, pairs.queries)
        if len(examples) < MIN_PAIRS:
            raise TooFewPairs(len(examples), "were found among the first hundred hits")
        fit = fit_query_adapter(
            parent.checkpoint(),
            examples,
            pool,
            # What search added up until decision 48, for inner products as folio-mini spreads them;
            # the weights of `evidence` are for deviations. What one passage holds of a question's
            # words is not known here: half is usual, and counts for it.
            RankingWeights(unit=0.84, passage=2.86, lexical=1.36),
            on_progress=progress.report,
            is_stopping=is_stopping,
        )
    if not fit.adapter:
        raise NothingLearned(
            f"nothing was learned from {fit.pairs} questions: {fit.held_out} others rank no better"
        )
    logger.info("generation %d was trained on %d questions", generation_id, fit.pairs)
    report = {
        "pairs": len(examples),
        "from_feedback": pairs.from_feedback,
        "out_of_reach": len(pairs.queries) - len(examples),
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
    _store_adapter(
        resources,
        generation_id,
        parent.checkpoint().with_query_adapter(fit.adapter),
        fit.adapter,
        {**task.tuning, "report": report},
    )


def _find_task(resources: Resources, generation_id: int) -> _Task | None:
    """Return what a generation waits for; None once its adapter is there."""
    with resources.database.read() as session:
        generation = session.get(Generation, generation_id)
        if generation is None:
            raise NotFound("the generation was removed meanwhile", code="generation_not_found")
        if session.get(AdapterRow, generation_id) is not None:
            return None
        tuning, gate = generation.tuning or {}, generation.gate or {}
        if session.get(Generation, tuning["start"]) is None:
            raise Conflict("the generation that it starts from is gone", code="generation_gone")
        collection = recall_named(session, tuning["collection"])
        if collection is None:
            raise Conflict("the collection that it learns from is gone", code="collection_gone")
        return _Task(tuning, gate, tuning["start"], collection)


def _store_adapter(
    resources: Resources,
    generation_id: int,
    checkpoint: Checkpoint,
    adapter: bytes,
    tuning: dict[str, Any],
) -> None:
    """Store what was trained, unless its generation is settled or has its adapter by now.

    Another process may lead since this one's connection to the database was lost.
    """
    with resources.database.write() as session:
        generation = session.get(Generation, generation_id)
        if generation is None or generation.state != GenerationState.BUILDING:
            return
        if session.get(AdapterRow, generation_id) is not None:
            return
        session.add(
            AdapterRow(generation_id=generation_id, data=adapter, data_crc32=crc32(adapter))
        )
        generation.identity = dict(checkpoint.identity)
        generation.fingerprint = checkpoint.fingerprint
        generation.tuning = tuning


def describe_training(report: dict[str, Any]) -> str:
    """Return a sentence on what was learned."""
    return (
        f"learned from {report['trained_on']} questions in {report['seconds']:.0f} s; on "
        f"{report['held_out']} others the loss went from {report['loss_before']:.3f} to "
        f"{report['loss_after']:.3f}"
    )
