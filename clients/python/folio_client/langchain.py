"""A retriever for LangChain: each document is a passage of an article, with its provenance."""

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

    `client` answers `invoke`; `async_client`, where it is given, `ainvoke`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Folio
    async_client: AsyncFolio | None = None
    collection: str
    k: int = 4
    passages: int = 3
    filters: Mapping[str, Any] | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self.client.search(
            self.collection, query, limit=self.k, passages=self.passages, filters=self.filters
        )
        return [_as_document(hit) for hit in found.results]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        if self.async_client is None:
            found_beside: list[Document] = await super()._aget_relevant_documents(
                query, run_manager=run_manager
            )
            return found_beside
        found = await self.async_client.search(
            self.collection, query, limit=self.k, passages=self.passages, filters=self.filters
        )
        return [_as_document(hit) for hit in found.results]


def _as_document(hit: Any) -> Document:
    return Document(id=hit.document_id, page_content=join_passages(hit), metadata=describe(hit))
