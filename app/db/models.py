"""Tables. alembic/versions holds the migrations that make them; a test compares the two."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy import (
    text as sql_text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db.columns import StoredJson, StoredWord, UtcDateTime
from app.domain import GenerationState, Mode, Progress, Scope, Stage, Status


def utc_now() -> datetime:
    return datetime.now(UTC)


class Table(DeclarativeBase):
    metadata: ClassVar[MetaData] = MetaData(
        # Constraints need names, so that later migrations can change them.
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        # SQLite numbers rows by itself only where the type is INTEGER, which has 64 bits there.
        int: BigInteger().with_variant(Integer, "sqlite"),
        datetime: UtcDateTime,
        dict[str, Any]: StoredJson,
        bytes: LargeBinary,
    }


def _belongs_to(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


class Collection(Table):
    """A knowledge base: articles that are searched together."""

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    erased_at: Mapped[datetime | None]
    """Since when nobody finds it any more; what it held is erased a little at a time."""
    keeps_files: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the files that its documents were made of outlive it."""

    # A key or a job never comes to mean another collection that got a freed number.
    __table_args__ = ({"sqlite_autoincrement": True},)


class Store(Table):
    """What OpenAI's clients keep of a collection beside its articles."""

    __tablename__ = "stores"

    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"), primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    notes: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    expires_days: Mapped[int | None]
    """How long after its last use it no longer answers those clients; None: never."""
    last_active_at: Mapped[datetime] = mapped_column(default=utc_now)


class File(Table):
    """A file that was uploaded to no collection; documents that are made of it name it."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    filename: Mapped[str]
    purpose: Mapped[str] = mapped_column(String(32))
    media_type: Mapped[str] = mapped_column(String(128))
    size: Mapped[int]
    original_sha256: Mapped[str] = mapped_column(ForeignKey("originals.sha256"), index=True)
    key_id: Mapped[str] = mapped_column(String(64), default="")
    """Of the key that uploaded it, which sees it also while no collection holds it."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]


class Document(Table):
    """An article under the caller's own id."""

    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"))
    external_id: Mapped[str]
    latest_number: Mapped[int] = mapped_column(default=0)
    """Number of the newest version, ready or not."""
    file_id: Mapped[str | None] = mapped_column(ForeignKey("files.id"), index=True)
    """The file that it was made of, where one was uploaded first."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (
        UniqueConstraint("collection_id", "external_id"),
        {"sqlite_autoincrement": True},
    )


class Original(Table):
    """The bytes of an upload, stored once by their SHA-256."""

    __tablename__ = "originals"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]


RECEIPTS_INDEX = "ix_versions_receipts"


class Version(Table):
    """One state of a document: what was uploaded and, once ready, what was read of it."""

    __tablename__ = "versions"

    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(_belongs_to("documents.id"))
    number: Mapped[int]
    status: Mapped[Status] = mapped_column(StoredWord(Status, 16), default=Status.QUEUED)
    is_live: Mapped[bool] = mapped_column(default=False)
    """Whether this version answers; at most one of a document does."""
    original_sha256: Mapped[str] = mapped_column(ForeignKey("originals.sha256"), index=True)
    media_type: Mapped[str] = mapped_column(String(128))
    filename: Mapped[str] = mapped_column(default="")
    declared: Mapped[dict[str, Any]]
    """Title, url and attributes that the caller gave; they win over the file's own."""
    parsed: Mapped[dict[str, Any] | None]
    """Title, url and attributes that the parser found."""
    title: Mapped[str] = mapped_column(default="")
    url: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    text: Mapped[str | None]
    text_crc32: Mapped[int | None] = mapped_column(BigInteger)
    headings: Mapped[list[list[Any]] | None] = mapped_column(StoredJson)
    """[start, level, text] of each section heading."""
    pages: Mapped[list[list[int]] | None] = mapped_column(StoredJson)
    """[start, number] of each page."""
    receipt: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was claimed, but for the claims that were given back."""
    stage: Mapped[Stage | None] = mapped_column(StoredWord(Stage, 8))
    """Where its work stands, or where it failed."""
    claim_token: Mapped[str | None] = mapped_column(String(32))
    """Who works on it: only the holder of this token can commit the result."""
    leased_until: Mapped[datetime | None]
    """When the claim lapses unless its holder renews it."""
    next_attempt_at: Mapped[datetime | None]
    """Not to be claimed before."""
    metadata_crc32: Mapped[int | None] = mapped_column(BigInteger)
    """Of what an answer shows beside the text; None for what an older program stored."""
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    ready_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("document_id", "number"),
        Index(
            "ix_versions_live",
            "document_id",
            unique=True,
            sqlite_where=sql_text("is_live"),
            postgresql_where=sql_text("is_live"),
        ),
        # In SQLite a receipt lies behind the text of its row, and is far to reach.
        Index(RECEIPTS_INDEX, "document_id", "receipt", sqlite_where=sql_text("is_live")).ddl_if(
            dialect="sqlite"
        ),
        Index(
            "ix_versions_pending",
            "status",
            "id",
            sqlite_where=sql_text("status IN ('queued', 'processing')"),
            postgresql_where=sql_text("status IN ('queued', 'processing')"),
        ),
        Index(
            "ix_versions_unready",
            "status",
            "document_id",
            "number",
            sqlite_where=sql_text("status IN ('queued', 'processing', 'failed')"),
            postgresql_where=sql_text("status IN ('queued', 'processing', 'failed')"),
        ),
        {"sqlite_autoincrement": True},
    )


class Attribute(Table):
    """One value of an attribute of a live document, as filters look it up."""

    __tablename__ = "attributes"

    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(_belongs_to("documents.id"), index=True)
    key: Mapped[str]
    kind: Mapped[str] = mapped_column(String(8))
    """`text`, `number` or `flag`: values of two kinds are never equal."""
    text: Mapped[str | None]
    number: Mapped[float | None]

    __table_args__ = (
        Index("ix_attributes_text", "key", "kind", "text"),
        Index("ix_attributes_number", "key", "kind", "number"),
    )


class Generation(Table):
    """One vector set: everything in it was made by one fingerprint."""

    __tablename__ = "generations"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    identity: Mapped[dict[str, Any]]
    """The parts of the fingerprint, to say what changed."""
    model: Mapped[str]
    dimensions: Mapped[int]
    engine: Mapped[str] = mapped_column(String(64))
    """What computed the vectors, and in which precision: speed, not meaning."""
    is_live: Mapped[bool] = mapped_column(default=False)
    state: Mapped[GenerationState] = mapped_column(
        StoredWord(GenerationState, 16), default=GenerationState.READY, server_default="ready"
    )
    source: Mapped[dict[str, Any] | None]
    """The settings that open its model; None for what an older program stored."""
    replaced: Mapped[str | None] = mapped_column(String(64))
    """Fingerprint of the model that was configured when this generation was made live instead."""
    # This, `tuning` and `labels` hold up to thousands of questions, and every search reads the row
    # of the live generation.
    gate: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """What is measured before it goes live, and what came of it."""
    message: Mapped[str | None]
    """Why it was refused, or failed."""
    vectors_of: Mapped[int | None] = mapped_column(ForeignKey("generations.id"))
    """The generation whose vectors it searches; None where they are its own."""
    tuning: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """What its query adapter is fine-tuned on, and what came of it."""
    calibration: Mapped[dict[str, Any] | None]
    """What its scores mean in each collection; None before it was measured."""
    labels: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """Questions whose answers are known, by collection id: what scores are corrected by."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def vector_set(self) -> int:
        """The generation that its units belong to."""
        return self.id if self.vectors_of is None else self.vectors_of

    __table_args__ = (
        Index(
            "ix_generations_live",
            "is_live",
            unique=True,
            sqlite_where=sql_text("is_live"),
            postgresql_where=sql_text("is_live"),
        ),
    )


class AdapterRow(Table):
    """The tuned query adapter of a generation."""

    __tablename__ = "adapters"

    generation_id: Mapped[int] = mapped_column(_belongs_to("generations.id"), primary_key=True)
    data: Mapped[bytes]
    """A safetensors file as PEFT writes it."""
    data_crc32: Mapped[int] = mapped_column(BigInteger)


class UnitRow(Table):
    """A span of a version that is one vector in a generation."""

    __tablename__ = "units"

    id: Mapped[int] = mapped_column(primary_key=True)
    generation_id: Mapped[int] = mapped_column(_belongs_to("generations.id"))
    version_id: Mapped[int] = mapped_column(_belongs_to("versions.id"))
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    tokens: Mapped[int]
    vector: Mapped[bytes]
    """Little-endian float32, shape (dimensions,)."""
    vector_crc32: Mapped[int] = mapped_column(BigInteger)
    passage_vectors: Mapped[bytes]
    """Little-endian float16, shape (passages, dimensions), in the order of the passages."""
    passage_vectors_crc32: Mapped[int] = mapped_column(BigInteger)
    passages_crc32: Mapped[int | None] = mapped_column(BigInteger)
    """Of the rows of its passages; None for what an older program stored."""

    __table_args__ = (
        UniqueConstraint("version_id", "generation_id", "ordinal"),
        Index("ix_units_generation", "generation_id", "id"),
        # A freed id must never come back for another vector: the index knows units by it.
        {"sqlite_autoincrement": True},
    )


class PassageRow(Table):
    """A paragraph-sized span inside a unit."""

    __tablename__ = "passages"

    unit_id: Mapped[int] = mapped_column(_belongs_to("units.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    start: Mapped[int]
    end: Mapped[int]
    heading: Mapped[str] = mapped_column(default="")
    page: Mapped[int | None]


class TermsRow(Table):
    """The terms of a version, as lexical search counts them."""

    __tablename__ = "terms"

    version_id: Mapped[int] = mapped_column(_belongs_to("versions.id"), primary_key=True)
    analysis: Mapped[int]
    """Number of the rules that made them."""
    data: Mapped[bytes]
    """Pairs of hash and count; app.index.bm25 packs them."""
    data_crc32: Mapped[int] = mapped_column(BigInteger)


class Change(Table):
    """The log that the index follows: a unit that came (it exists) or went (it does not).

    What has no unit is logged too: app.db.queries.changes says how.
    """

    __tablename__ = "changes"

    number: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[int]
    document_id: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of what changed; 0 when it may be any."""

    __table_args__ = ({"sqlite_autoincrement": True},)


class Job(Table):
    """The documents of one upload call."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class JobItem(Table):
    """A version that a job waits for."""

    __tablename__ = "job_items"

    job_id: Mapped[str] = mapped_column(_belongs_to("jobs.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int | None] = mapped_column(
        ForeignKey("versions.id", ondelete="SET NULL"), index=True
    )
    """None once the version was deleted."""
    is_superseded: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it was deleted because newer ones of its document took its place."""
    change: Mapped[str] = mapped_column(String(8))
    """What the upload changed: `none`, `metadata` or `content`."""


class Key(Table):
    """An API key: `folio_<id>_<secret>`, of which only the secret's SHA-256 is stored."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scope: Mapped[Scope] = mapped_column(StoredWord(Scope, 8))
    all_collections: Mapped[bool] = mapped_column(default=False)
    from_file: Mapped[bool] = mapped_column(default=False)
    """Whether it came from the operator's key file, which may replace it."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """To the minute; None: not since uses are noted."""


class KeyCollection(Table):
    """A collection that a key is good for."""

    __tablename__ = "key_collections"

    key_id: Mapped[str] = mapped_column(_belongs_to("keys.id"), primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"), primary_key=True)


class EvaluationRow(Table):
    """A golden set that the server asks itself, and what came of it."""

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"), index=True)
    status: Mapped[Progress] = mapped_column(StoredWord(Progress, 16), default=Progress.QUEUED)
    request: Mapped[dict[str, Any]]
    """`queries` and `configurations`."""
    result: Mapped[dict[str, Any] | None]
    message: Mapped[str | None]
    """Why it failed."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]


class ReparseRow(Table):
    """A collection that is read anew from its uploads, and what came of it so far."""

    __tablename__ = "reparses"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Of its job too, where it queues what reads differently."""
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"), index=True)
    status: Mapped[Progress] = mapped_column(StoredWord(Progress, 16), default=Progress.QUEUED)
    applies: Mapped[bool]
    """Whether new versions are made; else it only says which would be."""
    golden: Mapped[dict[str, Any]]
    """`queries` that are asked before and after."""
    last_document: Mapped[int] = mapped_column(default=0)
    """The document that was read last; they are read in the order of their rows."""
    found: Mapped[dict[str, Any]]
    message: Mapped[str | None]
    """Why it failed, or what it left out."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]


class LoggedQuery(Table):
    """A question that was asked while the query log is on."""

    __tablename__ = "query_log"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"))
    text: Mapped[str]
    mode: Mapped[Mode] = mapped_column(StoredWord(Mode, 8))
    found: Mapped[list[str]] = mapped_column(StoredJson)
    """Ids of the first documents, best first."""
    score: Mapped[float | None]
    """Of the first one, before it was reranked."""
    calibrated: Mapped[bool | None]
    """Whether that is a probability; None for what an older program stored, where it may be a
    reranker's."""
    asked_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)

    __table_args__ = (Index("ix_query_log_collection_id_asked_at", "collection_id", "asked_at"),)


class Feedback(Table):
    """What the holder of a key said last of the answer to a question."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True)
    query_id: Mapped[str] = mapped_column(_belongs_to("query_log.id"))
    key_id: Mapped[str | None] = mapped_column(String(64))
    """None where it was stored before keys were."""
    helpful: Mapped[bool | None]
    document_id: Mapped[str | None]
    """The document that would have been right."""
    given_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (Index("ix_feedback_query_id_key_id", "query_id", "key_id", unique=True),)


class GoldenRow(Table):
    """A question of a collection's golden set."""

    __tablename__ = "golden_queries"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(_belongs_to("collections.id"))
    text: Mapped[str]
    text_sha256: Mapped[str] = mapped_column(String(64))
    """Of the text without its case and spaces: a question is in the set once."""
    relevant: Mapped[dict[str, Any]]
    """Grades by document id; empty where nothing answers."""
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (
        UniqueConstraint("collection_id", "text_sha256"),
        # A page that is out of date must not change another question that got a freed number.
        {"sqlite_autoincrement": True},
    )
