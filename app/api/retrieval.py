"""Routes around search: contexts for prompts, explanations, reranking."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.api.auth import Caller, GuardedRoute, Opened, needs
from app.api.bodies import json_body, takes
from app.api.problems import problem_responses
from app.api.retrieval_schemas import ContextIn, ContextOut
from app.domain import Scope
from app.services.context import build_context

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["search"],
)

CollectionName = Annotated[str, Path(examples=["help"])]


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
    )
    return ContextOut.model_validate(context)
