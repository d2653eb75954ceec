"""Logged questions asked again of two generations: without judgements, but as people ask."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy import select

from app.db import queries
from app.db.models import Collection, LoggedQuery
from app.db.queries.streams import stream
from app.domain import Mode
from app.errors import PASSING, FolioError
from app.runtime.resources import Resources
from app.services.access.collections import recall_collection
from app.services.quality.feedback import same_text, store_queries
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents

MAX_REPLAYED = 200
"""Distinct questions that are asked again, the newest first."""
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of logged questions; `failed` counts those that only the new generation fails."""

    queries: int
    failed: int
    overlap: float
    """Mean share of the first ten documents that both find."""
    same_first: float
    """Share of the questions whose first document is the same."""
    milliseconds_before: float
    """Median time of a search."""
    milliseconds_after: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "queries": self.queries,
            "failed": self.failed,
            "overlap": self.overlap,
            "same_first": self.same_first,
            "p50_ms": {"before": self.milliseconds_before, "after": self.milliseconds_after},
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    found: tuple[str, ...] | None
    """None where the search failed."""
    milliseconds: float


def replay_log(resources: Resources, live_id: int, generation_id: int) -> Replay | None:
    """Ask the newest logged questions of both generations, in turn; None where there are none.

    Searches by words are left out: they are the same for every generation. Raises PASSING errors.
    """
    pairs = [
        (_ask(resources, request, live_id), _ask(resources, request, generation_id))
        for request in _read_log(resources)
    ]
    # What fails on the live one as well says nothing of the new one.
    pairs = [(ours, theirs) for ours, theirs in pairs if ours.found is not None]
    if not pairs:
        return None
    both = [(a.found or (), b.found) for a, b in pairs if b.found is not None]
    return Replay(
        len(pairs),
        len(pairs) - len(both),
        _mean([_overlap(a, b) for a, b in both]),
        _mean([float(a[:1] == b[:1]) for a, b in both]),
        float(np.median([a.milliseconds for a, _ in pairs])),
        float(np.median([b.milliseconds for _, b in pairs])),
    )


def _read_log(resources: Resources) -> list[SearchRequest]:
    store_queries(resources)
    distinct: dict[tuple[int, str], SearchRequest] = {}
    with resources.database.read() as session:
        rows = stream(
            session,
            select(Collection.id, LoggedQuery.text, LoggedQuery.mode)
            .join(Collection, Collection.id == LoggedQuery.collection_id)
            .where(LoggedQuery.mode != Mode.LEXICAL, queries.IS_THERE)
            .order_by(LoggedQuery.asked_at.desc()),
            1000,
        )
        with closing(rows):
            for collection_id, text, mode in rows:
                collection = recall_collection(session, collection_id)
                request = SearchRequest(text, [collection], Mode(mode), limit=_DEPTH)
                distinct.setdefault((collection_id, same_text(text)), request)
                if len(distinct) == MAX_REPLAYED:
                    break
    return list(distinct.values())


def _ask(resources: Resources, request: SearchRequest, generation_id: int) -> _Asked:
    started = perf_counter()
    found: tuple[str, ...] | None = None
    try:
        result = search_documents(resources, replace(request, generation=generation_id))
        found = tuple(hit.document_id for hit in result.results)
    except PASSING:
        raise
    except FolioError:
        # Counted by the caller; which question it was stays out of the log.
        pass
    return _Asked(found, 1000 * (perf_counter() - started))


def _overlap(ours: Sequence[str], theirs: Sequence[str]) -> float:
    shown = max(len(ours), len(theirs))
    return len(set(ours) & set(theirs)) / shown if shown else 1.0


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
