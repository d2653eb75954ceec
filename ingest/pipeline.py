"""A document's way: parse → units → embed → commit."""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Original, PassageRow, TermsRow, UnitRow, Version, utc_now
from app.domain import (
    Article,
    Embedding,
    Heading,
    Item,
    PageStart,
    Receipt,
    Span,
    Status,
    Task,
    Unit,
)
from app.embedding.engine import Engine
from app.errors import CorruptData, FolioError, ModelUnavailable, StorageFull, UnreadableDocument
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.lexical import StoredTerms, pack_terms
from app.resources import Resources
from ingest.sandbox import Sandbox
from ingest.units import split_article

logger = logging.getLogger("folio")

_LEAST_UNIT_TOKENS = 16


@dataclass(frozen=True, slots=True)
class _Source:
    """What was uploaded as one version."""

    media_type: str
    data: bytes
    sha256: str
    declared: dict[str, Any]
    live: Article | None
    """What answers so far, if it is undamaged."""


@dataclass(frozen=True, slots=True)
class EmbeddedArticle:
    """An article cut into units, each with its embedding, and the receipt of all of it."""

    units: tuple[Unit, ...]
    embeddings: tuple[Embedding, ...]
    receipt: Receipt


def ingest_document(resources: Resources, sandbox: Sandbox, version_id: int) -> None:
    """Make a claimed version the live one, or mark it failed with the reason.

    The version that answered so far does so until the new one is committed. Raises ModelUnavailable
    and StorageFull, which are not the document's fault: the version then waits for another try.
    """
    source = _read_source(resources, version_id)
    if source is None:
        return
    try:
        parsed = _parse(sandbox, source)
        article = _apply_declared(parsed, source.declared)
        if source.live is not None and _reads_alike(article, source.live):
            _commit_metadata(resources, version_id, parsed, article)
        else:
            engine = resources.engine
            embedded = embed_article(
                engine,
                article,
                passage_tokens=resources.settings.passage_tokens,
                source_bytes=len(source.data),
            )
            terms = pack_terms(count_article_terms(article.title, article.text))
            _commit(resources, version_id, parsed, article, embedded, terms)
        resources.catch_up()
    except (ModelUnavailable, StorageFull):
        raise
    except FolioError as error:
        _commit_failure(resources, version_id, error.code, str(error))
    # Whatever else goes wrong must end this document, not the worker. The message of an unknown
    # exception may quote the document, so only its place is logged.
    except Exception as error:  # noqa: BLE001
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("version %d: %s at\n%s", version_id, type(error).__name__, where)
        _commit_failure(
            resources,
            version_id,
            "internal_error",
            f"unexpected {type(error).__name__}; see the log",
        )


def embed_article(
    engine: Engine, article: Article, *, passage_tokens: int, source_bytes: int
) -> EmbeddedArticle:
    """Cut an article to the engine's window and embed every unit with its passages.

    Raises UnreadableDocument when it cannot be done without losing text.
    """
    room = engine.max_tokens - engine.overhead(article.title, Task.PASSAGE)
    if room < _LEAST_UNIT_TOKENS:
        raise UnreadableDocument(
            f"the title leaves {max(room, 0)} of {engine.max_tokens} tokens for text",
            code="title_too_long",
        )
    token_starts = engine.token_starts(article.text)

    def as_item(span: Span) -> Item:
        return Item(article.text[span.start : span.end], Task.PASSAGE, article.title)

    units = split_article(
        article,
        token_starts,
        unit_tokens=room,
        passage_tokens=passage_tokens,
        fits=lambda span: engine.count_tokens(as_item(span)) <= engine.max_tokens,
    )
    embeddings = engine.embed(
        [
            replace(
                as_item(unit.span),
                spans=tuple(passage.span.shifted(-unit.span.start) for passage in unit.passages),
            )
            for unit in units
        ]
    )
    for embedding in embeddings:
        _check_vectors(embedding, engine.dimensions)
    counted = [engine.count_tokens(as_item(unit.span)) for unit in units]
    read = [embedding.tokens for embedding in embeddings]
    receipt = Receipt(
        bytes=source_bytes,
        characters=len(article.text),
        pages=len(article.pages) or None,
        tokens_counted=count_text_tokens(engine, article.title, counted),
        tokens_embedded=count_text_tokens(engine, article.title, read),
        tokens_processed=sum(read),
        units=len(units),
        passages=sum(len(unit.passages) for unit in units),
        warnings=article.warnings,
    )
    if receipt.tokens_embedded < receipt.tokens_counted:
        raise UnreadableDocument(
            f"of {receipt.tokens_counted} tokens only {receipt.tokens_embedded} were embedded",
            code="tokens_lost",
        )
    return EmbeddedArticle(units, tuple(embeddings), receipt)


def count_text_tokens(engine: Engine, title: str, unit_tokens: Sequence[int]) -> int:
    """Return the tokens of an article's text, given those that the model reads for each unit.

    What title, prompt and special tokens cost comes off every unit.
    """
    return sum(unit_tokens) - len(unit_tokens) * engine.overhead(title, Task.PASSAGE)


def store_units(
    session: Session, embedded: EmbeddedArticle, *, version_id: int, generation_id: int
) -> list[int]:
    """Insert the units and passages of a version; returns the unit ids."""
    rows = []
    for ordinal, (unit, embedding) in enumerate(
        zip(embedded.units, embedded.embeddings, strict=True)
    ):
        vector = embedding.vector.astype("<f4").tobytes()
        passage_vectors = embedding.passages.astype("<f2").tobytes()
        rows.append(
            UnitRow(
                generation_id=generation_id,
                version_id=version_id,
                ordinal=ordinal,
                start=unit.span.start,
                end=unit.span.end,
                tokens=embedding.tokens,
                vector=vector,
                vector_crc32=crc32(vector),
                passage_vectors=passage_vectors,
                passage_vectors_crc32=crc32(passage_vectors),
            )
        )
    session.add_all(rows)
    session.flush()
    session.add_all(
        PassageRow(
            unit_id=row.id,
            ordinal=ordinal,
            start=passage.span.start,
            end=passage.span.end,
            heading=passage.heading,
            page=passage.page,
        )
        for row, unit in zip(rows, embedded.units, strict=True)
        for ordinal, passage in enumerate(unit.passages)
    )
    return [row.id for row in rows]


def read_article(version: Version) -> Article:
    """Return the article of a ready version as it was embedded, from the database."""
    assert version.text is not None
    return Article(
        text=version.text,
        title=version.title,
        url=version.url,
        attributes=version.attributes,
        headings=tuple(Heading(*heading) for heading in version.headings or ()),
        pages=tuple(PageStart(*page) for page in version.pages or ()),
        warnings=tuple((version.receipt or {}).get("warnings", ())),
    )


def is_intact(session: Session, version: Version) -> bool:
    """Return whether text, terms and vectors of a version, if it has any yet, are undamaged."""
    if version.text is not None and crc32(version.text.encode()) != version.text_crc32:
        return False
    terms = session.get(TermsRow, version.id)
    if terms is not None and crc32(terms.data) != terms.data_crc32:
        return False
    units = session.execute(
        select(
            UnitRow.vector,
            UnitRow.vector_crc32,
            UnitRow.passage_vectors,
            UnitRow.passage_vectors_crc32,
        ).where(UnitRow.version_id == version.id)
    )
    return all(
        (crc32(vector), crc32(passages)) == (checksum, passages_checksum)
        for vector, checksum, passages, passages_checksum in units
    )


def _read_source(resources: Resources, version_id: int) -> _Source | None:
    with resources.database.read() as session:
        version = session.get(Version, version_id)
        if version is None or version.status != Status.PROCESSING:
            return None
        original = session.get_one(Original, version.original_sha256)
        live = queries.find_live_version(session, version.document_id)
        return _Source(
            version.media_type,
            original.data,
            original.sha256,
            version.declared,
            read_article(live) if live is not None and is_intact(session, live) else None,
        )


def _parse(sandbox: Sandbox, source: _Source) -> Article:
    if sha256(source.data).hexdigest() != source.sha256:
        raise CorruptData("the stored upload fails its checksum; upload the document again")
    return sandbox.parse(source.media_type, source.data)


def _apply_declared(parsed: Article, declared: dict[str, Any]) -> Article:
    """Return the article with the caller's title, url and attributes over the file's own."""
    return replace(
        parsed,
        title=declared.get("title") or parsed.title,
        url=declared.get("url") or parsed.url,
        attributes={**(parsed.attributes or {}), **declared.get("attributes", {})},
    )


def _reads_alike(article: Article, live: Article) -> bool:
    """Return whether the two have the same units and passages, and so the same vectors."""
    return (article.text, article.title, article.headings, article.pages) == (
        live.text,
        live.title,
        live.headings,
        live.pages,
    )


def _check_vectors(embedding: Embedding, dimensions: int) -> None:
    for vectors in (embedding.vector[np.newaxis], embedding.passages):
        lengths = np.linalg.norm(vectors, axis=1)
        if vectors.shape[1] != dimensions or not np.allclose(lengths, 1.0, atol=1e-3):
            raise UnreadableDocument(
                "the model gave a vector that is not finite or not of unit length",
                code="invalid_vector",
            )


def _commit(
    resources: Resources,
    version_id: int,
    parsed: Article,
    article: Article,
    embedded: EmbeddedArticle,
    terms: StoredTerms,
) -> None:
    with resources.database.write() as session:
        version = session.get(Version, version_id)
        # Deleted while it was embedded: nothing of it may come back.
        if version is None:
            return
        generation = resources.ensure_generation(session)
        former = queries.find_live_version(session, version.document_id)
        if former is not None:
            queries.remove_units(session, UnitRow.version_id == former.id)
            session.execute(delete(TermsRow).where(TermsRow.version_id == former.id))
        _make_live(session, version, former, parsed, article)
        version.receipt = asdict(embedded.receipt)
        unit_ids = store_units(
            session, embedded, version_id=version.id, generation_id=generation.id
        )
        queries.store_terms(
            session, version.id, analysis=ANALYSIS, data=terms.data, data_crc32=terms.crc32
        )
        queries.log_units(session, unit_ids, version.document_id)


def _commit_metadata(
    resources: Resources, version_id: int, parsed: Article, article: Article
) -> None:
    """Make a version live that reads like the live one: its vectors stay."""
    with resources.database.write() as session:
        version = session.get(Version, version_id)
        if version is None:
            return
        former = queries.find_live_version(session, version.document_id)
        assert former is not None
        original = session.get_one(Original, version.original_sha256)
        version.receipt = {
            **(former.receipt or {}),
            "bytes": len(original.data),
            "warnings": list(article.warnings),
        }
        session.execute(
            update(UnitRow).where(UnitRow.version_id == former.id).values(version_id=version.id)
        )
        queries.move_terms(session, former.id, version.id)
        _make_live(session, version, former, parsed, article)


def _make_live(
    session: Session, version: Version, former: Version | None, parsed: Article, article: Article
) -> None:
    if former is not None:
        former.is_live = False
        # The index that allows one live version a document sees the rows one by one.
        session.flush()
    version.status = Status.READY
    version.is_live = True
    version.ready_at = utc_now()
    version.title = article.title
    version.url = article.url
    version.attributes = dict(article.attributes or {})
    version.parsed = {
        "title": parsed.title,
        "url": parsed.url,
        "attributes": dict(parsed.attributes or {}),
    }
    version.text = article.text
    version.text_crc32 = crc32(article.text.encode())
    version.headings = [[h.start, h.level, h.text] for h in article.headings]
    version.pages = [[page.start, page.number] for page in article.pages]
    queries.replace_attributes(session, version.document_id, version.attributes)


def _commit_failure(resources: Resources, version_id: int, code: str, message: str) -> None:
    with resources.database.write() as session:
        version = session.get(Version, version_id)
        if version is not None:
            version.status = Status.FAILED
            version.error_code = code
            version.error_message = message
