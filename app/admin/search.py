"""The page that shows what a chatbot would get, and why an article is not there."""

import json
import shlex
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, render
from app.api.access import Opened, ReadableCollection
from app.domain import Mode
from app.runtime.resources import Resources
from app.services.quality.feedback import record_query
from app.services.search.context import Context, search_with_context
from app.services.search.explain import Explanation, Inquiry, explain_document
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
) -> Response:
    """Ask a question: hits, the context for a budget, and where one article stands."""
    found = None
    if q.strip():
        asked = SearchRequest(q, [collection], mode)
        found = _ask(resources, asked, max_tokens, why)
    path = f"/v1/collections/{collection.name}/search"
    url = str(request.base_url).rstrip("/") + path
    return render(
        request,
        "search.html",
        collection=collection,
        q=q,
        mode=mode,
        modes=list(Mode),
        max_tokens=max_tokens,
        why=why,
        found=found,
        query_id=found and record_query(resources, collection, found.hits),
        curl=_as_curl(url, q, mode),
        python=_as_python(url, q, mode),
    )


def _ask(resources: Resources, request: SearchRequest, max_tokens: int, why: str) -> Found:
    explanation = None
    if why:
        explanation = explain_document(resources, Inquiry(request, why))
    hits, context = search_with_context(resources, request, passages=2, max_tokens=max_tokens)
    return Found(hits, context, explanation)


def _as_curl(url: str, question: str, mode: Mode) -> str:
    body = json.dumps({"query": question, "mode": mode.value}, ensure_ascii=False)
    return (
        f"curl -X POST {shlex.quote(url)} -H 'Authorization: Bearer '\"$FOLIO_KEY\" "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def _as_python(url: str, question: str, mode: Mode) -> str:
    return (
        "import os, httpx\n\n"
        f"answer = httpx.post(\n    {url!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'FOLIO_KEY\']}"},\n'
        f'    json={{"query": {question!r}, "mode": {mode.value!r}}},\n'
        ").raise_for_status().json()\n"
    )
