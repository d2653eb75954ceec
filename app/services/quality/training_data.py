"""What a query adapter is fine-tuned on: questions, their articles, and hard negatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Mode
from app.embedding.training_examples import Pool, TrainingExample
from app.errors import CorruptData, TextTooLong
from app.evaluation.golden import GoldenQuery
from app.index.query import WordQuery, parse_query
from app.runtime.generations import ActiveGeneration
from app.runtime.index_follower import Indexes
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.search.candidates import Candidate, rank_candidates
from app.services.search.pipeline import ask
from app.services.search.retrievers import CANDIDATES
from app.services.search.snapshot import snapshots

HARD_NEGATIVES = 8
FALSE_NEGATIVE_MARGIN = 0.4
"""A document with so much more evidence than the right one may well answer too."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A question with the numbers of its documents."""

    text: str
    words: WordQuery
    right: tuple[int, ...]
    negatives: tuple[int, ...]
    ignored: frozenset[int]


def mine_examples(
    resources: Resources,
    generation: ActiveGeneration,
    collection: CollectionRef,
    golden: Sequence[GoldenQuery],
) -> tuple[list[TrainingExample], Pool]:
    """Return training examples for the questions, by the ranking of a generation.

    A question none of whose documents is among the first hundred of the ranking is left out: it is
    too far off for a small step. So is one that the model cannot read whole.
    """
    drafts = []
    for query in golden:
        draft = _draft(resources, generation, collection, query)
        if draft is not None:
            drafts.append(draft)
    examples: list[TrainingExample] = []
    pool = Pool.empty()
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            session, indexes = snapshot.session, snapshot.indexes
            wanted = sorted({i for draft in drafts for i in (*draft.right, *draft.negatives)})
            if not wanted:
                break
            versions = queries.find_live_versions(session, wanted)
            ids = [i for i in wanted if i in versions]
            pool, kept = _read_pool(session, indexes, {i: versions[i].id for i in ids})
            places = {document_id: row for row, document_id in enumerate(kept)}
            placed = [_place(indexes, collection.id, draft, places) for draft in drafts]
            examples = [example for example in placed if example.right]
    return examples, pool


def _draft(
    resources: Resources,
    generation: ActiveGeneration,
    collection: CollectionRef,
    query: GoldenQuery,
) -> _Draft | None:
    try:
        question = ask(generation, query.text, Mode.HYBRID)
    except TextTooLong:
        return None
    ranked: Sequence[Candidate] = ()
    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            ranked = rank_candidates(snapshot, question, [collection], limit=CANDIDATES).ranked
    right = [c for c in ranked if c.version.external_id in query.relevant]
    if not right:
        return None
    others = [c for c in ranked if c.version.external_id not in query.relevant]
    limit = max(c.evidence for c in right) + FALSE_NEGATIVE_MARGIN
    negatives = [c.version.document_id for c in others if c.evidence <= limit]
    return _Draft(
        query.text,
        parse_query(query.text),
        tuple(c.version.document_id for c in right),
        tuple(negatives[:HARD_NEGATIVES]),
        frozenset(c.version.document_id for c in others if c.evidence > limit),
    )


def _place(
    indexes: Indexes, collection_id: int, draft: _Draft, places: dict[int, int]
) -> TrainingExample:
    """Return an example in rows of the pool; documents that went since are left out."""
    scores = indexes.terms.score(draft.words, collection_id)
    lexical = np.zeros(len(places), dtype=np.float32)
    for document_id, value in scores.of(list(places)).items():
        lexical[places[document_id]] = value
    return TrainingExample(
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
