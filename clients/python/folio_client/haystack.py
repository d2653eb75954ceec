"""A retriever component for Haystack: each document is an article's best passages."""

from typing import Any

from haystack import Document, component

from folio_client.client import Folio
from folio_client.provenance import describe, join_passages


@component
class FolioRetriever:
    """Asks Folio for the articles that answer a question."""

    def __init__(
        self,
        client: Folio,
        collection: str,
        *,
        top_k: int = 4,
        passages: int = 3,
        filters: dict[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._collection = collection
        self._top_k = top_k
        self._passages = passages
        self._filters = filters

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents; `filters` are Folio's own."""
        found = self._client.search(
            self._collection,
            query,
            limit=top_k or self._top_k,
            passages=self._passages,
            filters=filters or self._filters,
        )
        documents = [
            Document(
                id=hit.document_id,
                content=join_passages(hit),
                meta=describe(hit),
                score=hit.score,
            )
            for hit in found.results
        ]
        return {"documents": documents}
