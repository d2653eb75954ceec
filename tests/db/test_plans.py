"""What uploads, the queue and deletions run reads what they are about, however much is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.db import queries, queue
from app.db.models import RECEIPTS_INDEX, utc_now
from app.db.sqlite import open_database
from app.domain import Stage
from app.services.articles.jobs import _select_over
from app.services.quality.feedback import _has_older
from app.services.quality.reembedding import find_missing


def plan_statements(folder: Path, run: Callable[[Session], object]) -> list[list[str]]:
    """Return how SQLite goes about each statement that `run` executes."""
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    with open_database(folder, holder="test") as database, database.write() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        run(session)
        event.remove(connection, "before_cursor_execute", note)
        return [
            [
                row[-1]
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
            for statement, parameters in statements
        ]


def test_no_statement_of_the_queue_reads_every_version(tmp_path: Path) -> None:
    claim = queue.Claim(1, "token", 1, 1)

    def run(session: Session) -> None:
        queue.count_pending(session)
        queue.requeue_interrupted(session, max_attempts=1, pause_seconds=1)
        queue.requeue_lapsed(session, max_attempts=1, pause_seconds=1)
        queue.claim_next(session, lease_seconds=1)
        queue.claim_next(session, queue.Claimable(frozenset({1}), 1000), lease_seconds=1)
        queue.seconds_until_due(session)
        queue.renew_claims(session, [claim], lease_seconds=1, stage=Stage.EMBED)
        queue.retry_later(session, claim, after_seconds=1)
        queue.fail(session, claim, stage=Stage.PARSE, code="x", message="x")
        queue.give_back(session, [claim])

    plans = plan_statements(tmp_path, run)
    assert len(plans) >= 10
    assert [step for plan in plans for step in plan if step.startswith("SCAN")] == []


def test_duplicates_are_found_by_their_hash(tmp_path: Path) -> None:
    def find(session: Session) -> None:
        queries.find_duplicates(session, 1, limit=5)

    (plan,) = plan_statements(tmp_path, find)
    assert any("original_sha256=?" in step for step in plan)
    assert not any("collection_id=?" in step for step in plan)


def test_only_the_uploads_of_a_deletion_are_looked_at(tmp_path: Path) -> None:
    def delete(session: Session) -> None:
        queries.delete_unused_originals(session, ["a", "b"])

    plans = plan_statements(tmp_path, delete)
    assert len(plans) == 2
    assert [step for plan in plans for step in plan if step.startswith("SCAN")] == []


def test_questions_past_their_time_are_found_by_their_age(tmp_path: Path) -> None:
    (plan,) = plan_statements(tmp_path, lambda session: _has_older(session, utc_now()))
    assert [step for step in plan if "asked_at<?" in step] == plan


def test_jobs_past_their_time_are_found_by_their_age(tmp_path: Path) -> None:
    def find(session: Session) -> None:
        session.execute(_select_over(utc_now(), 1))

    (plan,) = plan_statements(tmp_path, find)
    assert any("created_at<?" in step for step in plan)
    assert [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step] == []


def test_articles_that_a_generation_misses_are_found_without_reading_their_texts(
    tmp_path: Path,
) -> None:
    (plan,) = plan_statements(tmp_path, lambda session: find_missing(session, 1, 50))
    # Of live versions, by document.
    assert plan[0] == f"SCAN versions USING INDEX {RECEIPTS_INDEX}"
    assert not any("TEMP B-TREE" in step for step in plan)


def test_sums_of_receipts_pass_the_texts_by(tmp_path: Path) -> None:
    (plan,) = plan_statements(tmp_path, lambda session: queries.sum_receipts(session, 1))
    assert any(step.endswith(f"INDEX {RECEIPTS_INDEX} (document_id=?)") for step in plan)


@pytest.mark.parametrize("collection_id", [None, 1])
def test_counting_documents_reads_only_the_versions_that_are_not_ready(
    tmp_path: Path, collection_id: int | None
) -> None:
    def count(session: Session) -> None:
        queries.count_by_status(session, collection_id)

    unready, documents = plan_statements(tmp_path, count)
    assert "ix_versions_unready" in unready[0]
    of_documents = [step for step in documents if "documents" in step]
    assert of_documents
    assert all("COVERING INDEX" in step for step in of_documents)
