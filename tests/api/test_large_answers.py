"""What is asked of the model alone has a bound, and its answers do not hold up the event loop."""

from dataclasses import replace
from typing import Any

import fastapi.routing
import pytest

from app.domain import Item, Task
from app.services.operations import tokens
from app.services.search import rerank
from tests.api.service import Service

TEXT = "Tea is hot and milk is cold."


def test_tokens_of_an_answer_have_a_bound(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = service.resources.generations.live().engine()
    found = len(engine.token_starts(TEXT))
    for path, limit in (("/tokenize", "SHOWN"), ("/embed_all", "EMBEDDED")):
        monkeypatch.setattr(tokens, f"MAX_{limit}_TOKENS", 2 * found)
        assert service.http.post(path, json={"inputs": [TEXT] * 2}).status_code == 200
        answer = service.http.post(path, json={"inputs": [TEXT] * 3})
        assert (answer.status_code, answer.json()["error"]) == (
            413,
            f"the texts have more than {2 * found} tokens",
        )
    monkeypatch.setattr(tokens, "MAX_SHOWN_CHARACTERS", len(TEXT))
    assert service.http.post("/tokenize", json={"inputs": TEXT + " "}).status_code == 413


def test_tokens_of_a_model_without_late_chunking_have_no_vectors(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.resources.generations.live().engine(), "late_chunking", False)
    answer = service.http.post("/embed_all", json={"inputs": TEXT})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": TEXT}),
        ("/embed", {"inputs": TEXT}),
        ("/embed_all", {"inputs": TEXT}),
        ("/tokenize", {"inputs": TEXT}),
        ("/v1/embed", {"texts": [TEXT]}),
        ("/v2/embed", {"texts": [TEXT], "input_type": "search_document"}),
        ("/api/embed", {"model": "", "input": TEXT}),
    ],
)
def test_vectors_and_tokens_are_not_rendered_on_the_event_loop(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    async def fail(**_: object) -> None:
        raise AssertionError("rendered by FastAPI")

    monkeypatch.setattr(fastapi.routing, "serialize_response", fail)
    answer = service.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"


def test_texts_to_rerank_are_counted_no_further_than_the_limit(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank, "_cut", None)
    most = service.resources.settings.max_rerank_tokens
    answer = service.http.post("/rerank", json={"query": "tea", "texts": ["tea " * 2 * most]})
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        f"the documents have more than {most} tokens, which is the most that is reranked",
    )


def test_question_counts_as_read(service: Service) -> None:
    engine = service.resources.generations.live().engine()
    body = {"query": "hot tea", "documents": [TEXT]}
    used = service.http.post("/v1/rerank", json=body).json()["usage"]["total_tokens"]
    read = [Item("hot tea", Task.QUERY), Item(TEXT, Task.PASSAGE)]
    assert used == sum(map(engine.count_tokens, read))


def test_info_is_that_of_the_model_and_the_settings(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = service.resources.generations.live().checkpoint()
    monkeypatch.setattr(
        service.resources.generations.live(), "_checkpoint", replace(checkpoint, pooling="last")
    )
    info = service.http.get("/info").json()
    assert info["model_type"] == {"embedding": {"pooling": "last_token"}}
    assert info["max_concurrent_requests"] == service.resources.settings.max_model_calls
