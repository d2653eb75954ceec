"""From a question to ranked articles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from sqlalchemy.orm import Session

from app.domain import Filter, Hit, Item, Mode, Task, Vector
from app.errors import InvalidRequest, TooLarge
from app.runtime.resources import Indexes, Resources
from app.services.articles.collections import require_collection
from app.services.search.candidates import Question, read_current
from app.services.search.passages import Article, quote_passages, rank_articles
from app.services.search.rerank import MAX_CANDIDATES, rerank_hits
from app.services.search.scoring import is_calibrated

MAX_QUERY_BYTES = 32 * 1024
MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds by stage."""

    embed: float
    search: float
    total: float
    rerank: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, with the generation of vectors that ranked them."""

    query: str
    mode: Mode
    calibrated: bool
    """Whether scores are probabilities: fitted to the model in use."""
    results: tuple[Hit, ...]
    generation: int | None
    took_ms: Timing


def search_documents(
    resources: Resources,
    collection_name: str,
    query: str,
    *,
    limit: int = 10,
    filters: Filter | None = None,
    min_score: float | None = None,
    passages: int = 1,
    mode: Mode = Mode.HYBRID,
    dimensions: int | None = None,
    also_in: Sequence[str] = (),
    rerank: bool = False,
) -> SearchResult:
    """Rank the collection's articles for `query`; each hit with its `passages` best passages.

    `also_in` names further collections that are searched together with it. `dimensions` compares
    only the first ones of each vector. `rerank` ranks the first ones again by late interaction with
    their best passages; such scores rank, and are no probabilities.

    Raises TooLarge for a query over 32 KB, TextTooLong for one past the model's window, and
    InvalidRequest for dimensions that the model's vectors cannot be cut to.
    """
    check_query(query)
    # The vector of the query and the indexes must be of one generation, also while another one
    # goes live.
    resources = resources.pin()
    started = perf_counter()
    collection_ids = find_collections(resources, (collection_name, *also_in))
    vector = embed_query(resources, query, mode, dimensions)
    question = Question.of(query, mode, vector)
    embedded = perf_counter()

    def read(session: Session, indexes: Indexes) -> list[Hit] | None:
        # Reranking needs more articles than are shown, and a passage of each.
        count = max(limit, MAX_CANDIDATES) if rerank else limit
        ranking = rank_articles(
            session, indexes, question, collection_ids, limit=count, filters=filters
        )
        if ranking is None:
            return None
        kept = [
            c for c in ranking.candidates if rerank or min_score is None or c.score >= min_score
        ]
        articles = ranking.read(session, indexes, question, kept[:count])
        return [as_hit(article, max(passages, 1) if rerank else passages) for article in articles]

    found = read_current(resources, read)
    hits, indexes = found or ([], None)
    searched = perf_counter()
    if rerank:
        hits = rerank_hits(resources, query, hits)
        if not passages:
            hits = [replace(hit, passages=()) for hit in hits]
    shown = [hit for hit in hits if min_score is None or hit.score >= min_score][:limit]
    ended = perf_counter()
    return SearchResult(
        query,
        mode,
        is_calibrated(resources.model_fingerprint) and not rerank,
        tuple(shown),
        None if indexes is None else indexes.generation_id,
        Timing(
            embed=round(1000 * (embedded - started), 3),
            search=round(1000 * (searched - embedded), 3),
            rerank=round(1000 * (ended - searched), 3) if rerank else 0.0,
            total=round(1000 * (ended - started), 3),
        ),
    )


def check_query(query: str) -> None:
    """Raise InvalidRequest or TooLarge for what is no question."""
    if not query.strip():
        raise InvalidRequest("the query is empty", code="empty_query")
    if len(query.encode()) > MAX_QUERY_BYTES:
        raise TooLarge(
            f"the query has {len(query.encode())} bytes; at most {MAX_QUERY_BYTES} are read",
            code="query_too_large",
        )


def find_collections(resources: Resources, names: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of collections, each once; raises NotFound for a name that is none."""
    with resources.database.read() as session:
        return tuple(dict.fromkeys(require_collection(session, name).id for name in names))


def embed_query(
    resources: Resources, query: str, mode: Mode, dimensions: int | None = None
) -> Vector | None:
    """Return the vector of a query; None for a search by words, which needs no model."""
    if mode is Mode.LEXICAL:
        return None
    engine = resources.engine
    if dimensions is not None and dimensions > engine.dimensions:
        raise InvalidRequest(
            f"the stored vectors have {engine.dimensions} dimensions; {dimensions} were asked for",
            code="unsupported_dimensions",
        )
    return engine.embed([Item(query, Task.QUERY)], dimensions=dimensions)[0].vector


def as_hit(article: Article, passages: int) -> Hit:
    """Return the hit of an article with its best passages."""
    candidate, version = article.candidate, article.candidate.version
    return Hit(
        collection=version.collection,
        document_id=version.external_id,
        version=version.number,
        sha256=version.sha256,
        title=version.title,
        url=version.url,
        score=candidate.score,
        attributes=version.attributes,
        passages=quote_passages(article, passages),
    )
