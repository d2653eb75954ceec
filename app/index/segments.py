"""Postings of documents as arrays: stored, built, joined and looked up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

from app.index.analysis import TermCounts, language_term
from app.index.hashing import Hashes, SortedHashes
from app.index.stemming import LANGUAGES

Ids: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int32]
Counts: TypeAlias = npt.NDArray[np.uint16]

_MAX_COUNT = np.iinfo(np.uint16).max
_ENTRY = np.dtype([("term", "<u8"), ("count", "<u2")])


@dataclass(frozen=True, slots=True)
class StoredTerms:
    """The terms of a document as they lie in the database: 10 bytes a term, little-endian."""

    data: bytes
    crc32: int

    @property
    def is_intact(self) -> bool:
        return crc32(self.data) == self.crc32


def pack_terms(counts: TermCounts) -> StoredTerms:
    """Return the terms of a document for storing, in the order of their hashes."""
    terms = np.fromiter(counts.keys(), dtype=np.uint64, count=len(counts))
    times = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
    order = np.argsort(terms)
    entries = np.empty(len(counts), dtype=_ENTRY)
    entries["term"] = terms[order]
    entries["count"] = np.minimum(times[order], _MAX_COUNT)
    data = entries.tobytes()
    return StoredTerms(data, crc32(data))


@dataclass(frozen=True, slots=True)
class TermDocument:
    """A document to be found by its terms."""

    document_id: int
    collection_id: int
    terms: bytes
    """As pack_terms makes them."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Documents of one collection with postings in the order of terms; nothing of it changes."""

    document_ids: Ids
    lengths: npt.NDArray[np.float32]
    alive: npt.NDArray[np.bool_]
    terms: Hashes
    """Distinct, ascending."""
    starts: Ids
    """Where the postings of each term begin; one more at the end."""
    rows: npt.NDArray[np.int32]
    counts: Counts
    rules: frozenset[str]
    """The languages whose rules documents of it were analysed by."""
    living: int = field(init=False)
    """How many documents are alive."""
    living_length: float = field(init=False)
    """The sum of their lengths."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "living", int(np.count_nonzero(self.alive)))
        # In float32 it would depend on the order of the articles from 17 million terms on.
        total = float(self.lengths[self.alive].sum(dtype=np.float64))
        object.__setattr__(self, "living_length", total)

    @property
    def all_alive(self) -> bool:
        return self.living == len(self.alive)

    def __len__(self) -> int:
        return len(self.document_ids)

    def size_bytes(self) -> int:
        arrays = (self.document_ids, self.lengths, self.alive, self.terms, self.starts)
        return sum(array.nbytes for array in (*arrays, self.rows, self.counts))

    def locate(self, terms: Hashes) -> tuple[Ids, Ids]:
        """Return the numbers of those of some terms that it holds, and their places in it."""
        if not len(self.terms):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # What is greater than all of them is compared with the last.
        places = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
        numbers = np.flatnonzero(self.terms[places] == terms)
        return numbers, places[numbers]

    def find(self, terms: Hashes) -> dict[int, slice]:
        """Return where the postings lie of those of some terms that it holds."""
        numbers, places = self.locate(terms)
        bounds = map(slice, self.starts[places].tolist(), self.starts[places + 1].tolist())
        return dict(zip(terms[numbers].tolist(), bounds, strict=True))


def find_held(segments: Sequence[Segment], terms: SortedHashes) -> set[int]:
    """Return which of some terms, by where they stood before, some segment holds."""
    found = [terms.order[segment.locate(terms.hashes)[0]].tolist() for segment in segments]
    return set(chain.from_iterable(found))


_LANGUAGE_TERMS: Hashes = np.array([language_term(some) for some in LANGUAGES], dtype=np.uint64)


def build_segment(documents: Sequence[TermDocument]) -> Segment:
    entries = [np.frombuffer(document.terms, dtype=_ENTRY) for document in documents]
    sizes = [len(some) for some in entries]
    every = np.concatenate(entries)
    return _arrange(
        np.array([document.document_id for document in documents], dtype=np.int64),
        np.ascontiguousarray(every["term"]).astype(np.uint64),
        np.repeat(np.arange(len(documents), dtype=np.int32), sizes),
        np.ascontiguousarray(every["count"]).astype(np.uint16),
    )


def merge_segments(segments: Sequence[Segment]) -> Segment:
    """Return one segment with the living documents of several."""
    ids, terms, rows, counts = [], [], [], []
    first = 0
    for segment in segments:
        moved = first + np.cumsum(segment.alive, dtype=np.int32) - 1
        kept = segment.alive[segment.rows]
        ids.append(segment.document_ids[segment.alive])
        terms.append(np.repeat(segment.terms, np.diff(segment.starts))[kept])
        rows.append(moved[segment.rows[kept]].astype(np.int32))
        counts.append(segment.counts[kept])
        first += len(ids[-1])
    return _arrange(
        np.concatenate(ids), np.concatenate(terms), np.concatenate(rows), np.concatenate(counts)
    )


def _arrange(
    document_ids: Ids, terms: Hashes, rows: npt.NDArray[np.int32], counts: Counts
) -> Segment:
    """Return a segment of postings that come in any order."""
    lengths = np.bincount(rows, weights=counts, minlength=len(document_ids)).astype(np.float32)
    order = np.argsort(terms, kind="stable")
    distinct, starts = np.unique(terms[order], return_index=True)
    return Segment(
        document_ids,
        lengths,
        np.ones(len(document_ids), dtype=np.bool_),
        distinct,
        np.append(starts, len(terms)).astype(np.int64),
        rows[order],
        counts[order],
        frozenset(
            language
            for language, there in zip(LANGUAGES, np.isin(_LANGUAGE_TERMS, distinct), strict=True)
            if there
        ),
    )
