"""What several processes rely on: claims, the log of changes, the leader's lock, the schema."""

import gc
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import islice
from operator import eq
from pathlib import Path
from threading import Event

import psycopg
import pytest
from sqlalchemy import func, select, text

from app.config import Settings
from app.db import queries, queue
from app.db.database import Duty
from app.db.models import Change, Key, Table, Version, utc_now
from app.db.postgres import _CONNECT, _ERASED, _SESSION_OPTIONS, PostgresDatabase, open_postgres
from app.db.postgres_cursor import use_ending_cursors
from app.db.queries.streams import stream
from app.domain import Stage, Status
from app.errors import DatabaseUnavailable, InvalidRequest, StorageFailed
from app.runtime.generations import follow_others
from app.runtime.resources import Resources, open_resources
from app.services.operations.scheduled_sync import run_scheduled_sync
from app.services.quality.background import run_background
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import request_generation
from ingest.leases import Leases
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.api.service import Collection, Service, poll
from tests.cli.command import folio
from tests.conftest import Ingest, article
from tests.databases import on_test_database
from tests.named import delete_document, put_documents, search_documents
from tests.postgres.server import PostgresServer, run_postgres


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.fixture
def database(settings: Settings) -> Iterator[PostgresDatabase]:
    """Another process's view of the database, as far as the database can tell."""
    with open_postgres(url_of(settings)) as opened:
        yield opened


def connect(settings: Settings) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url_of(settings).replace("+psycopg", ""))


def test_commands_use_the_database_although_the_environment_names_a_folder_too(
    settings: Settings,
    database: PostgresDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOLIO_DATABASE_URL", url_of(settings))
    monkeypatch.setenv("FOLIO_DATA", str(tmp_path / "none"))
    assert folio("keys", "create", "--name", "of the image").code == 0
    with database.read() as session:
        assert session.scalars(select(Key.name)).all() == ["of the image"]
    assert not (tmp_path / "none").exists()


def test_workers_that_claim_at_once_never_get_the_same_document(resources: Resources) -> None:
    put_documents(resources, "help", [article(f"d{n}", f"Tea {n}.") for n in range(160)])

    def claim_all(_worker: int) -> list[int]:
        claimed: list[int] = []
        while True:
            with resources.database.write(alone=False) as session:
                claim = queue.claim_next(session, lease_seconds=60)
            if claim is None:
                return claimed
            claimed.append(claim.version_id)

    with ThreadPoolExecutor(8) as workers:
        claimed = [version for some in workers.map(claim_all, range(8)) for version in some]
    assert len(claimed) == len(set(claimed)) == 160


def test_a_claim_is_not_given_away_while_its_result_is_committed(
    resources: Resources, database: PostgresDatabase
) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    with resources.database.write(alone=False) as session:
        claim = queue.claim_next(session, lease_seconds=0)
    assert claim is not None
    with ThreadPoolExecutor(1) as other, resources.database.write() as session:
        version = queue.hold_claimed(session, claim)
        assert version is not None

        def take_over() -> queue.Claim | None:
            with database.write(alone=False) as late:
                queue.requeue_lapsed(late, max_attempts=6, pause_seconds=0)
                return queue.claim_next(late, lease_seconds=60)

        taken = other.submit(take_over)
        version.status, version.claim_token = Status.READY, None
        session.commit()
        assert taken.result(timeout=60) is None


def claim_two(resources: Resources, *, lease_seconds: float) -> list[queue.Claim]:
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    with resources.database.write(alone=False) as session:
        claims = [queue.claim_next(session, lease_seconds=lease_seconds) for _ in range(2)]
    return [claim for claim in claims if claim is not None]


def test_leases_are_renewed_and_put_back_without_waiting_for_an_upload(
    resources: Resources, database: PostgresDatabase
) -> None:
    """An upload locks what it supersedes in its own order: each could wait for the other."""
    first, second = claim_two(resources, lease_seconds=-1)
    with resources.database.write() as upload:
        assert queue.hold_claimed(upload, first) is not None
        with database.write(alone=False) as session:
            session.execute(text("SET LOCAL lock_timeout = '1ms'"))
            queue.renew_claims(session, [first, second], lease_seconds=-1, stage=Stage.COMMIT)
            queue.requeue_lapsed(session, max_attempts=6, pause_seconds=0)
    with database.read() as session:
        assert queue.find_held(session, [first, second]) == {first.token}


def test_claims_are_given_back_when_no_upload_is_at_work(
    resources: Resources, database: PostgresDatabase, settings: Settings
) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    leases = Leases(database, settings)
    claim = leases.take_next(queue.EVERYTHING, only_new=False)
    assert claim is not None
    with ThreadPoolExecutor(1) as other, connect(settings) as looking:
        with resources.database.write():
            given = other.submit(leases.give_back_all)
            poll(lambda: given.done() or is_waiting(looking), bool)
            with database.read() as session:
                assert queue.find_held(session, [claim]) == {claim.token}
        given.result(timeout=60)
    assert not leases.owes()
    with database.read() as session:
        assert queue.find_held(session, [claim]) == set()


def is_waiting(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
    """Return whether someone waits for the writer's lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return connection.execute(waiting).fetchone() == (1,)


def test_a_process_whose_clock_is_ahead_takes_nothing_from_others(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claim_two(resources, lease_seconds=60)
    with monkeypatch.context() as ahead, resources.database.write(alone=False) as session:
        ahead.setattr("app.db.queue.utc_now", lambda: utc_now() + timedelta(hours=1))
        queue.requeue_lapsed(session, max_attempts=6, pause_seconds=0)
        queue.renew_claims(session, claims, lease_seconds=60)
    with resources.database.read() as session:
        over = session.scalars(select(Version.leased_until)).all()
        assert all(until is not None and until < utc_now() + timedelta(minutes=2) for until in over)
        assert queue.find_held(session, claims) == {claim.token for claim in claims}


def test_a_version_that_keeps_its_vectors_is_committed_in_one_transaction(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea.\nMilk."))
    ingest(article("a", "Tea.\r\nMilk."))
    with resources.database.read() as session:
        assert session.scalars(select(Version.status)).all() == [Status.READY, Status.READY]


def test_a_change_that_is_committed_after_a_later_one_is_not_missed(
    resources: Resources, settings: Settings
) -> None:
    database = resources.database
    with database.read() as session:
        position = queries.log_position(session)
    log = "INSERT INTO changes (unit_id, document_id) VALUES (%s, %s)"
    with connect(settings) as early, connect(settings) as late:
        early.execute(log, (1, 11))
        late.execute(log, (2, 22))
        late.commit()
        with database.read() as session:
            first = queries.read_changes(session, position)
        assert first is not None
        assert (first.unit_ids, first.document_ids) == ([2], [22])
        early.commit()
    with database.read() as session:
        second = queries.read_changes(session, first.position)
        assert second is not None
        assert (second.unit_ids, second.document_ids) == ([1], [11])
        third = queries.read_changes(session, second.position)
    assert third is not None
    assert third.count == 0


def test_changes_are_read_once_though_a_transaction_of_another_database_goes_on(
    settings: Settings, postgres: PostgresServer
) -> None:
    fetched = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relname = 'changes'"
    )
    with (
        postgres.connect() as other,
        other.transaction(force_rollback=True),
        open_postgres(url_of(settings)) as database,
    ):
        other.execute("CREATE TABLE unrelated ()")
        with database.read() as session:
            position = queries.log_position(session)
        with database.write() as session:
            queries.log_units(session, range(1, 101), 1)
        with database.read() as session:
            first = queries.read_changes(session, position)
        assert first is not None
        assert sorted(first.unit_ids) == list(range(1, 101))
        with database.write() as session:
            queries.log_units(session, [101], 2)
        with database.read() as session:
            # So few rows would be read whole.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            before = session.scalars(fetched).one()
            second = queries.read_changes(session, first.position)
            assert second is not None
            assert second.unit_ids == [101]
            assert session.scalars(fetched).one() - before < 10


def test_a_transaction_older_than_the_log_has_it_read_anew_once(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """While it runs it may belong to this database or to another one."""
    with postgres.connect() as other, ExitStack() as opened:
        with other.transaction(force_rollback=True):
            other.execute("CREATE TABLE unrelated ()")
            postgres.create_database("younger")
            database = opened.enter_context(open_postgres(postgres.url("younger")))
            with database.read() as session:
                position = queries.log_position(session)
            with database.write() as session:
                queries.log_units(session, [1], 1)
            with database.read() as session:
                changes = queries.read_changes(session, position)
            assert changes is not None
            assert changes.unit_ids == [1]
        with database.read() as session:
            assert queries.read_changes(session, changes.position) is None
            anew = queries.log_position(session)
        with database.write() as session:
            queries.log_units(session, [2], 1)
        with database.read() as session:
            later = queries.read_changes(session, anew)
        assert later is not None
        assert later.unit_ids == [2]


def test_a_follower_whose_transaction_sees_less_than_it_read_stays_where_it_is(
    resources: Resources, settings: Settings
) -> None:
    log = "INSERT INTO changes (unit_id, document_id) VALUES (%s, %s)"
    with (
        connect(settings) as early,
        open_postgres(url_of(settings)) as other,
        other.read() as old,
    ):
        early.execute(log, (1, 11))
        with resources.database.write() as session:
            queries.log_units(session, [2], 22)
        # Its snapshot: 2 is there, 1 is not.
        queries.log_position(old)
        early.commit()
        with resources.database.read() as session:
            position = queries.log_position(session)
        changes = queries.read_changes(old, position)
    assert changes is not None
    assert changes.is_behind
    assert (changes.count, changes.position) == (0, position)


def test_a_log_of_another_server_is_dropped_at_the_start_and_its_followers_start_anew(
    settings: Settings, database: PostgresDatabase
) -> None:
    with database.write() as session:
        queries.log_units(session, [1, 2], 1)
        # As a dump brings it.
        session.execute(text("UPDATE changes SET transaction = transaction + 1000000000"))
    with database.read() as session:
        position = queries.log_position(session)
    with open_postgres(url_of(settings)) as restored, restored.read() as session:
        assert session.scalar(select(func.count()).select_from(Change)) == 1
        assert queries.read_changes(session, position) is None
        anew = queries.log_position(session)
    with database.write() as session:
        queries.log_units(session, [3], 1)
    with database.read() as session:
        changes = queries.read_changes(session, anew)
    assert changes is not None
    assert changes.unit_ids == [3]


def test_a_follower_starts_anew_after_a_crash(
    resources: Resources, postgres: PostgresServer
) -> None:
    """What was taken back just before may not be in the log: its number is given out again."""
    with resources.database.read() as session:
        position = queries.log_position(session)
    postgres.stop(signal.SIGQUIT)
    postgres.start()
    with resources.database.read() as session:
        assert queries.read_changes(session, position) is None


def test_a_follower_starts_anew_where_a_crash_of_one_session_ended_all(
    resources: Resources, settings: Settings
) -> None:
    with resources.database.read() as session:
        position = queries.log_position(session)
        assert queries.read_changes(session, position) is not None
    with connect(settings) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)

    def is_told() -> bool:
        try:
            with resources.database.read() as session:
                return queries.read_changes(session, position) is None
        except DatabaseUnavailable:
            return False

    poll(is_told, bool)


def test_a_follower_behind_a_trimmed_log_is_told_so(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = resources.database
    with database.read() as session:
        position = queries.log_position(session)
    for unit_id in range(1, 6):
        with database.write() as session:
            queries.log_units(session, [unit_id], 1)
    with database.read() as session:
        newest = queries.log_position(session)
    monkeypatch.setattr("app.db.queries.changes._KEPT", 2)
    with database.write() as session:
        queries.trim_changes(session)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Change)) == 2
        # It must read its index anew.
        assert queries.read_changes(session, position) is None
        ahead = queries.read_changes(session, newest)
    assert ahead is not None
    assert ahead.unit_ids == []


def test_another_process_finds_what_this_one_commits_and_not_what_it_deletes(
    resources: Resources, ingest: Ingest, settings: Settings
) -> None:
    with open_resources(settings) as other:
        ingest(article("a", "Tea with milk."), article("b", "Coffee."))
        assert {hit.document_id for hit in search_documents(other, "help", "tea").results} == {
            "a",
            "b",
        }
        delete_document(resources, "help", "a")
        assert [hit.document_id for hit in search_documents(other, "help", "tea").results] == ["b"]


def test_a_server_follows_the_others_before_it_is_asked_and_joins_what_they_add(
    resources: Resources, ingest: Ingest, settings: Settings
) -> None:
    ingest(article("a0", "Tea."))
    with open_resources(settings) as other:
        indexes = other.generations.live().catch_up()
        assert indexes is not None
        with follow_others(other.generations, every_s=0.01):
            for number in range(1, 12):
                ingest(article(f"a{number}", "Tea."))
                poll(lambda: len(indexes.terms), partial(eq, number + 1))
            # Sizes of neighbours at least halve.
            poll(lambda: len(indexes.terms._shards[1].segments), lambda parts: parts <= 4)


def test_a_server_releases_the_indexes_of_a_generation_that_another_one_replaced(
    resources: Resources, ingest: Ingest, settings: Settings
) -> None:
    ingest(article("a", "Tea."))
    with open_resources(settings) as other, follow_others(other.generations, every_s=0.01):
        former = other.generations.live()
        poll(lambda: former.follower.has_read, bool)
        request_generation(resources, model=None, dimensions=8, gate=GateRequest(force=True))
        keep_generations(resources, lambda: False)
        poll(lambda: former.follower.has_read, lambda has_read: not has_read)
        assert other.generations.live().follower.has_read


def test_a_process_that_only_works_does_not_read_the_index(
    resources: Resources, settings: Settings, sandbox: Sandbox
) -> None:
    put_documents(resources, "help", [article("a", "Tea."), article("b", "Coffee.")])
    with open_resources(settings) as worker:
        drain_queue(worker, sandbox, Event())
        assert not worker.generations.live().follower.has_read
    assert {hit.document_id for hit in search_documents(resources, "help", "tea").results} == {
        "a",
        "b",
    }


def test_joining_leaves_the_work_of_others_alone(resources: Resources, settings: Settings) -> None:
    put_documents(resources, "help", [article("a", "Tea.")])
    with resources.database.write(alone=False) as session:
        claim = queue.claim_next(session, lease_seconds=60)
    assert claim is not None
    with open_resources(settings), resources.database.read() as session:
        assert queue.find_claimed(session, claim) is not None
        assert session.scalar(select(Version.attempts)) == 1


def test_one_process_leads_and_another_one_when_it_has_gone(settings: Settings) -> None:
    with ExitStack() as first:
        former = first.enter_context(open_postgres(url_of(settings)))
        with open_postgres(url_of(settings)) as other:
            assert former.leads(Duty.SYNC)
            assert not other.leads(Duty.SYNC)
            first.close()
            # PostgreSQL gives the lock free once its session has ended, after the connection.
            poll(partial(other.leads, Duty.SYNC), bool)
            with pytest.raises(StorageFailed, match="closed"), former.write():
                pass


def test_each_duty_has_a_leader_of_its_own(settings: Settings) -> None:
    with open_postgres(url_of(settings)) as one, open_postgres(url_of(settings)) as other:
        assert one.leads(Duty.SYNC)
        assert other.leads(Duty.BACKGROUND)
        assert not one.leads(Duty.BACKGROUND)
        assert not other.leads(Duty.SYNC)
        assert one.leads(Duty.SYNC)


def test_a_server_that_only_syncs_leaves_the_background_to_a_worker(
    resources: Resources, ingest: Ingest, settings: Settings, tmp_path: Path
) -> None:
    ingest(article("a", "Tea."))
    folder = tmp_path / "articles"
    folder.mkdir()
    syncing = settings.model_copy(update={"sync_folder": folder})
    with (
        open_resources(syncing) as server,
        run_background(server, only_notes=True),
        run_scheduled_sync(server),
    ):
        poll(lambda: server.signals.last_sync, bool)
        request_generation(resources, model=None, dimensions=8, gate=GateRequest(force=True))
        with open_resources(settings) as worker, run_background(worker):
            poll(lambda: server.generations.live().id, partial(eq, 2))


def test_a_thread_that_is_still_at_work_leaves_no_connection_to_a_closed_database(
    settings: Settings, postgres: PostgresServer
) -> None:
    """One that was in use at the close, and one that was opened later."""
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    name = url_of(settings).partition("?")[0].rpartition("/")[2]
    with ExitStack() as late, postgres.connect() as looking:
        with open_postgres(url_of(settings)) as database:
            late.enter_context(database.read()).execute(text("SELECT 1"))
        late.close()
        with database.read() as session:
            session.execute(text("SELECT 1"))
        assert not database.leads(Duty.SYNC)
        poll(lambda: looking.execute(open_ones, (name,)).fetchone(), partial(eq, (0,)))


def test_a_leader_whose_connection_is_lost_leads_no_more(
    settings: Settings, postgres: PostgresServer
) -> None:
    with open_postgres(url_of(settings)) as former, open_postgres(url_of(settings)) as other:
        assert former.leads(Duty.SYNC)
        with postgres.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = %s AND pid IN (SELECT pid FROM pg_locks"
                " WHERE locktype = 'advisory')",
                (url_of(settings).partition("?")[0].rpartition("/")[2],),
            )
        assert other.leads(Duty.SYNC)
        assert not former.leads(Duty.SYNC)


@pytest.mark.parametrize("read", [0, 1])
def test_a_connection_that_is_lost_leaves_no_cursor_open(
    settings: Settings, postgres: PostgresServer, read: int
) -> None:
    """Before the first row, and amid the rows."""

    def read_on() -> None:
        with open_postgres(url_of(settings)) as opened, opened.read() as session:
            rows = stream(session, select(func.generate_series(1, 100_000)), 10)
            assert len(list(islice(rows, read))) == read
            backend = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with postgres.connect() as connection:
                connection.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
            list(rows)

    with pytest.raises(DatabaseUnavailable):
        read_on()
    # What was left open would be warned of now, and a warning is an error here.
    gc.collect()


def test_a_cursor_closes_whose_connection_is_lost_unnoticed(
    settings: Settings, postgres: PostgresServer
) -> None:
    with connect(settings) as connection:
        use_ending_cursors(connection, None)
        cursor = connection.cursor("rows")
        cursor.execute("SELECT generate_series(1, 100)")
        with postgres.connect() as other:
            backend = connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
        cursor.close()
        assert cursor.closed


def test_a_cursor_that_is_let_go_after_its_connection_was_lost_is_closed(
    settings: Settings, postgres: PostgresServer
) -> None:
    with connect(settings) as connection:
        use_ending_cursors(connection, None)
        cursor = connection.cursor("rows")
        cursor.execute("SELECT generate_series(1, 100)")
        with postgres.connect() as other:
            backend = connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
        with pytest.raises(psycopg.OperationalError):
            cursor.fetchall()
        assert not cursor.closed
        del cursor
        # What was left open would be warned of now, and a warning is an error here.
        gc.collect()


def test_a_deletion_is_complete_when_no_reader_can_see_it(
    resources: Resources, ingest: Ingest, database: PostgresDatabase
) -> None:
    ingest(article("a", "Tea."), article("b", "Coffee."))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Version)) == 2
        assert not delete_document(resources, "help", "a").complete
        assert resources.database.owes_erasure
    assert delete_document(resources, "help", "b").complete


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_deletion_is_not_complete_beside_an_older_transaction_without_a_snapshot(
    resources: Resources, ingest: Ingest, settings: Settings, is_prepared: bool
) -> None:
    """VACUUM keeps rows for a transaction that has written, whether or not it reads now."""
    ingest(article("a", "Tea."), article("b", "Coffee."))
    with connect(settings) as other:
        other.execute("CREATE TABLE unrelated ()")
        if is_prepared:
            other.execute("PREPARE TRANSACTION 'other'")
            # Outside of a transaction from here on.
            other.autocommit = True
        assert not delete_document(resources, "help", "a").complete
        if is_prepared:
            other.execute("ROLLBACK PREPARED 'other'")
        else:
            other.rollback()
    assert delete_document(resources, "help", "b").complete


def test_columns_sort_by_bytes_and_number_widely_whatever_the_locale(tmp_path: Path) -> None:
    with run_postgres(locale="C.UTF-8") as server:
        server.create_database("other")
        with open_postgres(server.url("other")) as database, database.read() as session:
            odd = session.execute(
                text(
                    "SELECT c.relname, a.attname FROM pg_attribute a"
                    " JOIN pg_class c ON c.oid = a.attrelid"
                    " LEFT JOIN pg_collation o ON o.oid = a.attcollation"
                    " WHERE c.relnamespace = current_schema()::regnamespace"
                    " AND c.relkind = 'r' AND a.attnum > 0"
                    " AND (o.collname <> 'C' OR a.atttypid = 'integer'::regtype)"
                )
            ).all()
        assert odd == []


def test_an_address_that_is_none_is_refused_without_its_password(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidRequest) as refused,
        open_resources(Settings(data=tmp_path, database_url="postgres:secret")),  # type: ignore[arg-type]
    ):
        pass
    assert refused.value.code == "bad_database_url"
    assert "secret" not in str(refused.value)


def test_a_database_that_nobody_serves_is_a_typed_error(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://postgres@/nothing?host={tmp_path}"
    with pytest.raises(DatabaseUnavailable), open_postgres(url):
        pass


def test_two_processes_that_start_at_once_make_one_schema(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    postgres.create_database("twins")

    def start(_process: int) -> int:
        with open_postgres(postgres.url("twins")) as database, database.read() as session:
            return session.scalar(select(func.count()).select_from(Version)) or 0

    with ThreadPoolExecutor(4) as processes:
        assert list(processes.map(start, range(4))) == [0, 0, 0, 0]


def test_start_waits_longer_than_a_writer_for_one_that_is_at_the_schema(
    settings: Settings, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = _SESSION_OPTIONS.replace("lock_timeout=30s", "lock_timeout=1ms")
    monkeypatch.setitem(_CONNECT, "options", options)

    def start() -> str:
        with open_postgres(url_of(settings)) as opened, opened.read() as session:
            return str(session.scalar(text("SHOW lock_timeout")))

    with ThreadPoolExecutor(1) as other, connect(settings) as looking:
        with database.write():
            started = other.submit(start)
            poll(lambda: started.done() or is_waiting(looking), bool)
        assert started.result(timeout=60) == "1ms"


def test_a_statement_that_is_cancelled_is_called_that(database: PostgresDatabase) -> None:
    cancelled = text("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")
    with (
        pytest.raises(DatabaseUnavailable, match="ended a statement"),
        database.read() as session,
    ):
        session.execute(cancelled)


def test_a_time_limit_of_the_database_does_not_end_reading_its_index(
    settings: Settings, postgres: PostgresServer
) -> None:
    postgres.create_database("limited")
    with postgres.connect() as connection:
        connection.execute("ALTER DATABASE limited SET statement_timeout = '1ms'")
    with open_postgres(postgres.url("limited")) as opened, opened.read() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "0"


def test_settings_do_not_show_the_password(tmp_path: Path) -> None:
    settings = on_test_database(Settings(data=tmp_path / "data"))
    assert url_of(settings) not in repr(settings)


def test_every_table_that_may_hold_content_is_cleared_of_what_was_deleted() -> None:
    without = {"adapters", "changes", "job_items", "jobs", "key_collections", "keys"}
    assert set(_ERASED) == set(Table.metadata.tables) - without


def test_a_zero_byte_is_refused_by_name(collection: Collection) -> None:
    collection.add({"id": "tea", "text": "Tea."})
    answer = collection.put("titled", text="Tea.", title="A\0title")
    assert (answer.status_code, answer.json()["code"]) == (422, "zero_byte")
    # Where filters look it up, which is when it goes live.
    job = collection.finish(collection.put("kind", text="Tea.", attributes={"kind": "a\0b"}))
    assert [error["code"] for error in job["errors"]] == ["zero_byte"]
    filters = {"type": "eq", "key": "kind", "value": "a\0b"}
    answer = collection.http.post(
        f"{collection.path}/search", json={"query": "tea", "filters": filters}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "zero_byte")


def test_a_number_that_no_row_has_is_not_found(collection: Collection) -> None:
    collection.add({"id": "tea", "text": "Tea."})
    large = 2**53 - 1
    listed = collection.http.get(f"{collection.path}/golden", params={"after": large})
    assert (listed.status_code, listed.json()["queries"]) == (200, [])
    answer = collection.http.post(
        f"{collection.path}/search", json={"query": "tea", "generation": large}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "generation_not_found")


def test_numbers_of_rows_go_past_32_bits(
    resources: Resources, ingest: Ingest, settings: Settings
) -> None:
    with connect(settings) as connection:
        connection.execute(
            "SELECT setval(pg_get_serial_sequence(c.relname, a.attname), 2147483647)"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"
            " AND pg_get_serial_sequence(c.relname, a.attname) IS NOT NULL"
        )
    ingest(article("a", "Tea."), article("b", "Coffee."))
    delete_document(resources, "help", "a")
    assert [hit.document_id for hit in search_documents(resources, "help", "tea").results] == ["b"]
    with resources.database.read() as session:
        assert session.scalars(select(Version.id)).one() > 2**31


def test_while_postgresql_is_away_requests_get_a_typed_503_and_go_on_afterwards(
    service: Service, collection: Collection, postgres: PostgresServer
) -> None:
    collection.add({"id": "a", "text": "Tea with milk."})
    postgres.stop(signal.SIGQUIT)
    try:
        answers = [
            service.http.get(collection.path),
            service.http.post(f"{collection.path}/search", json={"query": "tea"}),
            collection.put("b", text="Coffee."),
            service.http.get("/readyz"),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
            (503, "database_unavailable")
        ] * len(answers)
        assert service.http.get("/healthz").is_success
    finally:
        postgres.start()
    assert collection.found("tea") == {"a"}
    collection.add({"id": "b", "text": "Coffee."})
    assert collection.found("coffee", mode="lexical") == {"b"}
