"""The retrievers in their frameworks: the same articles as a search, with their provenance."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from folio_client import AsyncFolio, Folio
from folio_client.provenance import describe

from app.api.mcp.library import make_uri
from app.config import Settings
from app.services.quality.calibration import MIN_DOCUMENTS
from tests.api.service import open_service

QUESTION = "how do I steep the tea?"


@pytest.fixture(scope="module")
def folio(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Folio]:
    settings = Settings(data=tmp_path_factory.mktemp("retrievers"), model=str(jina_v3))
    with open_service(settings) as service, Folio(service.url) as client:
        client.create_collection("help")
        # So few are never measured: a calibration between two searches would change the scores.
        for n in range(MIN_DOCUMENTS - 1):
            client.put_document(
                "help", f"a{n}", text=f"Tea {n}. " * (n + 1), title=f"T{n}", wait_s=30
            )
        yield client


@pytest.fixture
def expected(folio: Folio) -> list[tuple[str, float]]:
    found = folio.search("help", QUESTION, limit=4, passages=3)
    return [(hit.document_id, hit.score) for hit in found.results]


def assert_provenance(metadata: dict[str, Any], document_id: str) -> None:
    assert metadata["source"] == f"folio://help/{document_id}"
    assert metadata["untrusted"] is True
    assert metadata["passages"][0]["start"] == 0


def test_source_of_an_article_without_an_address_is_its_resource_of_mcp(folio: Folio) -> None:
    folio.create_collection("manuals")
    folio.put_document("manuals", "tea/how to steep?", text="Four minutes.", wait_s=30)
    (hit,) = folio.search("manuals", QUESTION).results
    assert describe(hit)["source"] == make_uri("manuals", "tea/how to steep?")


def test_attribute_with_a_name_of_folio_s_own_is_kept_under_another(folio: Folio) -> None:
    folio.create_collection("named")
    given = {"version": "11 beta", "untrusted": False, "product": "kettle"}
    folio.put_document("named", "tea", text="Four minutes.", attributes=given, wait_s=30)
    (hit,) = folio.search("named", QUESTION).results
    described = describe(hit)
    assert (described["version"], described["untrusted"]) == (1, True)
    kept = {"attributes.version": "11 beta", "attributes.untrusted": False, "product": "kettle"}
    assert kept.items() <= described.items()


def test_langchain(folio: Folio, expected: list[tuple[str, float]]) -> None:
    pytest.importorskip("langchain_core", reason="the extra `peers` is missing")
    from folio_client.langchain import FolioRetriever

    retriever = FolioRetriever(client=folio, collection="help")
    found = retriever.invoke(QUESTION)
    assert [(d.id, d.metadata["score"]) for d in found] == expected
    assert_provenance(found[0].metadata, expected[0][0])

    async def ask() -> list[Any]:
        async with AsyncFolio(str(folio._http.base_url)) as client:
            both = FolioRetriever(client=folio, async_client=client, collection="help")
            return list(await both.ainvoke(QUESTION))

    assert [d.id for d in asyncio.run(ask())] == [d.id for d in found]


def test_llama_index(folio: Folio, expected: list[tuple[str, float]]) -> None:
    pytest.importorskip("llama_index.core", reason="the extra `peers` is missing")
    from folio_client.llama_index import FolioRetriever

    found = FolioRetriever(folio, "help").retrieve(QUESTION)
    assert [(node.node_id, node.score) for node in found] == expected
    assert_provenance(found[0].metadata, expected[0][0])


def test_haystack(folio: Folio, expected: list[tuple[str, float]]) -> None:
    pytest.importorskip("haystack", reason="the extra `peers` is missing")
    from folio_client.haystack import FolioRetriever

    found = FolioRetriever(folio, "help").run(query=QUESTION)["documents"]
    assert [(document.id, document.score) for document in found] == expected
    assert_provenance(found[0].meta, expected[0][0])


def test_haystack_pipeline_is_written_down_without_its_key(
    folio: Folio, expected: list[tuple[str, float]]
) -> None:
    pytest.importorskip("haystack", reason="the extra `peers` is missing")
    from folio_haystack import FolioRetriever
    from haystack import Pipeline
    from haystack.utils import Secret

    pipeline = Pipeline()
    key = Secret.from_token("not-to-be-seen")
    url = str(folio._http.base_url)
    with closing(FolioRetriever(url=url, api_key=key, collection="help")) as retriever:
        pipeline.add_component("folio", retriever)
        written = pipeline.dumps()
    assert "not-to-be-seen" not in written
    again = Pipeline.loads(written)
    with closing(again.get_component("folio")):
        found = again.run({"folio": {"query": QUESTION}})["folio"]["documents"]
    assert [(document.id, document.score) for document in found] == expected


def test_filters_of_haystack_are_translated() -> None:
    pytest.importorskip("haystack", reason="the extra `peers` is missing")
    from folio_client.haystack import translate_filter

    is_app = {"field": "meta.product", "operator": "==", "value": "app"}
    translated = {"type": "eq", "key": "product", "value": "app"}
    assert translate_filter(is_app) == translated
    assert translate_filter(translated) == translated
    both = {"operator": "NOT", "conditions": [is_app]}
    assert translate_filter(both) == {
        "type": "not",
        "filter": {"type": "and", "filters": [translated]},
    }
    with pytest.raises(ValueError, match="near"):
        translate_filter({**is_app, "operator": "near"})
