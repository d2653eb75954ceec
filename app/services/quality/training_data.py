"""What a query adapter is taught with: questions, their articles, and articles that come near."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Mode
from app.embedding.adapter_tuning import Lesson, Pool
from app.errors import CorruptData
from app.evaluation.golden import GoldenQuery
from app.index.analysis import TermCounts, count_query_terms
from app.runtime.resources import Indexes, Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.search.candidates import (
    CANDIDATES,
    Candidate,
    Question,
    rank_candidates,
    read_current,
)
from app.services.search.scoring import log_odds
from app.services.search.search import embed_query

HARD_NEGATIVES = 8
FALSE_NEGATIVE_MARGIN = 1.0
"""A document whose logit is so much above the right one's may well answer too."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A question with the numbers of its documents."""

    text: str
    terms: TermCounts
    right: tuple[int, ...]
    negatives: tuple[int, ...]
    ignored: frozenset[int]


def mine_lessons(
    resources: Resources, ref: CollectionRef, golden: Sequence[GoldenQuery]
) -> tuple[list[Lesson], Pool]:
    """Return what the questions are taught with, by the ranking of the generation that is asked.

    A question none of whose documents is among the first hundred of the ranking is left out: it is
    too far off to be taught by a small step. Raises NotFound for a collection that is none.
    """
    resources = resources.pin()
    with resources.database.read() as session:
        collection_id = require_row(session, ref).id
    drafts = []
    for query in golden:
        draft = _draft(resources, collection_id, query)
        if draft is not None:
            drafts.append(draft)

    def read(session: Session, indexes: Indexes) -> tuple[list[Lesson], Pool] | None:
        wanted = sorted({i for draft in drafts for i in (*draft.right, *draft.negatives)})
        versions = queries.find_live_versions(session, wanted)
        ids = [i for i in wanted if i in versions]
        pool, kept = _read_pool(session, indexes, {i: versions[i].id for i in ids})
        places = {document_id: row for row, document_id in enumerate(kept)}
        lessons = [_place(indexes, collection_id, draft, places) for draft in drafts]
        return [lesson for lesson in lessons if lesson.right], pool

    found = read_current(resources, read) if drafts else None
    return ([], Pool.empty()) if found is None else found[0]


def _draft(resources: Resources, collection_id: int, query: GoldenQuery) -> _Draft | None:
    vector = embed_query(resources, query.text, Mode.HYBRID)
    question = Question.of(query.text, Mode.HYBRID, vector)

    def read(session: Session, indexes: Indexes) -> list[Candidate] | None:
        return rank_candidates(session, indexes, question, (collection_id,), limit=CANDIDATES)

    found = read_current(resources, read)
    ranked = [] if found is None else found[0]
    right = [c for c in ranked if c.version.external_id in query.relevant]
    if not right:
        return None
    others = [c for c in ranked if c.version.external_id not in query.relevant]
    limit = max(log_odds(c.score) for c in right) + FALSE_NEGATIVE_MARGIN
    negatives = [c.version.document_id for c in others if log_odds(c.score) <= limit]
    return _Draft(
        query.text,
        count_query_terms(query.text),
        tuple(c.version.document_id for c in right),
        tuple(negatives[:HARD_NEGATIVES]),
        frozenset(c.version.document_id for c in others if log_odds(c.score) > limit),
    )


def _place(indexes: Indexes, collection_id: int, draft: _Draft, places: dict[int, int]) -> Lesson:
    """Return a lesson in rows of the pool; documents that went since are left out."""
    scores = indexes.terms.score(draft.terms, collection_id)
    lexical = np.zeros(len(places), dtype=np.float32)
    for document_id, value in scores.of(list(places)).items():
        lexical[places[document_id]] = value
    return Lesson(
        draft.text,
        tuple(places[i] for i in draft.right if i in places),
        tuple(places[i] for i in draft.negatives if i in places),
        frozenset(places[i] for i in draft.ignored if i in places),
        lexical,
    )


def _read_pool(
    session: Session, indexes: Indexes, versions: dict[int, int]
) -> tuple[Pool, list[int]]:
    """Return the vectors of documents by their versions, and the documents in the pool's order."""
    document_of = {version_id: document_id for document_id, version_id in versions.items()}
    rows: dict[int, list[Any]] = {}
    for row in queries.list_vectors(session, list(document_of), indexes.vector_set):
        if crc32(row.vector) != row.vector_crc32 or (
            crc32(row.passage_vectors) != row.passage_vectors_crc32
        ):
            raise CorruptData("vectors fail their checksum", version_id=row.version_id)
        rows.setdefault(document_of[row.version_id], []).append(row)
    kept = list(rows)
    dimensions = indexes.vectors.dimensions
    units = [_join([row.vector for row in rows[i]], "<f4", dimensions) for i in kept]
    passages = [_join([row.passage_vectors for row in rows[i]], "<f2", dimensions) for i in kept]
    # Without passages a document ranks as if its unit were its best one.
    passages = [p if len(p) else u.astype("<f2") for p, u in zip(passages, units, strict=True)]
    return Pool(
        np.concatenate(units),
        np.array([len(some) for some in units]),
        np.concatenate(passages),
        np.array([len(some) for some in passages]),
    ), kept


def _join(blobs: Sequence[bytes], kind: str, dimensions: int) -> Any:
    return np.frombuffer(b"".join(blobs), dtype=kind).reshape(-1, dimensions)
