"""An embedding server and the processes that ask it: as if the model were loaded there."""

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.engine import ServedModel
from app.config import Settings
from app.domain import Embedding, Item, Span, Status, Task
from app.embedding import service
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.scheduler import Lane
from app.embedding.served import ServedEngine
from app.embedding.wire import EMBEDDINGS_PATH, ENGINE_PATH, cut_requests
from app.embedding_server import create_embedding_app, load_served
from app.errors import (
    EngineBusy,
    InvalidRequest,
    ModelAway,
    ModelUnavailable,
    StaleVectors,
    TextTooLong,
    UnreadableDocument,
    WorkCancelled,
)
from app.runtime import model_loader
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.quality.gate import GateRequest
from app.services.quality.generations import request_generation
from app.services.quality.reembedding import reembed
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.api.service import (
    FOLIO,
    find_free_port,
    folio_environment,
    open_service,
    poll,
    run_server,
    serve_app,
)
from tests.checkpoints import PROMPTS, make_jina_v3, make_plain
from tests.conftest import article
from tests.named import get_document, put_documents, search_documents

KEY = "k" * 40
TEXT = "Tea is hot. Milk is cold, sugar is not. Coffee without sugar: é 漢字🙂. The end"
SPANS = (Span(0, 11), Span(12, 39), Span(40, 69), Span(63, 65), Span(70, 77), Span(4, 6))


@dataclass
class EmbeddingServer:
    """A server in a thread of the tests; `settings` are those of a process that asks it."""

    url: str
    served: ServedModel
    settings: Settings

    @property
    def engine(self) -> Engine:
        return self.served.engine

    def replica(self) -> ServedEngine:
        engine = load_engine(open_checkpoint(self.settings), self.settings)
        assert isinstance(engine, ServedEngine)
        return engine

    def value(self, name: str, lane: Lane) -> float:
        return self.engine.metrics.registry.get_sample_value(name, {"lane": lane.value}) or 0.0

    def waiting(self, lane: Lane) -> float:
        return self.value("folio_embedding_waiting_tokens", lane)

    def passes(self, lane: Lane) -> float:
        return self.value("folio_embedding_batch_fill_count", lane)


@contextmanager
def run_embedding_server(
    settings: Settings, folder: Path, *, port: int = 0
) -> Iterator[EmbeddingServer]:
    key_file = folder / "model_key"
    key_file.write_text(KEY + "\n")
    served = load_served(settings)
    with serve_app(create_embedding_app(settings, served, KEY), port) as url:
        asking = settings.model_copy(
            update={"model_url": url, "model_api": "folio", "model_key_file": key_file}
        )
        yield EmbeddingServer(url, served, asking)


@pytest.fixture(scope="module")
def local(jina_v3: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a process with the model."""
    return Settings(
        data=tmp_path_factory.mktemp("data"), model=str(jina_v3), passage_tokens=32, retry_seconds=0
    )


@pytest.fixture(scope="module")
def server(
    local: Settings, tmp_path_factory: pytest.TempPathFactory, _no_settings_of_this_machine: None
) -> Iterator[EmbeddingServer]:
    with run_embedding_server(local, tmp_path_factory.mktemp("server")) as running:
        yield running


@contextmanager
def model_is_held(server: EmbeddingServer) -> Iterator[None]:
    """Hold the thread of the server's model amid an article while the block runs."""
    began, go = Event(), Event()
    asked = 0

    def look() -> bool:
        # The model's thread asks whether an article is wanted as it takes it, and before each step.
        nonlocal asked
        if current_thread().name == "folio-model":
            asked += 1
            if asked > 1:
                began.set()
                assert go.wait(120)
        return False

    with ThreadPoolExecutor(1) as thread:
        held = thread.submit(
            server.engine.embed, [Item("hold on", Task.PASSAGE)], is_cancelled=look
        )
        assert began.wait(60)
        try:
            yield
        finally:
            go.set()
        assert len(held.result(60)) == 1


def assert_same(ours: list[Embedding], theirs: list[Embedding]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.vector, b.vector)
        np.testing.assert_array_equal(a.passages, b.passages)
        np.testing.assert_array_equal(a.passage_norms, b.passage_norms)
        assert (a.norm, a.tokens, a.text_tokens) == (b.norm, b.tokens, b.text_tokens)
        assert a.vector.dtype == b.vector.dtype == a.passages.dtype == np.float32


# What it gives


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("title", ["", "Of tea"])
def test_vectors_are_those_of_the_local_model_bit_for_bit(
    server: EmbeddingServer, task: Task, title: str
) -> None:
    replica = server.replica()
    for item in (Item(TEXT, task, title, SPANS), Item("tea", task, title), Item("", task, title)):
        assert_same(replica.embed([item]), server.engine.embed([item]))
        assert_same(replica.embed([item], dimensions=8), server.engine.embed([item], dimensions=8))


def test_calls_of_several_items_and_tasks_keep_their_order(server: EmbeddingServer) -> None:
    items = [Item(f"tea {n} " * (n + 1), [*Task][n % 5], spans=(Span(0, 3),)) for n in range(150)]
    for ours, theirs in zip(server.replica().embed(items), server.engine.embed(items), strict=True):
        # In other batches than there.
        np.testing.assert_allclose(ours.vector, theirs.vector, atol=1e-6)
        np.testing.assert_allclose(ours.passages, theirs.passages, atol=1e-6)
        assert (ours.tokens, ours.text_tokens) == (theirs.tokens, theirs.text_tokens)
    assert server.replica().embed([]) == []


def test_tokens_are_counted_as_the_model_reads_them(server: EmbeddingServer) -> None:
    replica, engine = server.replica(), server.engine
    for text in (TEXT, "", "ЖЖЖ ~^", "tea " * 40_000):
        np.testing.assert_array_equal(replica.token_starts(text), engine.token_starts(text))
        assert replica.count_unknown(text) == engine.count_unknown(text)
        assert replica.count_tokens(Item(text, Task.PASSAGE, "T")) == engine.count_tokens(
            Item(text, Task.PASSAGE, "T")
        )
    assert replica.overhead("Title", Task.QUERY) == engine.overhead("Title", Task.QUERY)
    for name in ("dtype", "max_tokens", "unit_tokens", "late_chunking", "languages", "dimensions"):
        assert getattr(replica, name) == getattr(engine, name)


@pytest.mark.parametrize("make", ["bert", "mpnet"])
def test_other_models_are_read_as_they_are_there(tmp_path: Path, make: str) -> None:
    folder = make_plain(tmp_path / "model", make, prompts={"query": "query: "})
    with run_embedding_server(Settings(model=str(folder)), tmp_path) as server:
        for task in (Task.QUERY, Task.PASSAGE):
            item = Item("Tea is hot", task, "T", (Span(0, 3),))
            assert_same(server.replica().embed([item]), server.engine.embed([item]))


def test_what_a_local_model_refuses_is_refused_alike(
    server: EmbeddingServer, tmp_path: Path
) -> None:
    replica = server.replica()
    for item in (Item("tea " * 9000, Task.PASSAGE), Item("tea", Task.QUERY, "tea " * 9000)):
        with pytest.raises(TextTooLong) as local:
            server.engine.embed([item])
        with pytest.raises(TextTooLong) as remote:
            replica.embed([Item("tea", Task.QUERY), item])
        assert str(remote.value) == str(local.value)
    with pytest.raises(InvalidRequest, match="33 was asked for"):
        replica.embed([Item("tea", Task.QUERY)], dimensions=33)
    few = make_jina_v3(tmp_path / "few", adapters=("retrieval_query", "retrieval_passage"))
    with (
        run_embedding_server(Settings(model=str(few)), tmp_path) as other,
        pytest.raises(InvalidRequest, match="no adapter for the task separation"),
    ):
        other.replica().embed([Item("tea", Task.SEPARATION)])


def test_large_calls_go_in_several_requests() -> None:
    spans = tuple(Span(n, n + 1) for n in range(3000))
    sizes = [len(part) for part in cut_requests([Item("t", Task.PASSAGE)] * 300, 384)]
    assert sizes == [128, 128, 44]
    items = [Item("t", Task.PASSAGE, spans=spans)] * 3
    assert [len(part) for part in cut_requests(items, 384)] == [1, 1, 1]
    # As JSON each of them is six times as long.
    items = [Item("\0" * 2**20, Task.PASSAGE)] * 3
    assert [len(part) for part in cut_requests(items, 384)] == [1, 1, 1]
    assert [*cut_requests([], 384)] == []


# Bases of both


def ask_all(resources: Resources) -> list[Any]:
    answers = [
        search_documents(resources, "help", query) for query in ("tea", "cold milk", "sugar?")
    ]
    return [
        [(hit.document_id, hit.score, hit.passages) for hit in answer.results] for answer in answers
    ]


@pytest.mark.parametrize("replica_first", [False, True])
def test_base_goes_on_in_a_process_without_the_model_and_back(
    server: EmbeddingServer, tmp_path: Path, sandbox: Sandbox, replica_first: bool
) -> None:
    with_model = server.settings.model_copy(update={"data": tmp_path / "data", "model_url": ""})
    without = server.settings.model_copy(update={"data": tmp_path / "data"})
    first, then = (without, with_model) if replica_first else (with_model, without)
    texts = {"hot": "Tea is hot.", "cold": "Milk is cold.\n\nSugar is not.", "long": TEXT * 30}
    with open_resources(first) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article(name, text) for name, text in texts.items()])
        drain_queue(resources, sandbox, Event())
        made_by = resources.generations.live().checkpoint().fingerprint
        answers = ask_all(resources)
        assert all(answers)
    with open_resources(then) as resources:
        live = resources.generations.live()
        live.check_fingerprint()
        assert live.checkpoint().fingerprint == made_by
        assert ask_all(resources) == answers
        assert isinstance(live.engine(), ServedEngine) is not replica_first
        put_documents(resources, "help", [article("new", "Cocoa is brown.")])
        drain_queue(resources, sandbox, Event())
        assert search_documents(resources, "help", "cocoa").results[0].document_id == "new"


# Lanes and passes


def test_questions_of_two_replicas_share_a_pass(server: EmbeddingServer) -> None:
    one, two = server.replica(), server.replica()
    expected = server.engine.embed([Item("tea", Task.QUERY)])
    tokens = expected[0].tokens
    before = server.passes(Lane.QUERIES)
    with ThreadPoolExecutor(8) as threads:
        with model_is_held(server):
            asked = [
                threads.submit(replica.embed, [Item("tea", Task.QUERY)])
                for replica in (one, two, one, two)
            ]
            poll(lambda: server.waiting(Lane.QUERIES), lambda waiting: waiting == 4 * tokens)
        for answer in asked:
            np.testing.assert_allclose(answer.result(60)[0].vector, expected[0].vector, atol=1e-6)
    assert server.passes(Lane.QUERIES) - before == 1


def test_each_call_waits_in_its_own_lane(server: EmbeddingServer) -> None:
    replica = server.replica()
    with ThreadPoolExecutor(3) as threads, model_is_held(server):
        for item, refuses, lane in (
            (Item("an article", Task.PASSAGE), False, Lane.DOCUMENTS),
            (Item("a question", Task.QUERY), False, Lane.QUERIES),
            (Item("of others", Task.QUERY), True, Lane.CALLS),
        ):
            wanted = server.waiting(lane) + replica.count_tokens(item)
            threads.submit(replica.embed, [item], refuses=refuses)
            poll(partial(server.waiting, lane), wanted.__eq__)


def test_calls_of_others_are_refused_while_too_much_waits(jina_v3: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(jina_v3), max_waiting_tokens=10)
    with run_embedding_server(settings, tmp_path) as server:
        replica = server.replica()
        call = [Item("of another program", Task.PASSAGE)]
        with ThreadPoolExecutor(1) as threads, model_is_held(server):
            first = threads.submit(replica.embed, call, refuses=True)
            poll(lambda: server.waiting(Lane.CALLS), bool)
            with pytest.raises(EngineBusy) as caught:
                replica.embed(call, refuses=True)
            assert caught.value.retry_after_s >= 1
        assert len(first.result(60)) == 1


def test_cancelled_call_ends_here_and_there(server: EmbeddingServer) -> None:
    replica = server.replica()
    item = Item("an article that nobody wants any more", Task.PASSAGE)
    read = server.value("folio_embedding_tokens_total", Lane.DOCUMENTS)
    cancelled = Event()
    requests = "folio_http_requests_total"
    with ThreadPoolExecutor(1) as threads, model_is_held(server):
        call = threads.submit(replica.embed, [item], is_cancelled=cancelled.is_set)
        poll(lambda: server.waiting(Lane.DOCUMENTS), bool)
        cancelled.set()
        with pytest.raises(WorkCancelled):
            call.result(60)
        # The model is held still: the server noticed by itself.
        labels = {"method": "POST", "route": EMBEDDINGS_PATH, "status": "503"}
        poll(
            lambda: _metric(server, requests, labels),
            bool,
        )
    server.engine.embed([Item("tea", Task.QUERY)])
    held = server.engine.count_tokens(Item("hold on", Task.PASSAGE))
    assert server.value("folio_embedding_tokens_total", Lane.DOCUMENTS) - read == held


def _metric(server: EmbeddingServer, name: str, labels: dict[str, str]) -> bool:
    wanted = name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return any(line.startswith(wanted) and not line.endswith(" 0.0") for line in lines)


# What goes wrong


def test_server_that_is_away_is_told_and_asked_again_when_it_is_back(
    local: Settings, tmp_path: Path
) -> None:
    port = find_free_port()
    with run_embedding_server(local, tmp_path, port=port) as server:
        settings = server.settings.model_copy(update={"data": tmp_path / "data"})
        replica = server.replica()
        expected = replica.embed([Item("tea", Task.QUERY)])
    with pytest.raises(ModelAway, match=f"127.0.0.1:{port} answers with ConnectError") as caught:
        replica.embed([Item("tea", Task.QUERY)])
    assert caught.value.status == 503
    with open_resources(settings) as resources:
        with pytest.raises(ModelAway):
            resources.generations.live().engine()
        with run_embedding_server(local, tmp_path, port=port):
            assert_same(replica.embed([Item("tea", Task.QUERY)]), expected)
            (embedding,) = resources.generations.live().engine().embed([Item("tea", Task.QUERY)])
            assert_same([embedding], expected)


def test_server_that_is_away_or_of_another_model_makes_replicas_unready(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_pause_before", lambda *_: 0.0)
    monkeypatch.setattr(model_loader, "_AWAY_SECONDS", 0.05)
    port, stopping = find_free_port(), Event()
    with ExitStack() as stack:
        with run_embedding_server(local, tmp_path, port=port) as server:
            settings = server.settings.model_copy(update={"data": tmp_path / "data"})
            replica = stack.enter_context(open_service(settings, works=False))
            engine = replica.resources.generations.live().engine()
            assert replica.http.get("/readyz").status_code == 200
        with pytest.raises(ModelAway):
            engine.embed([Item("tea", Task.QUERY)])
        answer = replica.http.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "ConnectError" in answer.json()["detail"]
        with (
            run_embedding_server(local.model_copy(update={"dimensions": 16}), tmp_path, port=port),
            pytest.raises(ModelUnavailable),
        ):
            engine.embed([Item("tea", Task.QUERY)])
        assert "another model" in replica.http.get("/readyz").json()["detail"]
        # It is noticed without a question that it is back.
        with run_embedding_server(local, tmp_path, port=port), ThreadPoolExecutor(1) as thread:
            thread.submit(model_loader.keep_model, replica.resources, stopping)
            try:
                poll(lambda: replica.http.get("/readyz").status_code, (200).__eq__)
            finally:
                stopping.set()


def test_articles_wait_while_the_server_is_away(
    local: Settings, tmp_path: Path, sandbox: Sandbox
) -> None:
    port = find_free_port()
    with run_embedding_server(local, tmp_path, port=port) as server:
        settings = server.settings.model_copy(update={"data": tmp_path / "data"})
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("tea", "Tea is hot.")])
        assert drain_queue(resources, sandbox, Event()) is not None
        with run_embedding_server(local, tmp_path, port=port):
            drain_queue(resources, sandbox, Event())
            assert search_documents(resources, "help", "tea").results[0].document_id == "tea"


@pytest.mark.parametrize("fault", ["fails", "too large"])
def test_text_that_the_server_does_not_embed_fails_its_document_and_no_other(
    local: Settings, tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(service, "_pause_before", lambda *_: 0.0)
    bad = "A secret tea." + ("\n" * 2**16 + "Milk." if fault == "too large" else "")
    settings = local.model_copy(update={"max_body_bytes": 2**15})
    with run_embedding_server(settings, tmp_path) as server:
        embed = server.engine.embed

        def fail(items: Sequence[Item], **options: Any) -> list[Embedding]:
            if any("secret" in item.text for item in items):
                raise RuntimeError
            return embed(items, **options)

        monkeypatch.setattr(server.engine, "embed", fail)
        with open_resources(
            server.settings.model_copy(update={"data": tmp_path / "data"})
        ) as resources:
            create_collection(resources.database, "help")
            put_documents(resources, "help", [article("a", bad), article("b", "Milk.")])
            assert drain_queue(resources, sandbox, Event()) is None
            error = get_document(resources, "help", "a").error
            assert error is not None
            assert (error.code, "secret" in error.message) == ("text_refused", False)
            assert get_document(resources, "help", "b").status is Status.READY
            monkeypatch.setattr(server.engine, "embed", lambda *_, **__: 1 / 0)
            with pytest.raises(ModelUnavailable):
                resources.generations.live().engine().embed([Item("tea", Task.PASSAGE)])


def test_base_of_another_model_is_refused_at_the_start(
    server: EmbeddingServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    other = make_jina_v3(tmp_path / "other", seed=1, prompts=PROMPTS)
    data = tmp_path / "data"
    with open_resources(Settings(data=data, model=str(other))) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("tea", "Tea is hot.")])
        drain_queue(resources, sandbox, Event())
    asking = server.settings.model_copy(update={"data": data})
    with (
        open_resources(asking) as resources,
        pytest.raises(StaleVectors, match=r"they differ in: .*weights"),
    ):
        resources.generations.live().check_fingerprint()
    # Until its articles are embedded by the server's model, which needs none here.
    with open_resources(asking) as resources:
        assert reembed(resources).documents == 1
        assert search_documents(resources, "help", "tea").results[0].document_id == "tea"
        assert isinstance(resources.generations.live().engine(), ServedEngine)
    # And so where nothing was embedded yet, by the settings.
    with open_resources(
        asking.model_copy(update={"data": tmp_path / "empty", "model": str(other)})
    ) as resources:
        resources.generations.live().check_fingerprint()
        with pytest.raises(ModelUnavailable, match="must be the same there and here") as caught:
            resources.generations.live().engine()
        assert caught.value.code == "other_model"


def test_server_that_changes_its_model_is_not_believed(local: Settings, tmp_path: Path) -> None:
    port = find_free_port()
    other = make_jina_v3(tmp_path / "other", seed=1, prompts=PROMPTS)
    question = [Item("tea", Task.QUERY)]
    with run_embedding_server(local, tmp_path, port=port) as server:
        replica = server.replica()
        expected = replica.embed(question)
    changed = local.model_copy(update={"model": str(other)})
    with run_embedding_server(changed, tmp_path, port=port):
        with pytest.raises(ModelUnavailable, match="runs another model by now") as caught:
            replica.embed(question)
        assert caught.value.code == "other_model"
    with run_embedding_server(local, tmp_path, port=port):
        assert_same(replica.embed(question), expected)


def test_key_must_be_the_servers(
    server: EmbeddingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wrong").write_text("w" * 40)
    for file in (tmp_path / "wrong", None):
        settings = server.settings.model_copy(update={"model_key_file": file})
        with pytest.raises(ModelUnavailable, match="does not take the key") as caught:
            open_checkpoint(settings)
        assert caught.value.code == "model_key_refused"
        assert "www" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="cannot be read: FileNotFoundError"):
        open_checkpoint(server.settings.model_copy(update={"model_key_file": tmp_path / "none"}))
    for method, path in (("GET", ENGINE_PATH), ("POST", EMBEDDINGS_PATH)):
        answer = httpx.request(method, server.url + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert KEY not in caplog.text


def test_server_without_a_key_is_for_this_machine(server: EmbeddingServer) -> None:
    with serve_app(create_embedding_app(Settings(), server.served, None)) as url:
        assert httpx.get(url + ENGINE_PATH).is_success
        answer = httpx.get(url + ENGINE_PATH, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


def test_bodies_over_the_bound_and_of_another_shape_are_refused(
    jina_v3: Path, tmp_path: Path
) -> None:
    settings = Settings(model=str(jina_v3), max_body_bytes=20_000)
    with run_embedding_server(settings, tmp_path) as server:
        with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, base_url=server.url) as http:
            huge = http.post(EMBEDDINGS_PATH, json={"items": "x" * 30_000})
            assert huge.status_code == 413
            for wrong in ({}, {"fingerprint": "f", "items": [], "dimensions": 8}):
                assert http.post(EMBEDDINGS_PATH, json=wrong).status_code == 422
            assert http.get("/v1/collections").status_code == 404
        with pytest.raises(UnreadableDocument, match="status 413"):
            server.replica().embed([Item("漢" * 7000, Task.PASSAGE)])


def test_what_is_not_an_embedding_server_is_named(tmp_path: Path, server: EmbeddingServer) -> None:
    with pytest.raises(ModelUnavailable, match="is not `folio embed-server`"):
        open_checkpoint(server.settings.model_copy(update={"model_url": f"{server.url}/else"}))


def test_tuned_adapters_and_other_models_need_the_model(
    server: EmbeddingServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    checkpoint = open_checkpoint(server.settings)
    with pytest.raises(ModelUnavailable, match="has a tuned adapter") as caught:
        load_engine(checkpoint.with_query_adapter(b"tuned"), server.settings)
    assert caught.value.code == "tuned_adapter"
    settings = server.settings.model_copy(update={"data": tmp_path / "data"})
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("tea", "Tea is hot.")])
        drain_queue(resources, sandbox, Event())
        other = make_plain(tmp_path / "bert", "bert")
        with pytest.raises(InvalidRequest, match=r"the embedding server .* runs") as refused:
            request_generation(resources, model=str(other), gate=GateRequest(force=True))
        assert refused.value.code == "other_model"


def test_server_needs_the_model_and_a_key(tmp_path: Path, server: EmbeddingServer) -> None:
    with pytest.raises(InvalidRequest, match="unset FOLIO_MODEL_URL"):
        load_served(server.settings)


# As processes


def run_folio(*arguments: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FOLIO, *arguments],
        env=folio_environment(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_unsafe_start_is_refused(tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text("short")
    for arguments, environment, sentence in (
        ([], {}, "name a file with one in FOLIO_MODEL_KEY_FILE"),
        ([], {"FOLIO_MODEL_KEY_FILE": weak}, "must be one word of at least 32 characters"),
        (["--no-auth", "--host", "192.0.2.1"], {}, "loopback address"),
    ):
        ended = run_folio("embed-server", *arguments, **environment)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert sentence in ended.stderr


@pytest.mark.slow
def test_replica_that_started_first_becomes_ready_when_the_server_is_there(
    local: Settings, tmp_path: Path
) -> None:
    port = find_free_port()
    (tmp_path / "model_key").write_text(KEY)
    environment = folio_environment(
        FOLIO_MODEL=local.model,
        FOLIO_MODEL_URL=f"http://127.0.0.1:{port}",
        FOLIO_MODEL_API="folio",
        FOLIO_MODEL_KEY_FILE=tmp_path / "model_key",
    )
    log = tmp_path / "log"
    with run_server(tmp_path / "data", "--no-auth", log=log, environment=environment) as replica:
        answer = httpx.get(f"{replica.url}/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        with run_embedding_server(local, tmp_path, port=port):
            poll(replica.is_ready, bool)
            body = {"input": "a secret word", "model": ""}
            assert httpx.post(f"{replica.url}/v1/embeddings", json=body).is_success
        assert replica.stop() == 143
    said = log.read_text(encoding="utf-8")
    assert KEY not in said
    assert "secret word" not in said
