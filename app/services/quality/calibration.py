"""What the scores of a generation mean in a collection: measured without labels, and kept.

Background questions say what the collection gives to a question that it cannot answer; headings
and sentences of its own say what it gives to one that it can. docs/decisions/0049 has what that
brings.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, pstdev
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Generation, Version
from app.db.queries.documents import UNREADY
from app.domain import Item, Mode, Passage, Status, Task
from app.errors import (
    PASSING,
    FolioError,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    TextTooLong,
    UnreadableDocument,
)
from app.evaluation.golden import GoldenQuery
from app.index.words import is_unspaced
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, recall_collection, require_row
from app.services.quality.background_questions import QUESTIONS
from app.services.quality.labels import MIN_LABELS, dump_labels, find_labels, measure_labels
from app.services.search.pipeline import ask_all
from app.services.search.ranking import rank_articles
from app.services.search.retrievers import Question
from app.services.search.scoring import ANCHORS, Anchors
from app.services.search.snapshot import Snapshot, snapshots

logger = logging.getLogger("folio")

RULES = 5
"""Number of these rules: what was measured under another number is measured again."""
MIN_DOCUMENTS = 4
"""With fewer, there is nothing to tell an article from."""

_OWN_QUESTIONS = 48
_A_DOCUMENT = 6
# What follows a Latin sign counts as one sentence more often than app.index.sentences has it: the
# weights of scores were fitted to these.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|(?<=[。！？।॥؟۔])\s*")
_WORDS = range(5, 26)
_HEADING_WORDS = range(3, 15)
# Of fewer questions of its own nothing is known.
_MIN_OWN_QUESTIONS = 4
# A model whose nearest passage is no nearer for the collection's own sentences says nothing.
_MIN_SEPARATION = 1.0


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a question found first: the nearest passage of all, and the best evidence."""

    nearest: float
    evidence: float


def calibrate_due(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    """Measure the collections of the live generation that changed since, while nothing waits.

    The model is not loaded for it: what embedded the articles has it in memory.
    """
    generation = resources.generations.live()
    if generation.id is None or generation.loaded_engine is None:
        return
    with resources.database.read() as session:
        due = _find_due(resources, session, generation)
    for ref, size in due:
        if is_stopping():
            return
        calibrate(resources, generation, ref, size)


def calibrate(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    size: queries.CollectionSize,
) -> None:
    """Measure what a generation's scores mean in a collection, and keep it.

    It stays due where other questions were given meanwhile. Where measuring fails nothing is known
    until it is due again: each turn would try it anew. Raises PASSING errors and ModelUnavailable.
    """
    key = str(ref.id)
    with resources.database.read() as session:
        given = _find_labels(generation.find_row(session), key)
    anchors, labels = None, None
    try:
        anchors = measure_anchors(resources, generation, ref)
        if anchors is not None and (questions := find_labels(resources, generation, ref)):
            labels = measure_labels(resources, generation, ref, anchors, questions)
    except (*PASSING, ModelUnavailable):
        raise
    except FolioError as error:
        logger.warning("collection %d could not be calibrated: %s", ref.id, error.code)
        anchors = None
    kept = {
        "rules": RULES,
        "documents": size.documents,
        "newest": size.newest,
        "anchors": anchors and {name: getattr(anchors, name) for name in ANCHORS},
        "labels": labels,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with resources.database.write() as session:
        row = generation.find_row(session)
        if row is not None:
            if _find_labels(row, key) != given:
                kept["rules"] = None
            stored = (row.calibration or {}).get("collections", {})
            row.calibration = {"collections": {**stored, key: kept}}


def _find_labels(row: Generation | None, key: str) -> Any:
    return ((row and row.labels) or {}).get(key)


@dataclass(frozen=True, slots=True)
class CollectionCalibration:
    """What is known of a collection's scores, under the live generation."""

    collection: str
    generation: int
    measured: dict[str, Any] | None
    """As the generation keeps it; None until it was measured."""
    is_due: bool
    """Whether it is to be measured yet."""


def request_calibration(
    resources: Resources, ref: CollectionRef, golden: Sequence[GoldenQuery]
) -> CollectionCalibration:
    """Keep questions whose answers are known, and have the collection measured with them.

    They are used again after each change of the model. Of none, what was given before is
    forgotten. Raises InvalidRequest where there are fewer than MIN_LABELS with an answer.
    """
    answered = sum(bool(query.relevant) for query in golden)
    if golden and answered < MIN_LABELS:
        raise InvalidRequest(
            f"at least {MIN_LABELS} questions with an answer are needed to say what scores mean; "
            f"{answered} were given",
            code="golden_set_too_small",
        )
    generation = resources.generations.live()
    # In memory, so that the background measures; what is wrong with it ends this here.
    generation.engine()
    with resources.database.write() as session:
        require_row(session, ref)
        for row in session.scalars(select(Generation)):
            _keep_labels(row, str(ref.id), dump_labels(golden) if row.is_live else None)
    resources.signals.tasks_arrived.set()
    return get_calibration(resources, ref)


def _keep_labels(row: Generation, key: str, labels: list[dict[str, Any]] | None) -> None:
    collections = dict((row.calibration or {}).get("collections", {}))
    if key in collections:
        # Due again, and as it was until then.
        collections[key] = {**collections[key], "rules": None}
    row.calibration = {"collections": collections}
    kept = {name: some for name, some in (row.labels or {}).items() if name != key}
    row.labels = {**kept, key: labels} if labels else kept


def get_calibration(resources: Resources, ref: CollectionRef) -> CollectionCalibration:
    """Return what is known of a collection's scores. Raises NotFound."""
    generation = resources.generations.live()
    with resources.database.read() as session:
        collection = require_row(session, ref)
        row = generation.find_row(session)
        if row is None:
            raise NotFound("nothing was embedded yet", code="generation_not_found")
        kept = (row.calibration or {}).get("collections", {}).get(str(ref.id))
        size = queries.measure_sizes(session, ref.id).get(ref.id)
        is_due = size is not None and _is_due(session, ref.id, kept, size)
        return CollectionCalibration(collection.name, row.id, kept, is_due)


def measure_anchors(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef
) -> Anchors | None:
    """Return what a collection gives to questions; None where the model tells nothing apart."""
    null = _measure(resources, generation, ref, QUESTIONS)
    engine = generation.engine()
    readable = [
        text
        for text in _read_own_questions(resources, generation, ref)
        # A heading may have more.
        if engine.count_tokens(Item(text, Task.QUERY)) <= engine.max_tokens
    ]
    own = _measure(resources, generation, ref, readable)
    if not null or len(own) < _MIN_OWN_QUESTIONS:
        return None
    anchors = Anchors(
        null_nearness=fmean(one.nearest for one in null),
        own_nearness=fmean(one.nearest for one in own),
        null_evidence=fmean(one.evidence for one in null),
        own_evidence=fmean(one.evidence for one in own),
    )
    separation = anchors.own_nearness - anchors.null_nearness
    deviation = pstdev(one.nearest for one in null)
    if separation <= _MIN_SEPARATION * deviation or anchors.own_evidence <= anchors.null_evidence:
        return None
    return anchors


def _measure(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef, texts: Sequence[str]
) -> list[_Measured]:
    questions = _ask_readable(generation, texts)
    return [_find_first(resources, generation, ref, question) for question in questions]


def _ask_readable(generation: ActiveGeneration, texts: Sequence[str]) -> list[Question]:
    """Return as questions the texts that are read: a service may refuse some, and all beside."""
    try:
        return ask_all(generation, texts, Mode.HYBRID)
    except (TextTooLong, UnreadableDocument):
        if len(texts) == 1:
            return []
    half = len(texts) // 2
    return [*_ask_readable(generation, texts[:half]), *_ask_readable(generation, texts[half:])]


def _find_first(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef, question: Question
) -> _Measured:
    measured = _Measured(0.0, 0.0)
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            candidates = rank_articles(snapshot, question, [ref], limit=1).candidates
            if candidates:
                measured = _Measured(candidates[0].scale.nearest, candidates[0].evidence)
    return measured


def _read_own_questions(
    resources: Resources, generation: ActiveGeneration, ref: CollectionRef
) -> list[str]:
    found: list[str] = []
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            found = _pick_own_questions(snapshot, ref)
    return found


def _pick_own_questions(snapshot: Snapshot, ref: CollectionRef) -> list[str]:
    """Return headings and sentences from all over a collection, each once."""
    vectors = snapshot.indexes.vectors
    unit_ids = vectors.pick_units(ref.id, _OWN_QUESTIONS)
    version_ids = queries.list_versions_of(snapshot.session, unit_ids.tolist())
    texts = queries.find_texts(snapshot.session, version_ids)
    passages = queries.list_passages(snapshot.session, version_ids, snapshot.indexes.vector_set)
    picked: dict[str, None] = {}
    for version_id in version_ids:
        text = texts[version_id].text or ""
        own = list(passages.get(version_id, {}).values())
        count = max(1, min(_A_DOCUMENT, _OWN_QUESTIONS // max(len(version_ids), 1)))
        for n, passage in enumerate(own[:: max(1, len(own) // count)][:count]):
            question = _phrase(text, passage, prefers_heading=(version_id + n) % 2 == 0)
            if question:
                picked[question] = None
    return list(picked)[:_OWN_QUESTIONS]


def _phrase(text: str, passage: Passage, *, prefers_heading: bool) -> str | None:
    """Return a heading or a sentence of a passage, as if somebody had asked for it."""
    heading = passage.heading.split(" > ")[-1].strip()
    if prefers_heading and len(heading.split()) in _HEADING_WORDS:
        return heading
    sentences = _SENTENCE.split(text[passage.span.start : passage.span.end])
    fitting = [s.strip() for s in sentences if _count_words(s) in _WORDS or _is_short_run(s)]
    return fitting[len(fitting) // 2] if fitting else None


def _count_words(sentence: str) -> int:
    """Return how many words stand in it: the line under a table's head has none."""
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def _is_short_run(sentence: str) -> bool:
    """Return whether it may be a question in a script that puts no space between words."""
    unspaced = sum(map(is_unspaced, sentence))
    return 12 <= len(sentence.strip()) <= 80 and unspaced > len(sentence.strip()) / 2


def _find_due(
    resources: Resources, session: Session, generation: ActiveGeneration
) -> list[tuple[CollectionRef, queries.CollectionSize]]:
    """Return collections that changed by a quarter since they were measured, with their size."""
    row = generation.find_row(session)
    waiting = session.scalar(
        select(func.count()).select_from(Version).where(UNREADY, Version.status != Status.FAILED)
    )
    if row is None or waiting:
        return []
    stored = (row.calibration or {}).get("collections", {})
    return [
        (recall_collection(session, collection_id), size)
        for collection_id, size in _measure_sizes(resources, session).items()
        if _is_due(session, collection_id, stored.get(str(collection_id)), size)
    ]


def _measure_sizes(resources: Resources, session: Session) -> dict[int, queries.CollectionSize]:
    """Return the sizes of collections, looked at again only after changes.

    They are asked for each second where there are several generations or servers.
    """
    # Before it is looked: whatever is committed in between has that done again.
    position = queries.log_position(session)
    known = resources.signals.sizes
    if known is not None and known[0] == position:
        return known[1]
    sizes = queries.measure_sizes(session)
    resources.signals.sizes = position, sizes
    return sizes


def _is_due(
    session: Session, collection_id: int, kept: dict[str, Any] | None, size: queries.CollectionSize
) -> bool:
    if size.documents < MIN_DOCUMENTS:
        return False
    if kept is None or kept["rules"] != RULES:
        return True
    measured = int(kept["documents"])
    if 4 * abs(size.documents - measured) > measured:
        return True
    # They may be as many, and others: most often none is newer, and none is counted.
    return size.newest > kept["newest"] and (
        4 * queries.count_newer(session, collection_id, kept["newest"]) > size.documents
    )
