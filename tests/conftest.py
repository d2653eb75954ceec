"""Fixtures: checkpoints, open resources, and a way to ingest without a thread."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from app.config import Settings
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import AcceptedUploads, Upload
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.checkpoints import PROMPTS, make_jina_v3
from tests.databases import on_test_database
from tests.named import put_documents

Ingest = Callable[..., AcceptedUploads]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no setting of the machine that they run on."""
    for name in [name for name in os.environ if name.startswith("FOLIO_")]:
        if not name.startswith("FOLIO_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def jina_v3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random jina-embeddings-v3 with all adapters and prompts, 8,192 tokens."""
    return make_jina_v3(tmp_path_factory.mktemp("models") / "jina-v3", prompts=PROMPTS)


@pytest.fixture(scope="session")
def short_jina_v3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights with a window of 64 tokens and no prompts."""
    return make_jina_v3(tmp_path_factory.mktemp("models") / "short", max_tokens=64)


@pytest.fixture
def settings(tmp_path: Path, jina_v3: Path) -> Settings:
    return on_test_database(
        Settings(data=tmp_path / "data", model=str(jina_v3), passage_tokens=32, retry_seconds=0)
    )


@pytest.fixture
def resources(settings: Settings) -> Iterator[Resources]:
    """An empty knowledge base with the collection `help`."""
    with open_resources(settings) as opened:
        create_collection(opened.database, "help")
        yield opened


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    opened = Sandbox(Settings())
    yield opened
    opened.close()


@pytest.fixture
def ingest(resources: Resources, sandbox: Sandbox) -> Ingest:
    """Upload into `help` and work through the queue before returning."""

    def run(*uploads: Upload, collection: str = "help") -> AcceptedUploads:
        accepted = put_documents(resources, collection, uploads)
        drain_queue(resources, sandbox, Event())
        return accepted

    return run


def article(document_id: str, text: str, **details: object) -> Upload:
    """Return the upload of a plain text."""
    return Upload(document_id, text.encode(), "text/plain", **details)  # type: ignore[arg-type]


def markdown(document_id: str, text: str, **details: object) -> Upload:
    """Return the upload of a Markdown text."""
    return Upload(document_id, text.encode(), "text/markdown", **details)  # type: ignore[arg-type]
