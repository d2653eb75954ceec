"""A cross-encoder as the reranker: a random BERT with one class, computed here as well."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import exp, log
from pathlib import Path
from threading import Barrier

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.config import Settings
from app.runtime.resources import Resources, open_resources
from tests.api.service import Collection, Service, open_service
from tests.checkpoints import make_cross_encoder

QUERY = "hot tea with milk"
TEXTS = ["Tea with milk and sugar is hot.", "Hold the button.", "Coffee 漢字", "?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "cross-encoder")


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, folder: Path
) -> Iterator[Service]:
    settings = Settings(
        data=tmp_path_factory.mktemp("data"), model=str(jina_v3), rerank_model=folder
    )
    with open_service(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def shelf(service: Service) -> Collection:
    collection = service.new_collection("shelf")
    collection.add(*({"id": str(n), "text": f"Tea {'and milk ' * n}{n}."} for n in range(10)))
    return collection


def logit(folder: Path, text: str) -> float:
    """Read one pair alone, as transformers documents it."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        return float(model(**tokenizer(QUERY, text, return_tensors="pt")).logits[0, 0])


def test_texts_get_the_probability_of_their_pair(service: Service, folder: Path) -> None:
    answer = service.http.post("/v1/rerank", json={"query": QUERY, "documents": TEXTS}).json()
    assert answer["model"] == "cross-encoder"
    scores = {r["index"]: r["relevance_score"] for r in answer["results"]}
    for index, text in enumerate(TEXTS):
        assert scores[index] == pytest.approx(1 / (1 + exp(-logit(folder, text))), abs=1e-5)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_requests_that_come_together_load_one_model(tmp_path: Path, folder: Path) -> None:
    together = Barrier(4)

    def load(resources: Resources) -> object:
        together.wait(60)
        return resources.load_cross_encoder()

    with (
        open_resources(Settings(data=tmp_path, rerank_model=folder)) as resources,
        ThreadPoolExecutor(4) as threads,
    ):
        loaded = list(threads.map(load, [resources] * 4))
    assert loaded == loaded[:1] * 4


def test_text_past_the_window_is_read_to_its_end(service: Service) -> None:
    # A text has the score of its best window; what random weights like best is one of these.
    endings = ("", "ERR_42", "Hold the button!", "The machine is reset.", "漢字 и ß")
    texts = ["milk " * 400 + ending for ending in endings]
    answer = service.http.post("/v1/rerank", json={"query": QUERY, "documents": texts}).json()
    scores = {result["index"]: result["relevance_score"] for result in answer["results"]}
    assert max(scores.values()) > scores[0]
    assert answer["usage"]["total_tokens"] > 800 * len(texts)


def test_question_that_leaves_no_room_is_refused(service: Service, shelf: Collection) -> None:
    long = "milk " * 200
    answer = service.http.post("/v1/rerank", json={"query": long, "documents": ["tea"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "text_too_long")
    answer = shelf.http.post(f"{shelf.path}/search", json={"query": long, "rerank": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "text_too_long")


def test_search_moves_by_the_pair_of_the_best_passage(
    service: Service, shelf: Collection, folder: Path
) -> None:
    before = shelf.search(QUERY)["results"]
    logits = [logit(folder, hit["passages"][0]["text"]) for hit in before]
    mean = sum(logits) / len(logits)
    answer = shelf.search(QUERY, rerank=True)
    after = {hit["document_id"]: hit["score"] for hit in answer["results"]}
    for hit, own in zip(before, logits, strict=True):
        odds = log(hit["score"] / (1 - hit["score"])) + 0.5 * (own - mean)
        assert after[hit["document_id"]] == pytest.approx(1 / (1 + exp(-odds)), abs=1e-4)
    assert list(after.values()) == sorted(after.values(), reverse=True)


def test_out_of_time_the_order_stays(
    service: Service, shelf: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = service.resources.settings.model_copy(update={"rerank_seconds": 1e-9})
    plain = shelf.search(QUERY)["results"]
    monkeypatch.setattr(service.app.state, "resources", replace(service.resources, settings=hasty))
    assert shelf.search(QUERY, rerank=True)["results"] == plain


@pytest.mark.parametrize("classes", [2, None])
def test_folder_that_is_no_reranker_is_refused_in_words(
    tmp_path: Path, jina_v3: Path, classes: int | None
) -> None:
    model = tmp_path / "reranker"
    if classes is not None:
        make_cross_encoder(model, classes=classes)
    settings = Settings(data=tmp_path / "data", model=str(jina_v3), rerank_model=model)
    with open_service(settings, works=False, loads=False) as service:
        answer = service.http.post("/v1/rerank", json={"query": "tea", "documents": ["tea"]})
        assert answer.status_code == 503
        code = "model_unavailable" if classes is None else "unsupported_checkpoint"
        assert answer.json()["code"] == code
        assert str(model) in answer.json()["detail"]
