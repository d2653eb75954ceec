"""What every search does: check → generation → embed → propose → read, and again if need be."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter

from app.config import Settings
from app.db import queries
from app.domain import Filter, Item, Mode, Task, Vector
from app.embedding.engine import Engine
from app.errors import InvalidRequest, TextTooLong, TooLarge
from app.index.flat import Ids
from app.index.query import WordQuery, parse_query
from app.runtime.deadline import embed_in_time
from app.runtime.generations import ActiveGeneration
from app.runtime.priority import Priority
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_rows
from app.services.search.candidates import Candidate, Candidates, rank_candidates
from app.services.search.collapse import collapse
from app.services.search.conversation import Message, find_before, refers, weigh
from app.services.search.passages import RankedArticle
from app.services.search.ranking import RankedArticles, rank_articles
from app.services.search.retrievers import Question
from app.services.search.snapshot import Snapshot, snapshots
from app.services.search.turns import (
    PROPOSED,
    Doubt,
    Interpretation,
    Propose,
    Rank,
    Turn,
    interpret_turn,
    join_questions,
)

MAX_ARTICLES = 1000
"""How far down the list of its articles a question can be paged."""
MAX_FACET_VALUES = 100
"""Values of an attribute that are counted: the most frequent ones."""
MIN_CALIBRATED_SHARE = 0.25
"""Of a vector's dimensions; compared by fewer, passages are nearer than what was measured says."""
# Copies that may stand before the last article that is shown, and still it is.
_MAX_COPIES = 20
# Characters from which a question takes longer to analyse than a turn takes to come.
_LONG_QUERY = 1_000


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

    def __post_init__(self) -> None:
        # One that is named twice would count twice.
        object.__setattr__(self, "collections", tuple(dict.fromkeys(self.collections)))


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
    """Whether scores are probabilities: every collection that was searched has been measured, and
    vectors are not cut by much more than that."""
    has_index: bool = False
    total: int = 0
    """How many articles can be paged through."""
    facets: Mapping[str, Sequence[queries.ValueCount]] = field(default_factory=dict)


@dataclass(slots=True)
class Clock:
    """Milliseconds by stage, each since the mark before; a stage marked twice has both."""

    took_ms: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=perf_counter)

    def mark(self, stage: str) -> None:
        """Note that `stage` ended now."""
        now = perf_counter()
        took = 1000 * (now - self._last)
        self.took_ms[stage] = round(self.took_ms.get(stage, 0.0) + took, 3)
        self._last = now

    @property
    def total(self) -> float:
        return round(sum(self.took_ms.values()), 3)


def retrieve(resources: Resources, request: SearchRequest, clock: Clock) -> Retrieval:
    """Return the `request.limit` best articles from `request.offset` on, read.

    Marks `embed` and `search`. Raises TooLarge for too long a query, TextTooLong for one past the
    model's window, InvalidRequest for dimensions that the model's vectors cannot be cut to, and
    NotFound for a generation that does not exist or a collection that was erased meanwhile.
    """
    check_query(resources.settings, request.query)
    generation = resources.generations.get(request.generation)
    turn = read_turn(resources, generation, request)
    clock.mark("embed")
    end = (request.offset or 0) + request.limit
    limit = end + (_MAX_COPIES if request.collapse else 0)
    read = _read_collapsed if request.collapse else _read_page
    found = Retrieval(generation, turn.text, facets=dict.fromkeys(request.facets, ()))
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            require_rows(snapshot.session, request.collections)
            propose, rank = propose_by(snapshot, request), rank_by(snapshot, request)
            reading, ranked = interpret_turn(turn, propose, rank, limit)
            articles, total = read(snapshot, request, reading.question, rank, ranked)
            best = ranked.candidates[0] if ranked.candidates else None
            calibrated = _is_calibrated(snapshot, request)
            found = Retrieval(
                generation,
                reading.text,
                articles,
                best,
                calibrated,
                has_index=True,
                total=min(total, MAX_ARTICLES),
                facets=_count_facets(snapshot, request, ranked.matching),
            )
    clock.mark("search")
    return found


def _is_calibrated(snapshot: Snapshot, request: SearchRequest) -> bool:
    least = MIN_CALIBRATED_SHARE * snapshot.indexes.vectors.dimensions
    is_cut = request.dimensions is not None and request.dimensions < least
    return all(collection.id in snapshot.anchors for collection in request.collections) and (
        not is_cut or request.mode is Mode.LEXICAL
    )


def _read_page(
    snapshot: Snapshot, request: SearchRequest, question: Question, _: Rank, ranked: RankedArticles
) -> tuple[list[RankedArticle], int]:
    """Return the articles that are asked for, and how many there are in all.

    What `min_score` leaves out of these is known once no more is left to read.
    """
    first = request.offset or 0
    end = first + request.limit
    kept = _leave_low_out(request, ranked)
    articles = ranked.read(snapshot, question, kept[first:end])
    return articles, len(kept) if len(kept) < end else len(ranked.matching)


def _read_collapsed(
    snapshot: Snapshot,
    request: SearchRequest,
    question: Question,
    rank: Rank,
    ranked: RankedArticles,
) -> tuple[list[RankedArticle], int]:
    """Return what `_read_page` does, of articles of which none says the same as another."""
    first = request.offset or 0
    end = first + request.limit
    looked_at = end + _MAX_COPIES
    while True:
        kept = _leave_low_out(request, ranked)
        articles = collapse(ranked.read(snapshot, question, kept[:looked_at]))
        is_whole = len(kept) < looked_at
        # Only a page must know what stands before it: else the next would pass over some.
        needs_more = request.offset is not None and len(articles) < end
        if is_whole or not needs_more or looked_at >= MAX_ARTICLES:
            return articles[first:end], len(articles) if is_whole else len(ranked.matching)
        looked_at = min(2 * looked_at, MAX_ARTICLES)
        ranked = rank(question, looked_at)


def _leave_low_out(request: SearchRequest, ranked: RankedArticles) -> list[Candidate]:
    least = request.min_score
    return [one for one in ranked.candidates if least is None or one.score >= least]


def read_turn(resources: Resources, generation: ActiveGeneration, request: SearchRequest) -> Turn:
    """Return a turn as questions, with what it may carry over from the turn before.

    A search by words alone needs no model, and carries over what may be. Where the model is to read
    both at once and they are past its window, the turn stands by itself. Raises what `ask` raises.
    """
    mode, text = request.mode, request.query
    turns = resources.signals.priority

    def read(*texts: str) -> list[Question]:
        return ask_all(generation, texts, mode, request.dimensions, turns=turns)

    before = find_before(text, request.messages)
    if before is None:
        return Turn(Interpretation(text, *read(text)))
    both = f"{before} {text}"
    try:
        if mode is Mode.LEXICAL or refers(text):
            return Turn(Interpretation(both, *read(weigh(text, both))))
        alone, earlier = read(text, before)
    except TextTooLong:
        return Turn(Interpretation(text, *read(text)))
    joined = join_questions(alone, earlier, weigh(text, both))
    return Turn(Interpretation(text, alone), Doubt(earlier, Interpretation(both, joined)))


def _count_facets(
    snapshot: Snapshot, request: SearchRequest, matching: Ids
) -> dict[str, list[queries.ValueCount]]:
    ids = [collection.id for collection in request.collections]
    return {
        key: queries.count_listed(
            [snapshot.list_values(i, key) for i in ids], matching, limit=MAX_FACET_VALUES
        )
        for key in request.facets
    }


def check_query(settings: Settings, query: str) -> None:
    """Raise InvalidRequest or TooLarge for what is not a question."""
    if not query.strip():
        raise InvalidRequest("the query is empty", code="empty_query")
    # PostgreSQL stores no text that holds one: the query log could not be written.
    if "\x00" in query:
        raise InvalidRequest("the query holds a NUL character", code="nul_character")
    size, most = len(query.encode()), settings.max_query_bytes
    if size > most:
        raise TooLarge(
            f"the query has {size} bytes; at most {most} are allowed",
            code="query_too_large",
        )


def check_dimensions(stored: int, requested: int) -> None:
    """Raise InvalidRequest for more dimensions than the stored vectors have."""
    if requested > stored:
        raise InvalidRequest(
            f"the stored vectors have {stored} dimensions; {requested} were requested",
            code="unsupported_dimensions",
        )


def propose_by(snapshot: Snapshot, request: SearchRequest) -> Propose:
    """Return what finds the first candidates for a turn, to be compared with those of another."""

    def propose(question: Question) -> Candidates:
        return rank_candidates(
            snapshot,
            question,
            request.collections,
            limit=PROPOSED,
            depth=PROPOSED,
            filters=request.filters,
        )

    return propose


def rank_by(snapshot: Snapshot, request: SearchRequest, *, reads_all: bool = False) -> Rank:
    """Return what ranks articles for a request, whatever its question is."""
    offset = request.offset
    if offset is not None and (request.collapse or request.min_score is not None):
        # What is left out before the page changes where it begins.
        offset = 0

    def rank(question: Question, limit: int) -> RankedArticles:
        return rank_articles(
            snapshot,
            question,
            request.collections,
            limit=limit,
            filters=request.filters,
            reads_all=reads_all,
            offset=offset,
        )

    return rank


def ask(
    generation: ActiveGeneration, query: str, mode: Mode, dimensions: int | None = None
) -> Question:
    """Return the question as a generation's indexes take it; a lexical one needs no model."""
    (question,) = ask_all(generation, [query], mode, dimensions)
    return question


def ask_all(
    generation: ActiveGeneration,
    texts: Sequence[str],
    mode: Mode,
    dimensions: int | None = None,
    *,
    turns: Priority | None = None,
) -> list[Question]:
    """Return questions as `ask` does, all of which the model reads at once.

    Long ones are analysed when it is their turn.
    """
    analysed = [_analyse("" if mode is Mode.DENSE else text, turns) for text in texts]
    # What is left out of a hybrid search is not to be near either.
    said = [
        words.text if mode is Mode.HYBRID else text
        for words, text in zip(analysed, texts, strict=True)
    ]
    if mode is Mode.LEXICAL or not any(map(str.isalnum, "".join(said))):
        return [
            Question.of(text, mode, None, words)
            for text, words in zip(texts, analysed, strict=True)
        ]
    engine = generation.engine()
    read = [text for text in said if _is_read(engine, text, mode)]
    vectors = dict(zip(read, _embed_queries(engine, read, dimensions), strict=True))
    return [
        Question.of(text, mode, vectors.get(kept), words, engine.languages)
        for text, kept, words in zip(texts, said, analysed, strict=True)
    ]


def _analyse(text: str, turns: Priority | None) -> WordQuery:
    with nullcontext() if turns is None or len(text) < _LONG_QUERY else turns.take():
        return parse_query(text)


def _is_read(engine: Engine, text: str, mode: Mode) -> bool:
    if not any(map(str.isalnum, text)):
        return False
    # What the model cannot read at all is near to whatever else it cannot read.
    return mode is Mode.DENSE or engine.count_unknown(text) < len(engine.token_starts(text))


def _embed_queries(engine: Engine, texts: Sequence[str], dimensions: int | None) -> list[Vector]:
    if dimensions is not None:
        check_dimensions(engine.dimensions, dimensions)
    items = [Item(text, Task.QUERY) for text in texts]
    return [one.vector for one in embed_in_time(engine, items, dimensions=dimensions)]
