"""From a question to ranked articles."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter, Hit, Item, Matrix, Passage, PassageHit, Task, Vector
from app.errors import CorruptData, InvalidRequest, TooLarge
from app.index.flat import UnitHit
from app.resources import Resources
from app.services.collections import require_collection
from app.services.documents import require_intact

MAX_QUERY_BYTES = 32 * 1024
MAX_LIMIT = 1000


# Documents whose passages are scored: those that the units put first.
CANDIDATES = 100
# Chosen on labelled sets: docs/decisions/0010-score-of-unit-and-passage.md.
PASSAGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds by stage."""

    embed: float
    search: float
    total: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, with the generation of vectors that ranked them."""

    query: str
    results: tuple[Hit, ...]
    generation: int | None
    took_ms: Timing


class _ScoredPassage(NamedTuple):
    """A passage's inner product with the query, and where the passage is stored."""

    score: float
    unit_id: int
    ordinal: int


class _Candidate(NamedTuple):
    """A document in the race: its fused score, and its passages, best first."""

    version: queries.FoundVersion
    score: float
    passages: list[_ScoredPassage]
    is_damaged: bool


def search_documents(
    resources: Resources,
    collection_name: str,
    query: str,
    *,
    limit: int = 10,
    filters: Filter | None = None,
    min_score: float | None = None,
    passages: int = 1,
) -> SearchResult:
    """Rank the collection's articles for `query`; each hit with its `passages` best passages.

    A score is the mean of two inner products with the query: of the article's best unit, and of its
    best passage. The units choose the candidates.

    Raises TooLarge for a query over 32 KB, TextTooLong for one past the model's window.
    """
    if not query.strip():
        raise InvalidRequest("the query is empty", code="empty_query")
    if len(query.encode()) > MAX_QUERY_BYTES:
        raise TooLarge(
            f"the query has {len(query.encode())} bytes; at most {MAX_QUERY_BYTES} are read",
            code="query_too_large",
        )
    started = perf_counter()
    with resources.database.read() as session:
        collection_id = require_collection(session, collection_name).id
    vector = resources.engine.embed([Item(query, Task.QUERY)])[0].vector
    embedded = perf_counter()
    while True:
        index, generation_id = resources.catch_up()
        try:
            with resources.database.read() as session:
                allowed = (
                    None
                    if filters is None
                    else queries.filter_documents(session, collection_id, filters)
                )
                if index is None or generation_id is None:
                    hits = []
                    break
                found = index.search(
                    vector, collection_id, limit=max(limit, CANDIDATES), allowed=allowed
                )
                ranked = _rank(session, found, vector, generation_id)
                if ranked is not None:
                    shown = [hit for hit in ranked if min_score is None or hit.score >= min_score]
                    hits = _read_hits(session, shown[:limit], passages)
                    break
        except CorruptData as damage:
            if damage.version_id is None:
                raise
            # The search goes on without it.
            resources.quarantine(damage.version_id, str(damage))
        # A document that was deleted or replaced since the index looked is not there any more.
    ended = perf_counter()
    return SearchResult(
        query,
        tuple(hits),
        generation_id,
        Timing(
            embed=round(1000 * (embedded - started), 3),
            search=round(1000 * (ended - embedded), 3),
            total=round(1000 * (ended - started), 3),
        ),
    )


def _rank(
    session: Session, found: Sequence[UnitHit], query: Vector, generation_id: int
) -> list[_Candidate] | None:
    """Score each document by its best unit and its best passage; None when one is not there."""
    versions = queries.find_hit_versions(session, [hit.unit_id for hit in found])
    if len(versions) < len(found):
        return None
    scored: dict[int, list[_ScoredPassage]] = {hit.document_id: [] for hit in found}
    damaged: set[int] = set()
    of_version = {version.version_id: version.document_id for version in versions.values()}
    for unit_id, version_id, blob, checksum in queries.list_units(
        session, list(of_version), generation_id
    ):
        if crc32(blob) != checksum:
            damaged.add(of_version[version_id])
            continue
        vectors: Matrix = (
            np.frombuffer(blob, dtype="<f2").reshape(-1, len(query)).astype(np.float32)
        )
        scored[of_version[version_id]] += [
            _ScoredPassage(score, unit_id, ordinal)
            for ordinal, score in enumerate((vectors @ query).tolist())
        ]
    candidates = []
    for hit in found:
        best = sorted(scored[hit.document_id], key=lambda passage: -passage.score)
        score = hit.score
        if best and hit.document_id not in damaged:
            score += PASSAGE_SHARE * (best[0].score - hit.score)
        candidates.append(
            _Candidate(versions[hit.document_id], score, best, hit.document_id in damaged)
        )
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _read_hits(session: Session, shown: Sequence[_Candidate], count: int) -> list[Hit]:
    """Return hits with the `count` best passages of each."""
    quotes: dict[int, tuple[PassageHit, ...]] = {}
    if count:
        for candidate in shown:
            if candidate.is_damaged:
                raise CorruptData(
                    f"the passages of {candidate.version.external_id} fail their checksum; "
                    "upload the document again",
                    version_id=candidate.version.version_id,
                )
        passages = queries.find_passages(
            session, {(p.unit_id, p.ordinal) for c in shown for p in c.passages[:count]}
        )
        texts = queries.find_texts(session, [c.version.version_id for c in shown])
        for candidate in shown:
            version = candidate.version
            text = require_intact(
                *texts[version.version_id], version.external_id, version_id=version.version_id
            )
            quotes[version.version_id] = tuple(
                _quote(text, p.score, passages[p.unit_id, p.ordinal])
                for p in candidate.passages[:count]
            )
    return [
        Hit(
            document_id=candidate.version.external_id,
            version=candidate.version.number,
            title=candidate.version.title,
            url=candidate.version.url,
            score=candidate.score,
            attributes=candidate.version.attributes,
            passages=quotes.get(candidate.version.version_id, ()),
        )
        for candidate in shown
    ]


def _quote(text: str, score: float, passage: Passage) -> PassageHit:
    start, end = passage.span.start, passage.span.end
    return PassageHit(text[start:end], start, end, score, passage.heading, passage.page)
