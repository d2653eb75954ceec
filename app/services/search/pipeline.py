"""What every search does: check → generation → embed → propose → read, and again if need be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from app.db import queries
from app.domain import Filter, Item, Mode, Task, Vector
from app.embedding.engine import Engine
from app.errors import InvalidRequest, TextTooLong, TooLarge
from app.index.flat import Ids
from app.index.query import parse_query
from app.runtime.deadline import embed_in_time
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.search.candidates import Candidate
from app.services.search.collapse import collapse
from app.services.search.conversation import Message, find_before, refers, weigh
from app.services.search.passages import RankedArticle, rank_articles
from app.services.search.retrievers import Question
from app.services.search.snapshot import Snapshot, snapshots
from app.services.search.turns import COMPARED, belongs

MAX_QUERY_BYTES = 32 * 1024
MAX_ARTICLES = 1000
"""How far down the list of its articles a question can be paged."""
MAX_FACET_VALUES = 100
"""Values of an attribute that are counted: the most frequent ones."""
# Copies that may stand before the last article that is shown, and still it is.
_MAX_COPIES = 20


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question to collections that are searched together.

    `dimensions` compares only the first ones of each vector; `generation` asks another generation
    than the live one.
    """

    query: str
    collections: Sequence[CollectionRef]
    mode: Mode = Mode.HYBRID
    limit: int = 10
    offset: int | None = None
    """How many of the best articles to pass over; given, 0 too, the answer is a page of one list
    of all articles, else the best of those that are near the top by meaning or by words."""
    filters: Filter | None = None
    min_score: float | None = None
    dimensions: int | None = None
    generation: int | None = None
    facets: Sequence[str] = ()
    """Attributes whose values are counted over all articles that match."""
    collapse: bool = False
    """Whether articles that say the same become one."""
    messages: Sequence[Message] = ()
    """The conversation before the question, oldest first; it may end with the question."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Articles for a question, best first, all of one generation at one commit."""

    generation: ActiveGeneration
    interpreted: str
    """What was asked for, with what was carried over from earlier turns."""
    articles: Sequence[RankedArticle] = ()
    best: Candidate | None = None
    """Of all candidates, also one below `min_score`."""
    calibrated: bool = False
    """Whether scores are probabilities: every collection that was searched has been measured."""
    has_index: bool = False
    total: int = 0
    """How many articles can be paged through."""
    facets: Mapping[str, Sequence[queries.ValueCount]] = field(default_factory=dict)


@dataclass(slots=True)
class Clock:
    """Milliseconds by stage, each since the one before."""

    took_ms: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=perf_counter)

    def mark(self, stage: str) -> None:
        """Note that `stage` ended now."""
        now = perf_counter()
        self.took_ms[stage] = round(1000 * (now - self._last), 3)
        self._last = now

    @property
    def total(self) -> float:
        return round(sum(self.took_ms.values()), 3)


def retrieve(resources: Resources, request: SearchRequest, clock: Clock) -> Retrieval:
    """Return the `request.limit` best articles from `request.offset` on, read.

    Marks `embed` and `search`. Raises TooLarge for a query over 32 KB, TextTooLong for one past the
    model's window, InvalidRequest for dimensions that the model's vectors cannot be cut to, and
    NotFound for a generation that does not exist.
    """
    check_query(request.query)
    generation = resources.generations.get(request.generation)
    interpreted, question = read_turn(resources, generation, request)
    clock.mark("embed")
    min_score = request.min_score
    first = request.offset or 0
    end = first + request.limit
    limit = end + (_MAX_COPIES if request.collapse else 0)
    found = Retrieval(generation, interpreted, facets=dict.fromkeys(request.facets, ()))
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            ranked = rank_articles(
                snapshot,
                question,
                request.collections,
                limit=limit,
                filters=request.filters,
                is_paged=request.offset is not None,
            )
            kept = [c for c in ranked.candidates if min_score is None or c.score >= min_score]
            articles = ranked.read(snapshot, question, kept[:limit])
            if request.collapse:
                articles = collapse(articles)
            # What `min_score` and copies leave out is known once nothing more is left to read.
            total = len(articles) if len(kept) < limit else len(ranked.matching)
            best = ranked.candidates[0] if ranked.candidates else None
            calibrated = all(c.id in snapshot.anchors for c in request.collections)
            found = Retrieval(
                generation,
                interpreted,
                articles[first:end],
                best,
                calibrated,
                has_index=True,
                total=min(total, MAX_ARTICLES),
                facets=_count_facets(snapshot, request, ranked.matching),
            )
    clock.mark("search")
    return found


def read_turn(
    resources: Resources, generation: ActiveGeneration, request: SearchRequest
) -> tuple[str, Question]:
    """Return what a turn asks for, with what it carries over from the turn before, as a question.

    A search by words alone needs no model, and carries over what may be. Where both are past the
    model's window the turn stands by itself. Raises what `ask` raises.
    """
    mode, dimensions, turn = request.mode, request.dimensions, request.query
    before = find_before(turn, request.messages)
    both = turn if before is None else f"{before} {turn}"
    if mode is Mode.LEXICAL:
        return both, ask(generation, weigh(turn, both), mode)
    if before is None:
        return turn, ask(generation, turn, mode, dimensions)
    try:
        carried = ask(generation, weigh(turn, both), mode, dimensions)
    except TextTooLong:
        return turn, ask(generation, turn, mode, dimensions)
    if refers(turn):
        return both, carried
    alone = ask(generation, turn, mode, dimensions)
    earlier = ask(generation, before, mode, dimensions)
    if _belong(resources, generation, request, (alone, earlier, carried)):
        return both, carried
    return turn, alone


def _belong(
    resources: Resources,
    generation: ActiveGeneration,
    request: SearchRequest,
    questions: tuple[Question, Question, Question],
) -> bool:
    """Return whether a turn, the one before and both at once find what says that they belong."""
    together = True
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            found = [
                rank_articles(
                    snapshot, one, request.collections, limit=COMPARED, filters=request.filters
                )
                for one in questions
            ]
            together = belongs(*found)
    return together


def _count_facets(
    snapshot: Snapshot, request: SearchRequest, matching: Ids
) -> dict[str, list[queries.ValueCount]]:
    ids = [collection.id for collection in request.collections]
    return {
        key: queries.count_values(
            snapshot.session, key, collections=ids, among=matching.tolist(), limit=MAX_FACET_VALUES
        )
        for key in request.facets
    }


def check_query(query: str) -> None:
    """Raise InvalidRequest or TooLarge for what is not a question."""
    if not query.strip():
        raise InvalidRequest("the query is empty", code="empty_query")
    if len(query.encode()) > MAX_QUERY_BYTES:
        raise TooLarge(
            f"the query has {len(query.encode())} bytes; at most {MAX_QUERY_BYTES} are allowed",
            code="query_too_large",
        )


def ask(
    generation: ActiveGeneration,
    query: str,
    mode: Mode,
    dimensions: int | None = None,
) -> Question:
    """Return the question as a generation's indexes take it; a lexical one needs no model."""
    vector, languages = None, frozenset[str]()
    # What is left out of a hybrid search is not to be near either.
    text = parse_query(query).text if mode is Mode.HYBRID else query
    if mode is not Mode.LEXICAL and any(map(str.isalnum, text)):
        engine = generation.engine()
        languages = engine.languages
        # What the model cannot read at all is near to whatever else it cannot read.
        is_read = engine.count_unknown(text) < len(engine.token_starts(text))
        if is_read or mode is Mode.DENSE:
            vector = _embed_query(engine, text, dimensions)
    return Question.of(query, mode, vector, languages)


def _embed_query(engine: Engine, query: str, dimensions: int | None) -> Vector:
    if dimensions is not None and dimensions > engine.dimensions:
        raise InvalidRequest(
            f"the stored vectors have {engine.dimensions} dimensions; {dimensions} were requested",
            code="unsupported_dimensions",
        )
    (embedding,) = embed_in_time(engine, [Item(query, Task.QUERY)], dimensions=dimensions)
    return embedding.vector
