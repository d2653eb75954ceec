"""Reranking of given texts, in the shape of Jina's and Cohere's interfaces."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from app.api.access import GuardedRoute, Opened, Reader
from app.api.bodies import LimitedModel, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, QueryText
from app.services.search.pipeline import check_query
from app.services.search.rerank import rerank_texts

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["search"],
)


class RerankText(BaseModel):
    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    text: str
    """What to rank."""


class RerankIn(LimitedModel):
    """Fields that are not known are ignored, and so is `model`: there is one."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    model: str | None = None
    """Ignored: there is one."""
    query: QueryText
    """The question to rank for."""
    documents: list[str | RerankText] = Field(
        min_length=1, max_length=1000, examples=[["Hold the button.", "Milk is white."]]
    )
    """What to rank."""
    top_n: int | None = Field(None, ge=1, le=2**53, validation_alias=AliasChoices("top_n", "top_k"))
    """How many to answer with; null: all."""
    return_documents: bool = False
    """Whether to repeat the texts."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, body: object) -> object:
        # Clients send null for what they do not set.
        if isinstance(body, dict):
            return {name: value for name, value in body.items() if value is not None}
        return body

    @property
    def texts(self) -> list[str]:
        return [d if isinstance(d, str) else d.text for d in self.documents]


class RerankTextOut(Answer):
    text: str
    """The text that was ranked."""


class ScoreOut(Answer):
    index: int
    """Which document it is of."""
    relevance_score: float
    """How well it answers."""


class RelevanceOut(ScoreOut):
    document: RerankTextOut | None = None
    """The text, where it was asked for."""


class UsageOut(Answer):
    total_tokens: int
    """Tokens that the model read."""


class RerankOut(Answer):
    """Best first."""

    id: str
    """Of this answer."""
    model: str
    """What ranked."""
    usage: UsageOut
    """Tokens."""
    meta: dict[str, dict[str, str]]
    """The version of the contract."""
    results: list[RelevanceOut]
    """Best first."""
    data: list[ScoreOut]
    """The same, where Voyage's clients look for it."""


@router.post(
    "/rerank",
    responses=problem_responses(413, 415, 422, 503),
    response_model_exclude_none=True,
)
def rerank(
    body: Annotated[RerankIn, Depends(json_body(RerankIn))], resources: Opened, _: Reader
) -> RerankOut:
    """Rank given texts for a question, in the shape of Jina's and Cohere's interfaces."""
    check_query(resources.settings, body.query)
    reranked = rerank_texts(resources, body.query, body.texts)
    found = reranked.results[: body.top_n]
    return RerankOut(
        id=str(uuid4()),
        meta={"api_version": {"version": "1"}},
        model=reranked.model,
        usage=UsageOut(total_tokens=reranked.tokens),
        results=[
            RelevanceOut(
                index=result.index,
                relevance_score=result.relevance_score,
                document=RerankTextOut(text=body.texts[result.index])
                if body.return_documents
                else None,
            )
            for result in found
        ],
        data=[
            ScoreOut(index=result.index, relevance_score=result.relevance_score) for result in found
        ],
    )
