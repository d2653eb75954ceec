"""The queue's statements read what is pending, however many versions are done."""

from pathlib import Path
from typing import Any

from sqlalchemy import event

from app.db import queue
from app.db.session import open_database
from app.domain import Stage


def test_no_statement_of_the_queue_reads_every_version(tmp_path: Path) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    claim = queue.Claim(1, "token", 1)
    with open_database(tmp_path, holder="test") as database, database.write() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        queue.count_pending(session)
        queue.requeue_interrupted(session, max_attempts=1, pause_seconds=1)
        queue.requeue_lapsed(session, max_attempts=1, pause_seconds=1)
        queue.claim_next(session, lease_seconds=1)
        queue.seconds_until_due(session)
        queue.renew_claims(session, [claim], lease_seconds=1, stage=Stage.EMBED)
        queue.retry_later(session, claim, after_seconds=1)
        queue.fail(session, claim, stage=Stage.PARSE, code="x", message="x")
        queue.give_back(session, [claim])
        event.remove(connection, "before_cursor_execute", note)
        plans = [
            row[-1]
            for statement, parameters in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(statements) >= 10
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
