"""A document's way: parse → cut → embed → commit; the forward passes are shared by several."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

from app.db import queries, queue
from app.db.database import Database
from app.db.models import Original, Version
from app.db.queue import Claim
from app.domain import Article, Embedding, Item, Stage
from app.embedding.engine import Engine
from app.errors import (
    CorruptData,
    FolioError,
    ModelUnavailable,
    ParserUnavailable,
    StorageFailed,
    StorageFull,
    WorkCancelled,
)
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from ingest.commit import (
    commit_article,
    commit_metadata,
    fail_article,
    is_intact,
    read_article,
)
from ingest.parse_and_cut import CutArticle, apply_declared, cut_known_article, join_embeddings
from ingest.sandbox import Sandbox
from ingest.wanted import WantedClaims, work_on

logger = logging.getLogger("folio")

T = TypeVar("T")

NOT_THE_DOCUMENTS_FAULT = (ModelUnavailable, ParserUnavailable, StorageFull, StorageFailed)
"""After one of these the document waits, and the attempt does not count."""

_BACK_OFF = 4
# The queue takes a pause of more than a day for one that was noted before the clock was put back.
_MAX_PAUSE_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """A claimed document as its parser read it."""

    claim: Claim
    source_bytes: int
    parsed: Article
    article: Article
    """With what its uploader declared."""
    live: Article | None
    """What answers so far, if it is undamaged."""
    took_ms: float


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


# A document, one of its units, and the tokens of that.
_Row: TypeAlias = tuple[Prepared, Item, int]


@dataclass(frozen=True, slots=True)
class _Source:
    """What was uploaded as one version."""

    media_type: str
    data: bytes
    sha256: str
    declared: dict[str, Any]
    filename: str
    live: Article | None
    """What answers so far, if it is undamaged."""


def parse_claimed(resources: Resources, sandbox: Sandbox, claim: Claim) -> Parsed | None:
    """Parse a claimed version; None when it failed or was deleted.

    Raises NOT_THE_DOCUMENTS_FAULT: the version is still claimed then.
    """
    source = _read_source(resources.database, claim)
    if source is None:
        return None
    started = perf_counter()
    parsed = attempt(resources, claim, Stage.PARSE, lambda: _parse(sandbox, source))
    if parsed is None:
        return None
    article = apply_declared(parsed, source.declared, source.filename)
    took_ms = 1000 * (perf_counter() - started)
    return Parsed(claim, len(source.data), parsed, article, source.live, took_ms)


def cut_parsed(resources: Resources, engine: Engine, document: Parsed) -> Prepared | None:
    """Cut a parsed version for the model; None when that is the end of it.

    It is when the version failed, or reads like the live one, whose vectors it then takes over.
    Raises NOT_THE_DOCUMENTS_FAULT: the version is still claimed then.
    """
    claim, parsed, article = document.claim, document.parsed, document.article
    if document.live is not None and reads_alike(article, document.live):
        attempt(
            resources,
            claim,
            Stage.COMMIT,
            lambda: commit_metadata(resources, claim, parsed, article),
        )
        return None
    started = perf_counter()
    cut = attempt(
        resources,
        claim,
        Stage.CUT,
        lambda: cut_known_article(engine, article, resources.settings),
    )
    if cut is None:
        return None
    took_ms = {
        Stage.PARSE.value: document.took_ms,
        Stage.CUT.value: 1000 * (perf_counter() - started),
    }
    return Prepared(claim, document.source_bytes, parsed, cut, took_ms)


def embed_documents(
    engine: Engine,
    documents: Sequence[Prepared],
    *,
    call_tokens: int,
    is_stopping: Callable[[], bool] = lambda: False,
    wanted: WantedClaims | None = None,
) -> None:
    """Embed the units of all documents, in calls of the engine that hold up to `call_tokens`.

    Stops between two calls when `is_stopping` says so. The longest call is one unit. A document
    that is not `wanted` any more is left out of the next call, and a call of nothing else is cut
    off, in the middle of a pass where the engine can.
    """
    waiting: list[_Row] = [
        (document, item, tokens)
        for document in documents
        for item, tokens in zip(document.cut.items, document.cut.tokens, strict=True)
    ]
    while waiting and not is_stopping():
        if wanted is not None:
            wanted.look()
            waiting = [row for row in waiting if row[0].claim in wanted]
            if not waiting:
                return
        size = total = 0
        while size < len(waiting) and (not size or total + waiting[size][2] <= call_tokens):
            total += waiting[size][2]
            size += 1
        call, waiting = waiting[:size], waiting[size:]
        is_unwanted = partial(_is_unwanted, call, wanted)
        started = perf_counter()
        try:
            embeddings = engine.embed([item for _, item, _ in call], is_cancelled=is_unwanted)
        except WorkCancelled:
            if not is_unwanted():
                raise
            continue
        ms_per_token = 1000 * (perf_counter() - started) / max(1, total)
        for (document, _, tokens), embedding in zip(call, embeddings, strict=True):
            document.embeddings.append(embedding)
            spent = document.took_ms.get(Stage.EMBED.value, 0.0)
            document.took_ms[Stage.EMBED.value] = spent + tokens * ms_per_token


def _is_unwanted(call: Sequence[_Row], wanted: WantedClaims | None) -> bool:
    return wanted is not None and not any(row[0].claim in wanted for row in call)


def commit_document(resources: Resources, generation: ActiveGeneration, document: Prepared) -> None:
    """Make an embedded document live, unless its sum does not add up or its claim is gone."""

    def commit() -> bool:
        embedded = join_embeddings(
            generation.engine(),
            document.cut,
            document.embeddings,
            source_bytes=document.source_bytes,
            took_ms=document.took_ms,
        )
        return commit_article(
            resources, generation, document.claim, document.parsed, document.cut.article, embedded
        )

    attempt(resources, document.claim, Stage.COMMIT, commit)


def attempt(resources: Resources, claim: Claim, stage: Stage, step: Callable[[], T]) -> T | None:
    """Return what a step gives; None when it failed, and the document with it.

    What a document can do about fails it at once. An unexpected error is tried again after a pause,
    `max_attempts` times in all. A document that was deleted meanwhile ends between two steps. Lets
    requests pass first. Raises NOT_THE_DOCUMENTS_FAULT.
    """
    resources.signals.priority.yield_to_requests()
    try:
        with work_on(resources, claim):
            return step()
    except NOT_THE_DOCUMENTS_FAULT:
        raise
    # Deleted or replaced, or the process ends: nothing is to be said of the document.
    except WorkCancelled:
        return None
    except FolioError as error:
        fail_article(resources, claim, stage=stage, code=error.code, message=str(error))
    # Whatever else goes wrong must end this document, not the worker. The message of an unknown
    # exception may quote the document, so only its place is logged.
    except Exception as error:  # noqa: BLE001
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("version %d: %s at\n%s", claim.version_id, type(error).__name__, where)
        if claim.attempt < resources.settings.max_attempts:
            grown = resources.settings.retry_seconds * _BACK_OFF ** (claim.attempt - 1)
            pause = min(grown, _MAX_PAUSE_S)
            with resources.database.write(alone=False) as session:
                queue.retry_later(session, claim, after_seconds=pause)
        else:
            message = f"unexpected {type(error).__name__}; see the log"
            fail_article(resources, claim, stage=stage, code="internal_error", message=message)
    return None


def _read_source(database: Database, claim: Claim) -> _Source | None:
    with database.read() as session:
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
            version.filename,
            _read_intact(session, live),
        )


def _read_intact(session: Any, live: Version | None) -> Article | None:
    return read_article(live) if live is not None and is_intact(session, live) else None


def _parse(sandbox: Sandbox, source: _Source) -> Article:
    if sha256(source.data).hexdigest() != source.sha256:
        raise CorruptData("the stored upload fails its checksum; upload the document again")
    return sandbox.parse(source.media_type, source.data)


def reads_alike(article: Article, live: Article) -> bool:
    """Return whether the two have the same units and passages, and so the same vectors."""
    return (article.text, article.title, article.headings, article.pages) == (
        live.text,
        live.title,
        live.headings,
        live.pages,
    )
