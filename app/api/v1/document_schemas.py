"""Documents and jobs as requests and answers hold them."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from app.api.v1.fields import Answer, AttributesIn, Body, Title, Url
from app.domain import Stage, Status
from app.services.articles.documents import Change


class FailureOut(Answer):
    """Why a document failed."""

    code: str
    message: str
    stage: Stage | None = None


class DocumentIn(Body):
    """An article as JSON: exactly one of `text`, `html` and `markdown`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [kind], "properties": {kind: {"type": "string", "minLength": 1}}}
                for kind in ("text", "html", "markdown")
            ]
        }
    )

    text: str | None = Field(None, examples=["Hold the steam button for 8 seconds."])
    html: str | None = None
    markdown: str | None = None
    title: Title | None = Field(None, examples=["Reset the machine"])
    url: Url | None = Field(None, examples=["https://help.example.com/reset"])
    attributes: AttributesIn | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> "DocumentIn":
        if sum(value is not None for value in (self.text, self.html, self.markdown)) != 1:
            raise ValueError("give exactly one of text, html and markdown")
        return self


class NamedDocumentIn(DocumentIn):
    id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])


class DocumentsIn(Body):
    documents: list[NamedDocumentIn] = Field(min_length=1, max_length=1000)


class AcceptedOut(Answer):
    id: str
    version: int
    status: Status
    change: Change
    """`none`: all was equal; `metadata`: only url or attributes differed; `content`: it is read."""
    twins: list[str] = Field(default_factory=list)
    """Other documents of the collection with the same bytes, ten at most."""


class UploadOut(Answer):
    job_id: str
    documents: list[AcceptedOut]


class ReceiptOut(Answer):
    """What was read of the document; tokens embedded are never fewer than tokens counted."""

    bytes: int
    characters: int
    pages: int | None
    pages_with_text: float | None = None
    tokens_counted: int
    tokens_embedded: int
    tokens_processed: int
    units: int
    passages: int
    warnings: list[str]
    took_ms: dict[str, float] = Field(default_factory=dict)
    language: str | None = None
    """As it was detected: ISO 639-1."""


class VersionOut(Answer):
    version: int
    status: Status
    live: bool
    title: str
    url: str | None
    media_type: str
    created_at: datetime
    ready_at: datetime | None
    receipt: ReceiptOut | None
    error: FailureOut | None


class DocumentOut(Answer):
    """`version`, `status` and `error` are the latest upload's; the rest is what answers now."""

    id: str
    version: int
    status: Status
    error: FailureOut | None
    live_version: int | None
    title: str
    url: str | None
    attributes: dict[str, Any]
    media_type: str
    sha256: str
    """Of the bytes of the latest upload."""
    receipt: ReceiptOut | None
    created_at: datetime
    updated_at: datetime
    text: str | None = None
    versions: list[VersionOut] | None = None


class DocumentsOut(Answer):
    documents: list[DocumentOut]
    next_cursor: str | None


class DocumentDeleted(Answer):
    """What was erased; `bytes` counts uploads, texts and vectors.

    `complete` is false while a reader keeps deleted content in the log, which is emptied later.
    """

    deleted: str
    versions: int
    units: int
    passages: int
    bytes: int
    complete: bool


class JobFailureOut(FailureOut):
    id: str


class JobOut(Answer):
    job_id: str
    counts: dict[Status, int]
    errors: list[JobFailureOut]
    tokens: int
