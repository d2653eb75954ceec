"""The documents of a collection that hold some terms, and what words are worth to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.index.hashing import Hashes
from app.index.segments import Counts, Rows, Segment

Scores: TypeAlias = npt.NDArray[np.float32]

DELTA = 0.2
SURE = 0.5
"""Weight from which a spelling counts as the word itself."""


class Postings:
    """Where some terms stand: looked up in each segment all at once."""

    def __init__(self, segments: Sequence[Segment], terms: Hashes) -> None:
        self._segments = segments
        self._places = [segment.find(terms) for segment in segments]
        self.found: set[int] = set().union(*self._places)
        """The terms that some document holds."""

    def of(self, number: int, terms: Sequence[int]) -> tuple[Rows, Counts]:
        """Return the rows of a segment that hold all these terms, and how often each does."""
        rows, counts = self._of_term(number, terms[0])
        for term in terms[1:]:
            other_rows, other_counts = self._of_term(number, term)
            rows, mine, theirs = np.intersect1d(
                rows, other_rows, assume_unique=True, return_indices=True
            )
            counts = np.minimum(counts[mine], other_counts[theirs])
        return rows, counts

    def _of_term(self, number: int, term: int) -> tuple[Rows, Counts]:
        segment, place = self._segments[number], self._places[number].get(term, _NOWHERE)
        return segment.rows[place], segment.counts[place]


_NOWHERE = slice(0, 0)


@dataclass(slots=True)
class WordRows:
    """The rows of one segment that hold a word: by the weight of its spelling, how often."""

    segment: Segment
    classes: list[tuple[float, Rows, Counts]] = field(default_factory=list)

    def add(self, weight: float, found: Sequence[tuple[Rows, Counts]]) -> None:
        """Add the rows of spellings that weigh the same."""
        kept = [some for some in found if len(some[0])]
        if len(kept) == 1:
            # No row comes twice.
            self.classes.append((weight, *kept[0]))
        elif kept:
            sums = np.bincount(
                np.concatenate([rows for rows, _ in kept]),
                weights=np.concatenate([counts for _, counts in kept]),
            )
            rows = np.flatnonzero(sums).astype(np.int32)
            self.classes.append((weight, rows, sums[rows].astype(np.uint32)))

    def frequency(self, least: float) -> int:
        """Return how many living documents hold it in a spelling of at least this weight."""
        sure = [rows for weight, rows, _ in self.classes if weight >= least]
        if not sure:
            return 0
        # A term has one posting a document.
        rows = sure[0] if len(sure) == 1 else np.unique(np.concatenate(sure))
        alive = self.segment.alive
        return len(rows) if self.segment.all_alive else int(np.count_nonzero(alive[rows]))

    def holders(self) -> npt.NDArray[np.bool_]:
        """Return, for each row, whether it holds the word itself."""
        held = np.zeros(len(self.segment), dtype=np.bool_)
        for weight, rows, _ in self.classes:
            if weight == 1.0:
                held[rows] = True
        return held


def add_up(
    words: Sequence[WordRows], weights: Sequence[float], norms: Scores
) -> tuple[Scores, Scores]:
    """Return what words are worth to each row of a segment, and the weights of those it holds.

    Each word counts by the best of its spellings that a row holds. All are added at once: a few
    operations on arrays for each word cost more than the numbers.
    """
    classes = [(n, *some) for n, word in enumerate(words) for some in word.classes]
    if not classes:
        return np.zeros(len(norms), np.float32), np.zeros(len(norms), np.float32)
    sizes = [len(rows) for _, _, rows, _ in classes]
    rows = np.concatenate([rows for _, _, rows, _ in classes])
    tf = np.concatenate([counts for *_, counts in classes]).astype(np.float32)
    full = [share * weights[n] / (1 + DELTA) for n, share, *_ in classes]
    sure = [weights[n] if share >= SURE else 0.0 for n, share, *_ in classes]
    worth = (tf / (tf + norms[rows]) + DELTA) * np.repeat(full, sizes)
    holds = np.repeat(sure, sizes)
    if len(classes) > len({n for n, *_ in classes}):
        keys = np.repeat([n * len(norms) for n, *_ in classes], sizes) + rows
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        firsts = np.flatnonzero(np.diff(keys, prepend=-1))
        rows = keys[firsts] % len(norms)
        worth, holds = (np.maximum.reduceat(some[order], firsts) for some in (worth, holds))
    scores, held = (np.bincount(rows, some, len(norms)) for some in (worth, holds))
    return scores.astype(np.float32), held.astype(np.float32)
