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
from app.domain import Article, Span
from app.evaluation.golden import GoldenQuery
from app.index.analysis import TermCounts, count_article_terms
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import Upload, put_version
from app.services.quality.rehearsal import (
    AnswerChange,
    PreparedUpload,
    Probe,
    compare_ranks,
    count_prepared_terms,
    make_probes,
    prepare_upload,
    rank_probes,
    store_prepared,
    term_similarity,
)
from app.services.search.pipeline import check_query
from ingest.ids import normalize_id
from ingest.parse_and_cut import EmbeddedArticle
from ingest.sandbox import Sandbox

NEAR_DUPLICATE = 0.7
"""Shared words as a share of all words of both (weighted Jaccard): above it, two say the same."""
_NEIGHBOURS = 20


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """An article that says nearly the same: shared words 0 to 1."""

    document_id: str
    similarity: float


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
        check_query(resources.settings, query.text)
    upload = replace(upload, id=normalize_id(upload.id))
    prepared = prepare_upload(generation, sandbox, upload, resources.settings)
    terms = count_prepared_terms(prepared)
    with resources.database.read() as session:
        collection_id = require_row(session, ref).id
        replaces = queries.find_document(session, collection_id, prepared.upload.id) is not None
        neighbours = _find_neighbours(generation, session, collection_id, prepared)
    near_duplicates = tuple(
        NearDuplicate(document_id, round(similarity, 3))
        for document_id, _, others in neighbours
        if (similarity := term_similarity(terms, others)) >= NEAR_DUPLICATE
    )
    probes = make_probes(generation, golden, [title for _, title, _ in neighbours if title])
    before, after = _rank_both(resources, generation, ref, prepared, probes, terms)
    changes = [
        compare_ranks(prepared.upload.id, probe, *ranked)
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


def _find_neighbours(
    generation: ActiveGeneration, session: Session, collection_id: int, prepared: PreparedUpload
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


def _rank_both(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    prepared: PreparedUpload,
    probes: Sequence[Probe],
    terms: TermCounts,
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the ranking of each probe as it is, and as it would be."""
    before: list[list[str]] = []
    after: list[list[str]] = []
    corrects = resources.settings.typo_tolerance
    with resources.database.write() as session:
        collection = require_row(session, ref)
        before = rank_probes(session, probes, ref, corrects_spelling=corrects)
        version, change = put_version(session, collection, prepared.upload.id, prepared.upload)
        if change != "content":
            after = before
        else:
            store_prepared(generation, session, version, prepared, terms)
            after = rank_probes(session, probes, ref, corrects_spelling=corrects)
        session.rollback()
    # What SQLite spilled into its log of an article that may never be published.
    resources.erase_deleted()
    return before, after
