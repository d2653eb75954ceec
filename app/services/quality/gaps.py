"""The articles that are missing: logged questions that found nothing good, grouped by subject."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

import numpy as np
from sqlalchemy import select

from app.db.models import LoggedQuery
from app.domain import Item, Task, Vector
from app.errors import ModelUnavailable, TextTooLong, UnreadableDocument
from app.runtime.deadline import embed_in_time
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.quality.feedback import store_queries
from app.services.quality.query_log import LOW_SCORE, only_unanswered

SAME_SUBJECT = 0.7
"""Inner product of two questions from which they ask for one article."""
MAX_QUESTIONS = 2000
"""The latest that are grouped."""
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions about one subject that found nothing good."""

    count: int
    examples: tuple[str, ...]
    nearest: tuple[str, ...]
    """Documents that came first for them, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The subjects, the most asked first, and how many questions are yet to be embedded."""

    gaps: list[Gap]
    waiting: int


def find_gaps(
    resources: Resources,
    ref: CollectionRef,
    *,
    below: float = LOW_SCORE,
    seconds: float = inf,
) -> Gaps:
    """Group the latest questions that found nothing good, as `only_unanswered` has it.

    What is not embedded within `seconds` is left to the background, and waits.
    """
    unanswered = _read_unanswered(resources, ref, below)
    if not unanswered:
        return Gaps([], 0)
    generation = resources.generations.live()
    vectors = _embed_known(resources, generation, [text for text, _ in unanswered], seconds)
    ready = [(text, first) for text, first in unanswered if text in vectors]
    waiting = len(unanswered) - len(ready)
    groups = _group([vectors[text] for text, _ in ready])
    return Gaps([_describe([ready[i] for i in group]) for group in groups], waiting)


def embed_wanted(resources: Resources, is_stopping: Callable[[], bool]) -> None:
    """Embed the questions for which somebody waits to see them grouped, one by one."""
    vectors = resources.signals.question_vectors
    while not is_stopping() and (text := vectors.take_wanted()) is not None:
        generation = resources.generations.live()
        try:
            vectors.keep(generation.checkpoint().fingerprint, text, _embed(generation, text))
        except ModelUnavailable:
            # Who still looks asks again; nothing else of the background waits for the model.
            vectors.want([])


def _read_unanswered(
    resources: Resources, ref: CollectionRef, below: float
) -> list[tuple[str, str | None]]:
    """Return the latest questions that found nothing good, each with its first document."""
    store_queries(resources)
    logged = select(LoggedQuery.text, LoggedQuery.found).where(LoggedQuery.collection_id == ref.id)
    latest = only_unanswered(logged, below).order_by(LoggedQuery.asked_at.desc())
    with resources.database.read() as session:
        require_row(session, ref)
        rows = session.execute(latest.limit(MAX_QUESTIONS)).all()
    return [(text, found[0] if found else None) for text, found in rows]


def _embed_known(
    resources: Resources, generation: ActiveGeneration, texts: Sequence[str], seconds: float
) -> dict[str, Vector]:
    """Return the vectors that are kept or can be made in time; the background makes the others."""
    kept, ends = resources.signals.question_vectors, monotonic() + seconds
    # Not by its id, which a later one may get when it is removed.
    fingerprint = generation.checkpoint().fingerprint
    vectors = kept.find(fingerprint, texts)
    missing = [text for text in dict.fromkeys(texts) if text not in vectors]
    for number, text in enumerate(missing):
        if monotonic() >= ends:
            kept.want(missing[number:])
            resources.signals.notes_arrived.set()
            break
        vectors[text] = _embed(generation, text)
        kept.keep(fingerprint, text, vectors[text])
    return vectors


def _embed(generation: ActiveGeneration, text: str) -> Vector:
    engine = generation.engine()
    try:
        return embed_in_time(engine, [Item(text, Task.QUERY)])[0].vector
    except (TextTooLong, UnreadableDocument):
        # A group of its own.
        return np.zeros(engine.dimensions, dtype=np.float32)


def _group(vectors: Sequence[Vector]) -> list[list[int]]:
    """Group by meaning, the largest group first.

    Each question joins the first group whose first question is near enough.
    """
    if not vectors:
        return []
    matrix = np.stack(vectors)
    is_near = matrix @ matrix.T >= SAME_SUBJECT
    # Also one that could not be embedded.
    np.fill_diagonal(is_near, True)
    is_free = np.ones(len(vectors), dtype=np.bool_)
    groups: list[list[int]] = []
    for i in range(len(vectors)):
        if is_free[i]:
            members = np.flatnonzero(is_near[i] & is_free)
            is_free[members] = False
            groups.append(members.tolist())
    return sorted(groups, key=len, reverse=True)


def _describe(asked: Sequence[tuple[str, str | None]]) -> Gap:
    texts = dict.fromkeys(text for text, _ in asked)
    nearest = Counter(first for _, first in asked if first is not None)
    return Gap(
        len(asked),
        tuple(texts)[:_EXAMPLES],
        tuple(document_id for document_id, _ in nearest.most_common(_EXAMPLES)),
    )
