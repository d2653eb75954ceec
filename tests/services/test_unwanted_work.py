"""Work that nobody wants any more: it is not begun, cut off, and no job waits for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from app.db.models import UnitRow, Version
from app.domain import Item, Status, Task
from app.embedding.engine import Engine
from app.errors import WorkCancelled
from app.runtime import deadline
from app.runtime.resources import Resources
from app.services.quality.reembedding import reembed_version
from ingest.sandbox import Sandbox
from tests.conftest import article, markdown
from tests.named import delete_collection, delete_document, get_document, get_job, put_documents
from tests.services.knowledge import Watch, open_with, search, work

# Some twenty units of the model with the short window.
LONG = "\n\n".join(
    f"## Step {n}\n\nPour the milk into cup {n}. Then wait for the tea." for n in range(60)
)


def counts(resources: Resources, job_id: str) -> dict[str, int]:
    return {state: n for state, n in get_job(resources, job_id).counts.items() if n}


def test_replaced_version_is_not_read_and_its_job_ends(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, watch: Watch
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        first = put_documents(resources, "help", [article("a", "Old."), article("b", "Milk.")])
        second = put_documents(resources, "help", [article("a", "New.")])
        job = get_job(resources, first.job_id)
        assert (counts(resources, first.job_id), job.errors) == ({"queued": 1, "superseded": 1}, ())
        assert work(resources, sandbox) is None
        assert sorted(watch.texts) == ["Milk.", "New."]
        assert counts(resources, first.job_id) == {"ready": 1, "superseded": 1}
        assert counts(resources, second.job_id) == {"ready": 1}
        assert search(resources) == {"a": "New.", "b": "Milk."}
        delete_document(resources, "help", "a")
        assert counts(resources, first.job_id) == {"ready": 1, "superseded": 1}
        assert counts(resources, second.job_id) == {"deleted": 1}


def test_job_counts_what_was_deleted(tmp_path: Path, jina_v3: Path, sandbox: Sandbox) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        job = put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
        delete_document(resources, "help", "a")
        assert counts(resources, job.job_id) == {"queued": 1, "deleted": 1}
        assert work(resources, sandbox) is None
        delete_document(resources, "help", "b")
        assert counts(resources, job.job_id) == {"deleted": 2}
        assert not get_job(resources, job.job_id).is_pending


def test_version_that_was_pruned_is_superseded_to_its_job(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3, keep_versions=1) as resources:
        first = put_documents(resources, "help", [article("a", "Old.")])
        assert work(resources, sandbox) is None
        assert counts(resources, first.job_id) == {"ready": 1}
        for text in ("Newer.", "Newest."):
            put_documents(resources, "help", [article("a", text)])
            assert work(resources, sandbox) is None
        assert counts(resources, first.job_id) == {"superseded": 1}


@pytest.mark.parametrize("end", ["document", "version", "collection"])
def test_rest_of_a_long_article_is_not_read(
    tmp_path: Path, short_jina_v3: Path, sandbox: Sandbox, watch: Watch, end: str
) -> None:
    """It ends while the model reads the first of its units."""
    with open_with(tmp_path, short_jina_v3, batch_tokens=64) as resources:
        put_documents(resources, "help", [markdown("a", LONG)])
        acts: dict[str, Callable[[], object]] = {
            "document": lambda: delete_document(resources, "help", "a"),
            "version": lambda: put_documents(resources, "help", [article("a", "New.")]),
            "collection": lambda: delete_collection(resources, "help"),
        }

        def end_once(text: str) -> None:
            if not watch.texts:
                acts[end]()

        watch.before_embedding = end_once
        assert work(resources, sandbox) is None
        of_long = [text for text in watch.texts if "milk" in text]
        # A call of the engine holds eight of its units.
        assert 0 < len(of_long) <= 8
        if end == "version":
            assert search(resources) == {"a": "New."}
            assert get_document(resources, "help", "a").status is Status.READY


def test_pass_that_nobody_waits_for_is_cut_off(tmp_path: Path, jina_v3: Path) -> None:
    """Not after it, but between two of its steps."""
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with open_with(tmp_path, jina_v3) as resources:
        engine = resources.generations.live().engine()
        with pytest.raises(WorkCancelled):
            engine.embed([Item("Tea with milk.", Task.PASSAGE)], is_cancelled=is_cancelled)
    assert asked == 3


def test_article_that_was_deleted_is_not_embedded_again(
    tmp_path: Path,
    short_jina_v3: Path,
    sandbox: Sandbox,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends while another generation is built."""
    monkeypatch.setattr(deadline, "_ASK_AGAIN_S", 0.0)
    with open_with(tmp_path, short_jina_v3, batch_tokens=64) as resources:
        put_documents(resources, "help", [markdown("a", LONG)])
        assert work(resources, sandbox) is None
        with resources.database.read() as session:
            version_id, generation_id = session.execute(
                select(Version.id, UnitRow.generation_id).join(UnitRow).limit(1)
            ).one()

        def end_once(_: str) -> None:
            watch.before_embedding = lambda text: None
            delete_document(resources, "help", "a")

        watch.before_embedding = end_once
        engine = resources.generations.live().engine()
        before = count_read(engine)
        reembed_version(resources, engine, "a", version_id, generation_id)
        assert count_read(engine) == before


def count_read(engine: Engine) -> float | None:
    """Return how many tokens of documents the model has read."""
    name, labels = "folio_embedding_tokens_total", {"lane": "documents"}
    return engine.metrics.registry.get_sample_value(name, labels)
