"""Bodies and answers of OpenAI's vector stores."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from pydantic import Field, StrictBool, StringConstraints, model_validator

from app.api.compat.errors import ContractBody
from app.api.v1.fields import Answer, Integer, Number
from app.services.articles.attachments import Attachment
from app.services.articles.store_files import Page

MAX_FILES = 2000
State = Literal["in_progress", "completed", "failed", "cancelled"]
Text512 = Annotated[str, StringConstraints(max_length=512)]
Key64 = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Metadata = Annotated[dict[Key64, Text512], Field(max_length=16)]
FileAttributes = Annotated[
    dict[Key64, StrictBool | Integer | Number | Text512], Field(max_length=16)
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many, at most")]
Cursor = Annotated[
    str | None, Query(max_length=64, description="Id of the last one of the page beside this one")
]
Order = Annotated[Literal["asc", "desc"], Query(description="By age: `desc`, newest first")]
FileId = Annotated[str, Path(description="The id of a file", examples=["file-doc1"])]
BatchId = Annotated[str, Path(description="The id of a batch", examples=["vsfb_1"])]


class ExpiresAfter(ContractBody):
    anchor: Literal["last_active_at"] = "last_active_at"
    """What the days count from."""
    days: int = Field(ge=1, le=365)
    """How many."""


class StoreIn(ContractBody):
    """`chunking_strategy` is taken and changes nothing: articles are embedded whole."""

    name: str | None = Field(None, max_length=256, examples=["Help centre"])
    """What people call it."""
    description: str | None = Field(None, max_length=4096)
    """What it is for."""
    file_ids: list[str] = Field([], max_length=MAX_FILES)
    """Files to put in, with the same attributes."""
    metadata: Metadata | None = None
    """Words of the caller, by key."""
    expires_after: ExpiresAfter | None = None
    """After how many days without use it expires; null: never."""


class StoreChangeIn(ContractBody):
    name: str | None = Field(None, max_length=256)
    """What people call it."""
    metadata: Metadata | None = None
    """Words of the caller, by key."""
    expires_after: ExpiresAfter | None = None
    """After how many days without use it expires; null: never."""


class AttachmentIn(ContractBody):
    file_id: str = Field(max_length=64)
    """The id of a file."""
    attributes: FileAttributes | None = None
    """By key, as filters look them up."""


class AttributesChangeIn(ContractBody):
    attributes: FileAttributes | None
    """By key, as filters look them up."""


class BatchIn(ContractBody):
    """`file_ids` with the same `attributes` each, or `files` with their own."""

    file_ids: list[str] = Field([], max_length=MAX_FILES)
    """Files to put in, with the same attributes."""
    files: list[AttachmentIn] = Field([], max_length=MAX_FILES)
    """Files to put in, each with its own attributes."""
    attributes: FileAttributes | None = None
    """By key, as filters look them up."""

    @model_validator(mode="after")
    def _names_files(self) -> "BatchIn":
        if bool(self.file_ids) == bool(self.files):
            raise ValueError("give either file_ids or files")
        return self

    def attachments(self) -> list[Attachment]:
        if self.files:
            return [Attachment(file.file_id, file.attributes) for file in self.files]
        return [Attachment(file_id, self.attributes) for file_id in self.file_ids]


class FileCounts(Answer):
    in_progress: int
    """Waiting, or worked on."""
    completed: int
    """Ready."""
    failed: int
    """Failed."""
    cancelled: int
    """Taken out of the queue."""
    total: int
    """All of them."""


class StoreOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store"] = "vector_store"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    name: str
    """What people call it."""
    description: str
    """What it is for."""
    usage_bytes: int
    """Bytes of its vectors."""
    file_counts: FileCounts
    """How many files stand where."""
    status: Literal["in_progress", "completed", "expired"]
    """Where it stands."""
    metadata: dict[str, Any]
    """Words of the caller, by key."""
    last_active_at: int
    """When it was used last, in seconds since 1970."""
    expires_after: ExpiresAfter | None
    """After how many days without use it expires; null: never."""
    expires_at: int | None
    """When it expires, in seconds since 1970; null: never."""


class LastError(Answer):
    code: Literal["server_error", "unsupported_file", "invalid_file"]
    """Stable, for programs."""
    message: str
    """One sentence for people."""


class StoreFileOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store.file"] = "vector_store.file"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    vector_store_id: str
    """The vector store that it is in."""
    status: State
    """Where it stands."""
    last_error: LastError | None
    """Why it failed; null unless it did."""
    usage_bytes: int
    """Bytes of its vectors."""
    attributes: dict[str, Any]
    """By key, as filters look them up."""
    chunking_strategy: dict[str, str] = Field(default_factory=lambda: {"type": "other"})
    """Always `other`: articles are embedded whole."""


class BatchOut(Answer):
    id: str
    """What names it."""
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    """Always this word."""
    created_at: int
    """When, in seconds since 1970."""
    vector_store_id: str
    """The vector store that it is in."""
    status: State
    """Where it stands."""
    file_counts: FileCounts
    """How many files stand where."""


class Deleted(Answer):
    id: str
    """What names it."""
    object: str
    """Always this word."""
    deleted: Literal[True] = True
    """Always true."""


class StoresOut(Answer):
    object: Literal["list"] = "list"
    """Always this word."""
    data: list[StoreOut]
    """This page."""
    first_id: str | None
    """Of this page; null where it is empty."""
    last_id: str | None
    """Of this page: `after` of the next one."""
    has_more: bool
    """Whether there is a next page."""


class StoreFilesOut(Answer):
    object: Literal["list"] = "list"
    """Always this word."""
    data: list[StoreFileOut]
    """This page."""
    first_id: str | None
    """Of this page; null where it is empty."""
    last_id: str | None
    """Of this page: `after` of the next one."""
    has_more: bool
    """Whether there is a next page."""


class TextOut(Answer):
    type: Literal["text"] = "text"
    """Of what kind it is."""
    text: str
    """What was read, or what stands for a token."""


class ContentOut(Answer):
    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    """Always this word."""
    data: list[TextOut]
    """This page."""
    has_more: bool = False
    """Whether there is a next page."""
    next_page: str | None = None
    """Always null: there is one page."""


def find_page(
    limit: Limit = 20, order: Order = "desc", after: Cursor = None, before: Cursor = None
) -> Page:
    """Return where a list begins, from the query of a request."""
    return Page(limit, after, before, order == "desc")


Paged = Annotated[Page, Depends(find_page)]
