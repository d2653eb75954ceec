"""Whether a turn of a conversation is asked with the turn before it, or stands by itself.

Unless its words say so, each is asked, and both at once. They belong together where they find the
same article among the first few, or among the first ten if the collection answers both at once no
worse than the turn by itself; each is ranked only if it is needed.
docs/decisions/0074-a-change-of-topic.md has what that brings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from app.domain import Mode
from app.services.search.ranking import RankedArticles
from app.services.search.retrievers import Question
from app.services.search.scoring import answer_odds

_COMPARED = 10
"""Articles of either turn that are looked at."""
# With fewer, there is nothing to tell an article from.
_MIN_ARTICLES = 4
# Of a small collection fewer are looked at: any two questions have ten of twelve in common.
_FEW, _FEW_SHARE = range(1, 4), 16
_ALL, _ALL_SHARE = range(4, _COMPARED + 1), 4

Rank: TypeAlias = Callable[[Question, int], RankedArticles]
"""Ranks at least so many articles for a question."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """One way to read a turn."""

    text: str
    """What is asked for."""
    question: Question


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a turn may go on with."""

    before: Question
    """The turn before it, by itself."""
    both: Interpretation


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as it is read, unless what is found says that it goes on with the one before."""

    reading: Interpretation
    doubt: Doubt | None = None

    @property
    def text(self) -> str:
        """What is asked for where nothing is there to tell by."""
        return self.reading.text if self.doubt is None else self.doubt.both.text


def interpret_turn(turn: Turn, rank: Rank, limit: int) -> tuple[Interpretation, RankedArticles]:
    """Return how a turn is read, and at least `limit` articles that this finds."""
    reading, doubt = turn.reading, turn.doubt
    if doubt is None:
        return reading, rank(reading.question, limit)
    limit = max(limit, _COMPARED)
    alone = rank(reading.question, limit)
    articles = len(alone.matching)
    is_near = is_possible = True
    if alone.candidates and articles >= _MIN_ARTICLES:
        before = rank(doubt.before, _COMPARED)
        is_near = _share_one(alone, before, _clamp(articles // _FEW_SHARE, _FEW))
        is_possible = _share_one(alone, before, _clamp(articles // _ALL_SHARE, _ALL))
    if not is_possible:
        return reading, alone
    both = rank(doubt.both.question, limit)
    if not both.candidates or not (is_near or _odds(both) >= _odds(alone)):
        return (reading, alone) if alone.candidates else (doubt.both, both)
    return doubt.both, both


def _clamp(count: int, allowed: range) -> int:
    return min(max(count, allowed[0]), allowed[-1])


def _share_one(turn: RankedArticles, before: RankedArticles, among: int) -> bool:
    """Return whether one article is among the first ones of both."""
    firsts = [
        {candidate.version.document_id for candidate in ranked.candidates[:among]}
        for ranked in (turn, before)
    ]
    return not firsts[0].isdisjoint(firsts[1])


def _odds(ranked: RankedArticles) -> float:
    best = ranked.candidates[0]
    if best.mode is Mode.HYBRID:
        return answer_odds(best.evidence, best.scale)
    return best.score
