"""Everything that a database holds comes into another one, whole or not at all."""

from pathlib import Path
from threading import Event
from time import sleep

import pytest
from sqlalchemy import Connection, func, select

from app.config import Settings
from app.db.models import Change, Document, Table
from app.db.postgres import _CONNECT
from app.db.sqlite import read_folder
from app.errors import Conflict
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.operations.move import move_to
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.conftest import Ingest, article
from tests.named import delete_document, put_documents, search_documents


def address(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def ignore(_table: str, _rows: int) -> None:
    """Take no notice of how far a copy is."""


class CutOff(Exception):
    """What ends a copy amid its work."""


def cut_off(table: str, _rows: int) -> None:
    if table == "units":
        raise CutOff


def read_all(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each table that is copied, by the table's name."""
    return {
        table.name: [
            tuple(row)
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]
        for table in Table.metadata.sorted_tables
        if table.name != Change.__tablename__
    }


def found(resources: Resources, query: str) -> set[str]:
    return {hit.document_id for hit in search_documents(resources, "help", query).results}


@pytest.fixture
def folder(tmp_path: Path, settings: Settings, sandbox: Sandbox) -> Settings:
    """A data folder with two articles."""
    on_sqlite = settings.model_copy(update={"data": tmp_path / "folder", "database_url": None})
    with open_resources(on_sqlite) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Tea."), article("b", "Coffee.")])
        drain_queue(resources, sandbox, Event())
    return on_sqlite


def test_a_copy_is_refused_over_what_is_there_and_goes_back_as_it_came(
    resources: Resources, ingest: Ingest, settings: Settings, tmp_path: Path
) -> None:
    ingest(article("a", "Tea with milk."), article("b", "Coffee."))
    ingest(article("gone", "Water."))
    delete_document(resources, "help", "gone")
    with pytest.raises(Conflict):
        move_to(settings, address(settings), ignore)
    copied = {table.table: table.rows for table in move_to(settings, str(tmp_path), ignore)}
    assert (copied["documents"], copied["units"], copied["collections"]) == (2, 2, 1)
    folder = settings.model_copy(update={"data": tmp_path, "database_url": None})
    with resources.database.read() as session, read_folder(tmp_path) as other:
        assert read_all(session.connection()) == read_all(other)
        numbers = session.scalars(select(Document.id).order_by(Document.id)).all()
    with open_resources(folder) as back:
        assert found(back, "tea") == {"a", "b"}
        put_documents(back, "help", [article("new", "Milk.")])
        with back.database.read() as session:
            # The number of the one that was deleted never returns.
            assert max(session.scalars(select(Document.id))) > max(numbers) + 1


def test_a_server_goes_on_while_its_folder_is_copied(folder: Settings, settings: Settings) -> None:
    answers = []
    with open_resources(folder) as resources:

        def ask_and_upload(table: str, _rows: int) -> None:
            answers.append(found(resources, "tea"))
            put_documents(resources, "help", [article(f"during {table}", "Milk.")])

        move_to(folder, address(settings), ask_and_upload)
        assert len(answers) > 5
        assert all(answer == {"a", "b"} for answer in answers)
    with open_resources(settings) as copy:
        # As it was when the copy began.
        assert found(copy, "tea") == {"a", "b"}
        with copy.database.read() as session:
            assert session.scalar(select(func.count()).select_from(Document)) == 2


def test_there_and_back_every_row_is_the_same(
    folder: Settings, settings: Settings, tmp_path: Path
) -> None:
    there = move_to(folder, address(settings), ignore)
    back = move_to(settings, str(tmp_path / "back"), ignore)
    assert [(one.table, one.rows, one.sha256) for one in there] == [
        (one.table, one.rows, one.sha256) for one in back
    ]
    with read_folder(folder.data) as first, read_folder(tmp_path / "back") as last:
        assert read_all(first) == read_all(last)


def test_a_source_waits_while_what_arrived_is_compared(
    resources: Resources, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare_for_long(_table: str, _rows: int) -> None:
        sleep(0.5)

    impatient = "-c idle_in_transaction_session_timeout=100ms"
    monkeypatch.setitem(_CONNECT, "options", impatient)
    copied = move_to(settings, str(tmp_path / "back"), compare_for_long)
    assert {one.table for one in copied if one.rows} == {"collections"}


def test_a_copy_that_is_cut_off_leaves_nothing_and_starts_again(
    folder: Settings, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(CutOff):
        move_to(folder, address(settings), cut_off)
    rows = {one.table: one.rows for one in move_to(folder, address(settings), ignore)}
    assert rows["documents"] == 2
    with pytest.raises(CutOff):
        move_to(settings, str(tmp_path / "back"), cut_off)
    back = {one.table: one.rows for one in move_to(settings, str(tmp_path / "back"), ignore)}
    assert back == rows
