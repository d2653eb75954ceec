"""What is set up, and what is wrong with it, in plain words."""

import os
import platform
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from zlib import crc32

from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError

from app.config import BUNDLED_NAME, Settings
from app.db import queries
from app.db.database import Database
from app.db.models import Collection, Document, Key, TermsRow, UnitRow, Version
from app.db.queries.streams import stream
from app.domain import LANGUAGE_KEY, Status
from app.embedding.loader import BUNDLED_MULTILINGUAL
from app.errors import DataFolderHeld, FolioError, ModelUnavailable, ParserUnavailable
from app.runtime.resources import Resources, open_resources
from app.services.access.keys import has_keys
from ingest.confinement import can_be_read
from ingest.sandbox import Sandbox

_MAX_LANGUAGES = 1000
_SHOWN_LANGUAGES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Literal["ok", "note", "problem"]
    topic: str
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, topic by topic; opens the data folder if nobody holds it.

    Where there is no database none is made: the model is examined all the same.
    """
    yield _describe_program()
    path = settings.data / "folio.db"
    try:
        if settings.database_url is not None:
            with open_resources(settings, holder="folio doctor") as resources:
                yield Finding("ok", "data", "PostgreSQL answers, schema is current")
                yield from _examine_resources(resources)
        elif path.exists():
            with open_resources(settings, holder="folio doctor") as resources:
                yield Finding("ok", "data", f"{path} opens, schema is current")
                yield from _examine_resources(resources)
        else:
            yield _examine_place(settings.data)
            with TemporaryDirectory(prefix="folio-") as folder:
                elsewhere = settings.model_copy(update={"data": Path(folder)})
                with open_resources(elsewhere, holder="folio doctor") as resources:
                    yield from _examine_resources(resources)
    except DataFolderHeld as error:
        yield Finding("note", "data", str(error))
    except FolioError as error:
        yield Finding("problem", "data", str(error))
    except OSError as error:
        yield Finding("problem", "data", f"{error.filename or settings.data}: {error.strerror}")
    except (sqlite3.Error, DatabaseError) as error:
        yield Finding("problem", "data", f"{path} cannot be read: {getattr(error, 'orig', error)}")


def examine_server(get: Callable[[str], dict[str, Any]], url: str) -> Iterator[Finding]:
    """Yield what a running server says of itself; `get` returns the answer of a path, or raises."""
    yield _describe_program()
    try:
        get("/healthz")
    except FolioError as error:
        yield Finding("problem", "server", str(error))
        return
    yield Finding("ok", "server", f"{url} answers")
    try:
        ready = get("/readyz")
        yield Finding("ok", "model", f"{ready['model']} answers questions")
        yield from _describe_sync(ready.get("sync"))
        if ready.get("parser_confinement"):
            yield Finding("ok", "parsing", f"held by {ready['parser_confinement']}")
    except FolioError as error:
        yield Finding("problem", "model", str(error))
    try:
        collections = get("/v1/collections")["collections"]
    except FolioError as error:
        yield Finding("problem", "documents", str(error))
        return
    yield from _describe_documents(
        {status: sum(c["documents"][status] for c in collections) for status in Status},
        f"{len(collections)} collections",
    )


def _describe_sync(sync: dict[str, Any] | None) -> Iterator[Finding]:
    if sync is None:
        return
    when = f"the last scheduled one, at {sync['finished_at']}"
    if sync["error"] is not None:
        yield Finding("problem", "sync", f"{when}, ended with {sync['error']}; see the log")
        return
    counts = ", ".join(
        f"{sync[what]} {what}" for what in ("added", "changed", "renamed", "deleted")
    )
    level: Literal["ok", "note"] = "note" if sync["failed"] else "ok"
    yield Finding(level, "sync", f"{when}: {counts}, {sync['failed']} failed")


def _describe_program() -> Finding:
    return Finding(
        "ok",
        "program",
        f"folio-kb {version('folio-kb')}, Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}, torch {version('torch')}, faiss {version('faiss-cpu')}",
    )


def _examine_place(folder: Path) -> Finding:
    """Return whether a data folder can be made where there is none."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        return Finding("problem", "data", f"{folder} cannot be made: {above} is not a folder")
    if not os.access(above, os.W_OK):
        return Finding("problem", "data", f"{folder} cannot be made: {above} is not writable")
    return Finding("note", "data", f"{folder} holds no database yet; the first use makes it")


def describe_running(resources: Resources) -> Iterator[Finding]:
    """Yield what is quickly found of the service that runs: without reading every checksum."""
    yield _describe_program()
    yield from _examine_model(resources)
    yield from _examine_documents(resources.database)
    yield from _examine_keys(resources)
    yield from _examine_sync(resources.settings)
    last = resources.signals.last_sync
    if last is not None:
        finished_at = last.finished_at.isoformat(timespec="seconds")
        yield from _describe_sync({**asdict(last), "finished_at": finished_at})


def _examine_resources(resources: Resources) -> Iterator[Finding]:
    yield from _examine_model(resources)
    yield from _examine_documents(resources.database)
    yield from _examine_checksums(resources.database)
    yield from _examine_keys(resources)
    yield from _examine_parsing(resources.settings)
    yield from _examine_sync(resources.settings)


_NOTES = {
    BUNDLED_NAME: "this is folio-mini, the small English model that comes with Folio; for other "
    f"languages set FOLIO_MODEL={BUNDLED_MULTILINGUAL}, which comes with it too, and for "
    "production to jina-embeddings-v3",
    BUNDLED_MULTILINGUAL: "this is multilingual-e5-small, a small model for about 100 languages "
    "that comes with Folio; for production set FOLIO_MODEL to jina-embeddings-v3",
}


def _examine_model(resources: Resources) -> Iterator[Finding]:
    try:
        generation = resources.generations.live()
        checkpoint = generation.checkpoint()
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
    if checkpoint.name in _NOTES:
        yield Finding("note", "model", _NOTES[checkpoint.name])
    try:
        engine = generation.engine()
    except ModelUnavailable as error:
        yield Finding("problem", "model", str(error))
        return
    yield Finding("ok", "engine", f"{engine.name} in {engine.dtype} on {engine.device}")
    yield from _examine_languages(resources.database, engine.languages)


def _examine_languages(database: Database, known: frozenset[str]) -> Iterator[Finding]:
    """Yield how many articles are in languages that the model does not know."""
    if not known:
        return
    with database.read() as session:
        ids = list(session.scalars(select(Collection.id).where(queries.IS_THERE)))
        counted = queries.count_values(session, LANGUAGE_KEY, collections=ids, limit=_MAX_LANGUAGES)
    others = [one for one in counted if one.value not in known]
    if others:
        count = sum(one.count for one in others)
        named = ", ".join(f"{one.count} {one.value}" for one in others[:_SHOWN_LANGUAGES])
        yield Finding(
            "note",
            "model",
            f"articles in languages that the model does not know: {count} ({named}); its card "
            f"names {', '.join(sorted(known))}",
        )


def _examine_documents(database: Database) -> Iterator[Finding]:
    with database.read() as session:
        counts = queries.count_by_status(session)
        units = session.scalar(select(func.count()).select_from(UnitRow)) or 0
        reasons = session.execute(
            select(Version.error_code, func.count())
            .join(Document, Document.id == Version.document_id)
            .where(
                Version.status == Status.FAILED,
                Version.number == Document.latest_number,
                queries.is_found(),
            )
            .group_by(Version.error_code)
        ).all()
    yield from _describe_documents(counts, f"{units} {'vector' if units == 1 else 'vectors'}")
    if counts[Status.FAILED]:
        codes = ", ".join(f"{count} {code}" for code, count in reasons)
        yield Finding("note", "documents", f"failed for these reasons: {codes}")
    if counts[Status.QUEUED]:
        yield Finding("note", "documents", "the queue is read while a server or `folio add` runs")


def _describe_documents(counts: dict[Status, int], more: str) -> Iterator[Finding]:
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    yield Finding("ok", "documents", f"{sum(counts.values())}: {listed}; {more}")
    if counts[Status.FAILED]:
        yield Finding("note", "documents", "`folio list --status failed` names those that failed")


def _examine_checksums(database: Database) -> Iterator[Finding]:
    broken = 0
    with database.read() as session:
        for blob, checksum, passages, passages_checksum in stream(
            session,
            select(
                UnitRow.vector,
                UnitRow.vector_crc32,
                UnitRow.passage_vectors,
                UnitRow.passage_vectors_crc32,
            ),
            1000,
        ):
            broken += (crc32(blob), crc32(passages)) != (checksum, passages_checksum)
        for text, text_checksum in stream(
            session,
            select(Version.text, Version.text_crc32).where(Version.text.is_not(None)),
            100,
        ):
            broken += crc32((text or "").encode()) != text_checksum
        for terms, terms_checksum in stream(
            session, select(TermsRow.data, TermsRow.data_crc32), 1000
        ):
            broken += crc32(terms) != terms_checksum
    if broken:
        yield Finding(
            "problem",
            "integrity",
            f"{broken} rows fail their checksum: the disk or a copy is damaged",
        )
    else:
        yield Finding("ok", "integrity", "every stored text and vector matches its checksum")


def _examine_parsing(settings: Settings) -> Iterator[Finding]:
    with closing(Sandbox(settings)) as sandbox:
        try:
            sandbox.start()
        except ParserUnavailable as error:
            yield Finding("problem", "parsing", str(error))
            return
        confinement, languages = sandbox.confinement, sandbox.scan_languages
    if confinement is None or not confinement.seccomp:
        yield Finding("note", "parsing", "held by limits only: no filter of system calls is there")
    else:
        yield Finding("ok", "parsing", f"held by {confinement.describe()}")
    yield _describe_scans(settings, languages)
    if confinement is not None and confinement.landlock and can_be_read(settings.data):
        yield Finding(
            "problem",
            "parsing",
            f"{settings.data} lies in a folder of libraries, which parsers read: move it elsewhere",
        )


def _describe_scans(settings: Settings, languages: str) -> Finding:
    if languages:
        return Finding("ok", "scans", f"read by tesseract: {languages}")
    why = "FOLIO_OCR_SECONDS is 0"
    if settings.ocr_seconds:
        why = "tesseract is not installed, or has no languages"
    return Finding("ok", "scans", f"not read: {why}")


def _examine_sync(settings: Settings) -> Iterator[Finding]:
    if settings.sync_folder is None:
        return
    every = f"every {settings.sync_minutes:g} minutes into {settings.sync_collection}"
    if settings.sync_folder.is_dir():
        yield Finding("ok", "sync", f"a server mirrors {settings.sync_folder} {every}")
    else:
        yield Finding(
            "problem", "sync", f"FOLIO_SYNC_FOLDER: {settings.sync_folder} is not a folder"
        )


def _examine_keys(resources: Resources) -> Iterator[Finding]:
    file = resources.settings.admin_key_file
    if file is not None and not file.is_file():
        yield Finding("problem", "keys", f"FOLIO_ADMIN_KEY_FILE names {file}, which is not a file")
    elif file is not None:
        yield Finding("ok", "keys", f"the server takes the admin key in {file}")
    if has_keys(resources.database):
        with resources.database.read() as session:
            count = session.scalar(
                select(func.count()).select_from(Key).where(Key.revoked_at.is_(None))
            )
        yield Finding("ok", "keys", f"{count} not revoked")
    elif file is None:
        yield Finding(
            "note", "keys", "none that is valid; `folio keys create --scope admin` makes one"
        )
