"""What a search reads of passages and their vectors, kept in memory while there is room for it.

The few articles that answer most of what is asked would else be read, checked and converted again
by every search. What is kept goes with its units, and is of the checksums that a search reads:
what was stored anew is read anew.
"""

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from app.db import queries
from app.db.queries import ListedUnit
from app.domain import Matrix, Passage
from app.index.byte_cache import MISSING, ByteCache
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


def read_vectors(snapshot: Snapshot, document_of: Mapping[int, int]) -> list[PassageVectors]:
    """Return the units of versions, those of one after another, in the order of its text.

    `document_of` has the document of each, by version id.
    """
    kept, dimensions = snapshot.indexes.kept_vectors, snapshot.indexes.vectors.dimensions
    units = [unit for own in _list_units(snapshot, document_of).values() for unit in own]
    found = {unit: _find(kept, unit.id, unit) for unit in units}
    if missing := [unit for unit, vectors in found.items() if vectors is MISSING]:
        stored = queries.find_passage_vectors(snapshot.session, [unit.id for unit in missing])
        for unit in missing:
            data = stored[unit.id]
            found[unit] = None
            if crc32(data) == unit.crc32:
                found[unit] = np.frombuffer(data, "<f2").astype(np.float32).reshape(-1, dimensions)
                kept.put(unit.id, (unit, found[unit]))
    return [PassageVectors(unit.id, unit.version_id, found[unit]) for unit in units]


def read_passages(snapshot: Snapshot, document_of: Mapping[int, int]) -> dict[int, StoredPassages]:
    """Return the passages of versions, whose documents `document_of` has, by version id."""
    kept, vector_set = snapshot.indexes.kept_passages, snapshot.indexes.vector_set
    units = _list_units(snapshot, document_of)
    found = {
        version_id: _find(kept, own[0].id, own) if own else StoredPassages()
        for version_id, own in units.items()
    }
    if missing := [version_id for version_id, passages in found.items() if passages is MISSING]:
        stored = queries.list_passages(snapshot.session, missing, vector_set)
        for version_id in missing:
            own = stored.get(version_id, {})
            found[version_id] = StoredPassages(tuple(own), tuple(own.values()))
            kept.put(units[version_id][0].id, (units[version_id], found[version_id]))
    return found


def _find(kept: ByteCache, unit_id: int, stored: object) -> Any:
    """Return what is kept of a unit, or MISSING where that is not of what is stored now."""
    entry = kept.find(unit_id)
    return entry[1] if entry is not MISSING and entry[0] == stored else MISSING


def _list_units(
    snapshot: Snapshot, document_of: Mapping[int, int]
) -> dict[int, tuple[ListedUnit, ...]]:
    def read(ids: list[int]) -> dict[int, tuple[ListedUnit, ...]]:
        units = queries.list_units(snapshot.session, ids, snapshot.indexes.vector_set)
        listed = {version_id: tuple(own) for version_id, own in groupby(units, _version_of)}
        return {**dict.fromkeys(ids, ()), **listed}

    return snapshot.recall("units", document_of, read)
