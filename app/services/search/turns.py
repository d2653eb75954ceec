"""Whether a turn of a conversation is asked with the turn before it, or stands by itself.

Unless its words say so, what a few candidates of each have in common does: they belong together
where the same article is among the first ones of both.
docs/decisions/0074-a-change-of-topic.md has what that brings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np

from app.domain import Mode
from app.index.query import parse_query
from app.services.search.candidates import Candidates
from app.services.search.ranking import RankedArticles
from app.services.search.retrievers import Question

PROPOSED = 20
"""Documents that each stage proposes for a turn that is compared with another."""
_TURN_WEIGHT = 3.0
"""Of a turn's vector beside that of the turn before it."""
# With fewer, there is nothing to tell an article from.
_MIN_ARTICLES = 4
_MAX_COMPARED = 10
# So few are compared that first ones drawn at random would meet in at most a fifth of all cases.
_MAX_CHANCE = 0.2

Propose: TypeAlias = Callable[[Question], Candidates]
"""Finds the first candidates for a question, and reads none."""
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


def join_questions(turn: Question, before: Question, text: str) -> Question:
    """Return a turn and the one before it as one question, asked by the words of `text`.

    The vectors are added, which costs no forward pass; where the model reads only one of the turns,
    it is that one's.
    """
    vector = before.vector if turn.vector is None else turn.vector
    if turn.vector is not None and before.vector is not None:
        added = _TURN_WEIGHT * turn.vector + before.vector
        vector = added / np.linalg.norm(added)
    words = parse_query("" if turn.mode is Mode.DENSE else text)
    return Question.of(text, turn.mode, vector, words, turn.languages | before.languages)


def interpret_turn(
    turn: Turn, propose: Propose, rank: Rank, limit: int
) -> tuple[Interpretation, RankedArticles]:
    """Return how a turn is read, and at least `limit` articles that this finds."""
    reading, doubt = turn.reading, turn.doubt
    if doubt is not None and _belong_together(propose(reading.question), doubt.before, propose):
        both = rank(doubt.both.question, limit)
        # It may say what no article is to hold.
        if both.candidates:
            return doubt.both, both
    return reading, rank(reading.question, limit)


def _belong_together(turn: Candidates, before: Question, propose: Propose) -> bool:
    """Return whether one article is among the first ones of both, or the turn finds none."""
    articles = len(turn.proposals.find_matching())
    if not turn.ranked or articles < _MIN_ARTICLES:
        return True
    count = min(round(sqrt(_MAX_CHANCE * articles)), _MAX_COMPARED)
    return not _list_firsts(turn, count).isdisjoint(_list_firsts(propose(before), count))


def _list_firsts(found: Candidates, count: int) -> set[int]:
    return {candidate.version.document_id for candidate in found.ranked[:count]}
