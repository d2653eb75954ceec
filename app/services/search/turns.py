"""Whether a turn of a conversation is asked with the turn before it, or stands by itself.

Unless its words say so, each is asked, and both at once. They belong together where they find the
same article among the first few, or among the first ten if the collection answers both at once no
worse than the turn by itself. docs/decisions/0074-a-change-of-topic.md has what that brings.
"""

from app.domain import Mode
from app.services.search.passages import RankedArticles
from app.services.search.scoring import answer_odds

COMPARED = 10
"""Articles of either turn that are looked at."""
# With fewer, there is nothing to tell an article from.
_MIN_ARTICLES = 4
# Of a small collection fewer are looked at: any two questions have ten of twelve in common.
_FEW, _FEW_SHARE = range(1, 4), 16
_ALL, _ALL_SHARE = range(4, COMPARED + 1), 4


def belongs(turn: RankedArticles, before: RankedArticles, both: RankedArticles) -> bool:
    """Return whether a turn asks for something only with the turn before it, by what each finds."""
    if not turn.candidates or not both.candidates:
        return not turn.candidates
    articles = len(turn.matching)
    if articles < _MIN_ARTICLES:
        return True
    if _share_one(turn, before, _clamp(articles // _FEW_SHARE, _FEW)):
        return True
    near = _share_one(turn, before, _clamp(articles // _ALL_SHARE, _ALL))
    return near and _odds(both) >= _odds(turn)


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
