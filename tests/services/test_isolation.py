"""Collections side by side: whatever is done to one, no other answers with it or counts it."""

from dataclasses import dataclass, field
from threading import Event
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.config import Settings
from app.domain import Condition, Hit, Status
from app.errors import Conflict, NotFound
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.conftest import article
from tests.named import (
    delete_collection,
    delete_document,
    get_collection,
    get_document,
    get_job,
    list_collections,
    list_documents,
    put_documents,
    search_documents,
)

# Few of each, so that ids and contents meet across collections; blank text fails.
NAMES = ("left", "middle", "right")
IDS = ("a", "b", "c")
TEXTS = ("Tea.", "Milk and tea.", "Coffee.", "Coffee with milk.", " \n ")
KINDS = ("hot", "cold")

names = st.sampled_from(NAMES)
ids = st.sampled_from(IDS)
texts = st.sampled_from(TEXTS)
kinds = st.sampled_from(KINDS)


@dataclass(slots=True)
class ModelVersion:
    number: int
    text: str
    attributes: dict[str, str]
    status: Status = Status.QUEUED
    is_live: bool = False
    is_superseded: bool = False
    is_deleted: bool = False

    @property
    def state(self) -> str:
        """What a job counts it as."""
        if self.is_superseded:
            return "superseded"
        return "deleted" if self.is_deleted else self.status


@dataclass(slots=True)
class ModelDocument:
    versions: list[ModelVersion] = field(default_factory=list)

    @property
    def latest(self) -> ModelVersion:
        return self.versions[-1]

    @property
    def live(self) -> ModelVersion | None:
        return next((version for version in self.versions if version.is_live), None)

    def put(self, text: str, attributes: dict[str, str]) -> str:
        """Take an upload; returns what it changed."""
        latest = self.versions[-1] if self.versions else None
        if latest is not None and latest.status is not Status.FAILED and latest.text == text:
            if latest.attributes == attributes:
                return "none"
            if latest.is_live:
                latest.attributes = attributes
                return "metadata"
        number = latest.number + 1 if latest is not None else 1
        if latest is not None and latest.status is Status.QUEUED:
            latest.status, latest.is_superseded = Status.FAILED, True
        self.versions.append(ModelVersion(number, text, attributes))
        return "content"

    def finish(self, version: ModelVersion) -> None:
        if not version.text.strip():
            version.status = Status.FAILED
            return
        for former in self.versions:
            former.is_live = False
        version.status, version.is_live = Status.READY, True


@dataclass(slots=True)
class ModelCollection:
    documents: dict[str, ModelDocument] = field(default_factory=dict)
    jobs: dict[str, list[tuple[ModelDocument, ModelVersion]]] = field(default_factory=dict)


class Shelves(RuleBasedStateMachine):
    """Collections and a plain dictionary of them, side by side."""

    def __init__(self, resources: Resources, sandbox: Sandbox) -> None:
        super().__init__()
        self.resources = resources
        self.sandbox = sandbox
        self.model: dict[str, ModelCollection] = {}
        self.queue: list[tuple[ModelDocument, ModelVersion]] = []
        self.gone_jobs: list[str] = []

    def teardown(self) -> None:
        for collection in list_collections(self.resources):
            delete_collection(self.resources, collection.name)

    # Rules

    @initialize()
    def fill(self) -> None:
        for name in NAMES:
            self.create(name)
            self.put(name, {"a": ("Tea.", "hot"), "b": ("Coffee.", "cold")}, waits=True)

    @rule(name=names)
    def create(self, name: str) -> None:
        if name in self.model:
            with pytest.raises(Conflict):
                create_collection(self.resources.database, name)
        else:
            create_collection(self.resources.database, name)
            self.model[name] = ModelCollection()

    @rule(
        name=names,
        uploads=st.dictionaries(ids, st.tuples(texts, kinds), min_size=1),
        waits=st.integers(0, 3).map(lambda number: number < 3),
    )
    def put(self, name: str, uploads: dict[str, tuple[str, str]], *, waits: bool) -> None:
        """Upload, and mostly wait until everything is read."""
        given = {
            document_id: (text, {"kind": kind, "home": name})
            for document_id, (text, kind) in uploads.items()
        }
        sent = [
            article(document_id, text, attributes=attributes)
            for document_id, (text, attributes) in given.items()
        ]
        if name not in self.model:
            with pytest.raises(NotFound):
                put_documents(self.resources, name, sent)
            return
        collection = self.model[name]
        accepted = put_documents(self.resources, name, sent)
        items = []
        for document_id, (text, attributes) in given.items():
            document = collection.documents.setdefault(document_id, ModelDocument())
            change = document.put(text, attributes)
            items.append((document, document.latest))
            if change == "content":
                self.queue = [entry for entry in self.queue if entry[0] is not document]
                self.queue.append((document, document.latest))
            told = next(answer for answer in accepted.documents if answer.id == document_id)
            assert (told.version, told.status, told.change) == (
                document.latest.number,
                document.latest.status,
                change,
            )
        collection.jobs[accepted.job_id] = items
        if waits:
            self.work(len(self.queue))

    @precondition(lambda self: self.queue)
    @rule(count=st.integers(1, 6))
    def work(self, count: int) -> None:
        drain_queue(self.resources, self.sandbox, Event(), max_documents=count)
        for document, version in self.queue[:count]:
            document.finish(version)
        del self.queue[:count]

    @rule(name=names, document_id=ids)
    def delete(self, name: str, document_id: str) -> None:
        collection = self.model.get(name)
        if collection is None or document_id not in collection.documents:
            with pytest.raises(NotFound):
                delete_document(self.resources, name, document_id)
            return
        gone = collection.documents.pop(document_id)
        erased = delete_document(self.resources, name, document_id)
        assert (erased.deleted, erased.versions) == (document_id, len(gone.versions))
        assert erased.units == (1 if gone.live else 0)
        self._forget([gone])

    # Most of the time there should be something to mix up.
    @precondition(lambda self: len(self.model) == len(NAMES))
    @rule(name=names)
    def delete_all(self, name: str) -> None:
        gone = self.model.pop(name)
        assert delete_collection(self.resources, name) == len(gone.documents)
        self.gone_jobs += gone.jobs
        self._forget(list(gone.documents.values()))

    def _forget(self, gone: list[ModelDocument]) -> None:
        self.queue = [entry for entry in self.queue if not any(entry[0] is d for d in gone)]
        for document in gone:
            for version in document.versions:
                version.is_deleted = True

    # What must hold after each of them

    @invariant()
    def collections_and_their_counts_are_those_of_the_model(self) -> None:
        told = {info.name: info.documents for info in list_collections(self.resources)}
        assert told == {
            name: {
                status: sum(d.latest.status is status for d in collection.documents.values())
                for status in Status
            }
            for name, collection in self.model.items()
        }
        for name in NAMES:
            if name in self.model:
                assert get_collection(self.resources, name).documents == told[name]
            else:
                with pytest.raises(NotFound):
                    get_collection(self.resources, name)

    @invariant()
    def documents_are_those_of_the_model(self) -> None:
        for name, collection in self.model.items():
            infos, cursor = list_documents(self.resources, name)
            assert cursor is None
            told = {info.id: (info.version, info.status, info.live_version) for info in infos}
            assert told == {
                document_id: (d.latest.number, d.latest.status, d.live.number if d.live else None)
                for document_id, d in collection.documents.items()
            }
            for document_id in IDS:
                document = collection.documents.get(document_id)
                if document is None:
                    with pytest.raises(NotFound):
                        get_document(self.resources, name, document_id)
                    continue
                info = get_document(self.resources, name, document_id, with_text=True)
                assert info.text == (document.live.text if document.live else None)
                assert info.attributes == (document.live or document.latest).attributes

    @invariant()
    def searches_find_what_is_live_in_the_collection_and_nothing_else(self) -> None:
        for name in NAMES:
            if name not in self.model:
                with pytest.raises(NotFound):
                    search_documents(self.resources, name, "tea")
                continue
            documents = self.model[name].documents
            live = {key: document.live for key, document in documents.items() if document.live}
            self._check_search(name, live, limit=1000)
            # With room for our own only, a foreign article would take the place of one of them.
            for key, value in (("kind", "hot"), ("home", "left")):
                met = {
                    i: version for i, version in live.items() if version.attributes[key] == value
                }
                condition = Condition("eq", key, value)
                self._check_search(name, met, limit=max(1, len(met)), filters=condition)

    def _check_search(self, name: str, live: dict[str, ModelVersion], **options: Any) -> None:
        def describe(hit: Hit) -> tuple[str, int, object, str]:
            return hit.document_id, hit.version, hit.attributes, hit.passages[0].text

        hits = search_documents(self.resources, name, "tea", **options).results
        assert sorted(map(describe, hits), key=lambda found: found[0]) == [
            (document_id, version.number, version.attributes, version.text)
            for document_id, version in sorted(live.items())
        ]

    @invariant()
    def jobs_tell_of_their_own_documents(self) -> None:
        for name, collection in self.model.items():
            for job_id, items in collection.jobs.items():
                job = get_job(self.resources, job_id)
                assert job.collection == name
                states = [version.state for _, version in items]
                assert job.counts == {
                    state: states.count(state) for state in (*Status, "superseded", "deleted")
                }
                failed = states.count(Status.FAILED)
                assert [error.code for error in job.errors] == ["empty_document"] * failed
        for job_id in self.gone_jobs:
            with pytest.raises(NotFound):
                get_job(self.resources, job_id)


def check_isolation(settings: Settings, sandbox: Sandbox, *, examples: int, steps: int) -> None:
    """Run the machine so many times, so many steps each."""
    # One folder for all runs: what one leaves behind would be seen by the next.
    with open_resources(settings) as resources:

        class OpenShelves(Shelves):
            def __init__(self) -> None:
                super().__init__(resources, sandbox)

        run_state_machine_as_test(
            OpenShelves,
            settings=hypothesis.settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(hypothesis.HealthCheck),
                database=None,
            ),
        )


def test_collections_keep_to_themselves_whatever_is_done(
    settings: Settings, sandbox: Sandbox
) -> None:
    check_isolation(settings, sandbox, examples=15, steps=20)
