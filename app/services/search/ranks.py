"""A document's place among all that a stage of a search ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Standing:
    """A document's place in one stage: rank from 1 among `of` documents.

    `last_shown` is the score at the search's limit, `gap` how far the document is above it, below 0
    if it is not shown. None where the stage did not look or did not find the document.
    """

    rank: int | None
    of: int
    score: float | None
    last_shown: float | None
    gap: float | None


def as_columns(
    ranked: Sequence[tuple[int, float]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return documents and their scores as `stand` takes them."""
    return (
        np.array([document_id for document_id, _ in ranked], dtype=np.int64),
        np.array([score for _, score in ranked], dtype=np.float64),
    )


def stand(
    ids: npt.NDArray[np.int64], scores: npt.NDArray[np.floating], row_id: int, limit: int
) -> Standing:
    """Return the standing of a document among documents and their scores, best first."""
    places = np.flatnonzero(ids == row_id)
    last = float(scores[min(limit, len(ids)) - 1]) if len(ids) else None
    if not len(places):
        return Standing(None, len(ids), None, last, None)
    place = int(places[0])
    own = float(scores[place])
    gap = None if last is None else own - last
    return Standing(place + 1, len(ids), own, last, gap)
