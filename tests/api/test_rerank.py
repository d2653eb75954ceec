"""Reranking over HTTP: by the token vectors of passages, in a search and of given texts."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.domain import Item, Matrix, Span, Task
from app.embedding.engine import Engine
from app.services.search import rerank as reranking
from tests.api.service import Collection, Json, Service, open_service


def token_vectors(engine: Engine, text: str, task: Task) -> Matrix:
    """Embed a text with a span a token, as the definition says."""
    starts = [*engine.token_starts(text).tolist(), len(text)]
    spans = tuple(Span(a, b) for a, b in pairwise(starts) if b > a)
    return engine.embed([Item(text, task, spans=spans)])[0].passages


def max_sim(engine: Engine, query: str, text: str) -> float:
    asked = token_vectors(engine, query, Task.QUERY)
    read = token_vectors(engine, text, Task.PASSAGE)
    return float(np.mean([max(float(a @ b) for b in read) for a in asked]))


def post(service: Service, **body: object) -> Json:
    answer = service.http.post("/v1/rerank", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


TEXTS = ["Milk is white.", "Hold the steam button to reset.", "Coffee, ground: 18 g.", "Tea"]


def test_texts_are_ranked_by_late_interaction(service: Service) -> None:
    query = "how is the button reset?"
    answer = post(service, model="jina-reranker-v2", query=query, documents=TEXTS)
    assert list(answer) == ["id", "model", "usage", "meta", "results", "data"]
    assert all(list(result) == ["index", "relevance_score"] for result in answer["results"])
    scores = {r["index"]: r["relevance_score"] for r in answer["results"]}
    engine = service.resources.generations.live().engine()
    for index, text in enumerate(TEXTS):
        assert scores[index] == pytest.approx((1 + max_sim(engine, query, text)) / 2, abs=1e-4)
    ranked = [r["relevance_score"] for r in answer["results"]]
    assert ranked == sorted(ranked, reverse=True)
    read = [Item(query, Task.QUERY), *(Item(text, Task.PASSAGE) for text in TEXTS)]
    expected = sum(map(engine.count_tokens, read))
    assert answer["usage"] == {"total_tokens": expected}


def test_top_n_cuts_and_documents_come_back_when_asked_for(service: Service) -> None:
    documents: list[object] = [{"text": "Tea", "lang": "en"}, "milk and sugar", "Coffee"]
    answer = post(
        service, query="Tea", documents=documents, top_n=2, return_documents=True, truncation=True
    )
    assert len(answer["results"]) == 2
    for result in answer["results"]:
        given = documents[result["index"]]
        assert result["document"] == {"text": given if isinstance(given, str) else "Tea"}


def test_voyages_client_finds_what_it_looks_for(service: Service) -> None:
    answer = post(service, query="Tea", documents=TEXTS, top_k=2, truncation=True)
    assert len(answer["data"]) == 2
    assert answer["data"] == answer["results"]
    answer = post(service, query="Tea", documents=TEXTS, return_documents=True)
    assert all(list(part) == ["index", "relevance_score"] for part in answer["data"])


def test_long_text_is_read_to_its_end(tmp_path: Path, short_jina_v3: Path) -> None:
    filler = "milk and sugar and cold coffee with nothing else. " * 12
    settings = Settings(data=tmp_path / "data", model=str(short_jina_v3))
    with open_service(settings, works=False) as service:
        engine = service.resources.generations.live().engine()
        assert engine.count_tokens(Item(filler, Task.PASSAGE)) > engine.max_tokens == 64
        ends = ("ERR_CONN_RESET", "burrs", "hot tea", "the machine", "42")
        documents = [filler, *(filler + end for end in ends)]
        answer = post(service, query="ERR_CONN_RESET", documents=documents)
        # Nothing was trained: it takes several ends for one that a token of the query prefers.
        assert len({result["relevance_score"] for result in answer["results"]}) > 1
        assert answer["usage"]["total_tokens"] > 6 * len(engine.token_starts(filler))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "tea", "documents": []}, 422, "invalid_request"),
        ({"query": " ", "documents": ["a"]}, 422, "empty_query"),
        ({"query": "tea", "documents": [1]}, 422, "invalid_request"),
        ({"query": "tea", "documents": ["a"], "top_n": 0}, 422, "invalid_request"),
        ({"query": "tea", "documents": ["tea " * 60_000]}, 413, "too_many_tokens"),
    ],
)
def test_bad_request_is_a_problem(service: Service, body: Json, status: int, code: str) -> None:
    answer = service.http.post("/v1/rerank", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_empty_text_has_a_score(service: Service) -> None:
    answer = post(service, query="tea", documents=["", "tea"])
    assert {result["index"] for result in answer["results"]} == {0, 1}


# In a search


@pytest.fixture(scope="module")
def shelf(service: Service) -> Collection:
    collection = service.new_collection("rerank")
    collection.add(
        *(
            {"id": str(n), "title": f"Part {n}", "text": f"Tea {'and milk ' * (n % 7)}{n}."}
            for n in range(12)
        )
    )
    return collection


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_reranked_search_orders_by_score_and_interaction(
    service: Service, shelf: Collection, mode: str
) -> None:
    query = "milk and tea 5"
    before = shelf.search(query, mode=mode, limit=12)["results"]
    answer = shelf.search(query, mode=mode, limit=12, rerank=True)
    assert answer["calibrated"] is False
    assert answer["took_ms"]["rerank"] > 0
    after = {hit["document_id"]: hit["score"] for hit in answer["results"]}
    assert list(after.values()) == sorted(after.values(), reverse=True)
    engine = service.resources.generations.live().engine()
    read = [interaction(engine, query, hit) for hit in before]
    for hit, scored in zip(before, read, strict=True):
        odds = np.log(hit["score"] / (1 - hit["score"])) + reranking.INTERACTION_WEIGHT * (
            scored - np.mean(read)
        )
        assert after[hit["document_id"]] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-3)


def interaction(engine: Engine, query: str, hit: Json) -> float:
    item = Item(hit["passages"][0]["text"], Task.PASSAGE, hit["title"])
    (value,) = reranking.interact(engine, query, [[item]])
    return value


def test_reranked_search_keeps_to_limit_passages_and_min_score(shelf: Collection) -> None:
    every = shelf.search("milk 5", rerank=True, limit=12, passages=0)["results"]
    assert all(hit["passages"] == [] for hit in every)
    assert len(every) == 12
    first = shelf.search("milk 5", rerank=True, limit=3)["results"]
    assert [hit["document_id"] for hit in first] == [hit["document_id"] for hit in every[:3]]
    least = (every[4]["score"] + every[5]["score"]) / 2
    answer = shelf.search("milk 5", rerank=True, min_score=least)
    assert (len(answer["results"]), answer["total"]) == (5, 5)


def test_articles_past_the_token_budget_keep_their_score(
    shelf: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        hit["document_id"]: hit["score"] for hit in shelf.search("tea 5", limit=12)["results"]
    }
    monkeypatch.setattr(reranking, "RERANK_TOKENS", 150)
    after = shelf.search("tea 5", limit=12, rerank=True)["results"]
    same = [hit for hit in after if hit["score"] == before[hit["document_id"]]]
    assert 6 <= len(same) < 12
    assert {hit["document_id"] for hit in after} == set(before)


def test_empty_collection_is_reranked_to_nothing(service: Service) -> None:
    assert service.new_collection("rerank-none").search("tea", rerank=True)["results"] == []
