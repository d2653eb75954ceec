"""What is set up, and what is wrong with it, in plain words."""

import platform
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal
from zlib import crc32

from sqlalchemy import func, select

from app.config import BUNDLED_MODEL, Settings
from app.db import queries
from app.db.models import Key, UnitRow, Version
from app.domain import Status
from app.errors import DataFolderHeld, FolioError, ModelUnavailable
from app.resources import Resources, open_resources


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Literal["ok", "note", "problem"]
    topic: str
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, topic by topic; opens the data folder if nobody holds it."""
    yield Finding(
        "ok",
        "program",
        f"folio-kb {version('folio-kb')}, Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}, torch {version('torch')}, faiss {version('faiss-cpu')}",
    )
    if not (settings.data / "folio.db").exists():
        yield Finding(
            "note", "data", f"{settings.data} holds no database yet; the first use makes it"
        )
    try:
        with open_resources(settings, holder="folio doctor") as resources:
            yield Finding("ok", "data", f"{settings.data / 'folio.db'} opens, schema is current")
            yield from _examine_model(resources)
            yield from _examine_documents(resources)
            yield from _examine_checksums(resources)
            yield from _examine_keys(resources)
    except DataFolderHeld as error:
        yield Finding("note", "data", str(error))
    except FolioError as error:
        yield Finding("problem", "data", str(error))


def _examine_model(resources: Resources) -> Iterator[Finding]:
    try:
        checkpoint = resources.checkpoint
    except ModelUnavailable as error:
        yield Finding("problem", "model", str(error))
        return
    adapters = ", ".join(checkpoint.adapters) or "none, one encoder for queries and passages"
    yield Finding(
        "ok",
        "model",
        f"{checkpoint.name} ({checkpoint.model_type}) in {checkpoint.folder}: reads "
        f"{checkpoint.max_tokens} tokens, gives {checkpoint.dimensions} dimensions, "
        f"{checkpoint.pooling} pooling; adapters: {adapters}; fingerprint {checkpoint.fingerprint}",
    )
    if resources.settings.model == BUNDLED_MODEL:
        yield Finding(
            "note",
            "model",
            "this is the small English default; for production and other languages set FOLIO_MODEL "
            "to jina-embeddings-v3",
        )
    try:
        resources.check_fingerprint()
        engine = resources.engine
    except ModelUnavailable as error:
        yield Finding("problem", "model", str(error))
        return
    yield Finding("ok", "engine", f"{engine.name} in {engine.dtype} on {engine.device}")


def _examine_documents(resources: Resources) -> Iterator[Finding]:
    with resources.database.read() as session:
        counts = queries.count_by_status(session)
        units = session.scalar(select(func.count()).select_from(UnitRow)) or 0
        reasons = session.execute(
            select(Version.error_code, func.count())
            .where(Version.status == Status.FAILED)
            .group_by(Version.error_code)
        ).all()
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    yield Finding("ok", "documents", f"{sum(counts.values())}: {listed}; {units} vectors")
    if counts[Status.FAILED]:
        codes = ", ".join(f"{count} {code}" for code, count in reasons)
        yield Finding(
            "note",
            "documents",
            f"failed for these reasons: {codes}; see `folio list --status failed`",
        )
    if counts[Status.QUEUED]:
        yield Finding("note", "documents", "the queue is read while a server or `folio add` runs")


def _examine_checksums(resources: Resources) -> Iterator[Finding]:
    broken = 0
    with resources.database.read() as session:
        for blob, checksum, passages, passages_checksum in session.execute(
            select(
                UnitRow.vector,
                UnitRow.vector_crc32,
                UnitRow.passage_vectors,
                UnitRow.passage_vectors_crc32,
            ).execution_options(yield_per=1000)
        ):
            broken += (crc32(blob), crc32(passages)) != (checksum, passages_checksum)
        for text, text_checksum in session.execute(
            select(Version.text, Version.text_crc32)
            .where(Version.text.is_not(None))
            .execution_options(yield_per=100)
        ):
            broken += crc32((text or "").encode()) != text_checksum
    if broken:
        yield Finding(
            "problem",
            "integrity",
            f"{broken} rows fail their checksum: the disk or a copy is damaged",
        )
    else:
        yield Finding("ok", "integrity", "every stored text and vector matches its checksum")


def _examine_keys(resources: Resources) -> Iterator[Finding]:
    with resources.database.read() as session:
        keys = session.scalar(select(func.count()).select_from(Key).where(Key.revoked_at.is_(None)))
    if keys:
        yield Finding("ok", "keys", f"{keys} not revoked")
    else:
        yield Finding("note", "keys", "none; `folio keys create --scope admin` makes one")
