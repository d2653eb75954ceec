"""The page that shows what a chatbot would get, and why an article is not there."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, render
from app.admin.search_filters import MAX_FILTERS, Narrowing
from app.api.access import Opened, ReadableCollection
from app.api.v1.search import FacetKey
from app.domain import Mode
from app.runtime.resources import Resources
from app.services.articles.document_lists import list_attributes
from app.services.quality.feedback import record_query
from app.services.search.context import Context, search_with_context
from app.services.search.explain import explain_document
from app.services.search.explanations import Explanation
from app.services.search.obstacles import Inquiry
from app.services.search.pipeline import SearchRequest
from app.services.search.search import SearchResult

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """The answers to one question."""

    hits: SearchResult
    context: Context
    explanation: Explanation | None


@router.get("/collections/{collection}/search")
def show_search(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    q: Annotated[str, Query(max_length=32_768)] = "",
    mode: Mode = Mode.HYBRID,
    max_tokens: Annotated[int, Query(ge=1, le=100_000)] = _TOKENS,
    why: Annotated[str, Query(max_length=256)] = "",
    given: Annotated[list[str] | None, Query(alias="filter", max_length=MAX_FILTERS)] = None,
    by: FacetKey | None = None,
) -> Response:
    """Ask a question: hits, the context for a budget, and where one article stands."""
    asked = {"q": q, "mode": mode.value, "max_tokens": str(max_tokens), "why": why}
    narrowing = Narrowing.read(asked, given or [], by)
    found = None
    if q.strip():
        facets = [] if by is None else [by]
        search = SearchRequest(q, [collection], mode, filters=narrowing.filter(), facets=facets)
        found = _ask(resources, search, max_tokens, why)
    url = f"{str(request.base_url).rstrip('/')}/v1/collections/{collection.name}/search"
    body = {"query": q, "mode": mode.value, **narrowing.body()}
    return render(
        request,
        "search.html",
        collection=collection,
        q=q,
        mode=mode,
        modes=list(Mode),
        max_tokens=max_tokens,
        why=why,
        by=by,
        fields=narrowing.fields(),
        asked=narrowing.path().removeprefix("?"),
        chips=narrowing.chips(),
        keys=narrowing.keys(list_attributes(resources.database, collection)) if found else [],
        values=narrowing.values(found.hits.facets[by]) if found and by else [],
        found=found,
        query_id=found and record_query(resources, collection, found.hits),
        curl=_as_curl(url, body, has_key=request.app.state.requires_keys),
        python=_as_python(url, body, has_key=request.app.state.requires_keys),
    )


def _ask(resources: Resources, request: SearchRequest, max_tokens: int, why: str) -> Found:
    explanation = None
    if why:
        explanation = explain_document(resources, Inquiry(request, why))
    hits, context = search_with_context(resources, request, passages=2, max_tokens=max_tokens)
    return Found(hits, context, explanation)


def _as_curl(url: str, body: Mapping[str, Any], *, has_key: bool) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    key = "-H 'Authorization: Bearer '\"$FOLIO_KEY\" " if has_key else ""
    return f"curl -X POST {shlex.quote(url)} {key}-H 'Content-Type: application/json' -d {data}"


def _as_python(url: str, body: Mapping[str, Any], *, has_key: bool) -> str:
    key = (
        '    headers={"Authorization": f"Bearer {os.environ[\'FOLIO_KEY\']}"},\n' if has_key else ""
    )
    return (
        f"import {'os, ' if has_key else ''}httpx\n\n"
        f"answer = httpx.post(\n    {url!r},\n{key}"
        f"    json={body!r},\n"
        ").raise_for_status().json()\n"
    )
