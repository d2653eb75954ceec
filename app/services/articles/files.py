"""Files without a collection, as OpenAI's clients upload them before they go into one.

A document that came in by another way is a file as well, so that every door shows it: its file id
is made of its row's number.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    func,
    select,
    tuple_,
    union_all,
)
from sqlalchemy import literal as sql_literal
from sqlalchemy.orm import Session, load_only

from app.db import queries
from app.db.dialects import decimal_text
from app.db.models import Document, File, Original, Version, utc_now
from app.domain import Scope
from app.errors import NotFound
from app.index.byte_cache import MISSING
from app.runtime.resources import Resources
from app.services.access.files import collections_of, sees_document, sees_file
from app.services.access.principal import Principal
from app.services.articles.documents import erase_document
from app.services.articles.originals import read_original

DOCUMENT_PREFIX = "file-doc"
DEFAULT_PURPOSE = "assistants"
# Other writers wait meanwhile, and each may have documents in several collections.
_AT_ONCE = 25
# Databases hold integers of 63 bits.
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file: its own row, or a document seen as one."""

    id: str
    filename: str
    purpose: str
    size: int
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as it came."""

    filename: str
    purpose: str
    media_type: str
    data: bytes
    expires_at: datetime | None = None


def create_file(resources: Resources, principal: Principal, new: NewFile) -> FileInfo:
    """Store a file; nothing is read of it before it goes into a collection."""
    principal.require_scope(Scope.WRITE)
    digest = sha256(new.data).hexdigest()
    with resources.database.write() as session:
        queries.store_original(session, digest, new.data)
        session.flush()
        file = File(
            id=f"file-{secrets.token_hex(12)}",
            filename=new.filename,
            purpose=new.purpose,
            media_type=new.media_type,
            size=len(new.data),
            original_sha256=digest,
            key_id=principal.key_id,
            expires_at=new.expires_at,
        )
        session.add(file)
        session.flush()
        return _describe(file)


def get_file(resources: Resources, principal: Principal, file_id: str) -> FileInfo:
    """Return a file that the caller sees; raises NotFound."""
    with resources.database.read() as session:
        return _describe_any(session, find_file(session, principal, file_id))


def read_file(resources: Resources, principal: Principal, file_id: str) -> tuple[FileInfo, bytes]:
    """Return a file with its bytes; raises NotFound, CorruptData."""
    with resources.database.read() as session:
        found = find_file(session, principal, file_id)
        if isinstance(found, File):
            digest = found.original_sha256
        else:
            digest = _require_latest(session, found).original_sha256
        return _describe_any(session, found), read_original(session, digest)


def list_files(
    resources: Resources,
    principal: Principal,
    *,
    purpose: str | None = None,
    limit: int = 10_000,
    after: str | None = None,
    descending: bool = True,
) -> tuple[list[FileInfo], bool]:
    """Return the files that the caller sees by age, and whether there are more of them."""
    edges, key = resources.signals.page_edges, ("files", principal.key_id)
    with resources.database.read() as session:
        listed = _list_ids(principal, purpose).subquery()
        keys = tuple_(listed.c.created_at, listed.c.id)
        statement = select(listed.c.id)
        if after is not None:
            created_at = session.scalar(select(listed.c.created_at).where(listed.c.id == after))
            place = edges.find((key, after)) if created_at is None else created_at
            if place is MISSING:
                raise _missing(after)
            here = tuple_(sql_literal(place, listed.c.created_at.type), sql_literal(after))
            statement = statement.where(keys < here if descending else keys > here)
        order = [listed.c.created_at, listed.c.id]
        statement = statement.order_by(*(c.desc() if descending else c for c in order))
        ids = session.scalars(statement.limit(limit + 1)).all()
        found = _describe_all(session, ids[:limit])
        if found:
            edges.put((key, found[-1].id), found[-1].created_at)
        return found, len(ids) > limit


def delete_file(resources: Resources, principal: Principal, file_id: str) -> None:
    """Erase a file and every document that was made of it; raises NotFound, Forbidden."""
    with resources.database.write() as session:
        found = find_file(session, principal, file_id)
        if isinstance(found, Document):
            documents = [found]
        else:
            documents = list(session.scalars(select(Document).where(Document.file_id == found.id)))
        collections_of(session, principal, documents, Scope.WRITE)
        for document in documents:
            erase_document(session, document, keeps_file=True)
        if isinstance(found, File):
            _delete_rows(session, [found])
    resources.erase_deleted()
    resources.generations.live().settle()


def expire_files(resources: Resources) -> None:
    """Erase files whose time is over, with their documents."""
    now = utc_now()
    first_end = select(func.min(File.expires_at))
    with resources.database.read() as session:
        next_end = session.scalar(first_end)
    if next_end is None or next_end > now:
        return
    while next_end is not None and next_end <= now:
        with resources.database.write() as session:
            over = select(File).where(File.expires_at <= now).limit(_AT_ONCE)
            files = session.scalars(over).all()
            of_files = Document.file_id.in_([file.id for file in files])
            for document in session.scalars(select(Document).where(of_files)).all():
                erase_document(session, document, keeps_file=True)
            _delete_rows(session, files)
            next_end = session.scalar(first_end)
    resources.erase_deleted()
    resources.generations.live().settle()


def find_file(session: Session, principal: Principal, file_id: str) -> File | Document:
    """Return the row of a file, or the document that is one; raises NotFound."""
    number = document_number(file_id)
    found: File | Document | None
    if number is not None:
        found = session.scalar(
            select(Document).where(
                Document.id == number, Document.file_id.is_(None), sees_document(principal)
            )
        )
    else:
        found = session.scalar(select(File).where(File.id == file_id, sees_file(principal)))
    if found is None:
        raise _missing(file_id)
    return found


def document_number(file_id: str) -> int | None:
    """Return the row's number of a document that is a file by itself; None for another file."""
    number = file_id.removeprefix(DOCUMENT_PREFIX)
    is_number = number.isascii() and number.isdecimal() and len(number) < _MAX_DIGITS
    # By another spelling of its number a document would be two files.
    is_own = number != file_id and is_number and not number.startswith("0")
    return int(number) if is_own else None


def file_id_of(document: Document) -> str:
    """Return the id by which a document is a file."""
    return document.file_id or f"{DOCUMENT_PREFIX}{document.id}"


def _list_ids(principal: Principal, purpose: str | None) -> CompoundSelect[str, datetime]:
    files = select(File.id, File.created_at).where(sees_file(principal))
    documents: Select[str, datetime] = select(
        sql_literal(DOCUMENT_PREFIX).concat(decimal_text(Document.id)), Document.created_at
    ).where(Document.file_id.is_(None), sees_document(principal))
    if purpose is not None:
        files = files.where(File.purpose == purpose)
        documents = documents.where(sql_literal(purpose) == DEFAULT_PURPOSE)
    return union_all(files, documents)


def _describe_all(session: Session, ids: Sequence[str]) -> list[FileInfo]:
    numbers = [int(id_.removeprefix(DOCUMENT_PREFIX)) for id_ in ids if _is_document(id_)]
    own = [id_ for id_ in ids if not _is_document(id_)]
    files = session.scalars(select(File).where(File.id.in_(own)))
    found = {file.id: _describe(file) for file in files}
    for document, version, size in find_latest(session, Document.id.in_(numbers)):
        found[file_id_of(document)] = _describe_document(document, version, size)
    return [found[id_] for id_ in ids if id_ in found]


def find_latest(
    session: Session, *conditions: ColumnElement[bool]
) -> list[tuple[Document, Version, int]]:
    """Return documents with their latest version, without its text, and the size of its upload."""
    rows = session.execute(
        select(Document, Version, func.length(Original.data))
        .join(
            Version,
            and_(Version.document_id == Document.id, Version.number == Document.latest_number),
        )
        .join(Original, Original.sha256 == Version.original_sha256)
        .options(load_only(*queries.LIGHT))
        .where(*conditions)
    )
    return [(document, version, size) for document, version, size in rows]


def _is_document(file_id: str) -> bool:
    return file_id.startswith(DOCUMENT_PREFIX)


def _describe_any(session: Session, found: File | Document) -> FileInfo:
    if isinstance(found, File):
        return _describe(found)
    version = _require_latest(session, found)
    size = session.scalar(
        select(func.length(Original.data)).where(Original.sha256 == version.original_sha256)
    )
    return _describe_document(found, version, size or 0)


def _require_latest(session: Session, document: Document) -> Version:
    version = queries.find_latest_version(session, document)
    if version is None:
        raise _missing(file_id_of(document))
    return version


def _describe(file: File) -> FileInfo:
    return FileInfo(
        file.id, file.filename, file.purpose, file.size, file.created_at, file.expires_at
    )


def _describe_document(document: Document, version: Version, size: int) -> FileInfo:
    name = version.filename or document.external_id
    return FileInfo(file_id_of(document), name, DEFAULT_PURPOSE, size, document.created_at, None)


def _delete_rows(session: Session, files: Sequence[File]) -> None:
    uploads = [file.original_sha256 for file in files]
    for file in files:
        session.delete(file)
    session.flush()
    queries.delete_unused_originals(session, uploads)


def _missing(file_id: str) -> NotFound:
    return NotFound(f"no such file: {file_id[:64]}", code="file_not_found")
