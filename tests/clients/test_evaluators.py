"""The retrievers under their frameworks' own evaluators: worth what a search over REST is."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from folio_client import Folio

from app.evaluation.golden import GoldenQuery, read_golden
from app.evaluation.measures import score_rankings
from tests.clients.conftest import SAMPLE

GOLDEN = Path(__file__).parents[2] / "examples" / "golden.jsonl"
DEPTH = 10

Rankings = list[list[str]]


@pytest.fixture(scope="module")
def golden() -> Sequence[GoldenQuery]:
    return read_golden(GOLDEN)


@pytest.fixture(scope="module")
def by_rest(sample: Folio, golden: Sequence[GoldenQuery]) -> dict[str, list[float]]:
    """The measures of what a search over plain HTTP ranks."""
    with httpx.Client(base_url=str(sample._http.base_url), timeout=60) as http:
        rankings = [_search(http, question.text) for question in golden]
    return score_rankings(golden, rankings)


def _search(http: httpx.Client, query: str) -> list[str]:
    body = {"query": query, "limit": DEPTH}
    answer = http.post(f"/v1/collections/{SAMPLE}/search", json=body)
    return [hit["document_id"] for hit in answer.raise_for_status().json()["results"]]


def test_langchain_retriever_is_worth_what_the_search_is(
    sample: Folio, golden: Sequence[GoldenQuery], by_rest: dict[str, list[float]]
) -> None:
    pytest.importorskip("langchain_core", reason="the extra `peers` is missing")
    from folio_client.langchain import FolioRetriever

    retriever = FolioRetriever(client=sample, collection=SAMPLE, k=DEPTH)
    answers = retriever.batch([question.text for question in golden], {"max_concurrency": 2})
    rankings = [[document.id for document in answer] for answer in answers]
    assert score_rankings(golden, rankings) == by_rest


def test_llama_index_evaluator_measures_what_the_search_is_worth(
    sample: Folio, golden: Sequence[GoldenQuery], by_rest: dict[str, list[float]]
) -> None:
    pytest.importorskip("llama_index.core", reason="the extra `peers` is missing")
    from folio_client.llama_index import FolioRetriever
    from llama_index.core.evaluation import RetrieverEvaluator

    retriever = FolioRetriever(sample, SAMPLE, similarity_top_k=DEPTH)
    names = ["ndcg", "mrr", "recall", "hit_rate", "precision", "ap"]
    evaluator = RetrieverEvaluator.from_metric_names(names, retriever=retriever)
    results = [evaluator.evaluate(question.text, [*question.relevant]) for question in golden]
    measured = {name: [result.metric_vals_dict[name] for result in results] for name in names}
    assert measured["ndcg"] == pytest.approx(by_rest["nDCG@10"])
    assert measured["mrr"] == pytest.approx(by_rest["MRR"])
    assert measured["recall"] == pytest.approx(by_rest["recall@10"])


def test_haystack_evaluators_measure_what_the_search_is_worth(
    sample: Folio, golden: Sequence[GoldenQuery], by_rest: dict[str, list[float]]
) -> None:
    pytest.importorskip("haystack", reason="the extra `peers` is missing")
    from haystack import Document

    retrieved = _ask_haystack(str(sample._http.base_url), golden)
    truth = [[Document(id=name, content="") for name in question.relevant] for question in golden]
    measured = _haystack_evaluation().run(
        {
            name: {"ground_truth_documents": truth, "retrieved_documents": retrieved}
            for name in ("ndcg", "mrr")
        }
    )
    assert measured["ndcg"]["individual_scores"] == pytest.approx(by_rest["nDCG@10"])
    assert measured["mrr"]["individual_scores"] == pytest.approx(by_rest["MRR"])


def _ask_haystack(url: str, golden: Sequence[GoldenQuery]) -> list[list[Any]]:
    """Return the documents of each question, from a pipeline that was written down and read."""
    from folio_haystack import FolioRetriever
    from haystack import Pipeline

    pipeline = Pipeline()
    with closing(FolioRetriever(url=url, collection=SAMPLE, top_k=DEPTH)) as retriever:
        pipeline.add_component("folio", retriever)
        written = pipeline.to_dict()
    again = Pipeline.from_dict(written)
    assert again.to_dict() == written
    with closing(again.get_component("folio")):
        return [
            again.run({"folio": {"query": question.text}})["folio"]["documents"]
            for question in golden
        ]


def _haystack_evaluation() -> Any:
    from haystack import Pipeline
    from haystack.components.evaluators import DocumentMRREvaluator, DocumentNDCGEvaluator

    pipeline = Pipeline()
    for name, evaluator in (("ndcg", DocumentNDCGEvaluator), ("mrr", DocumentMRREvaluator)):
        pipeline.add_component(name, evaluator(document_comparison_field="id"))
    return Pipeline.from_dict(pipeline.to_dict())
