"""`/v1/vector_stores/{id}/search`: the one search, in OpenAI's shape."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field

from app.api.access import Opened, ReadableStore
from app.api.bodies import BodySize, json_body
from app.api.compat.errors import ContractBody, OpenAIRoute, openai_responses
from app.api.compat.vector_store_answers import flatten
from app.api.compat.vector_store_schemas import TextOut
from app.api.v1.fields import Answer
from app.api.v1.filters import FilterIn, check_filter_size
from app.domain import Hit
from app.services.articles.store_files import find_files
from app.services.articles.stores import use_store
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents

router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["openai"])

MAX_QUERIES = 8
_PASSAGES = 3


class RankingOptions(ContractBody):
    """`ranker` is taken and changes nothing: there is one."""

    ranker: str | None = None
    """Taken; there is one."""
    score_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    """Leave out what scores less."""


class StoreSearchIn(ContractBody):
    query: str | Annotated[list[str], Field(min_length=1, max_length=MAX_QUERIES)] = Field(
        examples=["how do I reset the machine?"]
    )
    """The question."""
    max_num_results: int = Field(10, ge=1, le=50)
    """How many files."""
    filters: Annotated[FilterIn, AfterValidator(check_filter_size)] | None = None
    """Which files to look at."""
    ranking_options: RankingOptions | None = None
    """How sure a hit must be."""
    rewrite_query: bool = Field(False, description="Taken; a query is searched as it is")

    @property
    def queries(self) -> list[str]:
        return [self.query] if isinstance(self.query, str) else self.query


class StoreHitOut(Answer):
    file_id: str
    """The id of a file."""
    filename: str
    """As it was uploaded."""
    score: float
    """How well it answers."""
    attributes: dict[str, Any]
    """By key, as filters look them up."""
    content: list[TextOut]
    """Its text, or its best passages."""


class StoreHitsOut(Answer):
    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    """Always this word."""
    search_query: list[str]
    """What was asked."""
    data: list[StoreHitOut]
    """This page."""
    has_more: bool = False
    """Whether there is a next page."""
    next_page: str | None = None
    """Always null: there is one page."""


@router.post(
    "/vector_stores/{vector_store_id}/search",
    operation_id="search_store",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429, 503),
)
def search_vector_store(
    store: ReadableStore,
    body: Annotated[StoreSearchIn, Depends(json_body(StoreSearchIn, size=BodySize.UPLOAD))],
    resources: Opened,
) -> StoreHitsOut:
    """Rank the files of a vector store for one question or several, each with its passages."""
    use_store(resources, store)
    options = body.ranking_options or RankingOptions()
    best: dict[str, Hit] = {}
    for query in body.queries:
        request = SearchRequest(
            query,
            [store],
            limit=body.max_num_results,
            filters=body.filters.to_filter() if body.filters else None,
            min_score=options.score_threshold or None,
        )
        result = search_documents(resources, request, passages=_PASSAGES)
        for hit in result.results:
            known = best.get(hit.document_id)
            if known is None or hit.score > known.score:
                best[hit.document_id] = hit
    hits = sorted(best.values(), key=lambda hit: -hit.score)[: body.max_num_results]
    files = find_files(resources, store, [hit.document_id for hit in hits])
    return StoreHitsOut(
        search_query=body.queries,
        data=[
            StoreHitOut(
                file_id=files[hit.document_id].id,
                filename=files[hit.document_id].filename,
                score=hit.score,
                attributes=flatten(hit.attributes),
                content=[TextOut(text=passage.quoted) for passage in hit.passages],
            )
            for hit in hits
            # One that was deleted since is in no store any more.
            if hit.document_id in files
        ],
    )
