"""Whether index and database hold the same: of a server that runs, and of a folder opened anew."""

import sys
from collections.abc import Set
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import httpx
from sqlalchemy import func, select

from app.db.models import Generation, UnitRow, Version
from app.runtime.resources import Resources

_PATIENCE_SECONDS = 600.0
"""Without any document leaving the queue; other work may leave little of the processors."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Vectors:
    """What index and database hold of the live generation."""

    documents: int
    drift: int
    """Units that only one of the two has."""
    twice: int
    """Documents that have more or fewer units than they were cut into."""


def compare_vectors(resources: Resources) -> Vectors:
    """Compare the database with the index of these resources, which follows it first."""
    live = resources.generations.live()
    indexes = live.catch_up()
    with resources.database.read() as session:
        own = session.get_one(Generation, live.id).vector_set
        stored = set(session.scalars(select(UnitRow.id).where(UnitRow.generation_id == own)))
        units = session.execute(
            select(Version.receipt, func.count(UnitRow.id))
            .join(UnitRow, UnitRow.version_id == Version.id)
            .where(Version.is_live, UnitRow.generation_id == own)
            .group_by(Version.id)
        ).all()
    found = indexes.vectors.unit_ids() if indexes else set()
    twice = sum((receipt or {}).get("units") != count for receipt, count in units)
    return Vectors(len(units), len(found ^ stored), twice)


def count_drift(http: httpx.Client, path: str, expected: Set[str]) -> int:
    """Count articles that only one of `expected` and a running server's index of vectors has.

    That of a folder opened anew is just built of the rows that it is compared with: only that of a
    server has followed changes.
    """
    wanted = sorted(expected)
    pages = [wanted[first : first + _PAGE] for first in range(0, len(wanted), _PAGE)]
    filters = [{"type": "in", "key": "$id", "value": page} for page in pages]
    found = set[str]().union(*(_find_dense(http, path, filters=one) for one in filters))
    return len(expected - found) + len(_find_dense(http, path) - expected)


def _find_dense(http: httpx.Client, path: str, **options: Any) -> set[str]:
    body = {"query": "tea", "mode": "dense", "limit": 1000, "passages": 0, **options}
    hits = http.post(f"{path}/search", json=body).raise_for_status().json()["results"]
    return {hit["document_id"] for hit in hits}


def wait_for_queue(http: httpx.Client, path: str, *, at_most: int = 0) -> dict[str, int]:
    """Wait until at most so many documents of a collection wait or are read; returns its counts.

    It returns too when none has left the queue for ten minutes: look at the counts.
    """
    least, deadline = sys.maxsize, 0.0
    while True:
        counts: dict[str, int] = http.get(path).raise_for_status().json()["documents"]
        waiting = counts["queued"] + counts["processing"]
        if waiting < least:
            least, deadline = waiting, monotonic() + _PATIENCE_SECONDS
        if waiting <= at_most or monotonic() > deadline:
            return counts
        sleep(0.2)
