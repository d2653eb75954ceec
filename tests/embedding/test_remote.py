"""A remote engine against a service on a loopback port that behaves like Jina's and OpenAI's."""

import base64
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from app.config import Settings
from app.domain import Item, Span, Status, Task
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.remote import RemoteEngine
from app.errors import (
    EngineBusy,
    ModelAway,
    ModelUnavailable,
    TextTooLong,
    UnreadableDocument,
    WorkCancelled,
)
from app.runtime.resources import open_resources
from app.services.articles.collections import create_collection
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.conftest import article
from tests.named import get_document, put_documents

DIMENSIONS = 8


def vector_of(text: str, task: str = "", context: str = "") -> Any:
    """Return another vector for each text, task and context; not of unit length."""
    digest = hashlib.sha256(f"{task}|{context}|{text}".encode()).digest()[:DIMENSIONS]
    return np.frombuffer(digest, dtype=np.uint8).astype("<f4") - 127.5


@dataclass
class RemoteService:
    """What it was asked, and what it does wrong next: a status with headers, or a body."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    refused: str | None = None
    """A word by which it refuses a text; "" is in all of them."""
    refusal: int = 400

    def refuses(self, body: dict[str, Any]) -> bool:
        return self.refused is not None and any(self.refused in text for text in body["input"])

    def answer(self, body: dict[str, Any]) -> Any:
        if self.answers:
            return self.answers.pop(0)
        task = body.get("task", "")
        context = "".join(body["input"]) if body.get("late_chunking") else ""
        data = [
            {
                "index": i,
                "embedding": base64.b64encode(vector_of(text, task, context).tobytes()).decode(),
            }
            for i, text in enumerate(body["input"])
        ]
        # No service promises the order.
        return {"model": body["model"], "data": data[::-1]}


@pytest.fixture
def remote() -> Iterator[RemoteService]:
    service = RemoteService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.asked.append(body | {"key": self.headers.get("Authorization")})
            status, headers = service.failures.pop(0) if service.failures else (200, {})
            status = service.refusal if service.refuses(body) else status
            content = (
                b"secret words" if status != 200 else json.dumps(service.answer(body)).encode()
            )
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield service
    server.shutdown()
    server.server_close()
    thread.join()


def settings_for(remote: RemoteService, tokenizer: Path, **options: Any) -> Settings:
    return Settings(
        model="some-model",
        model_url=remote.url,
        model_tokenizer=tokenizer,
        model_max_tokens=64,
        dimensions=DIMENSIONS,
        **options,
    )


def open_engine(
    remote: RemoteService, tokenizer: Path, **options: Any
) -> tuple[RemoteEngine, list[float]]:
    """Return an engine and the pauses that it made; it makes none for real."""
    pauses: list[float] = []
    settings = settings_for(remote, tokenizer, **options)
    return RemoteEngine(open_checkpoint(settings), settings, pause=pauses.append), pauses


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def test_openai_shaped_service_gives_units_and_passages(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    item = Item("Tea is hot. Milk is cold.", Task.PASSAGE, "Tea", (Span(0, 11), Span(12, 25)))
    embedding, other = engine.embed([item, Item("tea", Task.QUERY)])
    np.testing.assert_allclose(embedding.vector, unit(vector_of(f"Tea\n\n{item.text}")), atol=1e-6)
    np.testing.assert_allclose(embedding.passages[1], unit(vector_of("Milk is cold.")), atol=1e-6)
    np.testing.assert_allclose(other.vector, unit(vector_of("tea")), atol=1e-6)
    assert embedding.norm == pytest.approx(np.linalg.norm(vector_of(f"Tea\n\n{item.text}")))
    assert embedding.tokens == engine.count_tokens(item)
    assert all("task" not in body for body in remote.asked)


def test_jina_gets_the_task_and_chunks_late(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3, model_api="jina")
    text, spans = "Tea is hot. Milk is cold.", (Span(0, 11), Span(12, 25))
    embedding, question = engine.embed(
        [Item(text, Task.PASSAGE, spans=spans), Item("tea", Task.QUERY)]
    )
    late = vector_of("Milk is cold.", "retrieval.passage", "Tea is hot.Milk is cold.")
    np.testing.assert_allclose(embedding.passages[1], unit(late), atol=1e-6)
    np.testing.assert_allclose(
        question.vector, unit(vector_of("tea", "retrieval.query")), atol=1e-6
    )
    assert {body["truncate"] for body in remote.asked} == {False}
    assert {body["dimensions"] for body in remote.asked} == {DIMENSIONS}


def test_many_texts_go_in_batches(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3)
    texts = [f"tea {i}" for i in range(300)]
    embeddings = engine.embed([Item(text, Task.PASSAGE) for text in texts])
    assert [len(body["input"]) for body in remote.asked] == [128, 128, 44]
    for text, embedding in zip(texts, embeddings, strict=True):
        np.testing.assert_allclose(embedding.vector, unit(vector_of(text)), atol=1e-6)


def test_key_is_sent_from_its_file(remote: RemoteService, jina_v3: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key\n")
    engine, _ = open_engine(remote, jina_v3, model_key_file=tmp_path / "key")
    engine.warm_up()
    assert remote.asked[0]["key"] == "Bearer a-key"


def test_key_may_follow_a_mark_of_its_encoding(
    remote: RemoteService, jina_v3: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("a-key\r\n", encoding="utf-8-sig")
    engine, _ = open_engine(remote, jina_v3, model_key_file=tmp_path / "key")
    engine.warm_up()
    assert remote.asked[0]["key"] == "Bearer a-key"


@pytest.mark.parametrize("content", ["", "two words", "one\ntwo", "schlüssel"])
def test_key_that_no_header_can_hold_is_refused_without_its_words(
    remote: RemoteService, jina_v3: Path, tmp_path: Path, content: str
) -> None:
    (tmp_path / "key").write_text(content, encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="must hold one word") as caught:
        open_engine(remote, jina_v3, model_key_file=tmp_path / "key")
    assert not content or content not in str(caught.value)


def test_refused_and_failed_requests_are_tried_again_with_longer_pauses(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, pauses = open_engine(remote, jina_v3)
    remote.failures = [(503, {}), (500, {}), (429, {"Retry-After": "7"})]
    assert len(engine.embed([Item("tea", Task.QUERY)])) == 1
    assert len(remote.asked) == 4
    first, rest = pauses[0], sum(pauses[1:])
    assert first == 0.5
    # 0.5 s, 1 s, then the seven that were asked for; each up to half as long again.
    assert 8.0 <= first + rest <= 1.5 * 8.5


def test_service_that_stays_down_is_named_without_its_words(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.failures = [(502, {})] * 10
    with pytest.raises(ModelUnavailable, match="answers with status 502") as caught:
        engine.embed([Item("tea", Task.QUERY)])
    assert len(remote.asked) == 6
    assert "secret" not in str(caught.value)


def test_wrong_key_is_not_tried_again(remote: RemoteService, jina_v3: Path) -> None:
    engine, pauses = open_engine(remote, jina_v3)
    remote.failures = [(401, {})]
    with pytest.raises(ModelUnavailable, match="status 401"):
        engine.warm_up()
    assert (len(remote.asked), pauses) == (1, [])


def test_nobody_there_is_told_after_all_attempts(remote: RemoteService, jina_v3: Path) -> None:
    settings = settings_for(remote, jina_v3).model_copy(
        update={"model_url": "http://127.0.0.1:9/v1"}
    )
    engine = RemoteEngine(open_checkpoint(settings), settings, pause=lambda _: None)
    with pytest.raises(ModelUnavailable, match="ConnectError"):
        engine.warm_up()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"model": "another", "data": [{"index": 0, "embedding": [1.0] * 8}]}, "another answered"),
        ({"model": "some-model", "data": [{"index": 0, "embedding": [1.0] * 7}]}, "shape"),
        ({"model": "some-model", "data": []}, "no embeddings"),
        ({"error": "none"}, "no embeddings"),
    ],
)
def test_answer_that_is_not_of_this_model_is_refused(
    remote: RemoteService, jina_v3: Path, answer: Any, problem: str
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.answers = [answer]
    with pytest.raises(ModelUnavailable, match=problem):
        engine.embed([Item("tea", Task.QUERY)])


def test_answer_that_cannot_be_decoded_is_tried_again(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.failures = [(200, {"Content-Encoding": "gzip"})]
    assert len(engine.embed([Item("tea", Task.QUERY)])) == 1
    assert len(remote.asked) == 2


@pytest.mark.parametrize("number", [float("nan"), 0.0, 1e-20, 3e38])
def test_vector_without_a_direction_is_a_fault_of_its_text_alone(
    remote: RemoteService, jina_v3: Path, number: float
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    broken = {"data": [{"index": 0, "embedding": [number] * 8}]}
    remote.answers = [broken]
    with pytest.raises(UnreadableDocument, match=r"not this text: .* not finite"):
        engine.embed([Item("tea", Task.PASSAGE)])
    remote.answers = [broken, broken]
    with pytest.raises(ModelUnavailable, match="a vector that is zero or not finite"):
        engine.embed([Item("tea", Task.PASSAGE)])


def test_service_that_names_no_model_is_believed(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.answers = [{"model": None, "data": [{"index": 0, "embedding": [1.0] * 8}]}]
    (embedding,) = engine.embed([Item("tea", Task.QUERY)])
    assert embedding.norm == pytest.approx(8**0.5)


def test_text_that_is_refused_fails_its_document_and_no_other(
    remote: RemoteService, jina_v3: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    remote.refused = "secret"
    with open_resources(settings_for(remote, jina_v3, data=tmp_path)) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "A secret tea."), article("b", "Milk.")])
        assert drain_queue(resources, sandbox, Event()) is None
        error = get_document(resources, "help", "a").error
        assert error is not None
        assert error.code == "text_refused"
        assert "secret" not in error.message
        assert get_document(resources, "help", "b").status is Status.READY


@pytest.mark.parametrize("status", [400, 500])
def test_service_that_refuses_every_text_is_at_fault_itself(
    remote: RemoteService, jina_v3: Path, status: int
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.refused, remote.refusal = "", status
    with pytest.raises(ModelUnavailable, match=f"status {status}"):
        engine.embed([Item("tea", Task.PASSAGE)])


def test_text_at_which_the_service_fails_again_and_again_is_at_fault(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, _ = open_engine(remote, jina_v3)
    remote.refused, remote.refusal = "secret", 500
    with pytest.raises(UnreadableDocument, match=r"not this text: .* status 500"):
        engine.embed([Item("A secret tea.", Task.PASSAGE)])
    # What fails for another reason now and then fails no text.
    remote.refused = None
    remote.failures = [*[(500, {})] * 5, (503, {})]
    with pytest.raises(ModelAway):
        engine.embed([Item("tea", Task.PASSAGE)])


def test_late_chunks_of_one_request_keep_to_the_window(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, _ = open_engine(remote, jina_v3, model_api="jina")
    head, row = "| cup | tea |\n", "| one | hot |\n"
    text = head + row * 3
    rows = [Span(start, start + len(row)) for start in range(len(head), len(text), len(row))]
    heads = [Span(0, len(head))] * len(rows)
    (embedding,) = engine.embed([Item(text, Task.PASSAGE, spans=(*rows, *heads))])
    assert len(embedding.passages) == 6
    asked = [body["input"] for body in remote.asked if body["late_chunking"]]
    assert [text for texts in asked for text in texts] == [row] * 3 + [head] * 3
    # All rows are read together, as they were before there were heads.
    assert asked[0][:3] == [row] * 3
    for texts in asked:
        assert engine.count_tokens(Item("".join(texts), Task.PASSAGE)) <= engine.max_tokens


def test_text_past_the_window_never_leaves(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3)
    with pytest.raises(TextTooLong):
        engine.embed([Item("tea " * 100, Task.PASSAGE)])
    assert remote.asked == []


def test_documents_keep_to_the_budget_and_queries_go_first(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, pauses = open_engine(remote, jina_v3, model_tokens_per_minute=30)
    document = Item("tea with milk " * 2, Task.PASSAGE)
    assert 15 < engine.count_tokens(document) < 30
    engine.embed([document])
    with pytest.raises(EngineBusy) as caught:
        engine.embed([document], refuses=True)
    assert caught.value.retry_after_s > 1
    question = Item(document.text, Task.QUERY)
    with pytest.raises(EngineBusy):
        engine.embed([question], refuses=True)
    engine.embed([question])
    assert pauses == []
    assert len(remote.asked) == 2


def test_questions_without_end_keep_documents_for_two_minutes_at_most(
    remote: RemoteService, jina_v3: Path
) -> None:
    engine, pauses = open_engine(remote, jina_v3, model_tokens_per_minute=30)
    for _ in range(20):
        engine.embed([Item("tea with milk", Task.QUERY)])
    with pytest.raises(EngineBusy) as caught:
        engine.embed([Item("tea with milk", Task.PASSAGE)], refuses=True)
    assert 60 <= caught.value.retry_after_s <= 121
    assert pauses == []


def test_waiting_ends_when_it_is_cancelled(remote: RemoteService, jina_v3: Path) -> None:
    engine, pauses = open_engine(remote, jina_v3)
    remote.failures = [(429, {"Retry-After": "30"})]
    with pytest.raises(WorkCancelled):
        engine.embed([Item("tea", Task.QUERY)], is_cancelled=lambda: len(pauses) >= 2)
    assert pauses == [0.5, 0.5]


def test_threads_share_an_engine(remote: RemoteService, jina_v3: Path) -> None:
    engine, _ = open_engine(remote, jina_v3)
    items = [Item(f"tea {i}", Task.QUERY) for i in range(20)]
    with ThreadPoolExecutor(8) as threads:
        for item, (embedding,) in zip(
            items, threads.map(lambda item: engine.embed([item]), items), strict=True
        ):
            np.testing.assert_allclose(embedding.vector, unit(vector_of(item.text)), atol=1e-6)


def test_service_and_dimensions_are_part_of_the_fingerprint(
    remote: RemoteService, jina_v3: Path
) -> None:
    settings = settings_for(remote, jina_v3)
    prints = {
        open_checkpoint(settings.model_copy(update=change)).fingerprint
        for change in (
            {},
            {"model": "b"},
            {"model_api": "jina"},
            {"dimensions": 4},
            {"model_url": "http://x/v1"},
        )
    }
    assert len(prints) == 5
    assert load_engine(open_checkpoint(settings), settings).name == "remote"


def test_file_that_is_no_tokenizer_is_named(remote: RemoteService, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1")
    settings = settings_for(remote, tmp_path)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_engine(open_checkpoint(settings), settings)


def test_missing_settings_are_named(remote: RemoteService) -> None:
    with pytest.raises(ModelUnavailable, match="FOLIO_MODEL_TOKENIZER, FOLIO_DIMENSIONS"):
        open_checkpoint(Settings(model="m", model_url=remote.url, model_max_tokens=64))
