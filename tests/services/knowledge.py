"""What the tests of the use cases share: opening a folder, working, and reading what is stored."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tokenizers import Tokenizer

from app.config import Settings
from app.db import queries
from app.db.models import Document, PassageRow, UnitRow, Version
from app.domain import Embedding, Item, Task
from app.embedding.engine import Engine
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.databases import on_test_database
from tests.named import list_collections, search_documents


@dataclass(slots=True)
class Watch:
    """What the engines of a test were asked for."""

    loads: int = 0
    texts: list[str] = field(default_factory=list)
    """Texts of the units that were embedded, in order."""
    counted: list[str] = field(default_factory=list)
    """Pieces of text whose unknown tokens were counted, in order."""
    before_embedding: Callable[[str], None] = lambda text: None
    """Called with the text of each unit before it is embedded."""
    before_asking: Callable[[], object] = lambda: None
    """Called before a question is embedded."""


class WatchedEngine:
    """The real engine, which tells what it is asked to embed for storing."""

    def __init__(self, engine: Engine, watch: Watch) -> None:
        self._engine = engine
        self._watch = watch
        self.name = engine.name
        self.dtype = engine.dtype
        self.device = engine.device
        self.max_tokens = engine.max_tokens
        self.unit_tokens = engine.unit_tokens
        self.late_chunking = engine.late_chunking
        self.languages = engine.languages
        self.dimensions = engine.dimensions
        self.metrics = engine.metrics

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        for item in items:
            if item.task is Task.QUERY:
                self._watch.before_asking()
            if item.task is Task.PASSAGE:
                self._watch.before_embedding(item.text)
                self._watch.texts.append(item.text)
        return self._engine.embed(
            items, dimensions=dimensions, is_cancelled=is_cancelled, refuses=refuses
        )

    @property
    def problem(self) -> str | None:
        return self._engine.problem

    @property
    def tokenizer(self) -> Tokenizer:
        return self._engine.tokenizer

    def count_tokens(self, item: Item) -> int:
        return self._engine.count_tokens(item)

    def count_unknown(self, text: str) -> int:
        self._watch.counted.append(text)
        return self._engine.count_unknown(text)

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        return self._engine.token_starts(text)

    def overhead(self, title: str, task: Task) -> int:
        return self._engine.overhead(title, task)

    def warm_up(self) -> None:
        self._engine.warm_up()


@contextmanager
def open_with(folder: Path, model: Path | str, **settings: Any) -> Iterator[Resources]:
    """Open a data folder with a model; the collection `help` is there."""
    chosen = {"passage_tokens": 16, "retry_seconds": 0, **settings}
    opened = on_test_database(Settings(data=folder, model=str(model), **chosen))
    with open_resources(opened) as resources:
        if "help" not in {collection.name for collection in list_collections(resources)}:
            create_collection(resources.database, "help")
        yield resources


@contextmanager
def acting_before_writes(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]
) -> Iterator[None]:
    """Do one thing after another in the block, each right before a write transaction begins."""
    write, left = resources.database.write, list(acts)

    @contextmanager
    def act_first(*, alone: bool = True) -> Iterator[Session]:
        if left:
            with monkeypatch.context() as undone:
                # What it writes itself is not preceded by the next.
                undone.setattr(resources.database, "write", write)
                left.pop(0)()
        with write(alone=alone) as session:
            yield session

    with monkeypatch.context() as patch:
        patch.setattr(resources.database, "write", act_first)
        yield


def work(resources: Resources, sandbox: Sandbox) -> float | None:
    """Ingest what is queued; returns the seconds to pause when the worker gave up."""
    return drain_queue(resources, sandbox, Event())


def search(resources: Resources, query: str = "tea", **options: Any) -> dict[str, str]:
    """Return the best passage of each article of `help` that a search finds, best first."""
    hits = search_documents(resources, "help", query, **options).results
    return {hit.document_id: hit.passages[0].text for hit in hits}


@dataclass(frozen=True, slots=True)
class StoredPassage:
    start: int
    end: int
    heading: str
    page: int | None


@dataclass(frozen=True, slots=True)
class StoredUnit:
    start: int
    end: int
    tokens: int
    vector: bytes
    passage_vectors: bytes
    passages: tuple[StoredPassage, ...]


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What answers for a document."""

    text: str | None
    title: str
    receipt: dict[str, Any] | None
    units: tuple[StoredUnit, ...]


def without_times(receipt: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a receipt without what a clock made."""
    return None if receipt is None else {**receipt, "took_ms": {}}


def read_live(resources: Resources) -> dict[str, StoredDocument]:
    """Return by id what answers in the live generation, without anything a clock or a counter made.

    So two folders are equal when their articles and their model are.
    """
    with resources.database.read() as session:
        generation = queries.find_live_generation(session)
        documents = session.execute(
            select(Document.external_id, Version)
            .join(Version, Version.document_id == Document.id)
            .where(Version.is_live)
        )
        stored = {}
        for external_id, version in documents:
            units = session.scalars(
                select(UnitRow)
                .where(
                    UnitRow.version_id == version.id,
                    UnitRow.generation_id == (generation.vector_set if generation else 0),
                )
                .order_by(UnitRow.ordinal)
            )
            described = []
            for unit in units:
                passages = session.scalars(
                    select(PassageRow)
                    .where(PassageRow.unit_id == unit.id)
                    .order_by(PassageRow.ordinal)
                )
                described.append(
                    StoredUnit(
                        unit.start,
                        unit.end,
                        unit.tokens,
                        unit.vector,
                        unit.passage_vectors,
                        tuple(StoredPassage(p.start, p.end, p.heading, p.page) for p in passages),
                    )
                )
            stored[external_id] = StoredDocument(
                version.text, version.title, without_times(version.receipt), tuple(described)
            )
        return stored


def assert_alike(found: dict[str, StoredDocument], expected: dict[str, StoredDocument]) -> None:
    """Both are equal but for the last bits of vectors, which depend on what shared the batch."""
    assert _without_vectors(found) == _without_vectors(expected)
    for document_id, document in found.items():
        for ours, theirs in zip(document.units, expected[document_id].units, strict=True):
            for dtype, a, b in (
                ("<f4", ours.vector, theirs.vector),
                ("<f2", ours.passage_vectors, theirs.passage_vectors),
            ):
                np.testing.assert_allclose(
                    np.frombuffer(a, dtype), np.frombuffer(b, dtype), atol=1e-3, rtol=0
                )


def _without_vectors(stored: dict[str, StoredDocument]) -> dict[str, StoredDocument]:
    return {
        document_id: replace(
            document,
            units=tuple(replace(unit, vector=b"", passage_vectors=b"") for unit in document.units),
        )
        for document_id, document in stored.items()
    }
