"""Migrations: the same schema as the models, all or nothing, children kept."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, event, inspect, select

from app.db import migrations
from app.db.models import Collection, Document, Original, Table, Version
from app.db.sqlite import open_database
from app.errors import CorruptData, FolioError


def test_migrations_make_the_schema_of_the_models(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test"):
        pass
    engine = create_engine(f"sqlite:///{tmp_path}/folio.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
        assert context.get_current_revision() == migrations.head_revision()
    engine.dispose()


def test_reopening_a_populated_database_keeps_everything(tmp_path: Path) -> None:
    populate(tmp_path)
    with open_database(tmp_path, holder="again") as database, database.read() as session:
        assert session.scalars(select(Version.title)).all() == ["kept"]


def test_migration_that_fails_at_any_statement_changes_nothing(tmp_path: Path) -> None:
    """The schema is built in one transaction: whichever statement fails, the rerun starts anew."""
    statements = 0
    failing_at: int | None = None

    def make_engine(path: Path) -> Engine:
        engine = create_engine(f"sqlite:///{path}")

        @event.listens_for(engine, "connect")
        def autocommit(connection: object, _record: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

        @event.listens_for(engine, "before_cursor_execute")
        def count(*_: object) -> None:
            nonlocal statements
            statements += 1
            if statements == failing_at:
                raise RuntimeError("cut off")

        return engine

    whole = make_engine(tmp_path / "whole.db")
    migrations.upgrade(whole)
    total = statements
    whole.dispose()
    assert total > 20
    for failing_at in range(1, total + 1):  # read by the listener
        statements = 0
        path = tmp_path / f"{failing_at}.db"
        engine = make_engine(path)
        with pytest.raises(RuntimeError, match="cut off"):
            migrations.upgrade(engine)
        failed_at, failing_at = failing_at, None  # let the rerun through
        assert inspect(engine).get_table_names() == [], failed_at
        migrations.upgrade(engine)
        assert "units" in inspect(engine).get_table_names()
        engine.dispose()
        path.unlink()


def test_rebuilding_a_parent_table_keeps_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite rebuilds a table to change it; with foreign keys on, that cascade-deletes children."""
    populate(tmp_path)

    def rebuild(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("documents", recreate="always"):
            pass

    monkeypatch.setattr("alembic.command.upgrade", rebuild)
    with open_database(tmp_path, holder="rebuild") as database, database.read() as session:
        assert session.scalars(select(Version.title)).all() == ["kept"]
        assert len(session.scalars(select(Document)).all()) == 1


def test_migration_that_breaks_a_reference_is_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(tmp_path)

    def orphan(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.exec_driver_sql("DELETE FROM documents")

    with monkeypatch.context() as patched:
        patched.setattr("alembic.command.upgrade", orphan)
        with pytest.raises(CorruptData), open_database(tmp_path, holder="x"):
            pass
    with open_database(tmp_path, holder="after") as database, database.read() as session:
        assert len(session.scalars(select(Document)).all()) == 1


def test_database_of_a_newer_program_is_refused_in_words(tmp_path: Path) -> None:
    with open_database(tmp_path, holder="test") as database, database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FolioError, match="newer"), open_database(tmp_path, holder="old"):
        pass


def populate(folder: Path) -> None:
    """Store one document with a version."""
    with open_database(folder, holder="test") as database, database.write() as session:
        session.add(Collection(id=1, name="help"))
        session.add(Original(sha256="0" * 64, data=b"x"))
        session.flush()
        session.add(Document(id=1, collection_id=1, external_id="a"))
        session.flush()
        session.add(
            Version(
                document_id=1,
                number=1,
                original_sha256="0" * 64,
                media_type="text/plain",
                declared={},
                title="kept",
            )
        )
