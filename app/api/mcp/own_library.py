"""The library of this process, as far as a caller may read it."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.api.access import Caller
from app.api.mcp.library import Asked, Found, Passages, Whole
from app.api.v1.filters import FilterIn, check_filter_size
from app.domain import Filter, Scope, add_attributes
from app.errors import InvalidRequest
from app.services.articles.collections import list_names
from app.services.articles.documents import get_document, list_documents
from app.services.search.context import build_context
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents

_FILTER: TypeAdapter[FilterIn] = TypeAdapter(FilterIn)
_LISTED = 200


class OwnLibrary:
    """Collections through the use cases of this process; each is looked up for its caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._resources = caller.resources

    def list_collections(self) -> list[str]:
        return list_names(self._resources.database, self._caller.principal)

    def search(self, asked: Asked, *, limit: int) -> list[Found]:
        request = self._request(asked, limit=limit)
        hits = search_documents(self._resources, request, passages=1).results
        return [
            Found(
                hit.collection,
                hit.document_id,
                hit.title,
                hit.url,
                hit.passages[0].quoted if hit.passages else "",
                hit.score,
            )
            for hit in hits
        ]

    def retrieve(self, asked: Asked, *, max_tokens: int) -> Passages:
        request = self._request(asked)
        context = build_context(self._resources, request, max_tokens=max_tokens)
        return Passages(
            tuple(
                Found(
                    block.collection,
                    block.document_id,
                    block.title,
                    block.url,
                    block.quoted,
                    block.score,
                    block.heading,
                )
                for block in context.blocks
            ),
            context.tokens,
            context.no_answer,
        )

    def fetch(self, collection: str, document_id: str) -> Whole:
        ref = self._caller.collection(collection, Scope.READ)
        document = get_document(self._resources.database, ref, document_id, with_text=True)
        return Whole(
            ref.name,
            document.id,
            document.title,
            document.url,
            document.text or "",
            add_attributes(
                {
                    "version": document.live_version,
                    "status": document.status.value,
                    "sha256": document.sha256,
                },
                document.attributes,
            ),
        )

    def list_documents(self, collection: str) -> list[tuple[str, str]]:
        ref = self._caller.collection(collection, Scope.READ)
        page, _ = list_documents(self._resources.database, ref, limit=_LISTED)
        return [(document.id, document.title) for document in page]

    def _request(self, asked: Asked, *, limit: int = 10) -> SearchRequest:
        refs = self._caller.collections(asked.collections, Scope.READ)
        filters = read_filter(asked.filters)
        return SearchRequest(
            asked.query, refs, limit=limit, filters=filters, messages=asked.messages
        )


def read_filter(given: dict[str, Any] | None) -> Filter | None:
    """Return the filter of a tool's argument; raises InvalidRequest with an example."""
    if not given:
        return None
    try:
        return check_filter_size(_FILTER.validate_python(given)).to_filter()
    except (ValidationError, ValueError) as error:
        reasons = (
            [str(part["msg"]) for part in error.errors()]
            if isinstance(error, ValidationError)
            else [str(error)]
        )
        raise InvalidRequest(
            f"the filter is not valid: {'; '.join(reasons[:3])}. One is written as "
            '{"type": "eq", "key": "product", "value": "grinder"}; types are eq, ne, gt, gte, lt, '
            "lte, in, nin, contains, not_contains, starts_with, ends_with, exists, and, or, not",
            code="invalid_filter",
        ) from error
