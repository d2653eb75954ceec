"""Where a document stands for a question, and why."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from app.db import queries
from app.domain import Item, Mode, PassageHit, Task
from app.index.analysis import count_article_terms
from app.index.flat import Ids
from app.index.query import WordQuery
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.articles.documents import read_text
from app.services.search.explanations import Explanation, Ranking, Reading, State, TermMatch
from app.services.search.obstacles import Inquiry, Obstacle, find_obstacle
from app.services.search.passages import quote_passages
from app.services.search.phrases import restrict
from app.services.search.pipeline import (
    Clock,
    SearchRequest,
    check_query,
    propose_by,
    rank_by,
    read_turn,
)
from app.services.search.ranks import Standing, as_columns, stand
from app.services.search.retrievers import Question, make_retrievers
from app.services.search.snapshot import Snapshot, snapshots
from app.services.search.turns import Turn, interpret_turn

_TIMED = ("embed", "unit", "lexical", "fuse", "passages")
_STAGES_OF_PASSAGES: Mapping[Mode, tuple[str, ...]] = {
    Mode.DENSE: ("passage",),
    Mode.LEXICAL: (),
    Mode.HYBRID: ("passage", "match"),
}
"""The stages that only reading the candidates gives, by mode."""


def explain_document(resources: Resources, inquiry: Inquiry) -> Explanation:
    """Say where a document stands for a search, and why.

    Raises what `retrieve` raises, and NotFound for a key that does not exist.
    """
    search = inquiry.search
    check_query(resources.settings, search.query)
    generation = resources.generations.get(search.generation)
    with resources.database.read() as session:
        obstacle = find_obstacle(session, inquiry)
    if obstacle.state is not None:
        return _explain(inquiry, obstacle)
    clock = Clock()
    turn = read_turn(resources, generation, search)
    clock.mark("embed")
    explanation: Explanation | None = None
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            # Again: it may have gone or come while the query was embedded.
            obstacle = find_obstacle(snapshot.session, inquiry)
            ranking = None
            if obstacle.state is None:
                ranking = _rank(generation, snapshot, turn, inquiry, obstacle, clock)
            explanation = _explain(inquiry, obstacle, ranking)
    # A document that is live has vectors, and so there is an index.
    assert explanation is not None
    return explanation


def _explain(inquiry: Inquiry, obstacle: Obstacle, ranking: Ranking | None = None) -> Explanation:
    state = obstacle.state if ranking is None else ranking.state
    assert state is not None
    reasons = (ranking.reason if ranking else "", obstacle.reason)
    return Explanation(
        query=inquiry.search.query,
        collection=inquiry.collection.name,
        document_id=inquiry.document_id,
        mode=inquiry.search.mode,
        limit=inquiry.search.limit,
        state=state,
        reason="; ".join(reason for reason in reasons if reason),
        versions=obstacle.versions,
        ranking=ranking,
    )


def _rank(
    generation: ActiveGeneration,
    snapshot: Snapshot,
    turn: Turn,
    inquiry: Inquiry,
    document: Obstacle,
    clock: Clock,
) -> Ranking:
    """Return what the stages make of a document; raises OutOfDate."""
    search = inquiry.search
    rank = rank_by(snapshot, search, reads_all=True)
    asked, ranked = interpret_turn(turn, propose_by(snapshot, search), rank, search.limit)
    clock.mark("fuse")
    question = asked.question
    allowed = _restrict(snapshot, question, inquiry)
    is_unknown = bool(queries.find_unknown(snapshot.session, [document.row_id]))
    stages = _rank_in_indexes(snapshot, question, inquiry, document, allowed, clock)
    if is_unknown and "unit" in stages:
        # Its vectors say nothing of it, and searches leave them out.
        stages["unit"] = replace(stages["unit"], rank=None, score=None, gap=None)
    candidates = ranked.candidates
    for stage in _STAGES_OF_PASSAGES[question.mode]:
        scored = [(c.version.document_id, c.stages[stage]) for c in candidates if stage in c.stages]
        scored.sort(key=lambda one: (-one[1], one[0]))
        stages[stage] = stand(*as_columns(scored), document.row_id, search.limit)
    fused = [(c.version.document_id, c.score) for c in candidates]
    stages["fused"] = stand(*as_columns(fused), document.row_id, search.limit)
    passages: tuple[PassageHit, ...] = ()
    own = next((c for c in candidates if c.version.document_id == document.row_id), None)
    if own is not None:
        (article,) = ranked.read(snapshot, question, [own])
        passages = quote_passages(article, inquiry.passages)
    reading = _read_query(generation, snapshot, question, asked.text, document.row_id)
    clock.mark("passages")
    took_ms = {stage: clock.took_ms[stage] for stage in _TIMED if stage in clock.took_ms}
    took_ms["total"] = clock.total
    state, reason = _judge_rank(stages["fused"], search)
    if is_unknown:
        reason += "; the model cannot read it, only its words find it"
    if allowed is not None and document.row_id not in allowed:
        state, reason = State.FILTERED, _name_unmet(snapshot, question, inquiry, document)
    return Ranking(state, reason, stages, reading, passages, took_ms)


def _restrict(snapshot: Snapshot, question: Question, inquiry: Inquiry) -> Ids | None:
    """Return the documents that filter and phrases leave, as a search does; None for all."""
    collection_id, filters = inquiry.collection.id, inquiry.search.filters
    kept = None if filters is None else snapshot.filter_documents(collection_id, filters)
    terms = snapshot.indexes.terms
    return restrict(snapshot.session, terms, question.words, collection_id, kept)


def _name_unmet(
    snapshot: Snapshot, question: Question, inquiry: Inquiry, document: Obstacle
) -> str:
    """Return which phrase of the query a document lacks, or which excluded one it holds."""
    own = np.array([document.row_id], dtype=np.int64)

    def keeps(part: WordQuery) -> bool:
        terms, collection_id = snapshot.indexes.terms, inquiry.collection.id
        left = restrict(snapshot.session, terms, part, collection_id, own)
        return left is None or len(left) > 0

    for phrase in question.words.phrases:
        if not keeps(WordQuery(phrases=(phrase,))):
            return f'it does not hold "{phrase}", which the query quotes'
    for phrase in question.words.excluded:
        if not keeps(WordQuery(excluded=(phrase,))):
            return f'it holds "{phrase}", which the query excludes'
    # Of too many that hold the words of a phrase the best are read.
    return "it is not among the articles that are read for the phrases of the query"


def _rank_in_indexes(
    snapshot: Snapshot,
    question: Question,
    inquiry: Inquiry,
    document: Obstacle,
    allowed: Ids | None,
    clock: Clock,
) -> dict[str, Standing]:
    """Return where each index by itself puts a document among those that are allowed."""
    limit = inquiry.search.limit
    stages = {}
    for retriever in make_retrievers(snapshot.indexes, question):
        ids, scores = retriever.rank(inquiry.collection.id, allowed=allowed)
        stages[retriever.stage] = stand(ids, scores, document.row_id, limit)
        clock.mark(retriever.stage)
    return stages


def _judge_rank(fused: Standing, search: SearchRequest) -> tuple[State, str]:
    if fused.rank is None or fused.score is None:
        return State.NOT_PROPOSED, "it is among the best of no stage"
    if search.min_score is not None and fused.score < search.min_score:
        return (
            State.BELOW_MIN_SCORE,
            f"its score {fused.score:.4f} is below min_score {search.min_score:g}",
        )
    if fused.rank > search.limit:
        return State.BELOW_LIMIT, f"it ranks {fused.rank}, and {search.limit} are shown"
    return State.SHOWN, f"it ranks {fused.rank} of {fused.of}"


def _read_query(
    generation: ActiveGeneration,
    snapshot: Snapshot,
    question: Question,
    query: str,
    row_id: int,
) -> Reading:
    terms: tuple[TermMatch, ...] = ()
    if question.mode is not Mode.DENSE:
        live = queries.find_live(snapshot.session, [row_id])[row_id]
        text = read_text(snapshot.session, live.version_id, live.external_id)
        counts = count_article_terms(live.title, text, live.language)
        asked = snapshot.indexes.terms.weigh(question.words, live.collection_id)
        terms = tuple(TermMatch(word.name, word.count(counts)) for word in asked)
    if question.vector is None:
        return Reading((), None, None, None, terms)
    engine, checkpoint = generation.engine(), generation.checkpoint()
    starts = np.append(engine.token_starts(query), len(query)).tolist()
    return Reading(
        tokens=tuple(query[first:last] for first, last in pairwise(starts)),
        model_tokens=engine.count_tokens(Item(query, Task.QUERY)),
        prompt=checkpoint.prompt(Task.QUERY),
        adapter=checkpoint.adapters.get(Task.QUERY),
        terms=terms,
    )
