"""LangChain's own tests of a retriever, on ours over a server process."""

from typing import Any

import pytest
from folio_client import Folio

pytest.importorskip("langchain_tests", reason="the extra `peers` is missing")

from folio_client.langchain import FolioRetriever
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from tests.clients.conftest import SAMPLE


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
class TestFolioRetriever(RetrieversIntegrationTests):
    client: Folio

    @pytest.fixture(autouse=True)
    def _client(self, sample: Folio) -> None:
        self.client = sample

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return FolioRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": self.client, "collection": SAMPLE}

    @property
    def retriever_query_example(self) -> str:
        return "how do I descale the machine?"
