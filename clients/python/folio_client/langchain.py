"""A retriever for LangChain: each document is an article's best passages, with its provenance."""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from folio_client.client import AsyncFolio, Folio
from folio_client.provenance import describe, join_passages


class FolioRetriever(BaseRetriever):
    """Asks Folio for the articles that answer a question.

    `client` answers `invoke`; `async_client`, where it is given, `ainvoke`. `k`, `passages` and
    `filters` hold for every question, and for one where they are given to `invoke`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Folio
    async_client: AsyncFolio | None = None
    collection: str
    k: int = 4
    passages: int = 3
    filters: Mapping[str, Any] | None = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        passages: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        options = self._options(k, passages, filters)
        found = self.client.search(self.collection, query, **options)
        return [_as_document(hit) for hit in found.results]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        passages: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        options = self._options(k, passages, filters)
        if self.async_client is None:
            found = await asyncio.to_thread(self.client.search, self.collection, query, **options)
        else:
            found = await self.async_client.search(self.collection, query, **options)
        return [_as_document(hit) for hit in found.results]

    def _options(
        self, k: int | None, passages: int | None, filters: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        return {
            "limit": self.k if k is None else k,
            "passages": self.passages if passages is None else passages,
            "filters": self.filters if filters is None else filters,
        }


def _as_document(hit: Any) -> Document:
    return Document(id=hit.document_id, page_content=join_passages(hit), metadata=describe(hit))
