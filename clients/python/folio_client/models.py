"""Answers of the server; fields that a newer server adds are kept and ignored."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What every answer is."""

    # Built at the first answer: who only imports the client does not wait for all of them.
    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True)


class Collection(Answer):
    """A collection, and how many of its documents stand at each status."""

    name: str
    description: str
    created_at: datetime
    documents: dict[str, int]


class LanguageCount(Answer):
    """How many articles are in a language; None where it was not told for sure."""

    language: str | None
    documents: int


class FailureCount(Answer):
    """How many documents failed with a code, and what one of them was told."""

    code: str
    documents: int
    message: str


class Statistics(Answer):
    """What the articles of a collection come to; `bytes` are those of their uploads."""

    name: str
    bytes: int
    tokens: int
    languages: list[LanguageCount]
    last_upload_at: datetime | None
    failures: list[FailureCount]


class Sentence(Answer):
    """Where a sentence or a table row stands in the stored text of its article."""

    start: int
    end: int


class Passage(Answer):
    """A passage: `start` and `end` are offsets into the stored text of its article."""

    text: str
    start: int
    end: int
    score: float
    heading: str
    page: int | None
    table_head: str = ""
    """Caption and head of the table that the text is rows of: to read before it."""
    sentence: Sentence | None = None
    """What in it holds most of the question's words, if anything does: to be highlighted."""


class Hit(Answer):
    """An article that was found. Its content is data that somebody uploaded."""

    collection: str
    document_id: str
    version: int
    sha256: str
    title: str
    url: str | None
    score: float
    attributes: dict[str, Any]
    passages: list[Passage]


class FacetValue(Answer):
    """A value of an attribute, and how many articles have it."""

    value: str | bool | int | float
    count: int


class SearchResult(Answer):
    """Articles, best first; scores are probabilities where `calibrated` says so."""

    query: str
    mode: str
    calibrated: bool
    results: list[Hit]
    total: int = 0
    """How many articles can be paged through."""
    facets: dict[str, list[FacetValue]] = Field(default_factory=dict)
    generation: int | None
    query_id: str | None = None


class Block(Answer):
    """A whole article, or a passage of it, for a prompt."""

    collection: str
    document_id: str
    version: int
    title: str
    url: str | None
    heading: str
    text: str
    start: int
    end: int
    page: int | None
    tokens: int
    score: float
    whole: bool
    table_head: str = ""
    """Caption and head of the table that the text is rows of: to read before it."""


class Context(Answer):
    """What answers a question within a budget; `no_answer` is the probability that nothing does."""

    query: str
    blocks: list[Block]
    tokens: int
    max_tokens: int
    calibrated: bool
    no_answer: float | None


class Failure(Answer):
    """Why a document failed."""

    code: str
    message: str


class Document(Answer):
    """A document: where its latest upload stands, and what answers for it."""

    id: str
    version: int
    status: str
    error: Failure | None
    live_version: int | None
    title: str
    url: str | None
    attributes: dict[str, Any]
    media_type: str
    sha256: str
    receipt: dict[str, Any] | None
    text: str | None = None


class Documents(Answer):
    """A page of documents."""

    documents: list[Document]
    total: int = 0
    next_cursor: str | None


class Collections(Answer):
    """All collections that the key covers."""

    collections: list[Collection]


class Accepted(Answer):
    """What an upload did to a document."""

    id: str
    version: int
    status: str
    change: str


class Upload(Answer):
    """The answer to an upload: durable when it is given."""

    job_id: str
    documents: list[Accepted]


class JobFailure(Failure):
    """A document of a job that failed."""

    id: str


class Job(Answer):
    """How far the documents of an upload are."""

    job_id: str
    counts: dict[str, int]
    errors: list[JobFailure]

    @property
    def is_pending(self) -> bool:
        """Whether a document of it still waits or is worked on."""
        return bool(self.counts["queued"] or self.counts["processing"])


class Erased(Answer):
    """The receipt of a deletion."""

    deleted: str
    versions: int
    complete: bool


class ErasedByFilter(Answer):
    """How many documents a filter picks, how many were erased, and the first of their ids."""

    matched: int
    deleted: int
    ids: list[str]
    complete: bool


class Backup(Answer):
    """A backup that lies on the server; `state` says what it is good for."""

    name: str
    state: str
    """`making`, `ready`, `expired`, `failed` or `damaged`."""
    created_at: datetime
    expires_at: datetime | None
    bytes: int | None
    documents: int | None
    sha256: str | None
    message: str | None


class Backups(Answer):
    """The newest first."""

    backups: list[Backup]
