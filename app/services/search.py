"""From a question to ranked articles."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from zlib import crc32

import numpy as np
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Version
from app.domain import Filter, Hit, Item, Matrix, PassageHit, Task, Vector
from app.errors import CorruptData, InvalidRequest, TooLarge
from app.index.flat import UnitHit
from app.resources import Resources
from app.services.collections import require_collection
from app.services.documents import read_text

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
    versions = queries.find_hit_versions(session, [hit.unit_id for hit in found])
    present = [hit for hit in found if hit.document_id in versions]
    best = (
        _find_best_passages(session, versions, query, generation_id, passages) if passages else {}
    )
    return [
        Hit(
            document_id=versions[hit.document_id][0],
            version=versions[hit.document_id][1].number,
            title=versions[hit.document_id][1].title,
            url=versions[hit.document_id][1].url,
            score=hit.score,
            attributes=versions[hit.document_id][1].attributes,
            passages=best.get(hit.document_id, ()),
        )
        for hit in present
    ]


def _find_best_passages(
    session: Session,
    versions: dict[int, tuple[str, Version]],
    query: Vector,
    generation_id: int,
    count: int,
) -> dict[int, tuple[PassageHit, ...]]:
    """Return the `count` best passages of each document, best first, by document id."""
    of_version = {version.id: document_id for document_id, (_, version) in versions.items()}
    scored: dict[int, list[tuple[float, int, int]]] = {}
    for unit_id, version_id, blob, checksum in queries.list_units(
        session, list(of_version), generation_id
    ):
        document_id = of_version[version_id]
        if crc32(blob) != checksum:
            name = versions[document_id][0]
            raise CorruptData(
                f"the passages of {name} fail their checksum; upload the document again"
            )
        vectors: Matrix = (
            np.frombuffer(blob, dtype="<f2").reshape(-1, len(query)).astype(np.float32)
        )
        scores = (vectors @ query).tolist()
        scored.setdefault(document_id, []).extend(
            (score, unit_id, ordinal) for ordinal, score in enumerate(scores)
        )
    best = {
        document_id: sorted(candidates, key=lambda c: -c[0])[:count]
        for document_id, candidates in scored.items()
    }
    rows = queries.find_passages(
        session, [(unit_id, ordinal) for chosen in best.values() for _, unit_id, ordinal in chosen]
    )
    answers = {}
    for document_id, chosen in best.items():
        external_id, version = versions[document_id]
        text = read_text(session, version.id, external_id)
        answers[document_id] = tuple(
            PassageHit(
                text=text[row.start : row.end],
                start=row.start,
                end=row.end,
                score=score,
                heading=row.heading,
                page=row.page,
            )
            for score, unit_id, ordinal in chosen
            if (row := rows.get((unit_id, ordinal))) is not None
        )
    return answers
