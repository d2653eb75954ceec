"""Where a document stands for a question, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from time import perf_counter

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Comparison, Filter, Item, Mode, PassageHit, Status, Task
from app.index.analysis import count_article_terms, name_query_terms
from app.runtime.resources import Indexes, Resources
from app.services.access.keys import find_refusal
from app.services.articles.collections import require_collection
from app.services.articles.documents import VersionInfo, describe_version, normalize_id, read_text
from app.services.search.candidates import Question, read_current
from app.services.search.passages import quote_passages, rank_articles
from app.services.search.search import check_query, embed_query


class State(StrEnum):
    """What became of a document in a search."""

    NOT_THERE = "not_there"
    QUEUED = "queued"
    PROCESSING = "processing"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    NOT_ALLOWED = "not_allowed"
    FILTERED = "filtered"
    NOT_PROPOSED = "not_proposed"
    """It can be found, and is among the first ones of no stage."""
    BELOW_MIN_SCORE = "below_min_score"
    BELOW_LIMIT = "below_limit"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Standing:
    """A document's place in one stage: rank from 1 among `of` documents.

    `last_shown` is the score at the search's limit, `gap` how far the document is above it, below 0
    if it is not shown. None where the stage did not look or did not find the document.
    """

    rank: int | None
    of: int
    score: float | None
    last_shown: float | None
    gap: float | None


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A term of the query, and how often the article holds it; its title counts three times."""

    term: str
    count: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How the query was read."""

    tokens: tuple[str, ...]
    """Its text, cut where the model's tokenizer cuts it; empty in a search by words."""
    model_tokens: int | None
    """Those of prompt and special tokens included."""
    prompt: str | None
    adapter: str | None
    """None for a model without adapters and in a search by words."""
    words: tuple[WordMatch, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the stages of a search make of a document."""

    state: State
    reason: str
    stages: Mapping[str, Standing]
    """`unit`, `passage` and `words`, those that the mode looks at, and their `fused` score."""
    reading: Reading
    passages: tuple[PassageHit, ...]
    took_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a document stands for a question, and why; `ranking` where it could be ranked."""

    query: str
    collection: str
    document_id: str
    mode: Mode
    limit: int
    state: State
    reason: str
    versions: tuple[VersionInfo, ...]
    """All that are kept, newest first."""
    ranking: Ranking | None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked: a search, and a document of the collection."""

    collection: str
    query: str
    document_id: str
    version: int | None = None
    """Ask for this one; None for the document, whichever version answers."""
    mode: Mode = Mode.HYBRID
    limit: int = 10
    filters: Filter | None = None
    min_score: float | None = None
    passages: int = 3
    dimensions: int | None = None
    key_id: str | None = None
    """Whether this key would see it; None asks for the caller."""


@dataclass(slots=True)
class _Clock:
    """Milliseconds by stage, each since the one before."""

    took_ms: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=perf_counter)

    def mark(self, stage: str) -> None:
        now = perf_counter()
        self.took_ms[stage] = round(1000 * (now - self._last), 3)
        self._last = now


def explain_document(resources: Resources, inquiry: Inquiry) -> Explanation:
    """Say where a document stands for a search, and why.

    Raises what search_documents raises, and NotFound for a key that there is not.
    """
    check_query(inquiry.query)
    # Query and indexes must be of one generation, also while another one goes live.
    resources = resources.pin()
    with resources.database.read() as session:
        obstacle = _find_obstacle(session, inquiry)
    if obstacle.state is not None:
        return _explain(inquiry, obstacle)
    clock = _Clock()
    vector = embed_query(resources, inquiry.query, inquiry.mode, inquiry.dimensions)
    question = Question.of(inquiry.query, inquiry.mode, vector)
    clock.mark("embed")

    def read(session: Session, indexes: Indexes) -> Explanation | None:
        # Again: it may have gone or come while the query was embedded.
        obstacle = _find_obstacle(session, inquiry)
        if obstacle.state is not None:
            return _explain(inquiry, obstacle)
        ranking = _rank(resources, session, indexes, question, inquiry, obstacle, clock)
        return None if ranking is None else _explain(inquiry, obstacle, ranking)

    found = read_current(resources, read)
    # A document that is live has vectors, and so there is an index.
    assert found is not None
    return found[0]


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Why a document cannot be ranked; `state` None when it can, and `reason` then a remark."""

    state: State | None
    reason: str
    versions: tuple[VersionInfo, ...] = ()
    collection_id: int = 0
    row_id: int = 0


def _explain(inquiry: Inquiry, obstacle: _Obstacle, ranking: Ranking | None = None) -> Explanation:
    state = obstacle.state if ranking is None else ranking.state
    assert state is not None
    reasons = (ranking.reason if ranking else "", obstacle.reason)
    return Explanation(
        query=inquiry.query,
        collection=inquiry.collection,
        document_id=inquiry.document_id,
        mode=inquiry.mode,
        limit=inquiry.limit,
        state=state,
        reason="; ".join(reason for reason in reasons if reason),
        versions=obstacle.versions,
        ranking=ranking,
    )


def _find_obstacle(session: Session, inquiry: Inquiry) -> _Obstacle:
    collection = require_collection(session, inquiry.collection)
    if inquiry.key_id is not None:
        refusal = find_refusal(session, inquiry.key_id, inquiry.collection)
        if refusal is not None:
            return _Obstacle(State.NOT_ALLOWED, refusal)
    document = queries.find_document(session, collection.id, normalize_id(inquiry.document_id))
    if document is None:
        return _Obstacle(
            State.NOT_THERE, f"there is no document of this id in {inquiry.collection}"
        )
    versions = tuple(describe_version(v) for v in queries.list_versions(session, document.id))
    state, reason = _judge_versions(versions, inquiry.version)
    if state is None and inquiry.filters is not None:
        unmet = _unmet_conditions(session, collection.id, document.id, inquiry.filters)
        if unmet:
            state, reason = State.FILTERED, f"it does not meet the filter on {', '.join(unmet)}"
    return _Obstacle(state, reason, versions, collection.id, document.id)


def _judge_versions(
    versions: Sequence[VersionInfo], wanted: int | None
) -> tuple[State | None, str]:
    """Return why the wanted version does not answer, or a remark on one that waits or failed."""
    live = next((version for version in versions if version.live), None)
    latest = versions[0]
    asked = latest if wanted is None else _find_version(versions, wanted)
    if asked is None:
        return State.NOT_THERE, f"it has no version {wanted}, or not any more"
    if asked.live:
        return None, ""
    if asked.status is Status.READY:
        now = f"version {live.version} answers" if live else "no version answers"
        return State.SUPERSEDED, f"version {asked.version} was superseded: {now}"
    described = _describe_waiting(asked)
    if live is not None and wanted is None:
        return None, f"version {live.version} answers, since {described}"
    return State(asked.status.value), described


def _find_version(versions: Sequence[VersionInfo], number: int) -> VersionInfo | None:
    return next((version for version in versions if version.version == number), None)


def _describe_waiting(version: VersionInfo) -> str:
    if version.error is not None:
        return f"version {version.version} failed: {version.error.code}: {version.error.message}"
    return f"version {version.version} is {version.status}"


def _unmet_conditions(
    session: Session, collection_id: int, row_id: int, condition: Filter
) -> list[str]:
    """Return the keys of the conditions that keep a document out; empty when it meets them."""
    if row_id in queries.filter_documents(session, collection_id, condition):
        return []
    if isinstance(condition, Comparison):
        return [condition.key]
    parts = (_unmet_conditions(session, collection_id, row_id, part) for part in condition.filters)
    return list(dict.fromkeys(key for part in parts for key in part))


def _rank(
    resources: Resources,
    session: Session,
    indexes: Indexes,
    question: Question,
    inquiry: Inquiry,
    document: _Obstacle,
    clock: _Clock,
) -> Ranking | None:
    """Return what the stages make of a document; None when the indexes have to look again."""
    stages = _rank_in_indexes(session, indexes, question, inquiry, document, clock)
    ranking = rank_articles(
        session,
        indexes,
        question,
        [document.collection_id],
        limit=inquiry.limit,
        filters=inquiry.filters,
        reads_all=True,
    )
    if ranking is None:
        return None
    ranked = ranking.candidates
    own = next((c for c in ranked if c.version.document_id == document.row_id), None)
    if question.vector is not None:
        best = {c.version.document_id: c.stages.passage or 0.0 for c in ranked}
        order = sorted(best.items(), key=lambda scored: (-scored[1], scored[0]))
        stages["passage"] = _stand(order, document.row_id, inquiry.limit)
    if question.mode is Mode.HYBRID:
        matches = [(c.version.document_id, c.stages.match or 0.0) for c in ranked]
        matches.sort(key=lambda scored: (-scored[1], scored[0]))
        stages["match"] = _stand(matches, document.row_id, inquiry.limit)
    fused = [(c.version.document_id, c.score) for c in ranked]
    stages["fused"] = _stand(fused, document.row_id, inquiry.limit)
    clock.mark("fuse")
    passages: tuple[PassageHit, ...] = ()
    if own is not None:
        (article,) = ranking.read(session, indexes, question, [own])
        passages = quote_passages(article, inquiry.passages)
    reading = _read_query(resources, session, question, inquiry, document.row_id)
    clock.mark("passages")
    state, reason = _judge_rank(stages["fused"], inquiry)
    clock.took_ms["total"] = round(sum(clock.took_ms.values()), 3)
    return Ranking(state, reason, stages, reading, passages, clock.took_ms)


def _rank_in_indexes(
    session: Session,
    indexes: Indexes,
    question: Question,
    inquiry: Inquiry,
    document: _Obstacle,
    clock: _Clock,
) -> dict[str, Standing]:
    """Return where each index by itself puts a document among all that it finds."""
    collection_id = document.collection_id
    allowed = None
    if inquiry.filters is not None:
        allowed = queries.filter_documents(session, collection_id, inquiry.filters)
    stages = {}
    if question.vector is not None:
        hits = indexes.vectors.search(
            question.vector, collection_id, limit=len(indexes.vectors), allowed=allowed
        )
        scores = [(hit.document_id, hit.score) for hit in hits]
        stages["unit"] = _stand(scores, document.row_id, inquiry.limit)
        clock.mark("unit")
    if question.mode is not Mode.DENSE:
        lexical = indexes.terms.score(question.terms, collection_id)
        best = lexical.best(len(lexical.document_ids), allowed)
        stages["words"] = _stand(best, document.row_id, inquiry.limit)
        clock.mark("words")
    return stages


def _stand(ranked: Sequence[tuple[int, float]], row_id: int, limit: int) -> Standing:
    """Return the standing of a document in a list of ids and scores, best first."""
    place = next((i for i, (document_id, _) in enumerate(ranked) if document_id == row_id), None)
    last = ranked[min(limit, len(ranked)) - 1][1] if ranked else None
    if place is None:
        return Standing(None, len(ranked), None, last, None)
    own = ranked[place][1]
    gap = None if last is None else own - last
    return Standing(place + 1, len(ranked), own, last, gap)


def _judge_rank(fused: Standing, inquiry: Inquiry) -> tuple[State, str]:
    if fused.rank is None or fused.score is None:
        return State.NOT_PROPOSED, "it is among the best of no stage"
    if inquiry.min_score is not None and fused.score < inquiry.min_score:
        return (
            State.BELOW_MIN_SCORE,
            f"its score {fused.score:.4f} is below min_score {inquiry.min_score:g}",
        )
    if fused.rank > inquiry.limit:
        return State.BELOW_LIMIT, f"it ranks {fused.rank}, and {inquiry.limit} are shown"
    return State.SHOWN, f"it ranks {fused.rank} of {fused.of}"


def _read_query(
    resources: Resources,
    session: Session,
    question: Question,
    inquiry: Inquiry,
    row_id: int,
) -> Reading:
    words: tuple[WordMatch, ...] = ()
    if question.mode is not Mode.DENSE:
        live = queries.find_live(session, [row_id])[row_id]
        text = read_text(session, live.version_id, live.external_id)
        counts = count_article_terms(live.title, text)
        words = tuple(
            WordMatch(word, counts[term]) for word, term in name_query_terms(inquiry.query).items()
        )
    if question.vector is None:
        return Reading((), None, None, None, words)
    engine, checkpoint = resources.engine, resources.checkpoint
    starts = np.append(engine.token_starts(inquiry.query), len(inquiry.query)).tolist()
    tokens = tuple(inquiry.query[first:last] for first, last in pairwise(starts))
    return Reading(
        tokens=tokens,
        model_tokens=engine.count_tokens(Item(inquiry.query, Task.QUERY)),
        prompt=checkpoint.prompt(Task.QUERY),
        adapter=checkpoint.adapters.get(Task.QUERY),
        words=words,
    )
