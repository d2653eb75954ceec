"""What is deleted while a reader looks is gone from every file soon after, or at the end."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.service import folio_environment, open_service, poll, run_server

# They look into the files, and a reader opens them beside the server; tests/postgres has its own.
pytestmark = pytest.mark.data_folder

ERASED = "the-cat-is-called-Margarethe"


def read_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_erasure_that_a_reader_holds_up_is_finished_when_it_has_gone(settings: Settings) -> None:
    with open_service(settings) as service:
        collection = service.new_collection("help")
        collection.add({"id": "a", "text": ERASED})
        with closing(sqlite3.connect(settings.data / "folio.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM documents").fetchone()
            erased = service.http.delete(collection.document_path("a")).json()
            assert (erased["deleted"], erased["complete"]) == ("a", False)
            assert ERASED.encode() in read_files(settings.data)
        poll(lambda: ERASED.encode() in read_files(settings.data), lambda there: not there)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_erasure_that_a_server_did_not_finish_is_finished_at_its_end_or_the_next_start(
    settings: Settings, tmp_path: Path, how: signal.Signals
) -> None:
    environment = folio_environment(FOLIO_MODEL=settings.model)
    log = tmp_path / "log"
    with (
        run_server(settings.data, "--no-auth", log=log, environment=environment) as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        path = "/v1/collections/help/documents/a"
        http.put(path, json={"text": ERASED}).raise_for_status()
        with closing(sqlite3.connect(settings.data / "folio.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM documents").fetchone()
            assert http.delete(path).json()["complete"] is False
            if how is signal.SIGKILL:
                server.process.send_signal(how)
                server.process.wait()
        if how is signal.SIGTERM:
            assert server.stop() == 128 + signal.SIGTERM
    if how is signal.SIGKILL:
        # The last reader of a log that nobody wrote to the end may have left it as it was.
        with run_server(settings.data, "--no-auth", log=log, environment=environment):
            pass
    assert ERASED.encode() not in read_files(settings.data)
