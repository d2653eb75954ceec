"""The list of a question's articles: those near its top are read, the rest follow unread.

Pages are parts of one list, and the first page is what a search without pages shows:
docs/decisions/0072-pages-of-one-list.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.db import queries
from app.domain import Filter, Mode
from app.index.flat import Ids
from app.services.access.collections import CollectionRef
from app.services.search.candidates import (
    NO_PASSAGES,
    Candidate,
    Candidates,
    compare,
    complete,
    find_second,
    find_versions,
    order,
    rank_candidates,
    score_passages,
)
from app.services.search.passages import RankedArticle, read_articles
from app.services.search.retrievers import MAX_PAGED, Proposals, Question
from app.services.search.scoring import evidence, score
from app.services.search.snapshot import Snapshot

_READ_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class RankedArticles:
    """All candidates of a search, best first, and those of them that were read.

    Past the limit of the search, those that were not read follow the others.
    """

    candidates: Sequence[Candidate]
    matching: Ids
    """Ids of all documents that could be candidates."""
    _proposals: Proposals
    _articles: Mapping[int, RankedArticle]

    def read(
        self, snapshot: Snapshot, question: Question, candidates: Sequence[Candidate]
    ) -> list[RankedArticle]:
        """Return these of the candidates as articles, in their order; raises as read_articles."""
        unread = [c for c in candidates if c.version.document_id not in self._articles]
        read = read_articles(snapshot, question, self._proposals, unread) if unread else []
        articles = {**self._articles, **{a.candidate.version.document_id: a for a in read}}
        return [articles[candidate.version.document_id] for candidate in candidates]


def rank_articles(
    snapshot: Snapshot,
    question: Question,
    collections: Sequence[CollectionRef],
    *,
    limit: int,
    offset: int | None = None,
    filters: Filter | None = None,
    reads_all: bool = False,
) -> RankedArticles:
    """Rank as rank_candidates does, those of a hybrid search by what they say.

    The first `limit` are those of reading every candidate, which is done only if `reads_all`. With
    an `offset` it is the list that pages are parts of, right from `offset` to `limit`. Raises
    OutOfDate as rank_candidates does, and CorruptData as read_articles does.
    """
    # By words alone all of the list is its head: there is nothing to read before it is known.
    is_parted = offset is not None and question.mode is not Mode.LEXICAL
    found = rank_candidates(
        snapshot,
        question,
        collections,
        limit=0 if is_parted else limit,
        filters=filters,
        reads_all=reads_all,
    )
    head = len(found.ranked)
    rest: Sequence[Candidate] = ()
    needed = limit
    if is_parted and offset is not None and limit > head:
        rest = _rank_rest(snapshot, question, found, limit=limit - head, first=offset - head)
        # A page further down needs the first two, which the scores of all others depend on.
        needed = head if offset < head else 1
    read = _read_first(snapshot, question, found, head if reads_all else needed)
    candidates = [*(article.candidate for article in read), *found.ranked[len(read) :], *rest]
    if head and question.mode is Mode.HYBRID:
        candidates = _put_behind(candidates, candidates[:head])
    if rest:
        candidates = _hold_down(candidates, head)
    for article, candidate in zip(read, candidates, strict=False):
        article.candidate = candidate
    return RankedArticles(
        candidates,
        found.proposals.find_matching(),
        found.proposals,
        {article.candidate.version.document_id: article for article in read},
    )


def _read_first(
    snapshot: Snapshot, question: Question, found: Candidates, needed: int
) -> list[RankedArticle]:
    """Read as many candidates of a hybrid search as it takes to know the `needed` best.

    The first two are known always: the scores of all depend on them.
    """
    ranked = found.ranked
    read: list[RankedArticle] = []
    if question.mode is not Mode.HYBRID:
        return read
    for first in range(0, len(ranked), _READ_AT_ONCE):
        if first >= needed and _are_known([one.candidate for one in read], needed, ranked[first]):
            break
        some = ranked[first : first + _READ_AT_ONCE]
        for article in read_articles(snapshot, question, found.proposals, some):
            stages = {**article.candidate.stages, "match": article.match()}
            article.candidate = article.candidate.with_stages(stages)
            read.append(article)
        read.sort(key=lambda one: order(one.candidate))
    return read


def _are_known(read: Sequence[Candidate], needed: int, following: Candidate) -> bool:
    """Return whether no unread one can come before the `needed` best, or before the second one.

    `following` is the best of the unread, by the most that it can be.
    """
    second = find_second(read)
    if second is None:
        return False
    return order(following) > max(order(read[needed - 1]), order(second))


def _put_behind(candidates: Sequence[Candidate], ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates with their scores beside the first ones of those that were `ranked`."""
    # A search has one scale a language, and up to a few hundred candidates.
    scales = {id(candidate.scale): candidate.scale for candidate in candidates}
    behind = {key: compare(scale, ranked) for key, scale in scales.items()}
    return [candidate.with_scale(behind[id(candidate.scale)]) for candidate in candidates]


def _rank_rest(
    snapshot: Snapshot, question: Question, found: Candidates, *, limit: int, first: int
) -> list[Candidate]:
    """Return the `limit` that follow those that were found, ranked without being looked at.

    Their best unit stands for their passages, which are compared from `first` on, to be quoted.
    """
    mode, scale = question.mode, found.scale
    stages = _find_rest(snapshot, found)
    covered = found.proposals.coverage()
    for document_id, own in stages.items():
        complete(own, mode, scale, None, covered.get(document_id, 0.0))
    weighed = {document_id: evidence(own, mode, scale) for document_id, own in stages.items()}
    ids = sorted(weighed, key=lambda i: (-weighed[i], i))[:limit]
    versions = find_versions(snapshot, ids)
    shown = {document_id: versions[document_id] for document_id in ids[max(first, 0) :]}
    passages = score_passages(snapshot, question, shown, found.proposals.unit_ids(shown))
    return [
        Candidate(
            versions[document_id],
            mode,
            stages[document_id],
            scale,
            weighed[document_id],
            passages.of.get(document_id, NO_PASSAGES),
            document_id in passages.damaged,
            covered.get(document_id, 0.0),
        )
        for document_id in ids
    ]


def _find_rest(snapshot: Snapshot, found: Candidates) -> dict[int, dict[str, float]]:
    """Return what the indexes say of documents that were not among the first of a stage."""
    head = {candidate.version.document_id for candidate in found.ranked}
    proposed = found.proposals.find(MAX_PAGED)
    stages = {i: own for i, own in proposed.items() if i not in head}
    for document_id in queries.find_unknown(snapshot.session, list(stages)):
        # As among the first, its vectors say nothing of it.
        stages[document_id].pop("unit", None)
    return {document_id: own for document_id, own in stages.items() if own}


def _hold_down(candidates: Sequence[Candidate], head: int) -> list[Candidate]:
    """Return candidates with no score behind `head` above what those before have for certain."""
    least = min((_certain(candidate) for candidate in candidates[:head]), default=1.0)
    rest = [candidate._replace(most=least) for candidate in candidates[head:]]
    return [*candidates[:head], *rest]


def _certain(candidate: Candidate) -> float:
    """Return the score that a candidate has whether it was read or not."""
    stages = candidate.stages
    if candidate.mode is Mode.HYBRID:
        stages = {**stages, "match": 0.0}
    return score(stages, candidate.mode, candidate.scale)
