"""OpenAI's and Jina's contract for embeddings, asked with OpenAI's own client."""

import base64
import json
import socket
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import numpy as np
import openai
import pytest

from app.config import Settings
from app.domain import Item, Matrix, Span, Task
from app.embedding.scheduler import Lane
from app.embedding.torch.engine import TorchEngine
from tests.api.service import Service, folio_environment, open_service, poll, run_server

TEXTS = ["Tea is hot.", "How do I reset the machine?", "ÄÖÜ 漢字 🙂", "tea"]


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def model(client: openai.OpenAI) -> str:
    return client.models.list().data[0].id


def embed_directly(service: Service, texts: list[str], task: Task, **options: Any) -> Matrix:
    items = [Item(text, task) for text in texts]
    return np.stack(
        [e.vector for e in service.resources.generations.live().engine().embed(items, **options)]
    )


def ask(service: Service, **body: object) -> dict[str, Any]:
    answer = service.http.post("/v1/embeddings", json={"input": TEXTS, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def vectors_of(answer: dict[str, Any]) -> Any:
    return np.array([part["embedding"] for part in answer["data"]])


def assert_same(ours: object, theirs: object) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)  # type: ignore[call-overload]


# OpenAI


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_openai_client_reads_the_vectors_in_every_encoding(
    service: Service, client: openai.OpenAI, model: str, encoding: Any
) -> None:
    options = {} if encoding is None else {"encoding_format": encoding}
    answer = client.embeddings.create(input=TEXTS, model=model, **options)
    assert (answer.object, answer.model) == ("list", model)
    assert [part.index for part in answer.data] == [0, 1, 2, 3]
    vectors = [part.embedding for part in answer.data]
    if encoding == "base64":
        assert isinstance(vectors[0], str)
        vectors = [np.frombuffer(base64.b64decode(str(v)), "<f4").tolist() for v in vectors]
    assert_same(vectors, embed_directly(service, TEXTS, Task.PASSAGE))


def test_usage_counts_what_the_model_read(
    service: Service, client: openai.OpenAI, model: str
) -> None:
    count = service.resources.generations.live().engine().count_tokens
    usage = client.embeddings.create(input=TEXTS, model=model).usage
    expected = sum(count(Item(text, Task.PASSAGE)) for text in TEXTS)
    assert (usage.prompt_tokens, usage.total_tokens) == (expected, expected)


def test_one_string_is_one_input(service: Service, client: openai.OpenAI, model: str) -> None:
    (part,) = client.embeddings.create(input="Tea is hot.", model=model).data
    assert_same(part.embedding, embed_directly(service, ["Tea is hot."], Task.PASSAGE)[0])


def test_models_say_what_runs(service: Service, client: openai.OpenAI, model: str) -> None:
    assert client.models.retrieve(model).id == model
    shown, *others = service.http.get("/v1/models").json()["data"]
    assert [other["id"] for other in others] == [f"{model}-query", f"{model}-passage"]
    engine, checkpoint = (
        service.resources.generations.live().engine(),
        service.resources.generations.live().checkpoint(),
    )
    assert shown == {
        "id": checkpoint.name,
        "object": "model",
        "created": 0,
        "owned_by": "folio",
        "dimensions": 32,
        "max_tokens": 8192,
        "tasks": [task.value for task in Task],
        "fingerprint": checkpoint.fingerprint,
        "engine": engine.name,
        "dtype": engine.dtype,
        "device": engine.device,
    }


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    for ask_for in (
        lambda: client.embeddings.create(input="tea", model="text-embedding-4"),
        lambda: client.models.retrieve("some/other"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask_for()
        assert caught.value.code == "model_not_found"


# "How do I descale it?" as tiktoken has it.
IDS = [4438, 656, 358, 951, 2296, 433, 30]


def test_token_ids_are_read_as_the_text_that_they_stand_for(
    client: openai.OpenAI, model: str
) -> None:
    inputs: list[Any] = ["How do I descale it?", IDS, [IDS]]
    told, *others = [
        client.embeddings.create(input=given, model=model).data[0].embedding for given in inputs
    ]
    for other in others:
        assert_same(told, other)


@pytest.mark.parametrize("ids", [[100_256], [-1], [[4438], [999_999]], [[]], [4438] * 8193])
def test_ids_that_stand_for_nothing_are_refused(
    client: openai.OpenAI, model: str, ids: Any
) -> None:
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(input=ids, model=model)


def test_ids_of_a_text_past_the_window_give_the_mean_of_its_parts(service: Service) -> None:
    # 8,000 ids of a word that this model's tokenizer has several tokens for.
    answer = service.http.post("/v1/embeddings", json={"input": [[951, 2296] * 4000]}).json()
    (part,) = answer["data"]
    assert part["parts"] > 1
    assert np.linalg.norm(part["embedding"]) == pytest.approx(1, abs=1e-4)


def test_names_of_the_model_choose_its_task(service: Service, model: str) -> None:
    for name, task in (("-query", Task.QUERY), ("-passage", Task.PASSAGE), ("", Task.PASSAGE)):
        for base in (model, "text-embedding-3-small"):
            told = vectors_of(ask(service, model=base + name))
            assert_same(told, embed_directly(service, TEXTS, task))
    # What the request says of the task wins.
    told = vectors_of(ask(service, model=f"{model}-query", task=Task.PASSAGE.value))
    assert_same(told, embed_directly(service, TEXTS, Task.PASSAGE))


def test_text_past_the_window_is_refused_with_limit_and_count(
    service: Service, client: openai.OpenAI, model: str
) -> None:
    long = "tea " * 9000
    tokens = service.resources.generations.live().engine().count_tokens(Item(long, Task.PASSAGE))
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(input=["tea", long], model=model)
    assert caught.value.code == "text_too_long"
    assert f"input 1 has {tokens} tokens; the model reads at most 8192" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input": []}, "invalid_request", "input"),
        ({"input": ["tea"] * 2049}, "invalid_request", "input"),
        ({"input": ["tea", ""]}, "empty_input", None),
        ({"input": [{"image": "…"}]}, "invalid_request", "input"),
        ({"input": "tea", "task": "poetry"}, "invalid_request", "task"),
        ({"input": "tea", "dimensions": 33}, "unsupported_dimensions", None),
        ({"input": "tea", "dimensions": 0}, "invalid_request", "dimensions"),
        ({"input": "tea", "encoding_format": "hex"}, "invalid_request", "encoding_format"),
        ({}, "invalid_request", "input"),
    ],
)
def test_bad_request_is_a_400_in_the_shape_of_openai(
    service: Service, body: dict[str, object], code: str, param: str | None
) -> None:
    answer = service.http.post("/v1/embeddings", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["message"]


def test_body_that_is_no_json_is_refused(service: Service) -> None:
    answer = service.http.post("/v1/embeddings", content=b"input=tea")
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


# Jina


@pytest.mark.parametrize("task", [*Task, "clustering"])
def test_task_chooses_the_adapter(service: Service, task: str) -> None:
    expected = Task.SEPARATION if task == "clustering" else Task(task)
    assert_same(vectors_of(ask(service, task=task)), embed_directly(service, TEXTS, expected))


def test_inputs_may_be_objects(service: Service) -> None:
    mixed = ask(service, input=[{"text": TEXTS[0]}, TEXTS[1]])
    assert_same(vectors_of(mixed), embed_directly(service, TEXTS[:2], Task.PASSAGE))


@pytest.mark.parametrize("dimensions", [8, 32])
def test_dimensions_cut_the_vector_to_unit_length(service: Service, dimensions: int) -> None:
    vectors = vectors_of(ask(service, dimensions=dimensions))
    whole = embed_directly(service, TEXTS, Task.PASSAGE)[:, :dimensions]
    assert_same(vectors, whole / np.linalg.norm(whole, axis=1, keepdims=True))


def test_vectors_that_are_not_normalized_have_the_length_that_the_model_gave(
    service: Service,
) -> None:
    engine = service.resources.generations.live().engine()
    vectors = vectors_of(ask(service, normalized=False))
    embedded = engine.embed([Item(text, Task.PASSAGE) for text in TEXTS])
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [e.norm for e in embedded], rtol=1e-5)
    assert abs(lengths - 1).max() > 0.01
    assert_same(vectors / lengths[:, None], [e.vector for e in embedded])


@pytest.mark.parametrize("field", ["embedding_type", "encoding_type"])
def test_signs_are_packed_eight_a_byte(service: Service, field: str) -> None:
    signs = embed_directly(service, TEXTS, Task.PASSAGE) > 0
    unsigned = vectors_of(ask(service, **{field: "ubinary"}))
    assert np.array_equal(np.unpackbits(unsigned.astype(np.uint8), axis=1).astype(bool), signs)
    assert np.array_equal(vectors_of(ask(service, **{field: "binary"})), unsigned - 128)


def test_late_chunking_pools_every_input_from_one_pass(service: Service) -> None:
    pieces = ["Tea is hot. ", "Milk is cold.", "Sugar is not."]
    answer = ask(service, input=pieces, late_chunking=True)
    text = "Tea is hot. Milk is cold. Sugar is not."
    spans = (Span(0, 12), Span(12, 25), Span(26, 39))
    engine = service.resources.generations.live().engine()
    (expected,) = engine.embed([Item(text, Task.PASSAGE, spans=spans)])
    assert_same(vectors_of(answer), expected.passages)
    assert answer["usage"]["total_tokens"] == expected.tokens
    alone = embed_directly(service, pieces, Task.PASSAGE)
    assert not np.allclose(vectors_of(answer), alone, atol=1e-3)


def test_only_truncate_cuts_and_the_answer_says_so(service: Service) -> None:
    engine = service.resources.generations.live().engine()
    long = "hot tea " * 5000
    answer = ask(service, input=["tea", long], truncate=True)
    short, cut = answer["data"]
    assert "truncated_from" not in short
    assert cut["truncated_from"] == engine.count_tokens(Item(long, Task.PASSAGE)) > 8192
    used = answer["usage"]["total_tokens"] - engine.count_tokens(Item("tea", Task.PASSAGE))
    assert 8192 - 2 <= used <= 8192
    # The signs are those of a beginning of the text, not of another one.
    beginning = long[: int(engine.token_starts(long)[8192 - engine.overhead("", Task.PASSAGE)])]
    expected = embed_directly(service, [beginning], Task.PASSAGE)[0]
    assert float(np.dot(cut["embedding"], expected)) > 0.999


# Load


def test_names_of_voyage_mean_what_they_do_there(service: Service) -> None:
    whole = ask(service)
    cut = ask(service, output_dimension=8, truncation=None, input_type="document")
    assert_same(vectors_of(cut), vectors_of(ask(service, dimensions=8)))
    long = ask(service, input="tea " * 9000, truncation=True)
    assert long["data"][0]["truncated_from"] > 8192
    for output_dtype, stored in (("int8", np.int8), ("uint8", np.uint8), ("binary", np.int8)):
        numbers = vectors_of(ask(service, output_dtype=output_dtype))
        packed = ask(service, output_dtype=output_dtype, encoding_format="base64")["data"]
        # As voyageai does.
        read = [np.frombuffer(base64.b64decode(part["embedding"]), stored) for part in packed]
        np.testing.assert_array_equal(np.stack(read), numbers)
    assert_same(vectors_of(ask(service, output_dtype="float")), vectors_of(whole))


def test_end_of_a_character_alone_fails_no_batch(service: Service) -> None:
    answer = ask(service, input=[[9906], [104, 254]])
    assert_same(vectors_of(answer), vectors_of(ask(service, input=["Hello", " "])))


@pytest.mark.parametrize("timeout", [{}, {"X-Stainless-Read-Timeout": "60"}])
def test_langchain_gets_a_vector_in_place_of_an_empty_text(
    service: Service, timeout: dict[str, str]
) -> None:
    url, body = "/v1/embeddings", {"input": ""}
    answer = service.http.post(url, json=body, headers={"X-Stainless-Lang": "python", **timeout})
    assert_same(vectors_of(answer.json()), vectors_of(ask(service, input=" ")))
    assert service.http.post(url, json=body).json()["error"]["code"] == "empty_input"


@contextmanager
def busy_model(service: Service) -> Iterator[TorchEngine]:
    """Keep the model at work on something else until the block ends."""
    engine = service.resources.generations.live().engine()
    assert isinstance(engine, TorchEngine)
    began, go = Event(), Event()

    def start(_rows: list[Any], _threads: int) -> Generator[None, None, list[Any]]:
        began.set()
        assert go.wait(timeout=60)
        yield
        return [None]

    def occupy() -> None:
        engine._lanes.run(
            [(cast(Any, None), 1)],
            Lane.CALLS,
            start,
            is_cancelled=lambda: False,
            refuses=False,
        )

    thread = Thread(target=occupy)
    thread.start()
    assert began.wait(timeout=60)
    try:
        yield engine
    finally:
        go.set()
        thread.join(timeout=60)


def waiting_tokens(engine: TorchEngine) -> int:
    return engine._lanes._waiting_tokens[Lane.CALLS]


def test_request_is_refused_while_too_much_waits_and_told_when_to_come_back(
    tmp_path: Path, jina_v3: Path
) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3), max_waiting_tokens=1)
    with (
        open_service(settings, works=False) as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        with busy_model(service) as engine:
            waiting = threads.submit(client.embeddings.create, input="tea", model="")
            poll(lambda: waiting_tokens(engine), bool)
            with pytest.raises(openai.RateLimitError) as caught:
                client.embeddings.create(input="tea", model="")
            assert caught.value.code == "engine_busy"
            assert int(caught.value.response.headers["Retry-After"]) >= 1
        assert len(waiting.result(timeout=60).data) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "tea"}),
        ("/v2/embed", {"texts": ["tea"], "input_type": "search_query"}),
        ("/api/embed", {"model": "", "input": "tea"}),
        ("/embed", {"inputs": "tea"}),
        ("/embed_all", {"inputs": "tea"}),
        ("/v1/rerank", {"query": "tea", "documents": ["milk"]}),
    ],
)
def test_work_of_a_client_that_hung_up_is_not_begun(
    service: Service, path: str, body: dict[str, Any]
) -> None:
    with busy_model(service) as engine:
        content = json.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {len(content)}\r\n"
        address = (service.http.base_url.host, service.http.base_url.port or 80)
        with socket.create_connection(address) as connection:
            head += "Content-Type: application/json\r\n\r\n"
            connection.sendall((head + content).encode())
            poll(lambda: waiting_tokens(engine), bool)
        call = engine._lanes._waiting[Lane.CALLS][0][0].call
        poll(call.is_cancelled, bool)
    assert len(ask(service)["data"]) == len(TEXTS)
    assert call.is_over
    assert call.results == {}


def test_metrics_of_the_model_are_shown_by_lane(service: Service) -> None:
    ask(service)
    collection = service.new_collection("lanes")
    collection.add({"id": "tea", "text": "Tea."})
    collection.search("tea")
    shown = service.http.get("/metrics").text
    for lane in (Lane.QUERIES, Lane.CALLS, Lane.DOCUMENTS):
        assert f'folio_embedding_tokens_total{{lane="{lane}"}}' in shown
        for name in ("batch_fill", "queue_seconds", "seconds"):
            assert f'folio_embedding_{name}_count{{lane="{lane}"}}' in shown


# A server process


@dataclass(frozen=True)
class Served:
    """A server process that wants a key, and what the client of OpenAI gets of it."""

    url: str
    key: str
    model: str
    articles: list[list[float]]
    question: list[float]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    key_file = folder / "key"
    environment = folio_environment(FOLIO_MODEL=jina_v3, FOLIO_ADMIN_KEY_FILE=key_file)
    key = "folio_" + "k" * 40
    key_file.write_text(key)
    key_file.chmod(0o600)
    with run_server(folder / "data", log=folder / "log", environment=environment) as server:
        poll(server.is_ready, bool)
        url = f"{server.url}/v1"
        with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
            name = client.models.list().data[0].id
            articles = [
                part.embedding for part in client.embeddings.create(input=TEXTS, model=name).data
            ]
            (question,) = client.embeddings.create(
                input=TEXTS[1], model=name, extra_body={"task": "retrieval.query"}
            ).data
        yield Served(url, key, name, articles, question.embedding)


@pytest.mark.slow
def test_server_process_answers_openai_with_a_key(served: Served) -> None:
    with openai.OpenAI(base_url=served.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.embeddings.create(input="tea", model="")
        assert caught.value.code == "unauthorized"
    assert not np.allclose(served.question, served.articles[1], atol=1e-3)


@pytest.mark.slow
def test_langchain_embeds_with_a_server_process(served: Served) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="the extra `peers` is missing")
    # Without its check it sends token ids of OpenAI's tokenizer.
    options = {
        "base_url": served.url,
        "api_key": served.key,
        "model": served.model,
        "check_embedding_ctx_length": False,
    }
    embeddings = langchain.OpenAIEmbeddings(**options)
    assert_same(embeddings.embed_documents(TEXTS), served.articles)
    extra = {"extra_body": {"task": "retrieval.query"}}
    asking = langchain.OpenAIEmbeddings(model_kwargs=extra, **options)
    assert_same(asking.embed_query(TEXTS[1]), served.question)


@pytest.mark.slow
def test_llamaindex_embeds_with_a_server_process(served: Served) -> None:
    llama_index = pytest.importorskip(
        "llama_index.embeddings.openai", reason="the extra `peers` is missing"
    )
    options = {"api_base": served.url, "api_key": served.key, "model_name": served.model}
    embeddings = llama_index.OpenAIEmbedding(**options)
    assert_same(embeddings.get_text_embedding_batch(TEXTS), served.articles)
    extra = {"extra_body": {"task": "retrieval.query"}}
    asking = llama_index.OpenAIEmbedding(additional_kwargs=extra, **options)
    assert_same(asking.get_query_embedding(TEXTS[1]), served.question)
