"""Routes around search: contexts for prompts, explanations, reranking."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.access import Caller, GuardedRoute, Opened, needs
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.v1.retrieval_schemas import (
    ContextIn,
    ContextOut,
    ExplainIn,
    ExplanationOut,
    RelevanceOut,
    RerankIn,
    RerankOut,
    RerankTextOut,
    UsageOut,
)
from app.api.v1.routes import CollectionName
from app.domain import Scope
from app.services.search.context import build_context
from app.services.search.explain import Inquiry, explain_document
from app.services.search.rerank import rerank_texts
from app.services.search.search import check_query

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["search"],
)


@router.post(
    "/collections/{collection}/context",
    openapi_extra=needs(Scope.READ) | takes(ContextIn),
    responses=problem_responses(404, 413, 415, 422, 503),
)
def get_context(
    collection: CollectionName,
    body: Annotated[ContextIn, Depends(json_body(ContextIn))],
    resources: Opened,
    caller: Caller,
) -> ContextOut:
    """Give what answers a question, for a prompt: whole articles where they fit, else passages."""
    for name in body.also_in:
        caller.require(Scope.READ, name)
    context = build_context(
        resources,
        collection,
        body.query,
        max_tokens=body.max_tokens,
        filters=body.filters.to_filter() if body.filters else None,
        min_score=body.min_score,
        also_in=body.also_in,
        tokenizer=body.tokenizer,
    )
    return ContextOut.model_validate(context)


@router.post(
    "/collections/{collection}/explain",
    openapi_extra=needs(Scope.READ) | takes(ExplainIn),
    responses=problem_responses(404, 413, 415, 422, 503),
)
def explain(
    collection: CollectionName,
    body: Annotated[ExplainIn, Depends(json_body(ExplainIn))],
    resources: Opened,
    caller: Caller,
) -> ExplanationOut:
    """Say where a document stands for a question, and why."""
    if body.key_id is not None:
        caller.require(Scope.ADMIN, None)
    inquiry = Inquiry(
        collection=collection,
        query=body.query,
        document_id=body.document_id,
        version=body.version,
        mode=body.mode,
        limit=body.limit,
        filters=body.filters.to_filter() if body.filters else None,
        min_score=body.min_score,
        passages=body.passages,
        dimensions=body.dimensions,
        key_id=body.key_id,
    )
    return ExplanationOut.model_validate(explain_document(resources, inquiry))


@router.post(
    "/rerank",
    openapi_extra=needs(Scope.READ) | takes(RerankIn),
    responses=problem_responses(413, 415, 422, 503),
    response_model_exclude_none=True,
)
def rerank(body: Annotated[RerankIn, Depends(json_body(RerankIn))], resources: Opened) -> RerankOut:
    """Rank given texts for a question, in the shape of Jina's and Cohere's interfaces."""
    check_query(body.query)
    reranked = rerank_texts(resources, body.query, body.texts)
    return RerankOut(
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
            for result in reranked.results[: body.top_n]
        ],
    )
