"""A retriever for LlamaIndex: each node is an article's best passages, with its provenance."""

import asyncio
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from folio_client.client import AsyncFolio, Folio
from folio_client.models import Hit
from folio_client.provenance import describe, join_passages

# What a model reads of an article beside its text; the rest of the metadata is for programs.
_READ_BY_MODELS = {"title", "source"}


class FolioRetriever(BaseRetriever):
    """Asks Folio for the articles that answer a question.

    `client` answers `retrieve`; `async_client`, where it is given, `aretrieve`.
    """

    def __init__(
        self,
        client: Folio,
        collection: str,
        *,
        async_client: AsyncFolio | None = None,
        similarity_top_k: int = 4,
        passages: int = 3,
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._async_client = async_client
        self._collection = collection
        self._options: dict[str, Any] = {
            "limit": similarity_top_k,
            "passages": passages,
            "filters": filters,
        }
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._client.search(self._collection, query_bundle.query_str, **self._options)
        return [_as_node(hit) for hit in found.results]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked = (self._collection, query_bundle.query_str)
        if self._async_client is None:
            found = await asyncio.to_thread(self._client.search, *asked, **self._options)
        else:
            found = await self._async_client.search(*asked, **self._options)
        return [_as_node(hit) for hit in found.results]


def _as_node(hit: Hit) -> NodeWithScore:
    metadata = describe(hit)
    hidden = [key for key in metadata if key not in _READ_BY_MODELS]
    node = TextNode(
        id_=hit.document_id,
        text=join_passages(hit),
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
    )
    return NodeWithScore(node=node, score=hit.score)
