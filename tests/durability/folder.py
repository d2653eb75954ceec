"""What else is promised of a data folder: one owner, migrations in one piece, deleted is gone.

    python -m tests.durability.folder [--deletions N]

A second process must be refused and told who owns the folder. A process is killed at every
statement of the migrations from the first schema on, and the next one must complete them. Deleted
articles must be in no file: neither their words nor the bytes of their vectors.
"""

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy import Engine, create_engine, event, select

from app.config import Settings
from app.db import migrations
from app.db.models import Collection
from app.db.sqlite import open_database
from tests.api.service import folio_environment, poll
from tests.checkpoints import make_jina_v3
from tests.durability.serving import run_forked
from tests.durability.table import Row, finish

_PATH = "/v1/collections/help"
_KEPT = 10
_SECONDS = 120.0
_FIRST_SCHEMA = "0001"


def count_refusals(folder: Path, *, attempts: int) -> Row:
    """Open the folder of a running server from a second process."""
    settings = Settings(data=folder / "data", model=str(make_jina_v3(folder / "model")))
    named = answered = 0
    with run_forked(settings, folder / "log") as server:
        for number in range(attempts):
            command = ("serve", "--no-auth", "--port", "1") if number % 2 else ("status",)
            try:
                second = subprocess.run(
                    [sys.executable, "-m", "app.cli", *command, "--data", str(settings.data)],
                    env=folio_environment(FOLIO_MODEL=settings.model),
                    capture_output=True,
                    text=True,
                    timeout=_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                # It serves instead of being refused.
                continue
            said = second.stdout + second.stderr
            named += bool(second.returncode) and f"pid {server.process.pid}" in said
            answered += server.is_up()
    return Row(
        "one owner of the folder",
        f"{attempts} second processes",
        f"{named} refused and told whose it is; the first answered on {answered} times",
        held=named == answered == attempts > 0,
    )


def kill_migrations(folder: Path) -> Row:
    """Kill the upgrade of a filled folder at each of its statements, and open it again."""
    template = folder / "template"
    make_old_folder(template)
    completed = killed = 0
    while True:
        data = folder / "data"
        shutil.copytree(template, data)
        was_killed = _kill_upgrade(data, at=killed + 1)
        if was_killed:
            killed += 1
            completed += is_whole(data)
        shutil.rmtree(data)
        if not was_killed:
            break
    return Row(
        "migrations are atomic",
        f"{killed} kills, one at each statement",
        f"{completed} completed by the next start, with what was stored",
        held=completed == killed > 0,
        lost=killed - completed,
    )


def make_old_folder(data: Path) -> None:
    """Make a data folder of the first schema that holds one collection."""
    data.mkdir()
    _upgrade(data, _FIRST_SCHEMA, lambda number: None)
    with closing(sqlite3.connect(data / "folio.db")) as connection:
        connection.execute(
            "INSERT INTO collections (name, description, created_at) "
            "VALUES ('help', 'kept', '2026-01-01 00:00:00.000000')"
        )
        connection.commit()


def _kill_upgrade(data: Path, *, at: int) -> bool:
    def kill(number: int) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        _upgrade(data, "head", kill)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _upgrade(data: Path, revision: str, at_statement: Callable[[int], None]) -> None:
    engine: Engine = create_engine(f"sqlite:///{data / 'folio.db'}")
    statements = 0

    @event.listens_for(engine, "connect")
    def set_autocommit(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    @event.listens_for(engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1
        at_statement(statements)

    migrations.upgrade(engine, revision)
    engine.dispose()


def is_whole(data: Path) -> bool:
    """Open such a folder; return whether it is of the newest schema and holds what it held."""
    with open_database(data, holder="after a kill") as database, database.read() as session:
        kept = session.scalars(select(Collection.description)).all() == ["kept"]
    with closing(sqlite3.connect(data / "folio.db")) as connection:
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    return kept and whole and revision == migrations.head_revision()


def search_deleted(folder: Path, *, deletions: int) -> Row:
    """Delete articles from a server and look for them in every file of its folder."""
    settings = Settings(data=folder / "data", model=str(make_jina_v3(folder / "model")))
    words = [f"qzx{number:05}" for number in range(deletions + _KEPT)]
    with (
        run_forked(settings, folder / "log") as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        for word in words:
            http.put(f"{_PATH}/documents/{word}", json={"text": f"{word} is tea."})
        poll(
            lambda: http.get(_PATH).json()["documents"]["ready"],
            lambda ready: ready == len(words),
            seconds=300,
        )
        with closing(sqlite3.connect(settings.data / "folio.db")) as connection:
            vectors = dict(connection.execute(_VECTORS).fetchall())
        complete = sum(
            http.delete(f"{_PATH}/documents/{word}").json()["complete"]
            for word in words[:deletions]
        )
        files = b"".join(path.read_bytes() for path in settings.data.iterdir())
    found = sum(word.encode() in files or vectors[word] in files for word in words[:deletions])
    kept = sum(word.encode() in files and vectors[word] in files for word in words[deletions:])
    return Row(
        "delete is erasure",
        f"{deletions} deletions",
        f"{found} found in a file afterwards, {deletions - complete} finished later; "
        f"{kept} of {_KEPT} others found",
        held=not found and kept == _KEPT and deletions > 0,
        lost=_KEPT - kept,
    )


_VECTORS = (
    "SELECT documents.external_id, units.vector FROM units "
    "JOIN versions ON versions.id = units.version_id "
    "JOIN documents ON documents.id = versions.document_id"
)


def main() -> None:
    """Run all three and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--deletions", type=int, default=100)
    parser.add_argument("--attempts", type=int, default=4, help="second processes")
    parser.add_argument("--rows", type=Path, help="file for the rows of the table")
    arguments = parser.parse_args()
    rows = []
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        parts = [Path(folder) / name for name in ("owner", "migrations", "deletions")]
        for part in parts:
            part.mkdir()
        rows.append(count_refusals(parts[0], attempts=arguments.attempts))
        rows.append(kill_migrations(parts[1]))
        rows.append(search_deleted(parts[2], deletions=arguments.deletions))
    finish(rows, arguments.rows)


if __name__ == "__main__":
    main()
