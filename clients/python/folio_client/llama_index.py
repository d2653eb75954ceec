"""A retriever for LlamaIndex: each node is an article's best passages, with its provenance."""

from collections.abc import Mapping
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from folio_client.client import Folio
from folio_client.provenance import describe, join_passages


class FolioRetriever(BaseRetriever):
    """Asks Folio for the articles that answer a question."""

    def __init__(
        self,
        client: Folio,
        collection: str,
        *,
        similarity_top_k: int = 4,
        passages: int = 3,
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._collection = collection
        self._limit = similarity_top_k
        self._passages = passages
        self._filters = filters
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._client.search(
            self._collection,
            query_bundle.query_str,
            limit=self._limit,
            passages=self._passages,
            filters=self._filters,
        )
        return [
            NodeWithScore(
                node=TextNode(id_=hit.document_id, text=join_passages(hit), metadata=describe(hit)),
                score=hit.score,
            )
            for hit in found.results
        ]
