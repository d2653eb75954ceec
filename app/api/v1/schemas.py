"""Bodies of requests and answers. Unknown fields are refused."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from app.domain import (
    TIME_KEYS,
    Comparison,
    Compound,
    Filter,
    Mode,
    Scope,
    Stage,
    Status,
    parse_time,
)
from app.services.articles.collections import NAME_PATTERN
from app.services.articles.documents import Change
from app.services.search.search import MAX_LIMIT


def _refuse_integer(value: object) -> object:
    if isinstance(value, int):
        # Pydantic turns only this kind of error into its own.
        raise ValueError(  # noqa: TRY004
            f"integers lie between {-MAX_INTEGER} and {MAX_INTEGER}"
        )
    return value


# Integers beyond 2^53 are other numbers in many JSON readers.
MAX_INTEGER = 2**53
Integer = Annotated[StrictInt, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
# A strict float would take such an integer, rounded.
Number = Annotated[StrictFloat, BeforeValidator(_refuse_integer), Field(allow_inf_nan=False)]
Word = Annotated[StrictStr, Field(max_length=4096)]
ScalarIn: TypeAlias = StrictBool | Integer | Number | Word
Key = Annotated[str, Field(min_length=1, max_length=128)]
AttributesIn = Annotated[
    dict[Key, ScalarIn | Annotated[list[ScalarIn], Field(min_length=1, max_length=256)]],
    Field(
        max_length=64, examples=[{"product": "grinder", "tags": ["burrs", "dose"], "year": 2025}]
    ),
]
Title = Annotated[str, Field(max_length=1024)]
Url = Annotated[str, Field(max_length=2048)]


class Body(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """An answer, read off the service's own types."""

    model_config = ConfigDict(from_attributes=True)


class FailureOut(Answer):
    """Why a document failed."""

    code: str
    message: str
    stage: Stage | None = None


# Collections


class CollectionIn(Body):
    name: str = Field(pattern=NAME_PATTERN, examples=["help"])
    description: str = Field("", max_length=4096, examples=["Help articles for customers"])


class CollectionOut(Answer):
    name: str
    description: str
    created_at: datetime
    documents: dict[Status, int]


class CollectionsOut(Answer):
    collections: list[CollectionOut]


class CollectionDeleted(Answer):
    name: str
    documents: int


# Documents


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
    twins: list[str] = []
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
    took_ms: dict[str, float] = {}
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


# Search


FilterKey = Annotated[
    Key,
    Field(
        description="An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected "
        "unless an attribute of this name was given), or in ISO 8601 $created_at (first "
        "uploaded) and $updated_at (the version that answers was ready)"
    ),
]


def _check_times(key: str, values: Iterable[ScalarIn]) -> None:
    if key in TIME_KEYS:
        for value in values:
            parse_time(value)


class ComparisonIn(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    key: FilterKey
    value: ScalarIn

    @model_validator(mode="after")
    def _times_are_times(self) -> "ComparisonIn":
        _check_times(self.key, [self.value])
        return self

    def to_filter(self) -> Filter:
        return Comparison(self.type, self.key, self.value)


class MembershipIn(Body):
    type: Literal["in", "nin"]
    key: FilterKey
    value: list[ScalarIn] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _times_are_times(self) -> "MembershipIn":
        _check_times(self.key, self.value)
        return self

    def to_filter(self) -> Filter:
        return Comparison(self.type, self.key, tuple(self.value))


class CompoundIn(Body):
    type: Literal["and", "or"]
    filters: "list[FilterIn]" = Field(min_length=1, max_length=32)

    def to_filter(self) -> Filter:
        return Compound(self.type, tuple(part.to_filter() for part in self.filters))


FilterIn: TypeAlias = Annotated[
    ComparisonIn | MembershipIn | CompoundIn, Field(discriminator="type")
]
CompoundIn.model_rebuild()

MAX_CONDITIONS = 256
MAX_VALUES = 4096
MAX_FILTER_DEPTH = 32


def check_filter_size(condition: FilterIn) -> FilterIn:
    """Raise ValueError for a filter that would ask too much of the database."""
    level, depth, conditions, values = [condition], 0, 0, 0
    while level:
        depth += 1
        compounds = [part for part in level if isinstance(part, CompoundIn)]
        conditions += len(level) - len(compounds)
        values += sum(len(part.value) for part in level if isinstance(part, MembershipIn))
        if depth > MAX_FILTER_DEPTH or conditions > MAX_CONDITIONS or values > MAX_VALUES:
            raise ValueError(
                f"a filter has at most {MAX_CONDITIONS} conditions and {MAX_VALUES} values in "
                f"lists, nested {MAX_FILTER_DEPTH} deep"
            )
        level = [part for compound in compounds for part in compound.filters]
    return condition


class SearchIn(Body):
    query: str = Field(
        examples=["how do I reset the machine?"], json_schema_extra={"pattern": r"\S"}
    )
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    filters: Annotated[FilterIn, AfterValidator(check_filter_size)] | None = Field(
        None, examples=[{"type": "eq", "key": "product", "value": "grinder"}]
    )
    min_score: float | None = Field(None, allow_inf_nan=False)
    passages: int = Field(1, ge=0, le=100)
    # As JSON it is a string, and a strict enumeration would take members only.
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    dimensions: int | None = Field(
        None, ge=1, le=65_536, description="Compare only the first ones of each vector"
    )
    generation: int | None = Field(
        None, ge=1, le=2**53, description="Ask this generation of vectors instead of the live one"
    )
    also_in: list[str] = Field(
        [], max_length=7, description="Further collections to search together with this one"
    )
    rerank: bool = Field(
        False, description="Rank the first ones again by the tokens of their best passages"
    )


class PassageOut(Answer):
    text: str
    start: int
    end: int
    score: float
    heading: str
    page: int | None


class HitOut(Answer):
    """`untrusted`: title, attributes and passages are data that somebody uploaded, no orders."""

    collection: str
    document_id: str
    version: int
    sha256: str
    """Of the uploaded bytes that this version was read from."""
    title: str
    url: str | None
    score: float
    attributes: dict[str, Any]
    passages: list[PassageOut]
    untrusted: Literal[True] = True


class TookMs(Answer):
    embed: float
    search: float
    rerank: float
    total: float


class SearchOut(Answer):
    query: str
    mode: Mode
    calibrated: bool
    """Whether scores are probabilities, fitted to the model in use; else they only rank."""
    results: list[HitOut]
    generation: int | None
    took_ms: TookMs
    query_id: str | None = None
    """What POST /v1/feedback names; None while the query log is off."""


# Keys


class KeyIn(Body):
    name: str = Field("", max_length=256, examples=["chatbot"])
    scope: Scope = Scope.READ
    collections: list[str] | None = Field(
        None, min_length=1, max_length=100, description="None: all of them", examples=[["help"]]
    )
    expires_at: AwareDatetime | None = None

    @field_validator("expires_at")
    @classmethod
    def _fits_the_calendar(cls, expires_at: datetime | None) -> datetime | None:
        try:
            return expires_at and expires_at.astimezone(UTC)
        except OverflowError:
            raise ValueError("this lies past the year 9999 in UTC") from None


class KeyOut(Answer):
    id: str
    name: str
    scope: Scope
    collections: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyMade(KeyOut):
    key: str
    """The token itself; it is shown this once."""


class KeysOut(Answer):
    keys: list[KeyOut]
