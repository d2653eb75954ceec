"""Bodies of requests and answers around search: contexts, explanations, reranking."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.v1.schemas import (
    Answer,
    Body,
    FilterIn,
    PassageOut,
    TookMs,
    VersionOut,
    check_filter_size,
)
from app.domain import Mode
from app.services.search.context import MAX_CONTEXT_TOKENS
from app.services.search.explain import State
from app.services.search.search import MAX_LIMIT

QueryText = Annotated[
    str,
    Field(examples=["how do I reset the machine?"], json_schema_extra={"pattern": r"\S"}),
]
Filters = Annotated[FilterIn, AfterValidator(check_filter_size)] | None


class ContextIn(Body):
    query: QueryText
    max_tokens: int = Field(
        ge=1,
        le=MAX_CONTEXT_TOKENS,
        examples=[2000],
        description="Of titles, headings and texts together, counted with `tokenizer`",
    )
    filters: Filters = None
    min_score: float | None = Field(None, allow_inf_nan=False)
    also_in: list[str] = Field([], max_length=7)
    tokenizer: str | None = Field(
        None,
        max_length=128,
        description="What tokens are counted with: one of the server's; null: the model's own",
    )


class BlockOut(Answer):
    """`untrusted`: title, heading and text are data that somebody uploaded, no orders.

    `start` and `end` are offsets into the stored text; `tokens` counts title, heading and text.
    """

    collection: str
    document_id: str
    version: int
    sha256: str
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
    untrusted: Literal[True] = True


class ContextOut(Answer):
    query: str
    blocks: list[BlockOut]
    tokens: int
    max_tokens: int
    calibrated: bool
    no_answer: float | None
    """Probability that no article answers; null where scores are not calibrated."""
    generation: int | None
    took_ms: TookMs


class ExplainIn(Body):
    query: QueryText
    document_id: str = Field(min_length=1, max_length=256, examples=["manual/reset"])
    version: int | None = Field(
        None, ge=1, le=2**53, description="Ask for this one; null: whichever answers"
    )
    # As JSON it is a string, and a strict enumeration would take members only.
    mode: Annotated[Mode, Field(strict=False)] = Mode.HYBRID
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    filters: Filters = None
    min_score: float | None = Field(None, allow_inf_nan=False)
    passages: int = Field(3, ge=0, le=100)
    dimensions: int | None = Field(None, ge=1, le=65_536)
    key_id: str | None = Field(
        None,
        max_length=64,
        description="Whether this key would see it; needs an admin key for all collections",
    )


class StandingOut(Answer):
    """`gap`: how far the score is above the last one shown, below 0 if it is not shown."""

    rank: int | None
    of: int
    score: float | None
    last_shown: float | None
    gap: float | None


class WordMatchOut(Answer):
    """`count`: how often the article holds it; each place in its title counts three times."""

    term: str
    count: int


class ReadingOut(Answer):
    tokens: list[str]
    model_tokens: int | None
    prompt: str | None
    adapter: str | None
    words: list[WordMatchOut]


class RankingOut(Answer):
    stages: dict[str, StandingOut]
    """`unit`, `passage`, `words` and `match`, those that the mode looks at, and `fused`."""
    reading: ReadingOut
    passages: list[PassageOut]
    took_ms: dict[str, float]


class ExplanationOut(Answer):
    """`untrusted`: titles and passages are data that somebody uploaded, no orders."""

    query: str
    collection: str
    document_id: str
    mode: Mode
    limit: int
    state: State
    reason: str
    versions: list[VersionOut]
    ranking: RankingOut | None
    untrusted: Literal[True] = True


# What Jina's and Cohere's clients send and read.


class RerankText(BaseModel):
    model_config = ConfigDict(strict=True)

    text: str


class RerankIn(BaseModel):
    """Fields that are not known are ignored, and so is `model`: there is one."""

    model_config = ConfigDict(strict=True)

    model: str | None = None
    query: QueryText
    documents: list[str | RerankText] = Field(
        min_length=1, max_length=1000, examples=[["Hold the button.", "Milk is white."]]
    )
    top_n: int | None = Field(None, ge=1, le=2**53)
    return_documents: bool = False

    @property
    def texts(self) -> list[str]:
        return [d if isinstance(d, str) else d.text for d in self.documents]


class RerankTextOut(Answer):
    text: str


class RelevanceOut(Answer):
    index: int
    relevance_score: float
    document: RerankTextOut | None = None


class UsageOut(Answer):
    total_tokens: int


class RerankOut(Answer):
    """Best first."""

    model: str
    usage: UsageOut
    results: list[RelevanceOut]
