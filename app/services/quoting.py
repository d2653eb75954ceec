"""What is quoted of an article: its passages, each scored as the article would be by it alone.

A passage's own vector stands for the best one's, and words count for as much as the passage holds
of those that one passage of the article can hold: the root of that share, as the article's own
score is a root.
"""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Passage, PassageHit
from app.errors import CorruptData
from app.services.documents import require_intact
from app.services.fusion import score_parts
from app.services.ranking import Candidate, Question

Scores: TypeAlias = npt.NDArray[np.float64]
Place: TypeAlias = tuple[int, int]
"""The id of a unit and the place of a passage in it."""


class ScoredPassage(NamedTuple):
    """A passage and the score that its article has by it alone."""

    score: float
    passage: Passage


def rank_passages(
    candidate: Candidate, question: Question, text: str, passages: Mapping[Place, Passage]
) -> Iterator[ScoredPassage]:
    """Yield the passages of a candidate, best first; of equal ones the earlier.

    The words of a passage are told apart only when what it could hold at most, which is quickly
    seen, may bring it to the front: most of a long article is never looked at closely.
    """
    places = list(passages.values())
    held = _HeldTerms(question, [text[p.span.start : p.span.end] for p in places])
    by_vector = candidate.passages.by_place()
    vectors = np.array([by_vector.get(place, 0.0) for place in passages], dtype=np.float64)

    def score(passage: Scores, shares: Scores) -> list[float]:
        lexical = (candidate.stages.lexical or 0.0) * np.sqrt(shares)
        scores: list[float] = score_parts(
            candidate.stages, question.mode, passage, lexical
        ).tolist()
        return scores

    waiting = [(-most, i, False) for i, most in enumerate(score(vectors, held.bounds))]
    heapify(waiting)
    while waiting:
        negative, i, is_exact = heappop(waiting)
        if is_exact:
            yield ScoredPassage(-negative, places[i])
            continue
        (exact,) = score(vectors[i : i + 1], np.array([held.share(i)]))
        heappush(waiting, (-exact, i, True))


class _HeldTerms:
    """Which share of the question's terms each text holds, of those that one of them holds."""

    def __init__(self, question: Question, texts: Sequence[str]) -> None:
        self._matcher, self._texts = question.matcher, texts
        self._counts: dict[int, int] = {}
        bounds = np.array([self._matcher.bound(text) for text in texts], dtype=np.float64)
        most = 0
        for i in np.argsort(-bounds, kind="stable").tolist():
            if bounds[i] <= most:
                break
            most = max(most, self._count(i))
        self._most = max(most, 1)
        self.bounds: Scores = np.minimum(bounds / self._most, 1.0)
        """No share is greater."""

    def share(self, i: int) -> float:
        return self._count(i) / self._most

    def _count(self, i: int) -> int:
        if i not in self._counts:
            self._counts[i] = self._matcher.count(self._texts[i])
        return self._counts[i]


def quote_passages(
    session: Session,
    shown: Sequence[Candidate],
    question: Question,
    vector_set: int,
    count: int,
) -> dict[int, tuple[PassageHit, ...]]:
    """Return the `count` best passages of each candidate, by version id.

    Raises CorruptData as read_texts does.
    """
    texts = read_texts(session, shown)
    passages = queries.list_passages(session, list(texts), vector_set)
    return {
        candidate.version.version_id: tuple(
            _quote(texts[candidate.version.version_id], *scored)
            for scored in islice(
                rank_passages(
                    candidate,
                    question,
                    texts[candidate.version.version_id],
                    passages.get(candidate.version.version_id, {}),
                ),
                count,
            )
        )
        for candidate in shown
    }


def read_texts(session: Session, shown: Sequence[Candidate]) -> dict[int, str]:
    """Return the texts of candidates by version id.

    Raises CorruptData when a text, or what was stored of its passages, fails its checksum.
    """
    for candidate in shown:
        if candidate.is_damaged:
            raise CorruptData(
                f"the passages of {candidate.version.external_id} fail their checksum; "
                "upload the document again",
                version_id=candidate.version.version_id,
            )
    stored = queries.find_texts(session, [candidate.version.version_id for candidate in shown])
    return {
        candidate.version.version_id: require_intact(
            *stored[candidate.version.version_id],
            candidate.version.external_id,
            version_id=candidate.version.version_id,
        )
        for candidate in shown
    }


def _quote(text: str, score: float, passage: Passage) -> PassageHit:
    start, end = passage.span.start, passage.span.end
    return PassageHit(text[start:end], start, end, score, passage.heading, passage.page)
