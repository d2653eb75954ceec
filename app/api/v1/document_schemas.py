"""Documents and jobs as requests and answers hold them."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from app.api.v1.fields import (
    Answer,
    AttributeChangesIn,
    AttributesIn,
    Body,
    Title,
    Url,
    require_fields,
)
from app.domain import Stage, Status
from app.services.articles.documents import Change

Ended: TypeAlias = Literal["superseded", "deleted"]

_ONE_CONTENT = require_fields("oneOf", text="string", html="string", markdown="string")


class FailureOut(Answer):
    """Why a document failed."""

    code: str
    """Stable, for programs; docs/reference lists them."""
    message: str
    """One sentence for people."""
    stage: Stage | None = None
    """Where it failed; null when it failed before the first stage."""


class DocumentIn(Body):
    """An article as JSON: exactly one of `text`, `html` and `markdown`."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ONE_CONTENT,
            "examples": [
                {
                    "title": "Reset the machine",
                    "text": "Hold the steam button for 8 seconds.",
                    "url": "https://help.example.com/reset",
                    "attributes": {"product": "grinder", "year": 2025},
                }
            ],
        }
    )

    text: str | None = Field(None, examples=["Hold the steam button for 8 seconds."])
    """The article as plain text."""
    html: str | None = None
    """The article as HTML."""
    markdown: str | None = None
    """The article as Markdown."""
    title: Title | None = Field(None, examples=["Reset the machine"])
    """Null: the first heading, if there is one."""
    url: Url | None = Field(None, examples=["https://help.example.com/reset"])
    """Where people read it; comes back with every hit."""
    attributes: AttributesIn | None = None
    """What filters look at: names with a value or a list of values."""

    @model_validator(mode="after")
    def _has_one_content(self) -> "DocumentIn":
        if sum(value is not None for value in (self.text, self.html, self.markdown)) != 1:
            raise ValueError("give exactly one of text, html and markdown")
        return self


class DocumentChangesIn(Body):
    """What to change; what is left out stays, and null takes back what an upload or change gave.

    The file's own title, url and attributes then count again.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "examples": [{"url": None, "attributes": {"product": "kettle", "year": None}}],
        }
    )

    title: Title | None = None
    """A new one makes a new version, which answers once it is embedded."""
    url: Url | None = None
    """Where people read it."""
    attributes: AttributeChangesIn | None = None
    """Merged with those that are there: a value replaces, null takes back; null for all."""

    @model_validator(mode="after")
    def _changes_something(self) -> "DocumentChangesIn":
        if not self.model_fields_set:
            raise ValueError("give at least one of title, url and attributes")
        return self


class NamedDocumentIn(DocumentIn):
    """An article with its id."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ONE_CONTENT,
            "examples": [{"id": "manual/reset", "text": "Hold the steam button for 8 seconds."}],
        }
    )

    id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    """The caller's own id; may hold slashes."""


class DocumentsIn(Body):
    documents: list[NamedDocumentIn] = Field(min_length=1, max_length=1000)
    """They become searchable one by one, each as a whole."""


class AcceptedOut(Answer):
    id: str
    """The id under which it is stored."""
    version: int
    """Counted from 1 for each document."""
    status: Status
    """Where this version stands."""
    change: Change
    """`none`: all was equal; `metadata`: only url or attributes differed; `content`: it is read."""
    duplicates: list[str] = Field(default_factory=list)
    """Other documents of the collection with the same bytes, ten at most."""
    error: FailureOut | None = None
    """Why it failed; null unless `wait` saw it fail."""


class UploadOut(Answer):
    job_id: str
    """What GET /v1/jobs/{job_id} asks for."""
    documents: list[AcceptedOut]
    """One for each document of the upload, in its order."""
    left_out: list[str] = Field(default_factory=list)
    """Files in archives that no author wrote: `Thumbs.db`, `.DS_Store`, `~$` locks, hidden ones."""


class ReceiptOut(Answer):
    """What was read of the document; tokens embedded are never fewer than tokens counted."""

    bytes: int
    """Size of the uploaded file."""
    characters: int
    """Characters of the extracted text."""
    pages: int | None
    """Pages, slides or sheets; null for a format without them."""
    pages_with_text: float | None = None
    """Share of the pages that hold text, 0 to 1."""
    tokens_counted: int
    """Tokens of the text, counted without truncation."""
    tokens_embedded: int
    """Tokens of the text that entered a vector."""
    tokens_unknown: int = 0
    """Tokens of the text that stand for characters which the model does not know."""
    tokens_processed: int
    """Tokens that the model read, with prompts, titles and special tokens."""
    units: int
    """Vectors of the article: 1 unless it is longer than the model reads at once."""
    passages: int
    """Spans of it that a search can quote."""
    warnings: list[str]
    """What a reader of the article should know, such as images left out."""
    took_ms: dict[str, float] = Field(default_factory=dict)
    """Milliseconds by stage."""
    language: str | None = None
    """As it was detected: ISO 639-1."""


class VersionOut(Answer):
    version: int
    """Counted from 1 for each document."""
    status: Status
    """Where it stands."""
    live: bool
    """Whether searches find this version."""
    title: str
    """As it was given or read."""
    url: str | None
    """As it was given or read."""
    media_type: str
    """What it was parsed as."""
    created_at: datetime
    """When it was uploaded."""
    ready_at: datetime | None
    """When it could first be found."""
    receipt: ReceiptOut | None
    """What was read of it; null until it is ready."""
    error: FailureOut | None
    """Why it failed; null unless it did."""


class DocumentOut(Answer):
    """`version`, `status` and `error` are the latest upload's; the rest is what answers now."""

    id: str
    """The caller's own id."""
    version: int
    """The latest upload's number."""
    status: Status
    """Where the latest upload stands."""
    error: FailureOut | None
    """Why the latest upload failed; null unless it did."""
    live_version: int | None
    """The version that searches find; null while there is none."""
    title: str
    """Of the live version."""
    url: str | None
    """Of the live version."""
    attributes: dict[str, Any]
    """Of the live version."""
    media_type: str
    """What the live version was parsed as."""
    sha256: str
    """Of the bytes of the latest upload."""
    receipt: ReceiptOut | None
    """What was read of the live version."""
    created_at: datetime
    """When the document was first uploaded."""
    updated_at: datetime
    """When the live version was ready; when the latest one was uploaded where none is live."""
    text: str | None = None
    """The stored text; null unless `include` asks for it."""
    versions: list[VersionOut] | None = None
    """Newest first; null unless `include` asks for them."""


class DocumentsOut(Answer):
    documents: list[DocumentOut]
    """In the order that was asked for; of their ids where none was."""
    total: int
    """How many there are in all, at the status asked for."""
    next_cursor: str | None
    """What asks for the next page; null on the last one, and where `offset` or `sort` is given."""


class DocumentsDeleted(Answer):
    matched: int
    """How many documents meet the filter."""
    deleted: int
    """How many of them were erased: all, or none without `confirm_count`."""
    ids: list[str]
    """The first 100 ids of those that meet it."""
    complete: bool
    """False while a reader keeps deleted content in the log."""


class DocumentDeleted(Answer):
    """What was erased; `bytes` counts uploads, texts and vectors.

    `complete` is false while a reader keeps deleted content in the log, which is emptied later.
    """

    deleted: str
    """The id of the erased document."""
    versions: int
    """Versions that were erased."""
    units: int
    """Vectors of the article that were erased."""
    passages: int
    """Passage vectors that were erased."""
    bytes: int
    """Bytes of uploads, texts and vectors together."""
    complete: bool
    """False while a reader keeps deleted content in the log."""


class JobFailureOut(FailureOut):
    id: str
    """The document that failed."""


class JobOut(Answer):
    job_id: str
    """The job that was asked for."""
    counts: dict[Status | Ended, int]
    """How many of its documents stand at each status.

    `superseded` were replaced by newer uploads and `deleted` erased: nothing comes of these."""
    errors: list[JobFailureOut]
    """The documents that failed, and why."""
    tokens: int
    """Tokens embedded so far."""


class JobSummaryOut(Answer):
    job_id: str
    """What `/v1/jobs/{job_id}` shows."""
    created_at: datetime
    """When the documents were uploaded."""
    counts: dict[Status | Ended, int]
    """How many of its documents stand at each status, or were `superseded` or `deleted`."""


class JobsOut(Answer):
    jobs: list[JobSummaryOut]
    """Newest first."""
    next_before: str | None
    """What asks for the next page, as `before`; null on the last one."""
