"""What an explanation says of a document: its state, and what the stages of a search make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain import Mode, PassageHit
from app.services.articles.documents import VersionInfo
from app.services.search.ranks import Standing


class State(StrEnum):
    """What became of a document in a search."""

    NOT_THERE = "not_there"
    QUEUED = "queued"
    PROCESSING = "processing"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    NOT_ALLOWED = "not_allowed"
    FILTERED = "filtered"
    NOT_PROPOSED = "not_proposed"
    """It can be found, and is among the first ones of no stage."""
    BELOW_MIN_SCORE = "below_min_score"
    BELOW_LIMIT = "below_limit"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term of the query, and how often the article holds it; its title counts three times."""

    term: str
    count: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How the query was read."""

    tokens: tuple[str, ...]
    """Its text, cut where the model's tokenizer cuts it; empty in a lexical search."""
    model_tokens: int | None
    """Those of prompt and special tokens included."""
    prompt: str | None
    adapter: str | None
    """None for a model without adapters and in a lexical search."""
    terms: tuple[TermMatch, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the stages of a search make of a document."""

    state: State
    reason: str
    stages: Mapping[str, Standing]
    """By name the stages that the mode looks at, and their `fused` score."""
    reading: Reading
    passages: tuple[PassageHit, ...]
    took_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a document stands for a question, and why; `ranking` where it could be ranked."""

    query: str
    collection: str
    document_id: str
    mode: Mode
    limit: int
    state: State
    reason: str
    versions: tuple[VersionInfo, ...]
    """All that are kept, newest first."""
    ranking: Ranking | None
