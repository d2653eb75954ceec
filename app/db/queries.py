"""Named statements that take a Session. What belongs together in a transaction is up to callers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    LargeBinary,
    and_,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased, load_only

from app.db.models import (
    Attribute,
    Change,
    Collection,
    Document,
    Generation,
    Job,
    JobItem,
    Original,
    PassageRow,
    TermsRow,
    UnitRow,
    Version,
)
from app.domain import (
    FIELD_KEYS,
    LANGUAGE_KEY,
    TIME_KEYS,
    Attributes,
    Comparison,
    Filter,
    Passage,
    Scalar,
    Span,
    Status,
    parse_time,
)

# SQLite allows 32,766 bound values in one statement.
_MAX_BOUND = 30_000

# In the very words of the partial index, as SQLite compares them.
_UNREADY = text("versions.status IN ('queued', 'processing', 'failed')")

# Made once: every new alias makes its attributes anew, which takes longer than the query.
_Twin, _TwinDocument = aliased(Version), aliased(Document)


# Collections and documents


def find_collection(session: Session, name: str) -> Collection | None:
    return session.scalar(select(Collection).where(Collection.name == name))


def list_collections(session: Session) -> Sequence[Collection]:
    return session.scalars(select(Collection).order_by(Collection.name)).all()


def find_document(session: Session, collection_id: int, external_id: str) -> Document | None:
    return session.scalar(
        select(Document).where(
            Document.collection_id == collection_id, Document.external_id == external_id
        )
    )


_LIGHT = (
    Version.id,
    Version.document_id,
    Version.number,
    Version.status,
    Version.is_live,
    Version.title,
    Version.url,
    Version.attributes,
    Version.receipt,
    Version.stage,
    Version.error_code,
    Version.error_message,
    Version.created_at,
    Version.ready_at,
    Version.media_type,
    Version.filename,
)


def list_documents(
    session: Session, collection_id: int, *, status: Status | None, after: str, limit: int
) -> Sequence[tuple[Document, Version]]:
    """Return documents with their latest version (without its text), in the order of their ids."""
    statement = (
        select(Document, Version)
        .join(
            Version,
            and_(Version.document_id == Document.id, Version.number == Document.latest_number),
        )
        .options(load_only(*_LIGHT))
        .where(Document.collection_id == collection_id, Document.external_id > after)
        .order_by(Document.external_id)
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(Version.status == status)
    return [(document, version) for document, version in session.execute(statement)]


def list_versions(session: Session, document_id: int) -> Sequence[Version]:
    """Return the versions of a document without their text, newest first."""
    return session.scalars(
        select(Version)
        .options(load_only(*_LIGHT))
        .where(Version.document_id == document_id)
        .order_by(Version.number.desc())
    ).all()


def find_live_versions(session: Session, document_ids: Sequence[int]) -> dict[int, Version]:
    """Return the live version of each document that has one, without its text."""
    versions = session.scalars(
        select(Version)
        .options(load_only(*_LIGHT))
        .where(Version.document_id.in_(document_ids), Version.is_live)
    )
    return {version.document_id: version for version in versions}


def find_live_version(session: Session, document_id: int) -> Version | None:
    """Return the version of a document that answers, whole."""
    return session.scalar(
        select(Version).where(Version.document_id == document_id, Version.is_live)
    )


def find_latest_version(session: Session, document: Document) -> Version | None:
    return session.scalar(
        select(Version).where(
            Version.document_id == document.id, Version.number == document.latest_number
        )
    )


def count_by_status(session: Session, collection_id: int | None = None) -> dict[Status, int]:
    """Return how many documents are at each status, by their latest version.

    Most are ready: those are what the others leave, so that only the others are read.
    """
    documents = select(func.count()).select_from(Document)
    is_latest = exists().where(
        Document.id == Version.document_id, Document.latest_number == Version.number
    )
    if collection_id is not None:
        documents = documents.where(Document.collection_id == collection_id)
        is_latest = is_latest.where(Document.collection_id == collection_id)
    unready = (
        select(Version.status, func.count()).where(_UNREADY, is_latest).group_by(Version.status)
    )
    counts = dict.fromkeys(Status, 0)
    counts.update({Status(status): count for status, count in session.execute(unready)})
    counts[Status.READY] = (session.scalar(documents) or 0) - sum(counts.values())
    return counts


def store_original(session: Session, sha256: str, data: bytes) -> None:
    # Also over bytes that are there already and went bad on the disk.
    session.merge(Original(sha256=sha256, data=data))


def delete_unused_originals(session: Session, among: Sequence[str] | None = None) -> int:
    """Delete the uploads that no version needs any more; returns their bytes.

    `among` names those that it can be, so that not all have to be looked at.
    """
    unused = ~exists().where(Version.original_sha256 == Original.sha256)
    if among is not None:
        unused &= Original.sha256.in_(among)
    size = session.scalar(select(func.sum(func.length(Original.data))).where(unused))
    session.execute(delete(Original).where(unused))
    return size or 0


def count_bytes(session: Session, document_id: int) -> int:
    """Return the bytes of the texts and vectors of all versions of a document."""
    texts = session.scalar(
        select(func.sum(func.length(cast(Version.text, LargeBinary)))).where(
            Version.document_id == document_id
        )
    )
    vectors = session.scalar(
        select(func.sum(func.length(UnitRow.vector) + func.length(UnitRow.passage_vectors)))
        .join(Version, Version.id == UnitRow.version_id)
        .where(Version.document_id == document_id)
    )
    return (texts or 0) + (vectors or 0)


def quarantine_version(session: Session, version_id: int, message: str) -> None:
    """Take a damaged version out of every answer; its document then says why it is not there."""
    version = session.get(Version, version_id)
    if version is None or not version.is_live:
        return
    version.is_live = False
    version.status = Status.FAILED
    version.error_code = "corrupt_data"
    version.error_message = message
    remove_units(session, UnitRow.version_id == version.id)
    replace_attributes(session, version.document_id, {})


def delete_old_versions(session: Session, live: Version, *, keep: int) -> list[str]:
    """Delete the versions before the newest `keep` that are done with; returns their uploads.

    The live one stays, and so does what is queued or worked on.
    """
    newest = select(Version.id).where(Version.document_id == live.document_id)
    done = Version.status.in_((Status.READY, Status.FAILED))
    kept = newest.where(done).order_by(Version.number.desc()).limit(keep)
    deleted = session.connection().execute(
        delete(Version)
        .where(
            Version.document_id == live.document_id,
            done,
            ~Version.is_live,
            Version.id.not_in(kept),
        )
        .returning(Version.original_sha256)
    )
    return list(deleted.scalars())


def find_twins(session: Session, version_id: int, *, limit: int) -> list[str]:
    """Return ids of other documents of the collection whose newest upload has the same bytes.

    Some of them where there are more than `limit`: in the order of ids SQLite would go through the
    whole collection.
    """
    return sorted(
        session.scalars(
            select(_TwinDocument.external_id)
            .select_from(Version)
            .join(Document, Document.id == Version.document_id)
            .join(_Twin, _Twin.original_sha256 == Version.original_sha256)
            .join(
                _TwinDocument,
                and_(
                    _TwinDocument.id == _Twin.document_id,
                    _TwinDocument.latest_number == _Twin.number,
                ),
            )
            .where(
                Version.id == version_id,
                _TwinDocument.collection_id == Document.collection_id,
                _TwinDocument.id != Document.id,
            )
            .limit(limit)
        )
    )


def replace_attributes(session: Session, document_id: int, attributes: Attributes) -> None:
    """Store what filters look up of a live document."""
    session.execute(delete(Attribute).where(Attribute.document_id == document_id))
    rows = [
        {"document_id": document_id, "key": key, **_as_columns(value)}
        for key, values in attributes.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    if rows:
        session.execute(insert(Attribute), rows)


def looked_up(version: Version) -> Attributes:
    """Return what filters look up of a version: its attributes, and its language."""
    language = (version.receipt or {}).get("language")
    detected = {} if language is None else {LANGUAGE_KEY: language}
    return {**detected, **version.attributes}


# Jobs


def find_job(session: Session, job_id: str) -> Job | None:
    return session.get(Job, job_id)


def list_job_versions(session: Session, job_id: str) -> Sequence[tuple[str, str, Version]]:
    """Return (external id, change, version) of each item of a job, in the order of the upload."""
    rows = session.execute(
        select(Document.external_id, JobItem.change, Version)
        .select_from(JobItem)
        .join(Version, Version.id == JobItem.version_id)
        .join(Document, Document.id == Version.document_id)
        .options(load_only(*_LIGHT))
        .where(JobItem.job_id == job_id)
        .order_by(JobItem.ordinal)
    )
    return [(external_id, change, version) for external_id, change, version in rows]


# Vectors and the change log


def find_live_generation(session: Session) -> Generation | None:
    return session.scalar(select(Generation).where(Generation.is_live))


def remove_units(session: Session, *conditions: ColumnElement[bool]) -> int:
    """Delete the units that meet `conditions` and log each of them; returns how many."""
    gone = (
        select(UnitRow.id, Version.document_id)
        .join(Version, Version.id == UnitRow.version_id)
        .where(*conditions)
    )
    session.execute(insert(Change).from_select(["unit_id", "document_id"], gone))
    deleted: CursorResult[Any] = session.connection().execute(delete(UnitRow).where(*conditions))
    return deleted.rowcount


def log_units(session: Session, unit_ids: Sequence[int], document_id: int = 0) -> None:
    """Log that units of a document came."""
    if unit_ids:
        rows = [{"unit_id": unit_id, "document_id": document_id} for unit_id in unit_ids]
        session.execute(insert(Change), rows)


def last_change(session: Session) -> int:
    """Return the number of the last change, also of one that was cleared since."""
    number = session.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'changes'"))
    return int(number or 0)


def changed_units(session: Session, after: int) -> list[int]:
    """Return the ids of the units that came or went after change number `after`."""
    return list(session.scalars(select(Change.unit_id).where(Change.number > after).distinct()))


def changed_documents(session: Session, after: int) -> list[int]:
    """Return the ids of the documents whose units changed after change number `after`."""
    return list(session.scalars(select(Change.document_id).where(Change.number > after).distinct()))


def clear_changes(session: Session) -> None:
    """Forget the log; its numbers go on."""
    session.execute(delete(Change))


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """A unit's vector as it lies in the database, not yet checked."""

    unit_id: int
    document_id: int
    external_id: str
    collection_id: int
    version_id: int
    vector: bytes
    vector_crc32: int


def live_units(
    session: Session, generation_id: int, unit_ids: Sequence[int] | None = None
) -> Iterator[StoredUnit]:
    """Yield the units of live versions in a generation; `unit_ids` restricts to some of them."""
    statement = (
        select(
            UnitRow.id,
            Document.id,
            Document.external_id,
            Document.collection_id,
            Version.id,
            UnitRow.vector,
            UnitRow.vector_crc32,
        )
        .join(Version, Version.id == UnitRow.version_id)
        .join(Document, Document.id == Version.document_id)
        .where(UnitRow.generation_id == generation_id, Version.is_live)
        .execution_options(yield_per=2000)
    )
    if unit_ids is None:
        yield from (StoredUnit(*row) for row in session.execute(statement))
        return
    for first in range(0, len(unit_ids), _MAX_BOUND):
        some = statement.where(UnitRow.id.in_(unit_ids[first : first + _MAX_BOUND]))
        yield from (StoredUnit(*row) for row in session.execute(some))


# Terms


def store_terms(
    session: Session, version_id: int, *, analysis: int, data: bytes, data_crc32: int
) -> None:
    """Store the terms of a version over those that are there."""
    session.merge(
        TermsRow(version_id=version_id, analysis=analysis, data=data, data_crc32=data_crc32)
    )


def move_terms(session: Session, former_id: int, version_id: int) -> None:
    """Give the terms of one version to another."""
    session.execute(
        update(TermsRow).where(TermsRow.version_id == former_id).values(version_id=version_id)
    )


def versions_without_terms(session: Session, analysis: int, limit: int) -> Sequence[Any]:
    """Return (id, title, text) of live versions that have no terms made by these rules."""
    made = exists().where(TermsRow.version_id == Version.id, TermsRow.analysis == analysis)
    return session.execute(
        select(Version.id, Version.title, Version.text).where(Version.is_live, ~made).limit(limit)
    ).all()


@dataclass(frozen=True, slots=True)
class TermsOfDocument:
    """The terms of a live document as they lie in the database, not yet checked."""

    document_id: int
    external_id: str
    collection_id: int
    version_id: int
    data: bytes
    data_crc32: int


def live_terms(
    session: Session, document_ids: Sequence[int] | None = None
) -> Iterator[TermsOfDocument]:
    """Yield the terms of live documents; `document_ids` restricts to some of them."""
    statement = (
        select(
            Document.id,
            Document.external_id,
            Document.collection_id,
            Version.id,
            TermsRow.data,
            TermsRow.data_crc32,
        )
        .join(Version, Version.document_id == Document.id)
        .join(TermsRow, TermsRow.version_id == Version.id)
        .where(Version.is_live)
        .execution_options(yield_per=2000)
    )
    if document_ids is None:
        yield from (TermsOfDocument(*row) for row in session.execute(statement))
        return
    for first in range(0, len(document_ids), _MAX_BOUND):
        some = statement.where(Document.id.in_(document_ids[first : first + _MAX_BOUND]))
        yield from (TermsOfDocument(*row) for row in session.execute(some))


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """The live version of a document that was found."""

    document_id: int
    collection_id: int
    collection: str
    external_id: str
    version_id: int
    number: int
    sha256: str
    title: str
    url: str | None
    attributes: Attributes


# Columns, not rows of the ORM: a search reads little of many rows.


def find_live(session: Session, document_ids: Sequence[int]) -> dict[int, FoundVersion]:
    """Return the live versions of these documents, by document id."""
    rows = session.execute(
        select(
            Version.document_id,
            Collection.id,
            Collection.name,
            Document.external_id,
            Version.id,
            Version.number,
            Version.original_sha256,
            Version.title,
            Version.url,
            Version.attributes,
        )
        .join(Document, Document.id == Version.document_id)
        .join(Collection, Collection.id == Document.collection_id)
        .where(Version.document_id.in_(document_ids), Version.is_live)
    )
    return {row[0]: FoundVersion(*row) for row in rows}


def find_texts(
    session: Session, version_ids: Sequence[int]
) -> dict[int, tuple[str | None, int | None]]:
    """Return (text, checksum of it) by version id."""
    rows = session.execute(
        select(Version.id, Version.text, Version.text_crc32).where(Version.id.in_(version_ids))
    )
    return {version_id: (text, checksum) for version_id, text, checksum in rows}


def find_token_counts(session: Session, version_ids: Sequence[int]) -> dict[int, int]:
    """Return how many tokens each text had for the model that read it, by version id."""
    rows = session.execute(select(Version.id, Version.receipt).where(Version.id.in_(version_ids)))
    return {version_id: (receipt or {}).get("tokens_counted", 0) for version_id, receipt in rows}


def list_units(session: Session, version_ids: Sequence[int], generation_id: int) -> Sequence[Any]:
    """Return (id, version_id, passage_vectors, passage_vectors_crc32) of these versions' units."""
    return session.execute(
        select(
            UnitRow.id,
            UnitRow.version_id,
            UnitRow.passage_vectors,
            UnitRow.passage_vectors_crc32,
        )
        .where(UnitRow.version_id.in_(version_ids), UnitRow.generation_id == generation_id)
        .order_by(UnitRow.version_id, UnitRow.ordinal)
    ).all()


def list_vectors(session: Session, version_ids: Sequence[int], generation_id: int) -> Sequence[Any]:
    """Return the vectors of these versions' units and of their passages, with their checksums."""
    return session.execute(
        select(
            UnitRow.version_id,
            UnitRow.vector,
            UnitRow.vector_crc32,
            UnitRow.passage_vectors,
            UnitRow.passage_vectors_crc32,
        )
        .where(UnitRow.version_id.in_(version_ids), UnitRow.generation_id == generation_id)
        .order_by(UnitRow.version_id, UnitRow.ordinal)
    ).all()


def list_passages(
    session: Session, version_ids: Sequence[int], generation_id: int
) -> dict[int, dict[tuple[int, int], Passage]]:
    """Return all passages by version id, and by unit id and ordinal, in the text's order."""
    rows = session.execute(
        select(
            UnitRow.version_id,
            PassageRow.unit_id,
            PassageRow.ordinal,
            PassageRow.start,
            PassageRow.end,
            PassageRow.heading,
            PassageRow.page,
        )
        .join(PassageRow, PassageRow.unit_id == UnitRow.id)
        .where(UnitRow.version_id.in_(version_ids), UnitRow.generation_id == generation_id)
        .order_by(PassageRow.start)
    )
    found: dict[int, dict[tuple[int, int], Passage]] = {}
    for version_id, unit_id, ordinal, start, end, heading, page in rows:
        passage = Passage(Span(start, end), heading, page)
        found.setdefault(version_id, {})[unit_id, ordinal] = passage
    return found


# Filters


def filter_documents(
    session: Session, collection_id: int, condition: Filter
) -> npt.NDArray[np.int64]:
    """Return the ids of the collection's documents that meet `condition`."""
    statement = select(Document.id).where(
        Document.collection_id == collection_id, _condition(condition)
    )
    return np.fromiter(session.scalars(statement), dtype=np.int64)


def _condition(condition: Filter) -> ColumnElement[bool]:
    if not isinstance(condition, Comparison):
        parts = [_condition(part) for part in condition.filters]
        return and_(true(), *parts) if condition.type == "and" else or_(*parts)
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.key in FIELD_KEYS:
        return _field_condition(condition.key, condition.type, values)
    match condition.type:
        case "eq" | "in":
            return _has(condition.key, _is_among(values))
        case "ne" | "nin":
            return ~_has(condition.key, _is_among(values))
        case _:
            return _has(condition.key, _compares(condition.type, values[0]))


_FIELDS: dict[str, Any] = {
    "$id": Document.external_id,
    "$url": Version.url,
    "$media_type": Version.media_type,
    "$created_at": Document.created_at,
    "$updated_at": Version.ready_at,
}


def _field_condition(key: str, operator: str, values: Sequence[Scalar]) -> ColumnElement[bool]:
    column = _FIELDS[key]
    of_type: list[Any] = [value for value in values if isinstance(value, str)]
    if key in TIME_KEYS:
        of_type = [parse_time(value) for value in of_type]
    match operator:
        case "eq" | "in" | "ne" | "nin":
            matches = column.in_(of_type)
        case _:
            matches = _ordered(column, operator, of_type[0]) if of_type else false()
    meets = Document.id.in_(
        select(Version.document_id)
        .join(Document, Document.id == Version.document_id)
        .where(Version.is_live, matches)
    )
    return ~meets if operator in {"ne", "nin"} else meets


def _ordered(column: Any, operator: str, bound: Any) -> ColumnElement[bool]:
    compared: dict[str, ColumnElement[bool]] = {
        "gt": column > bound,
        "gte": column >= bound,
        "lt": column < bound,
        "lte": column <= bound,
    }
    return compared[operator]


def _has(key: str, matches: ColumnElement[bool]) -> ColumnElement[bool]:
    return Document.id.in_(select(Attribute.document_id).where(Attribute.key == key, matches))


def _is_among(values: Sequence[Scalar]) -> ColumnElement[bool]:
    """Return one IN for each kind of value: SQLite nests a chain of ORs and bounds its depth."""
    by_kind: dict[str, list[Any]] = {}
    for columns in map(_as_columns, values):
        value = columns["number"] if columns["text"] is None else columns["text"]
        by_kind.setdefault(columns["kind"], []).append(value)
    return or_(
        *(
            and_(
                Attribute.kind == kind,
                (Attribute.text if kind == "text" else Attribute.number).in_(some),
            )
            for kind, some in by_kind.items()
        )
    )


def _compares(operator: str, value: Scalar) -> ColumnElement[bool]:
    columns = _as_columns(value)
    column: Any = Attribute.number if columns["text"] is None else Attribute.text
    bound = columns["number"] if columns["text"] is None else columns["text"]
    return and_(Attribute.kind == columns["kind"], _ordered(column, operator, bound))


def _as_columns(value: Scalar) -> dict[str, Any]:
    match value:
        case bool():
            return {"kind": "flag", "number": float(value), "text": None}
        case int() | float():
            return {"kind": "number", "number": float(value), "text": None}
        case _:
            return {"kind": "text", "number": None, "text": value}
