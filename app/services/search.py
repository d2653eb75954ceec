"""From a question to ranked articles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
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
        with resources.database.read() as session:
            allowed = (
                None
                if filters is None
                else queries.filter_documents(session, collection_id, filters)
            )
            if index is None or generation_id is None:
                found, hits = [], []
                break
            found = index.search(vector, collection_id, limit=limit, allowed=allowed)
            if min_score is not None:
                found = [hit for hit in found if hit.score >= min_score]
            hits = _read_hits(session, found, vector, generation_id, passages)
        # A document that was deleted or replaced since the index looked is not there any more.
        if len(hits) == len(found):
            break
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


def _read_hits(
    session: Session,
    found: Sequence[UnitHit],
    query: Vector,
    generation_id: int,
    passages: int,
) -> list[Hit]:
    versions = queries.find_hit_versions(
        session, [hit.unit_id for hit in found], with_text=passages > 0
    )
    best = (
        _find_best_passages(session, versions, query, generation_id, passages) if passages else {}
    )
    return [
        Hit(
            document_id=version.external_id,
            version=version.number,
            title=version.title,
            url=version.url,
            score=hit.score,
            attributes=version.attributes,
            passages=best.get(hit.document_id, ()),
        )
        for hit in found
        if (version := versions.get(hit.document_id)) is not None
    ]


def _find_best_passages(
    session: Session,
    versions: dict[int, queries.FoundVersion],
    query: Vector,
    generation_id: int,
    count: int,
) -> dict[int, tuple[PassageHit, ...]]:
    """Return the `count` best passages of each document, best first, by document id."""
    of_version = {version.version_id: version for version in versions.values()}
    scored: dict[int, list[tuple[float, int, int]]] = {}
    for unit_id, version_id, blob, checksum in queries.list_units(
        session, list(of_version), generation_id
    ):
        version = of_version[version_id]
        if crc32(blob) != checksum:
            raise CorruptData(
                f"the passages of {version.external_id} fail their checksum; "
                "upload the document again"
            )
        vectors: Matrix = (
            np.frombuffer(blob, dtype="<f2").reshape(-1, len(query)).astype(np.float32)
        )
        scores = (vectors @ query).tolist()
        scored.setdefault(version.document_id, []).extend(
            (score, unit_id, ordinal) for ordinal, score in enumerate(scores)
        )
    best = {
        document_id: sorted(candidates, key=lambda c: -c[0])[:count]
        for document_id, candidates in scored.items()
    }
    chosen = {(unit_id, ordinal) for top in best.values() for _, unit_id, ordinal in top}
    passages = queries.find_passages(session, chosen)
    return {
        document_id: tuple(
            _quote(versions[document_id], [(score, passages[at, nth]) for score, at, nth in top])
        )
        for document_id, top in best.items()
    }


def _quote(
    version: queries.FoundVersion, scored: Sequence[tuple[float, Passage]]
) -> Iterator[PassageHit]:
    text = require_intact(version.text, version.text_crc32, version.external_id)
    for score, passage in scored:
        start, end = passage.span.start, passage.span.end
        yield PassageHit(text[start:end], start, end, score, passage.heading, passage.page)
