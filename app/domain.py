"""The words of the domain as frozen types."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float32]
"""One embedding: shape (dimensions,), unit length unless said otherwise."""
Matrix: TypeAlias = npt.NDArray[np.float32]
"""Embeddings, one a row: shape (rows, dimensions)."""
Scalar: TypeAlias = str | bool | int | float
AttributeValue: TypeAlias = Scalar | list[Scalar]
Attributes: TypeAlias = Mapping[str, AttributeValue]


def add_attributes(said: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Folio says of an article, with its attributes.

    One that has a name of Folio's own is `attributes.NAME`: nothing is lost, and no uploader says
    where an article comes from.
    """
    own = {f"attributes.{key}" if key in said else key: attributes[key] for key in attributes}
    return {**own, **said}


class Task(StrEnum):
    """What an embedding is for: which adapter and which prompt make it."""

    QUERY = "retrieval.query"
    PASSAGE = "retrieval.passage"
    TEXT_MATCHING = "text-matching"
    CLASSIFICATION = "classification"
    SEPARATION = "separation"


class Status(StrEnum):
    """Where a version of a document is on its way."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Stage(StrEnum):
    """What is done to a version in turn."""

    PARSE = "parse"
    CUT = "cut"
    EMBED = "embed"
    COMMIT = "commit"


class Progress(StrEnum):
    """Where something that the server does in the background stands."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class GenerationState(StrEnum):
    """Where a generation of vectors stands; which one is live is said beside it."""

    BUILDING = "building"
    READY = "ready"
    REFUSED = "refused"
    """It is complete, and its gate did not let it go live."""
    FAILED = "failed"


class Mode(StrEnum):
    """How articles are found: by meaning, by words, or by both."""

    DENSE = "dense"
    LEXICAL = "lexical"
    HYBRID = "hybrid"


class Scope(StrEnum):
    """What a key may do; each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a text, counted in Unicode code points."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def shifted(self, by: int) -> "Span":
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Heading:
    """A section heading: where its line starts, its level (1 to 6) and its words."""

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class PageStart:
    """The offset at which page `number` (from 1) begins; slides and sheets count as pages."""

    start: int
    number: int


@dataclass(frozen=True, slots=True)
class Article:
    """What a parser makes of a file: text with everything that is known about it."""

    text: str
    title: str = ""
    url: str | None = None
    attributes: Attributes | None = None
    headings: tuple[Heading, ...] = ()
    pages: tuple[PageStart, ...] = ()
    pages_with_text: int | None = None
    """How many of the pages, slides or sheets hold text; None for a format without them."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph-sized span of the document's text, and where a reader finds it."""

    span: Span
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that becomes one vector, and the passages inside it (offsets into the document)."""

    span: Span
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One input of the model: a text, the title before it, and the spans to pool beside it."""

    text: str
    task: Task
    title: str = ""
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the model made of one item, all from one forward pass.

    `vector` has shape (dimensions,), `passages` (len(item.spans), dimensions); both unit length.
    `tokens` is what the model read, `text_tokens` the part of it that is the item's own text.
    `norm` and `passage_norms` are the lengths that the vectors had, in these dimensions.
    """

    vector: Vector
    passages: Matrix
    tokens: int
    text_tokens: int
    norm: float
    passage_norms: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was read of a document. One whose sum does not add up is never `ready`."""

    bytes: int
    characters: int
    pages: int | None
    pages_with_text: float | None
    """Share of the pages that hold text."""
    tokens_counted: int
    tokens_embedded: int
    tokens_processed: int
    """Tokens of all forward passes: text, and title, prompt and special tokens of each unit."""
    units: int
    passages: int
    warnings: tuple[str, ...]
    took_ms: Mapping[str, float]
    """Milliseconds by stage; of a batch's forward passes, its share by tokens."""
    language: str | None = None
    """ISO 639-1 code, as it was detected; None where that was unsure."""
    tokens_unknown: int = 0
    """Tokens of the text that stand for characters which the model does not know."""


@dataclass(frozen=True, slots=True)
class PassageHit:
    """A passage in an answer: text, where it stands, and the score its article has by it alone."""

    text: str
    start: int
    end: int
    score: float
    heading: str
    page: int | None
    table_head: str = ""
    """Caption and head of the table that it is amid: text before it, not part of it."""
    sentence: Span | None = None
    """The sentence or table row in it that holds most of the question's words, if any does."""

    @property
    def quoted(self) -> str:
        """What a reader needs of it: rows under the head of their table."""
        return self.table_head + self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """A document in an answer; its score is the probability that it answers, 0 to 1.

    Where scores are not calibrated, or articles were reranked, it only ranks.
    """

    collection: str
    document_id: str
    version: int
    sha256: str
    """Of the uploaded bytes that this version was read from."""
    title: str
    url: str | None
    score: float
    attributes: Attributes
    passages: tuple[PassageHit, ...]
    found_score: float
    """Its score before it was reranked."""
    same_as: tuple[str, ...] = ()
    """Ids of the articles that say the same, where such are collapsed."""


TIME_KEYS = frozenset({"$created_at", "$updated_at"})
"""First upload of the document, and when the version that answers was ready."""
LANGUAGE_KEY = "$language"
"""The language of the article; an attribute of this name, which a caller gave, wins over it."""
MEDIA_TYPE_KEY = "$media_type"
FIELD_KEYS = TIME_KEYS | {"$id", "$url", MEDIA_TYPE_KEY}


def parse_time(value: Scalar) -> datetime:
    """Return a point in time written in ISO 8601, in UTC unless it names a zone, as UTC.

    Raises ValueError.
    """
    try:
        # As text of digits a number could be a date.
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "a time is written in ISO 8601: 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one attribute.

    A list attribute meets a condition when one of its elements does; `ne` and `nin` are the exact
    opposites of `eq` and `in`, so that a document without the key meets them. Strings compare with
    strings and numbers with numbers: a value of another type does not match.

    `contains`, `starts_with` and `ends_with` look into strings, letter for letter, and
    `not_contains` is the opposite of `contains`. `exists` asks whether there is a value at all, or
    none where its value is false. Keys and strings compare in NFC.

    A key of FIELD_KEYS names what Folio knows of the document; other keys are its attributes.
    """

    type: Literal[
        "eq",
        "ne",
        "gt",
        "gte",
        "lt",
        "lte",
        "in",
        "nin",
        "contains",
        "not_contains",
        "starts_with",
        "ends_with",
        "exists",
    ]
    key: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """Several conditions: all (`and`), at least one (`or`) or none (`not`) must hold."""

    type: Literal["and", "or", "not"]
    filters: "tuple[Filter, ...]"


Filter: TypeAlias = Condition | Compound


MAX_ATTRIBUTES, MAX_KEY_LENGTH, MAX_VALUES, MAX_VALUE_LENGTH = 64, 128, 256, 4096
"""Attributes of an article, whichever way they come; the lengths are in characters."""
MAX_TITLE_LENGTH, MAX_URL_LENGTH = 1024, 2048

_LINK_SCHEMES = frozenset({"http", "https", "mailto"})


def is_surrogate(character: str) -> bool:
    """Return whether it is half of a pair, which stands for no character."""
    return "\ud800" <= character <= "\udfff"


def is_link(url: str) -> bool:
    """Return whether a URL may be shown as a link to an article: http, https, mailto or relative.

    One with control characters may not: browsers read on as if they were not there. Nor may one
    with half of a surrogate pair, which cannot be stored.
    """
    head, colon, _ = url.strip().partition(":")
    has_scheme = bool(colon) and not set(head) & set("/?#")
    plain = not any(
        ord(character) < 32 or ord(character) == 127 or is_surrogate(character) for character in url
    )
    return plain and (not has_scheme or head.lower() in _LINK_SCHEMES)
