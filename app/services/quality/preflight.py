"""What an article would do, before it does: the real commit in a transaction that is taken back.

The prediction runs the code that stores articles and the code that ranks them, so it cannot differ
from what then happens unless the collection changes in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Generation
from app.domain import Article, Item, Mode, Span, Task, Vector
from app.embedding.engine import Engine
from app.evaluation.golden import GoldenQuery
from app.index.analysis import TermCounts, count_article_terms
from app.index.segments import pack_terms
from app.runtime.generations import ActiveGeneration
from app.runtime.index_follower import read_indexes
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import Upload, normalize_id, put_version
from app.services.search.passages import rank_articles
from app.services.search.pipeline import check_query
from app.services.search.retrievers import Question
from app.services.search.scoring import load_anchors
from app.services.search.snapshot import Snapshot
from ingest.commit import store_article
from ingest.parse_and_cut import EmbeddedArticle, embed_cut, parse_and_cut
from ingest.sandbox import Sandbox

NEAR_DUPLICATE = 0.7
"""Shared words as a share of all words of both (weighted Jaccard): above it, two say the same."""
_NEIGHBOURS = 20
_RANKED = 10


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """An article that says nearly the same: shared words 0 to 1."""

    document_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """A query whose answers would change: the first hit before and after, and who falls behind.

    `rank` is where the new article would stand, from 1; None below the tenth.
    """

    query: str
    golden: bool
    """Whether it is of the golden set; else it is the title of a near article."""
    before: str | None
    after: str | None
    rank: int | None
    overtaken: tuple[str, ...]
    first_is_relevant: bool | None
    """Whether the golden set calls the new first hit right; None without one."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A section with text that no passage holds."""

    heading: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """What would happen if the article went live now."""

    id: str
    replaces: bool
    near_duplicates: tuple[NearDuplicate, ...]
    asked: int
    changes: tuple[AnswerChange, ...]
    uncovered: tuple[Uncovered, ...]
    tokens: int
    units: int
    passages: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Prepared:
    upload: Upload
    parsed: Article
    article: Article
    embedded: EmbeddedArticle


@dataclass(frozen=True, slots=True)
class _Probe:
    query: GoldenQuery
    golden: bool
    vector: Vector


def preflight(
    resources: Resources,
    sandbox: Sandbox,
    ref: CollectionRef,
    upload: Upload,
    golden: Sequence[GoldenQuery] = (),
) -> Preflight:
    """Predict what an upload would do to the answers of a collection; nothing is changed.

    Golden queries are asked, and the titles of the nearest articles. Raises what an upload raises
    and, at once, what would make the document fail.
    """
    generation = resources.generations.live()
    for query in golden:
        check_query(query.text)
    upload = replace(upload, id=normalize_id(upload.id))
    prepared = _prepare(generation, sandbox, upload, resources.settings.passage_tokens)
    terms = count_article_terms(
        prepared.article.title, prepared.article.text, prepared.embedded.receipt.language
    )
    with resources.database.read() as session:
        collection_id = require_row(session, ref).id
        replaces = queries.find_document(session, collection_id, prepared.upload.id) is not None
        neighbours = _find_neighbours(generation, session, collection_id, prepared)
    near_duplicates = tuple(
        NearDuplicate(document_id, round(similarity, 3))
        for document_id, _, others in neighbours
        if (similarity := _similarity(terms, others)) >= NEAR_DUPLICATE
    )
    probes = _make_probes(
        generation.engine(), golden, [title for _, title, _ in neighbours if title]
    )
    before, after = _rank_both(resources, generation, ref, prepared, probes, terms)
    changes = [
        _compare(prepared.upload.id, probe, *ranked)
        for probe, *ranked in zip(probes, before, after, strict=True)
    ]
    receipt = prepared.embedded.receipt
    return Preflight(
        prepared.upload.id,
        replaces,
        tuple(sorted(near_duplicates, key=lambda near: -near.similarity)),
        len(probes),
        tuple(c for c in changes if c.rank is not None or c.before != c.after),
        find_uncovered(prepared.article, prepared.embedded),
        receipt.tokens_counted,
        receipt.units,
        receipt.passages,
        receipt.warnings,
    )


def find_uncovered(article: Article, embedded: EmbeddedArticle) -> tuple[Uncovered, ...]:
    """Return the sections whose text lies in no passage."""
    covered = np.zeros(len(article.text) + 1, dtype=np.bool_)
    for unit in embedded.units:
        for passage in unit.passages:
            covered[passage.span.start : passage.span.end] = True
    starts = [(0, ""), *((heading.start, heading.text) for heading in article.headings)]
    edges = [*starts, (len(article.text), "")]
    found = []
    for (start, heading), (end, _) in pairwise(edges):
        span = Span(start, end)
        words = article.text[start:end].strip().lstrip("#").strip()
        if words and words != heading and not covered[span.start : span.end].any():
            found.append(Uncovered(heading, start, end))
    return tuple(found)


def _prepare(
    generation: ActiveGeneration, sandbox: Sandbox, upload: Upload, passage_tokens: int
) -> _Prepared:
    engine = generation.engine()
    parsed, cut = parse_and_cut(
        sandbox,
        engine,
        upload.media_type,
        upload.data,
        upload.declared(),
        filename=upload.filename,
        passage_tokens=passage_tokens,
    )
    embedded = embed_cut(engine, cut, source_bytes=len(upload.data))
    return _Prepared(upload, parsed, cut.article, embedded)


def _find_neighbours(
    generation: ActiveGeneration, session: Session, collection_id: int, prepared: _Prepared
) -> list[tuple[str, str, TermCounts]]:
    """Return (id, title, terms) of the articles nearest to any unit, but for the one replaced."""
    indexes = generation.catch_up()
    if indexes is None:
        return []
    near: dict[int, None] = {}
    for embedding in prepared.embedded.embeddings:
        for hit in indexes.vectors.search(embedding.vector, collection_id, limit=_NEIGHBOURS):
            near[hit.document_id] = None
    versions = queries.find_live(session, list(near)[: 2 * _NEIGHBOURS])
    texts = queries.find_texts(session, [version.version_id for version in versions.values()])
    return [
        (
            version.external_id,
            version.title,
            count_article_terms(
                version.title, texts[version.version_id].text or "", version.language
            ),
        )
        for version in versions.values()
        if version.external_id != prepared.upload.id
    ]


def _similarity(ours: TermCounts, theirs: TermCounts) -> float:
    """Return the weighted Jaccard similarity of two bags of terms (Ioffe 2010): 0 to 1."""
    keys = ours.keys() | theirs.keys()
    shared = sum(min(ours.get(key, 0), theirs.get(key, 0)) for key in keys)
    whole = sum(max(ours.get(key, 0), theirs.get(key, 0)) for key in keys)
    return shared / whole if whole else 0.0


def _make_probes(
    engine: Engine, golden: Sequence[GoldenQuery], titles: Sequence[str]
) -> list[_Probe]:
    queries_asked = [(query, True) for query in golden]
    queries_asked += [(GoldenQuery(title, title, {}), False) for title in dict.fromkeys(titles)]
    return [
        _Probe(query, is_golden, engine.embed([Item(query.text, Task.QUERY)])[0].vector)
        for query, is_golden in queries_asked
    ]


def _rank_both(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    prepared: _Prepared,
    probes: Sequence[_Probe],
    terms: TermCounts,
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the ranking of each probe as it is, and as it would be."""
    before: list[list[str]] = []
    after: list[list[str]] = []
    with resources.database.write() as session:
        collection = require_row(session, ref)
        live = queries.find_live_generation(session)
        before = _rank(session, live, probes, ref)
        version, change = put_version(session, collection, prepared.upload.id, prepared.upload)
        if change != "content":
            after = before
        else:
            store_article(
                generation,
                session,
                version,
                prepared.parsed,
                prepared.article,
                prepared.embedded,
                pack_terms(terms),
            )
            session.flush()
            live = queries.find_live_generation(session)
            after = _rank(session, live, probes, ref)
        session.rollback()
    # What SQLite spilled into its log of an article that may never be published.
    resources.erase_deleted()
    return before, after


def _rank(
    session: Session, live: Generation | None, probes: Sequence[_Probe], collection: CollectionRef
) -> list[list[str]]:
    if live is None:
        return [[] for _ in probes]
    snapshot = Snapshot(session, read_indexes(session, live, {}), load_anchors(live.calibration))
    rankings = []
    for probe in probes:
        question = Question.of(probe.query.text, Mode.HYBRID, probe.vector)
        ranked = rank_articles(snapshot, question, [collection], limit=_RANKED)
        first = ranked.candidates[:_RANKED]
        rankings.append([candidate.version.external_id for candidate in first])
    return rankings


def _compare(
    document_id: str, probe: _Probe, before: Sequence[str], after: Sequence[str]
) -> AnswerChange:
    rank = after.index(document_id) + 1 if document_id in after else None
    overtaken: tuple[str, ...] = ()
    if rank is not None:
        ahead = set(before[: before.index(document_id)] if document_id in before else before)
        overtaken = tuple(other for other in after[rank:] if other in ahead)
    first = after[0] if after else None
    return AnswerChange(
        probe.query.text,
        probe.golden,
        before[0] if before else None,
        first,
        rank,
        overtaken,
        first in probe.query.relevant if probe.golden else None,
    )
