"""What a search reads of passages and their vectors, kept in memory while there is room for it.

The few articles that answer most of what is asked would else be read, checked and converted again
by every search. What is kept is known by the ids and checksums of its units, which a search reads:
what was stored anew is read anew.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from zlib import crc32

import numpy as np

from app.db import queries
from app.db.queries import ListedUnit
from app.domain import Matrix, Passage
from app.index.byte_cache import MISSING
from app.services.search.snapshot import Snapshot

_version_of = attrgetter("version_id")


class PassageVectors(NamedTuple):
    """A unit, and the vectors of its passages as the rows of a matrix in float32."""

    unit_id: int
    version_id: int
    vectors: Matrix | None
    """None where they fail their checksum."""


class StoredPassages(NamedTuple):
    """The passages of a version in the text's order; both have the same length."""

    places: tuple[tuple[int, int], ...] = ()
    """Unit id and ordinal of each."""
    passages: tuple[Passage, ...] = ()


def read_vectors(snapshot: Snapshot, version_ids: Sequence[int]) -> list[PassageVectors]:
    """Return the units of versions, those of one after another, in the order of its text."""
    kept = snapshot.indexes.kept
    units = [unit for own in _list_units(snapshot, version_ids).values() for unit in own]
    found = {unit.id: kept.find(unit) for unit in units}
    missing = [unit for unit in units if found[unit.id] is MISSING]
    if missing:
        stored = queries.find_passage_vectors(snapshot.session, [unit.id for unit in missing])
        for unit in missing:
            data = stored[unit.id]
            found[unit.id] = None
            if crc32(data) == unit.crc32:
                vectors = np.frombuffer(data, dtype="<f2").astype(np.float32)
                found[unit.id] = vectors.reshape(-1, snapshot.indexes.vectors.dimensions)
                kept.put(unit, found[unit.id])
    return [PassageVectors(unit.id, unit.version_id, found[unit.id]) for unit in units]


def read_passages(snapshot: Snapshot, version_ids: Sequence[int]) -> dict[int, StoredPassages]:
    """Return the passages of versions by version id."""
    session, indexes = snapshot.session, snapshot.indexes
    units = _list_units(snapshot, version_ids)
    found = {version_id: indexes.kept.find(own) for version_id, own in units.items()}
    missing = [version_id for version_id, passages in found.items() if passages is MISSING]
    if missing:
        stored = queries.list_passages(session, missing, indexes.vector_set)
        for version_id in missing:
            own = stored.get(version_id, {})
            found[version_id] = StoredPassages(tuple(own), tuple(own.values()))
            indexes.kept.put(units[version_id], found[version_id])
    return found


def _list_units(
    snapshot: Snapshot, version_ids: Sequence[int]
) -> dict[int, tuple[ListedUnit, ...]]:
    def read(ids: list[int]) -> dict[int, tuple[ListedUnit, ...]]:
        units = queries.list_units(snapshot.session, ids, snapshot.indexes.vector_set)
        listed = {version_id: tuple(own) for version_id, own in groupby(units, _version_of)}
        return {**dict.fromkeys(ids, ()), **listed}

    return snapshot.recall("units", version_ids, read)
