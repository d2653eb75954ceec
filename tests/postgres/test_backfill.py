"""`folio backfill`: what a worker does of its share, without Ray; and with it, a killed node."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.commands.backfill import Worker
from app.commands.upload import Entry, Outcome, find_entries
from app.config import Settings
from app.db import queue
from app.db.models import Document, UnitRow, Version
from app.db.postgres import PostgresDatabase, open_postgres
from app.errors import FolioError
from app.runtime.resources import Resources
from tests.checkpoints import make_jina_v3
from tests.conftest import article
from tests.named import put_documents
from tests.postgres import backfill

ARTICLES = 12


def text_of(number: int) -> str:
    return f"Article {number}: steep the tea."


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """A share of the articles: lines of a file."""
    lines = [json.dumps({"id": f"a{n}", "text": text_of(n)}) for n in range(ARTICLES)]
    path = tmp_path / "articles.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return find_entries([str(path)], Outcome())


@pytest.fixture
def shared(settings: Settings) -> Iterator[PostgresDatabase]:
    """The database as another process sees it."""
    assert settings.database_url is not None
    with open_postgres(settings.database_url.get_secret_value()) as opened:
        yield opened


@pytest.fixture
def worker(settings: Settings, resources: Resources) -> Iterator[Worker]:
    """A worker of the collection `help`."""
    assert resources.settings is settings
    opened = Worker(settings, "help")
    yield opened
    opened.close()


def add(worker: Worker, entries: list[Entry]) -> Outcome:
    outcome = worker.add(entries)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def count_rows(database: PostgresDatabase) -> tuple[int, int, int]:
    """Return how many documents, versions and units there are."""
    with database.read() as session:
        documents, versions, units = (
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Document, Version, UnitRow)
        )
    return documents, versions, units


def test_a_share_is_read_once_however_often_it_is_handed_out(
    worker: Worker, entries: list[Entry], shared: PostgresDatabase
) -> None:
    first, second = add(worker, entries), add(worker, entries)
    assert (first.counts["ready"], first.failures) == (ARTICLES, [])
    assert (second.counts["unchanged"], second.tokens) == (ARTICLES, 0)
    assert first.tokens > 0
    assert count_rows(shared) == (ARTICLES, ARTICLES, ARTICLES)


def test_what_a_killed_worker_had_put_and_claimed_is_read_by_the_next_one(
    worker: Worker, entries: list[Entry], shared: PostgresDatabase, resources: Resources
) -> None:
    put_documents(resources, "help", [article(f"a{n}", text_of(n)) for n in range(ARTICLES // 2)])
    with shared.write(alone=False) as session:
        claims = [queue.claim_next(session, lease_seconds=1.0) for _ in range(3)]
    outcome = add(worker, entries)
    assert outcome.counts["ready"] + outcome.counts["unchanged"] == ARTICLES
    assert count_rows(shared) == (ARTICLES, ARTICLES, ARTICLES)
    with shared.read() as session:
        attempts = dict(session.execute(select(Version.id, Version.attempts)).all())
    assert [attempts[claim.version_id] for claim in claims if claim] == [2, 2, 2]
    assert sorted(attempts.values()) == [1] * (ARTICLES - 3) + [2] * 3


def test_an_article_that_cannot_be_read_fails_alone(
    worker: Worker, entries: list[Entry], tmp_path: Path
) -> None:
    gone = Entry("gone.md", "gone.md", path=tmp_path / "gone.md", size=1)
    outcome = add(worker, [*entries, gone])
    assert outcome.counts["ready"] == ARTICLES
    assert [(failure["id"], failure["code"]) for failure in outcome.failures] == [
        ("gone.md", "unreadable_file")
    ]


def test_vectors_of_two_models_do_not_meet(
    worker: Worker, entries: list[Entry], settings: Settings, tmp_path: Path
) -> None:
    add(worker, entries)
    other = settings.model_copy(update={"model": str(make_jina_v3(tmp_path / "other", seed=1))})
    refused = Worker(other, "help")
    answer = refused.add(entries)
    refused.close()
    assert isinstance(answer, FolioError)
    assert answer.code == "stale_vectors"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is missing")
def test_a_node_that_is_killed_amid_the_load_leaves_nothing_lost_and_nothing_twice() -> None:
    # In a process of its own: Ray changes this one's environment, signals and warnings.
    lane = [sys.executable, "-m", "tests.postgres.backfill", "--articles", "150"]
    ran = subprocess.run(lane, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    counts = json.loads(ran.stdout.splitlines()[-1])
    assert counts["articles"] == 150
    assert {name: counts[name] for name in backfill.FAULTS} == dict.fromkeys(backfill.FAULTS, 0)
