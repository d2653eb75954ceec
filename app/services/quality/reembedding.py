"""Vector sets: embedding every article again with another model."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Exists, delete, exists, func, select, update
from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.db.models import Document, Generation, PassageRow, UnitRow, Version
from app.db.queries.documents import LIVE
from app.embedding.engine import Engine
from app.errors import CorruptData, FolioError, NotFound, UnreadableDocument, WorkCancelled
from app.runtime.deadline import ask_seldom, work_while
from app.runtime.resources import Resources
from app.services.articles.documents import read_text
from ingest.commit import read_article, store_units
from ingest.parse_and_cut import (
    count_text_tokens,
    count_unknown,
    embed_article,
    warn_of_language,
    warn_of_unknown,
)

logger = logging.getLogger("folio")


@dataclass(frozen=True, slots=True)
class Reembedded:
    """What a re-embedding did; no documents when the live vectors are already of this model."""

    generation_id: int
    fingerprint: str
    documents: int


class ReembedRefused(FolioError):
    """Some articles cannot be embedded by the new model; the old vectors stay live."""

    status, code = 409, "reembed_refused"

    def __init__(self, failed: list[tuple[str, str, str]]) -> None:
        first = "; ".join(f"{document_id}: {message}" for document_id, _, message in failed[:5])
        super().__init__(
            f"{len(failed)} articles cannot be embedded by this model, so nothing was switched "
            f"({first}). Remove or shorten them, then run it again: what is done stays done"
        )
        self.failed = tuple(failed)


def reembed(
    resources: Resources, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Reembedded:
    """Build a generation with the configured model beside the live one, then switch to it.

    Resumable: an interrupted run goes on where it stopped. The switch and the removal of the old
    vectors are one transaction. Raises ReembedRefused when an article does not fit the new model.
    """
    fingerprint = resources.generations.live().checkpoint().fingerprint
    with resources.database.read() as session:
        live = queries.find_live_generation(session)
        if live is not None and live.fingerprint == fingerprint:
            return Reembedded(live.id, live.fingerprint, 0)
    engine = resources.generations.load_configured()
    generation_id = _open_generation(resources, engine)
    receipts: dict[int, dict[str, Any]] = {}
    while True:
        versions = _list_live(resources.database, generation_id)
        waiting = [one for one in versions if not one.is_held or one.version_id not in receipts]
        failed = []
        for position, (external_id, version_id, is_held) in enumerate(waiting, start=1):
            try:
                if not is_held:
                    reembed_version(resources, engine, external_id, version_id, generation_id)
                receipts[version_id] = count_receipt(
                    resources.database, engine, version_id, generation_id
                )
            except (UnreadableDocument, CorruptData) as error:
                failed.append((external_id, error.code, str(error)))
            on_progress(len(versions) - len(waiting) + position, len(versions))
        if failed:
            raise ReembedRefused(failed)
        # Others that share the database may have made more of them live meanwhile.
        if _switch(resources.database, generation_id, receipts):
            break
    resources.generations.refresh()
    resources.generations.live().catch_up()
    return Reembedded(generation_id, fingerprint, len(versions))


class _LiveVersion(NamedTuple):
    external_id: str
    version_id: int
    is_held: bool
    """Whether the generation has vectors of it."""


def _list_live(database: Database, generation_id: int) -> list[_LiveVersion]:
    with database.read() as session:
        rows = session.execute(
            select(Document.external_id, Version.id, holds_version(generation_id))
            .join(Document, Document.id == Version.document_id)
            .where(Version.is_live)
            .order_by(Version.id)
        )
        return [_LiveVersion(*row) for row in rows]


def _open_generation(resources: Resources, engine: Engine) -> int:
    """Return the generation that an earlier run began for this model, or a new one."""
    active = resources.generations.live()
    checkpoint = active.checkpoint()
    with resources.database.write() as session:
        # Tuned ones first, and without the one whose vectors a tuned one answers from.
        others = session.scalars(
            select(Generation)
            .where(~Generation.is_live)
            .order_by(Generation.vectors_of.is_(None), Generation.id)
        ).all()
        live = queries.find_live_generation(session)
        for generation in others:
            if generation.fingerprint == checkpoint.fingerprint and generation.vectors_of is None:
                return generation.id
            if live is None or live.vectors_of != generation.id:
                session.delete(generation)
                session.flush()
        generation = active.describe(engine, is_live=False)
        session.add(generation)
        session.flush()
        return generation.id


def reembed_version(
    resources: Resources, engine: Engine, external_id: str, version_id: int, generation_id: int
) -> None:
    """Embed an article once more, into a generation; nothing happens if it is not live any more.

    That is looked at as it goes on.

    Raises CorruptData, and UnreadableDocument when the model cannot read it whole.
    """
    with resources.database.read() as session:
        version = session.get(Version, version_id)
        if version is None:
            return
        read_text(session, version_id, external_id)
        article = read_article(version)
        source_bytes = (version.receipt or {}).get("bytes", 0)
    is_live = partial(_is_live, resources.database, version_id)
    try:
        with work_while(ask_seldom(is_live), let_pass=resources.signals.priority.yield_to_requests):
            embedded = embed_article(
                engine,
                article,
                passage_tokens=resources.settings.passage_tokens,
                source_bytes=source_bytes,
            )
    except WorkCancelled:
        if is_live():
            raise
        return
    with resources.database.write() as session:
        # Replaced, removed or embedded by someone else since it was read.
        version = session.get(Version, version_id)
        held = exists().where(
            UnitRow.version_id == version_id, UnitRow.generation_id == generation_id
        )
        if version is None or not version.is_live or session.scalar(select(held)):
            return
        if session.get(Generation, generation_id) is None:
            return
        unit_ids = store_units(
            session, embedded, version_id=version_id, generation_id=generation_id
        )
        queries.log_units(session, unit_ids, version.document_id)


def _is_live(database: Database, version_id: int) -> bool:
    """Return whether a version is live, as far as is known: a busy disk ends no pass."""
    try:
        with database.read() as session:
            live = select(Version.is_live).where(Version.id == version_id)
            return bool(session.scalar(live))
    except Exception as error:  # noqa: BLE001
        logger.warning("a version could not be looked at: %s", type(error).__name__)
        return True


def count_receipt(
    database: Database, engine: Engine, version_id: int, generation_id: int
) -> dict[str, Any]:
    """Return the receipt of a version for its vectors in a generation; empty when it is gone."""
    units = (UnitRow.version_id == version_id, UnitRow.generation_id == generation_id)
    with database.read() as session:
        stored = session.execute(
            select(Version.receipt, Version.title, Version.text).where(Version.id == version_id)
        ).one_or_none()
        if stored is None:
            return {}
        receipt, title, text = stored
        unit_tokens = session.scalars(select(UnitRow.tokens).where(*units)).all()
        passages = session.scalar(
            select(func.count())
            .select_from(PassageRow)
            .where(PassageRow.unit_id.in_(select(UnitRow.id).where(*units)))
        )
    tokens = count_text_tokens(engine, title, unit_tokens)
    unknown = count_unknown(engine, text or "")
    receipt = receipt or {}
    # What the former model did not know is none of this one's business.
    language = receipt.get("language")
    former = [
        *warn_of_unknown(receipt.get("tokens_unknown", 0), receipt.get("tokens_counted", 0)),
        *warn_of_language(language, {"another"}),
    ]
    kept = [warning for warning in receipt.get("warnings", []) if warning not in former]
    return {
        **receipt,
        "warnings": [
            *kept,
            *warn_of_unknown(unknown, tokens),
            *warn_of_language(language, engine.languages),
        ],
        # As many: embed_article raises when a token is lost.
        "tokens_counted": tokens,
        "tokens_embedded": tokens,
        "tokens_processed": sum(unit_tokens),
        "tokens_unknown": unknown,
        "units": len(unit_tokens),
        "passages": passages,
    }


def set_live(session: Session, generation_id: int, receipts: dict[int, dict[str, Any]]) -> None:
    """Make a generation live with the receipts of its vectors; the former one stays."""
    former = queries.find_live_generation(session)
    upcoming = session.get_one(Generation, generation_id)
    if former is not None:
        _pass_on_labels(former, upcoming)
        former.is_live = False
        session.flush()
    upcoming.is_live = True
    session.flush()
    for version_id, receipt in receipts.items():
        session.execute(update(Version).where(Version.id == version_id).values(receipt=receipt))
    # A change number tells the index that there is something to look at.
    queries.log_units(session, [0])


def _pass_on_labels(former: Generation, upcoming: Generation) -> None:
    """Give a generation the questions that scores are corrected by: the former may be removed."""
    if former.labels:
        upcoming.labels = former.labels


def holds_version(vector_set: int) -> Exists:
    """Return whether a generation has vectors of a version.

    Asked of the version, not of the units: an article has several, and all would be gone through.
    """
    return exists().where(UnitRow.version_id == Version.id, UnitRow.generation_id == vector_set)


def find_missing(
    session: Session, vector_set: int, limit: int, but: Sequence[int] | dict[int, str] = ()
) -> list[tuple[int, str]]:
    """Return (version id, document id) of live articles that a generation does not hold."""
    rows = session.execute(
        select(Version.id, Document.external_id)
        .join(Document, Document.id == Version.document_id)
        .where(LIVE, ~holds_version(vector_set), Version.id.not_in(list(but)))
        # In the order of the index of live versions: it is asked each second, and the table holds
        # their texts.
        .order_by(Version.document_id)
        .limit(limit)
    )
    return [(version_id, external_id) for version_id, external_id in rows]


def _switch(database: Database, generation_id: int, receipts: dict[int, dict[str, Any]]) -> bool:
    """Make a generation live and remove every other, in one transaction.

    False, and nothing is done, where it does not hold every live article.
    """
    with database.write() as session:
        if session.get(Generation, generation_id) is None:
            raise NotFound(
                f"generation {generation_id} was removed meanwhile", code="generation_not_found"
            )
        if find_missing(session, generation_id, 1):
            return False
        set_live(session, generation_id, receipts)
        # Its units go with it; the index is read anew, since the generation is another.
        session.execute(delete(Generation).where(Generation.id != generation_id))
    return True
