"""From a question to ranked articles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.db.queries import ValueCount
from app.domain import Hit, Mode
from app.errors import TextTooLong
from app.runtime.resources import Resources
from app.services.search.passages import RankedArticle, quote_passages
from app.services.search.pipeline import Clock, Retrieval, SearchRequest, retrieve
from app.services.search.rerank import MAX_CANDIDATES, rerank_hits


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds by stage."""

    embed: float
    search: float
    total: float
    rerank: float = 0.0

    @classmethod
    def of(cls, clock: Clock) -> "Timing":
        """Return what a clock measured."""
        took = clock.took_ms
        return cls(took["embed"], took["search"], clock.total, took.get("rerank", 0.0))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, with the generation of vectors that ranked them."""

    query: str
    interpreted: str
    """What was asked for, with what was carried over from earlier turns."""
    mode: Mode
    found_calibrated: bool
    """Whether the scores that articles were found with are probabilities: what was searched has
    been measured with this model."""
    reranked: bool
    results: tuple[Hit, ...]
    generation: int | None
    took_ms: Timing
    total: int
    """How many articles can be paged through: MAX_ARTICLES at most."""
    facets: Mapping[str, Sequence[ValueCount]]

    @property
    def calibrated(self) -> bool:
        """Whether scores are probabilities; those of a reranker only rank."""
        return self.found_calibrated and not self.reranked


def search_documents(
    resources: Resources, request: SearchRequest, *, passages: int = 1, rerank: bool = False
) -> SearchResult:
    """Rank the collections' articles for a question; each hit with its `passages` best passages.

    `rerank` ranks the first ones again by late interaction with their best passages; such scores
    rank, and are not probabilities. Raises what `retrieve` raises.
    """
    clock = Clock()
    asked = request
    first = request.offset or 0
    if rerank:
        # Reranking needs more articles than are shown, and a passage of each.
        read = max(first + request.limit, MAX_CANDIDATES)
        paged = None if request.offset is None else 0
        asked = replace(request, offset=paged, limit=read, min_score=None)
    found = retrieve(resources, asked, clock)
    if not rerank:
        return describe_hits(request, found, clock, passages=passages)
    hits = _rerank(resources, request, found, passages)
    if not passages:
        hits = [replace(hit, passages=()) for hit in hits]
    clock.mark("rerank")
    min_score = request.min_score
    shown = [hit for hit in hits if min_score is None or hit.score >= min_score]
    if len(shown) < first + request.limit:
        found = replace(found, total=min(found.total, len(shown)))
    return _answer(request, found, shown[first : first + request.limit], clock, reranked=True)


def _rerank(
    resources: Resources, request: SearchRequest, found: Retrieval, passages: int
) -> list[Hit]:
    read = [_as_hit(article, max(passages, 1)) for article in found.articles]

    def rank_by(query: str) -> list[Hit]:
        is_paged = request.offset is not None
        return rerank_hits(resources, found.generation, query, read, is_paged=is_paged)

    try:
        return rank_by(found.interpreted)
    except TextTooLong:
        # Two turns that the model reads one by one may be too long for it together.
        return rank_by(request.query)


def describe_hits(
    request: SearchRequest, found: Retrieval, clock: Clock, *, passages: int
) -> SearchResult:
    """Return articles that were found as hits, each with its `passages` best passages."""
    hits = [_as_hit(article, passages) for article in found.articles]
    clock.mark("search")
    return _answer(request, found, hits, clock)


def _answer(
    request: SearchRequest,
    found: Retrieval,
    shown: Sequence[Hit],
    clock: Clock,
    *,
    reranked: bool = False,
) -> SearchResult:
    return SearchResult(
        request.query,
        found.interpreted,
        request.mode,
        found.calibrated,
        reranked,
        tuple(shown),
        found.generation.id if found.has_index else None,
        Timing.of(clock),
        found.total,
        found.facets,
    )


def _as_hit(article: RankedArticle, passages: int) -> Hit:
    candidate, version, stored = article.candidate, article.candidate.version, article.stored
    return Hit(
        collection=stored.collection,
        document_id=version.external_id,
        version=stored.number,
        sha256=stored.sha256,
        title=version.title,
        url=stored.url,
        score=candidate.score,
        attributes=stored.attributes,
        passages=quote_passages(article, passages),
        found_score=candidate.score,
        same_as=article.same_as,
    )
