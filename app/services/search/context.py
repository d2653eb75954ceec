"""From a question to what a chatbot puts into its prompt: never more tokens than it asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from heapq import heapify, heappop, heappush
from math import log

from app.domain import Mode, Passage, Span
from app.index.analysis import TermCounts, count_terms
from app.runtime.resources import Resources
from app.services.search.conversation import is_small_talk
from app.services.search.passages import RankedArticle
from app.services.search.pipeline import Clock, Retrieval, SearchRequest, retrieve
from app.services.search.scoring import log_odds, no_answer
from app.services.search.search import SearchResult, Timing, describe_hits, search_documents
from app.services.search.token_counters import find_counter

MAX_CONTEXT_TOKENS = 1_000_000

# The best ones; what ranks lower would only fill the prompt.
_ARTICLES = 10
# What answers at so much lower odds than the first article costs more tokens than it finds answers.
_MIN_ODDS = log(0.08)
# What is so unlikely to answer is left out, however little else there is.
_MIN_SCORE = 0.03
# A passage whose terms are so far those of one chosen before says nothing new.
_SAME_TERMS = 0.8


@dataclass(frozen=True, slots=True)
class Block:
    """A whole article, or one passage of it.

    `tokens` are those of title, heading, head of a table and text, each counted by itself without
    special tokens.
    """

    collection: str
    document_id: str
    version: int
    sha256: str
    title: str
    url: str | None
    heading: str
    text: str
    start: int
    end: int
    page: int | None
    tokens: int
    score: float
    whole: bool
    same_as: tuple[str, ...] = ()
    """Ids of the articles that say the same and were left out for it."""
    table_head: str = ""
    """Caption and head of the table that the text is rows of, to be read before it."""

    @property
    def quoted(self) -> str:
        """What a prompt takes of it: rows under the head of their table."""
        return self.table_head + self.text


@dataclass(frozen=True, slots=True)
class Context:
    """Blocks in the order of their articles, best first, and inside an article of its text."""

    query: str
    interpreted: str
    """What was asked for, with what was carried over from earlier turns."""
    small_talk: bool
    """Whether the turn only greets, thanks or agrees: there are no blocks then."""
    blocks: tuple[Block, ...]
    tokens: int
    max_tokens: int
    calibrated: bool
    no_answer: float | None
    """Probability that no article answers; None where scores are not calibrated."""
    generation: int | None
    took_ms: Timing


def build_context(
    resources: Resources,
    request: SearchRequest,
    *,
    max_tokens: int,
    tokenizer: str | None = None,
) -> Context:
    """Return the articles that answer a question whole where they fit, else their best passages.

    It is a hybrid search for the ten best articles, whatever mode and limit the request has.
    `tokenizer` names what `max_tokens` are counted with, None the model's own. Raises what
    `retrieve` and `find_counter` raise.
    """
    clock = Clock()
    found = retrieve(resources, _search_for_context(request), clock)
    return _fill(resources, request, found, clock, max_tokens, tokenizer)


def search_with_context(
    resources: Resources, request: SearchRequest, *, passages: int, max_tokens: int
) -> tuple[SearchResult, Context]:
    """Return what search_documents and build_context return, of one ranking where it is the same.

    Raises what `retrieve` raises.
    """
    clock = Clock()
    asked = _search_for_context(request)
    if asked != request:
        return (
            search_documents(resources, request, passages=passages),
            build_context(resources, replace(request, facets=()), max_tokens=max_tokens),
        )
    found = retrieve(resources, asked, clock)
    result = describe_hits(request, found, clock, passages=passages)
    return result, _fill(resources, request, found, clock, max_tokens, None)


def _search_for_context(request: SearchRequest) -> SearchRequest:
    return replace(request, mode=Mode.HYBRID, limit=_ARTICLES)


def _fill(
    resources: Resources,
    request: SearchRequest,
    found: Retrieval,
    clock: Clock,
    max_tokens: int,
    tokenizer: str | None,
) -> Context:
    """Return the context that articles make which were found."""
    count_tokens = (
        (lambda text: len(found.generation.engine().token_starts(text)))
        if tokenizer is None
        else find_counter(resources.settings.tokenizers, tokenizer)
    )
    small_talk = is_small_talk(request.query)
    blocks = choose_blocks(
        () if small_talk else found.articles,
        max_tokens,
        count_tokens,
        trusts_receipts=tokenizer is None,
    )
    clock.mark("choose")
    return Context(
        request.query,
        found.interpreted,
        small_talk,
        tuple(blocks),
        sum(block.tokens for block in blocks),
        max_tokens,
        found.calibrated,
        _estimate_no_answer(found),
        found.generation.id if found.has_index else None,
        Timing.of(clock),
    )


def _estimate_no_answer(found: Retrieval) -> float | None:
    if not found.calibrated:
        return None
    return 1.0 if found.best is None else no_answer(found.best.evidence, found.best.scale)


def choose_blocks(
    articles: Sequence[RankedArticle],
    max_tokens: int,
    count_tokens: Callable[[str], int],
    *,
    trusts_receipts: bool,
) -> list[Block]:
    """Return what of these articles, best first, goes into `max_tokens`.

    By descending score: an article whole if it fits into what is left, else passage by passage,
    each in the turn of its own score, but for those that repeat what is there. It ends where
    nothing has a twelfth of the odds of the best article, and before what is hopeless.
    `trusts_receipts` says that `count_tokens` counts as the model does that read the articles: it
    saves the counting of a text that is far too long.
    """
    left = max_tokens
    # Titles and headings come again and again.
    count_tokens = cache(count_tokens)
    chosen: list[tuple[int, Block]] = []
    seen: list[TermCounts] = []
    passages: dict[int, Iterator[Block]] = {}
    # Of equal scores, the better article; None is the whole of it, then come its passages in turn.
    waiting: list[tuple[float, int, Block | None]] = [
        (-article.candidate.score, rank, None) for rank, article in enumerate(articles)
    ]
    heapify(waiting)
    least = _MIN_ODDS + log_odds(articles[0].candidate.score) if articles else 0.0
    while waiting and left:
        key, rank, block = heappop(waiting)
        if -key < _MIN_SCORE or log_odds(-key) < least:
            break
        if block is None:
            known = articles[rank].tokens if trusts_receipts else 0
            whole = None if known > left else _fit_whole(articles[rank], left, count_tokens)
            if whole is not None:
                chosen.append((rank, whole))
                left -= whole.tokens
                continue
            passages[rank] = _rank_blocks(articles[rank])
        elif (counted := _fit_passage(block, left, seen, count_tokens)) is not None:
            chosen.append((rank, counted))
            seen.append(count_terms(block.text))
            left -= counted.tokens
        following = next(passages[rank], None)
        if following is not None:
            heappush(waiting, (-following.score, rank, following))
    chosen.sort(key=lambda ranked: (ranked[0], ranked[1].start))
    return [block for _, block in chosen]


def _rank_blocks(article: RankedArticle) -> Iterator[Block]:
    """Yield a block of each passage, best first, its tokens not yet counted."""
    return (_as_block(article, passage, score) for score, passage in article.rank_passages())


def _as_block(
    article: RankedArticle, passage: Passage, score: float, *, whole: bool = False
) -> Block:
    version, stored = article.candidate.version, article.stored
    return Block(
        collection=stored.collection,
        document_id=version.external_id,
        version=stored.number,
        sha256=stored.sha256,
        title=version.title,
        url=stored.url,
        heading=passage.heading,
        text=article.quote(passage),
        start=passage.span.start,
        end=passage.span.end,
        page=passage.page,
        tokens=0,
        score=score,
        whole=whole,
        same_as=article.same_as,
        table_head="" if whole else article.table_head(passage),
    )


def _fit_whole(
    article: RankedArticle, left: int, count_tokens: Callable[[str], int]
) -> Block | None:
    """Return the whole article, its tokens counted, on the page where it begins, if it fits."""
    page = next((passage.page for passage in article.passages), None)
    everything = Passage(Span(0, len(article.text)), page=page)
    block = _as_block(article, everything, article.candidate.score, whole=True)
    whole = _counted(block, count_tokens)
    return whole if whole.tokens <= left else None


def _fit_passage(
    block: Block, left: int, seen: Sequence[TermCounts], count_tokens: Callable[[str], int]
) -> Block | None:
    """Return a passage, its tokens counted, if there is room for it and it says something new."""
    # A word is a token or more: what has too many of them is not worth the counting.
    if len(block.text.split()) > left:
        return None
    terms = count_terms(block.text)
    if any(_repeats(terms, other) for other in seen):
        return None
    counted = _counted(block, count_tokens)
    return counted if counted.tokens <= left else None


def _counted(block: Block, count_tokens: Callable[[str], int]) -> Block:
    parts = (block.title, block.heading, block.table_head, block.text)
    return replace(block, tokens=sum(map(count_tokens, filter(None, parts))))


def _repeats(terms: TermCounts, other: TermCounts) -> bool:
    return len(terms.keys() & other.keys()) > _SAME_TERMS * len(terms)
