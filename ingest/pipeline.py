"""A document's way: parse → cut → embed → commit; the forward passes are shared by several."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from app.db import queries, queue
from app.db.models import Original, Version
from app.db.queue import Claim
from app.domain import Article, Embedding, Item, Receipt, Span, Stage, Task, Unit
from app.embedding.engine import Engine
from app.errors import (
    CorruptData,
    FolioError,
    ModelUnavailable,
    ParserUnavailable,
    StorageFailed,
    StorageFull,
    UnreadableDocument,
)
from app.runtime.resources import MAX_ATTEMPTS, Resources
from ingest.commit import (
    EmbeddedArticle,
    commit_article,
    commit_metadata,
    is_intact,
    read_article,
)
from ingest.language import detect_language
from ingest.sandbox import Sandbox
from ingest.units import split_article

logger = logging.getLogger("folio")

T = TypeVar("T")

NOT_THE_DOCUMENTS_FAULT = (ModelUnavailable, ParserUnavailable, StorageFull, StorageFailed)
"""After one of these the document waits, and the attempt does not count."""

_LEAST_UNIT_TOKENS = 16
_BACK_OFF = 4


@dataclass(frozen=True, slots=True)
class CutArticle:
    """An article with its units, and the tokens of each, counted without truncation."""

    article: Article
    units: tuple[Unit, ...]
    tokens: tuple[int, ...]

    @property
    def items(self) -> list[Item]:
        """What the model is to read, one item a unit."""
        return [
            replace(
                _as_item(self.article, unit.span),
                spans=tuple(passage.span.shifted(-unit.span.start) for passage in unit.passages),
            )
            for unit in self.units
        ]


@dataclass(slots=True)
class Prepared:
    """A claimed document that waits for the model."""

    claim: Claim
    source_bytes: int
    parsed: Article
    cut: CutArticle
    took_ms: dict[str, float]
    embeddings: list[Embedding] = field(default_factory=list)

    @property
    def is_embedded(self) -> bool:
        return len(self.embeddings) == len(self.cut.units)


@dataclass(frozen=True, slots=True)
class _Source:
    """What was uploaded as one version."""

    media_type: str
    data: bytes
    sha256: str
    declared: dict[str, Any]
    live: Article | None
    """What answers so far, if it is undamaged."""


def prepare_document(resources: Resources, sandbox: Sandbox, claim: Claim) -> Prepared | None:
    """Parse and cut a claimed version; None when that is the end of it.

    It is when the version failed, was deleted, or reads like the live one, whose vectors it then
    takes over. Raises NOT_THE_DOCUMENTS_FAULT: the version is still claimed then.
    """
    source = _read_source(resources, claim)
    if source is None:
        return None
    started = perf_counter()
    parsed = attempt(resources, claim, Stage.PARSE, lambda: _parse(sandbox, source))
    if parsed is None:
        return None
    parsed_at = perf_counter()
    article = apply_declared(parsed, source.declared)
    if source.live is not None and _reads_alike(article, source.live):
        attempt(
            resources,
            claim,
            Stage.COMMIT,
            lambda: commit_metadata(resources, claim, parsed, article),
        )
        return None
    engine = resources.engine
    cut = attempt(
        resources,
        claim,
        Stage.CUT,
        lambda: cut_article(engine, article, passage_tokens=resources.settings.passage_tokens),
    )
    if cut is None:
        return None
    took_ms = {
        Stage.PARSE.value: 1000 * (parsed_at - started),
        Stage.CUT.value: 1000 * (perf_counter() - parsed_at),
    }
    return Prepared(claim, len(source.data), parsed, cut, took_ms)


def embed_documents(
    engine: Engine,
    documents: Sequence[Prepared],
    *,
    call_tokens: int,
    is_stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Embed the units of all documents, in calls of the engine that hold up to `call_tokens`.

    Stops between two calls when `is_stopping` says so. The longest call is one unit.
    """
    waiting = [
        (document, item, tokens)
        for document in documents
        for item, tokens in zip(document.cut.items, document.cut.tokens, strict=True)
    ]
    while waiting and not is_stopping():
        size = total = 0
        while size < len(waiting) and (not size or total + waiting[size][2] <= call_tokens):
            total += waiting[size][2]
            size += 1
        call, waiting = waiting[:size], waiting[size:]
        started = perf_counter()
        embeddings = engine.embed([item for _, item, _ in call])
        ms_per_token = 1000 * (perf_counter() - started) / max(1, total)
        for (document, _, tokens), embedding in zip(call, embeddings, strict=True):
            document.embeddings.append(embedding)
            spent = document.took_ms.get(Stage.EMBED.value, 0.0)
            document.took_ms[Stage.EMBED.value] = spent + tokens * ms_per_token


def commit_document(resources: Resources, document: Prepared) -> None:
    """Make an embedded document live, unless its sum does not add up or its claim is gone."""

    def commit() -> bool:
        embedded = join_embeddings(
            resources.engine,
            document.cut,
            document.embeddings,
            source_bytes=document.source_bytes,
            took_ms=document.took_ms,
        )
        return commit_article(
            resources, document.claim, document.parsed, document.cut.article, embedded
        )

    attempt(resources, document.claim, Stage.COMMIT, commit)


def attempt(resources: Resources, claim: Claim, stage: Stage, step: Callable[[], T]) -> T | None:
    """Return what a step gives; None when it failed, and the document with it.

    What a document can do about fails it at once. An unexpected error is tried again after a pause,
    MAX_ATTEMPTS times in all. Lets requests pass first. Raises NOT_THE_DOCUMENTS_FAULT.
    """
    resources.precedence.give()
    try:
        return step()
    except NOT_THE_DOCUMENTS_FAULT:
        raise
    except FolioError as error:
        _fail(resources, claim, stage, error.code, str(error))
    # Whatever else goes wrong must end this document, not the worker. The message of an unknown
    # exception may quote the document, so only its place is logged.
    except Exception as error:  # noqa: BLE001
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("version %d: %s at\n%s", claim.version_id, type(error).__name__, where)
        if claim.attempt < MAX_ATTEMPTS:
            pause = resources.settings.retry_seconds * _BACK_OFF ** (claim.attempt - 1)
            with resources.database.write() as session:
                queue.retry_later(session, claim, after_seconds=pause)
        else:
            message = f"unexpected {type(error).__name__}; see the log"
            _fail(resources, claim, stage, "internal_error", message)
    return None


def embed_article(
    engine: Engine, article: Article, *, passage_tokens: int, source_bytes: int
) -> EmbeddedArticle:
    """Cut an article to the engine's window and embed every unit with its passages.

    Raises UnreadableDocument when it cannot be done without losing text.
    """
    cut = cut_article(engine, article, passage_tokens=passage_tokens)
    embeddings = engine.embed(cut.items)
    return join_embeddings(engine, cut, embeddings, source_bytes=source_bytes, took_ms={})


def cut_article(engine: Engine, article: Article, *, passage_tokens: int) -> CutArticle:
    """Cut an article into units that the engine can read whole.

    Raises UnreadableDocument when title or words are too long for that.
    """
    room = engine.max_tokens - engine.overhead(article.title, Task.PASSAGE)
    if room < _LEAST_UNIT_TOKENS:
        raise UnreadableDocument(
            f"the title leaves {max(room, 0)} of {engine.max_tokens} tokens for text",
            code="title_too_long",
        )

    @cache
    def count(span: Span) -> int:
        return engine.count_tokens(_as_item(article, span))

    units = split_article(
        article,
        engine.token_starts(article.text),
        unit_tokens=room,
        passage_tokens=passage_tokens,
        fits=lambda span: count(span) <= engine.max_tokens,
    )
    return CutArticle(article, units, tuple(count(unit.span) for unit in units))


def join_embeddings(
    engine: Engine,
    cut: CutArticle,
    embeddings: Sequence[Embedding],
    *,
    source_bytes: int,
    took_ms: dict[str, float],
) -> EmbeddedArticle:
    """Return the embedded article with its receipt; raises UnreadableDocument unless it adds up."""
    for embedding in embeddings:
        _check_vectors(embedding, engine.dimensions)
    article, units = cut.article, cut.units
    read = [embedding.tokens for embedding in embeddings]
    receipt = Receipt(
        bytes=source_bytes,
        characters=len(article.text),
        pages=len(article.pages) or None,
        pages_with_text=_share_of_pages_with_text(article),
        tokens_counted=count_text_tokens(engine, article.title, cut.tokens),
        tokens_embedded=count_text_tokens(engine, article.title, read),
        tokens_processed=sum(read),
        units=len(units),
        passages=sum(len(unit.passages) for unit in units),
        warnings=article.warnings,
        took_ms={stage: round(ms, 3) for stage, ms in took_ms.items()},
        language=detect_language(article.text),
    )
    if receipt.tokens_embedded < receipt.tokens_counted:
        raise UnreadableDocument(
            f"of {receipt.tokens_counted} tokens only {receipt.tokens_embedded} were embedded",
            code="tokens_lost",
        )
    check_tiling(cut, embeddings)
    return EmbeddedArticle(units, tuple(embeddings), receipt)


def check_tiling(cut: CutArticle, embeddings: Sequence[Embedding]) -> None:
    """Raise UnreadableDocument unless units cover the text and each passage has its vector."""
    edges = [0, *(unit.span.end for unit in cut.units)]
    starts = [unit.span.start for unit in cut.units]
    covers = edges[-1] == len(cut.article.text) and edges[:-1] == starts
    if not covers or any(end < start for start, end in pairwise(edges)):
        raise UnreadableDocument(
            f"the {len(cut.units)} units do not cover the text", code="text_lost"
        )
    passages = [len(unit.passages) for unit in cut.units]
    if passages != [len(embedding.passages) for embedding in embeddings]:
        raise UnreadableDocument("a passage has no vector", code="passages_lost")


def count_text_tokens(engine: Engine, title: str, unit_tokens: Sequence[int]) -> int:
    """Return the tokens of an article's text, given those that the model reads for each unit.

    What title, prompt and special tokens cost comes off every unit.
    """
    return sum(unit_tokens) - len(unit_tokens) * engine.overhead(title, Task.PASSAGE)


def _as_item(article: Article, span: Span) -> Item:
    return Item(article.text[span.start : span.end], Task.PASSAGE, article.title)


def _read_source(resources: Resources, claim: Claim) -> _Source | None:
    with resources.database.read() as session:
        version = queue.find_claimed(session, claim)
        if version is None:
            return None
        original = session.get_one(Original, version.original_sha256)
        live = queries.find_live_version(session, version.document_id)
        return _Source(
            version.media_type,
            original.data,
            original.sha256,
            version.declared,
            _read_intact(session, live),
        )


def _read_intact(session: Any, live: Version | None) -> Article | None:
    return read_article(live) if live is not None and is_intact(session, live) else None


def _parse(sandbox: Sandbox, source: _Source) -> Article:
    if sha256(source.data).hexdigest() != source.sha256:
        raise CorruptData("the stored upload fails its checksum; upload the document again")
    return sandbox.parse(source.media_type, source.data)


def apply_declared(parsed: Article, declared: dict[str, Any]) -> Article:
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


def _share_of_pages_with_text(article: Article) -> float | None:
    """Return which share of the pages holds text; None for what has no pages."""
    if not article.pages or article.pages_with_text is None:
        return None
    return article.pages_with_text / len(article.pages)


def _check_vectors(embedding: Embedding, dimensions: int) -> None:
    for vectors in (embedding.vector[np.newaxis], embedding.passages):
        lengths = np.linalg.norm(vectors, axis=1)
        if vectors.shape[1] != dimensions or not np.allclose(lengths, 1.0, atol=1e-3):
            raise UnreadableDocument(
                "the model gave a vector that is not finite or not of unit length",
                code="invalid_vector",
            )


def _fail(resources: Resources, claim: Claim, stage: Stage, code: str, message: str) -> None:
    with resources.database.write() as session:
        queue.fail(session, claim, stage=stage, code=code, message=message)
