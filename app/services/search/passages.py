"""The articles that a search reads: their passages, and what these say of the question.

What the indexes find by words may hold them far apart. So candidates of a hybrid search are read,
and ranked by how much of the question stands in one passage that is near in meaning too: `match`.
docs/decisions/0027-candidates-are-read.md has what it brings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice
from math import sqrt
from typing import NamedTuple

from app.db import queries
from app.db.queries import StoredText
from app.domain import Mode, Passage, PassageHit, Span
from app.errors import CorruptData
from app.index.tables import Table, find_tables, table_head
from app.index.term_matcher import TermMatcher
from app.runtime.deadline import check_time
from app.services.articles.documents import damaged_metadata, require_intact
from app.services.search.candidates import Candidate
from app.services.search.retrievers import Proposals, Question
from app.services.search.scoring import Stages, evidence, score
from app.services.search.sentences import find_sentence
from app.services.search.snapshot import Snapshot
from app.services.search.stored import read_passages


class ScoredPassage(NamedTuple):
    """A passage and the score that its article has by it alone."""

    score: float
    passage: Passage


@dataclass(slots=True)
class RankedArticle:
    """A candidate with its text.

    The words of a passage are told apart only when what it could hold at most may bring it to the
    front: first what the whole article holds, then what is quickly seen of the passage. Most of a
    long article is never looked at.
    """

    candidate: Candidate
    question: Question
    text: str
    passages: Sequence[Passage]
    """In the text's order."""
    nearness: Sequence[float]
    """The inner product of each passage with the query; 0 where vectors are not compared."""
    matcher: TermMatcher
    stored: StoredText
    """What is shown of it, and how it lies in the database."""
    same_as: tuple[str, ...] = ()
    """Ids of articles that say the same, where such are collapsed."""
    _weights: Sequence[float] = field(init=False)
    """Of each passage, its match if it held all of the query's words."""
    _titled: Set[int] = field(init=False)
    """The query's terms that the title holds, and with it each passage."""
    _tables: Sequence[Table] = field(init=False)
    _max_coverages: dict[int, float] = field(init=False, default_factory=dict)
    _coverages: dict[int, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        version = self.candidate.version
        self._weights = [self.candidate.scale.match(near, 1.0) for near in self.nearness]
        self._tables = find_tables(self.text)
        self._titled = self.matcher.find(version.title, version.language)

    @property
    def tokens(self) -> int:
        """Of the text, for the model that embedded it; 0 where that is not known."""
        return self.stored.tokens or 0

    def quote(self, passage: Passage) -> str:
        """Return the text of a passage."""
        return self.text[passage.span.start : passage.span.end]

    def table_head(self, passage: Passage) -> str:
        """Return the caption and head of the table that a passage is amid; "" outside of one."""
        return table_head(self._tables, passage.span.start)

    def find_sentence(self, passage: Passage) -> Span | None:
        """Return the sentence or row of a passage that holds most of the question's words."""
        language = self.candidate.version.language
        found = find_sentence(self.quote(passage), self.matcher, language)
        start = passage.span.start
        return None if found is None else Span(start + found.start, start + found.end)

    def _words_of(self, passage: Passage) -> str:
        """Return what a passage is matched by: rows say little without their head."""
        return f"{self.table_head(passage)}{self.quote(passage)}"

    def match(self) -> float:
        """Return the stage of that name: see scoring.Stages."""
        return self._greatest(self._match)

    def rank_passages(self) -> Iterator[ScoredPassage]:
        """Yield all passages, best first; of equal ones the earlier."""
        is_lexical = self.question.mode is Mode.LEXICAL
        most = self._greatest(lambda _, coverage: coverage) if is_lexical else 1.0
        mode, scale = self.question.mode, self.candidate.scale
        whole, coverage = self.candidate.score, self.candidate.coverage

        def rank_by(i: int, covered: float) -> float:
            return -evidence(self._stages(i, covered, most), mode, scale)

        closer_looks = (self._max_coverage, self._coverage)
        waiting = [(rank_by(i, coverage), i, 0, coverage) for i in range(len(self.passages))]
        heapify(waiting)
        while waiting:
            _, i, looks, covered = heappop(waiting)
            if looks == len(closer_looks):
                own = score(self._stages(i, covered, most), mode, scale)
                yield ScoredPassage(min(own, whole), self.passages[i])
            else:
                covered = closer_looks[looks](i)
                heappush(waiting, (rank_by(i, covered), i, looks + 1, covered))

    def _stages(self, i: int, coverage: float, most: float) -> Stages:
        """Return what the article would rank by with a passage of that coverage."""
        stages, mode = self.candidate.stages, self.question.mode
        if mode is Mode.LEXICAL:
            return {"lexical": stages.get("lexical", 0.0) * sqrt(coverage / (most or 1.0))}
        own = {**stages, "passage": self.nearness[i]}
        if mode is Mode.HYBRID:
            own["match"] = self._match(i, coverage)
        return own

    def _match(self, i: int, coverage: float) -> float:
        return self._weights[i] * coverage

    def _greatest(self, value: Callable[[int, float], float]) -> float:
        """Return the greatest of the passages' values, which grow with their coverage."""
        greatest = 0.0
        at_most = [value(i, self.candidate.coverage) for i in range(len(self.passages))]
        for i in sorted(range(len(at_most)), key=at_most.__getitem__, reverse=True):
            if at_most[i] <= greatest:
                break
            if value(i, self._max_coverage(i)) > greatest:
                greatest = max(greatest, value(i, self._coverage(i)))
        return greatest

    def _max_coverage(self, i: int) -> float:
        """Return a coverage that is at least `_coverage`, in a small part of its time."""
        if i not in self._max_coverages:
            language = self.candidate.version.language
            held = (
                self.matcher.find_superset(self._words_of(self.passages[i]), language)
                | self._titled
            )
            self._max_coverages[i] = self.matcher.coverage(held)
        return self._max_coverages[i]

    def _coverage(self, i: int) -> float:
        """Return the coverage of the query's words by a passage under its title."""
        if i not in self._coverages:
            language = self.candidate.version.language
            held = self.matcher.find(self._words_of(self.passages[i]), language) | self._titled
            self._coverages[i] = self.matcher.coverage(held)
        return self._coverages[i]


def quote_passages(article: RankedArticle, count: int) -> tuple[PassageHit, ...]:
    """Return the `count` best passages of an article, best first."""
    check_time()
    return tuple(
        PassageHit(
            article.quote(passage),
            passage.span.start,
            passage.span.end,
            scored,
            passage.heading,
            passage.page,
            article.table_head(passage),
            article.find_sentence(passage),
        )
        for scored, passage in islice(article.rank_passages(), count)
    )


def read_articles(
    snapshot: Snapshot, question: Question, proposals: Proposals, candidates: Sequence[Candidate]
) -> list[RankedArticle]:
    """Return candidates as articles, in their order.

    Raises CorruptData when a text, or what was stored of its passages, fails its checksum.
    """
    document_of = {one.version.version_id: one.version.document_id for one in candidates}
    texts = _read_texts(snapshot, candidates, document_of)
    passages_of = read_passages(snapshot, document_of)
    articles = []
    for candidate in candidates:
        check_time()
        version = candidate.version
        stored = texts[version.version_id]
        text = require_intact(
            stored.text, stored.crc32, version.external_id, version_id=version.version_id
        )
        if not stored.shows_what_was_stored:
            raise damaged_metadata(version.external_id, version_id=version.version_id)
        own = passages_of[version.version_id]
        near = candidate.passages.by_place()
        articles.append(
            RankedArticle(
                candidate,
                question,
                text,
                own.passages,
                [near.get(place, 0.0) for place in own.places],
                proposals.matcher(version.collection_id),
                stored,
            )
        )
    return articles


def _read_texts(
    snapshot: Snapshot, candidates: Sequence[Candidate], document_of: Mapping[int, int]
) -> dict[int, StoredText]:
    """Return the texts of candidates by version id, not yet checked."""
    for candidate in candidates:
        if candidate.is_damaged:
            raise CorruptData(
                f"the passages of {candidate.version.external_id} fail their checksum; "
                "upload the document again",
                version_id=candidate.version.version_id,
            )
    return snapshot.recall(
        "texts", document_of, lambda ids: queries.find_texts(snapshot.session, ids)
    )
