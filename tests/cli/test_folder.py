"""Commands that open the data folder themselves, and what they say when they cannot."""

import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.config import Settings
from app.runtime.resources import open_resources
from tests.api.service import folio_environment, open_service, run_server
from tests.cli.command import Ran, folio, run_folio

Ask = Callable[..., Ran]


@pytest.fixture
def data(tmp_path: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, not yet made, that commands find in their environment."""
    folder = tmp_path / "data"
    monkeypatch.setenv("FOLIO_DATA", str(folder))
    monkeypatch.setenv("FOLIO_MODEL", str(jina_v3))
    return folder


def test_every_command_works_on_a_folder_that_no_server_holds(data: Path, files: Path) -> None:
    (files / "tea.md").write_text("# Tea\n\nTea with milk.")
    (files / "void.md").write_text("a\0b")
    assert folio("status").stdout == "no collections yet; `folio add PATH` makes one\n"
    added = folio("add", ".")
    assert added.code == 1
    assert added.stdout.startswith("default: 1 ready, 1 failed (")
    assert "1. " in folio("search", "tea").stdout
    assert re.search("status +ready", folio("show", "tea.md").stdout)
    assert [document["id"] for document in folio("list", "--json").json] == ["tea.md", "void.md"]
    assert folio("remove", "void.md").stdout == "erased void.md\n"
    assert re.search(r"default +0 +0 +1 +0", folio("status").stdout)
    assert folio("keys", "create").stdout.startswith("folio_")
    assert "nothing to do" in folio("reembed").stdout
    assert folio("doctor").code == 0
    assert folio("search", "tea", "--collection", "nope").error == "no such collection: nope"
    assert [path.name for path in files.iterdir() if path.name.startswith("folio")] == []


@pytest.mark.parametrize("scheme", ["mysql", "postgresql+asyncpg", "postgres"])
def test_address_of_another_database_is_never_taken_for_a_folder(
    data: Path, files: Path, scheme: str
) -> None:
    assert folio("keys", "create").code == 0
    moved = folio("migrate-to", f"{scheme}://folio:secret@127.0.0.1:1/folio")
    assert "secret" not in moved.error
    assert list(files.iterdir()) == []


def test_option_names_the_folder_before_the_environment(data: Path, tmp_path: Path) -> None:
    assert folio("keys", "create", "--data", tmp_path / "other").code == 0
    assert (tmp_path / "other" / "folio.db").exists()
    assert not data.exists()


def test_option_names_the_folder_before_a_database_of_the_environment(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_DATABASE_URL", "postgresql+psycopg://folio@/nowhere?host=/nowhere")
    assert folio("keys", "create", "--data", tmp_path / "other").code == 0
    assert (tmp_path / "other" / "folio.db").exists()


def test_database_of_the_environment_comes_before_its_folder(
    data: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_DATABASE_URL", "postgresql+psycopg://folio@/nowhere?host=/nowhere")
    commands = ["search a", "show a", "list", "remove a", "status", "keys list", "reembed"]
    for command in (*commands, "serve --no-work", "backup kb.folio", "migrate-to copy"):
        assert "PostgreSQL" in folio(*command.split()).error
    assert not data.exists()


@pytest.mark.slow
def test_console_script_adds_and_finds_in_a_folder(
    tmp_path: Path, jina_v3: Path, files: Path
) -> None:
    (files / "tea.md").write_text("# Tea\n\nTea with milk.")
    environment = folio_environment(FOLIO_MODEL=jina_v3, FOLIO_DATA=tmp_path / "data")
    added = run_folio("add", "tea.md", "--json", environment=environment)
    assert (added.code, added.stderr, added.json["ready"]) == (0, "", 1)
    found = run_folio("search", "tea", "--json", environment=environment)
    assert (found.code, found.stderr) == (0, "")
    assert [hit["document_id"] for hit in found.json["results"]] == ["tea.md"]


@pytest.mark.slow
def test_key_that_was_made_offline_opens_a_server_that_can_be_reached_from_outside(
    tmp_path: Path, jina_v3: Path, files: Path
) -> None:
    (files / "tea.md").write_text("# Tea\n\nTea with milk.")
    data = tmp_path / "data"
    environment = folio_environment(FOLIO_MODEL=jina_v3)
    made = run_folio("keys", "create", "--scope", "admin", "--data", data, environment=environment)
    reachable = ["--host", "0.0.0.0"]  # noqa: S104  # what takes keys
    log = tmp_path / "log"
    with run_server(data, *reachable, log=log, environment=environment) as server:
        with_key = {**environment, "FOLIO_SERVER": server.url, "FOLIO_KEY": made.stdout.strip()}
        assert run_folio("add", "tea.md", environment=with_key).code == 0
        found = run_folio("search", "tea", "--json", environment=with_key).json
        assert [hit["document_id"] for hit in found["results"]] == ["tea.md"]
        assert "this needs a key" in folio("list", "--server", server.url).error
        error = run_folio("add", "tea.md", "--data", data, environment=environment).error
        assert error.startswith(f"{data} is held by `folio serve on http://{reachable[1]}:")
        assert f"(pid {server.process.pid}, since 2" in error
        assert "--server URL" in error


@pytest.mark.slow
def test_port_that_is_taken_ends_the_server_with_the_reason(tmp_path: Path, jina_v3: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ["--data", str(tmp_path), "--port", port, "--no-auth"]
        ran = run_folio("serve", *options, environment=folio_environment(FOLIO_MODEL=jina_v3))
    assert ran.code not in {0, 130}
    assert "address already in use" in ran.stderr


def test_folder_that_another_process_holds_is_refused_with_the_way_around(
    data: Path, jina_v3: Path
) -> None:
    with open_service(Settings(data=data, model=str(jina_v3)), loads=False) as service:
        commands = ["search a", "show a", "list", "remove a", "status", "keys list", "reembed"]
        for command in (*commands, "serve"):
            error = folio(*command.split()).error
            assert error.startswith(f"{data} is held by `the tests` (pid ")
            assert "--server URL" in error
        assert folio("status", "--server", service.url).code == 0


# Settings and files that are wrong


@pytest.mark.parametrize("command", [["status"], ["serve"], ["doctor"], ["reembed"]])
def test_setting_that_is_wrong_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("FOLIO_PASSAGE_TOKENS", "many")
    monkeypatch.setenv("FOLIO_PARSE_SECONDS", "-1")
    error = folio(*command).error
    assert "FOLIO_PASSAGE_TOKENS: Input should be a valid integer" in error
    assert "FOLIO_PARSE_SECONDS: Input should be greater than 0" in error


@pytest.mark.parametrize("url", ["folio.example/v1", "http://", "http://folio:pass@host:word/v1"])
def test_setting_that_cannot_work_is_refused_without_its_words(
    data: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("FOLIO_MODEL_URL", url)
    monkeypatch.setenv("FOLIO_PARSE_SECONDS", "inf")
    error = folio("status").error
    assert "FOLIO_MODEL_URL: Value error, a URL such as https://api.jina.ai/v1 is needed" in error
    assert "FOLIO_PARSE_SECONDS: Input should be a finite number" in error
    assert not re.search("example|pass|word", error)


@pytest.mark.parametrize("command", [["status"], ["serve"], ["add", "a.md"], ["reembed"]])
def test_data_folder_that_is_a_file_is_named(data: Path, files: Path, command: list[str]) -> None:
    data.write_text("no folder")
    (files / "a.md").write_text("Tea.")
    assert str(data) in folio(*command).error


@pytest.mark.parametrize("command", [["status"], ["serve"], ["add", "a.md"], ["reembed"]])
def test_database_that_is_none_is_an_error(data: Path, files: Path, command: list[str]) -> None:
    data.mkdir()
    (data / "folio.db").write_text("this is text and has never been a database")
    (files / "a.md").write_text("Tea.")
    assert "file is not a database" in folio(*command).error


@pytest.mark.parametrize("command", [["search", "tea"], ["add", "a.md"]])
def test_model_that_is_not_there_is_named(
    data: Path, files: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (files / "a.md").write_text("Tea.")
    monkeypatch.setenv("FOLIO_MODEL", "/no/such/model")
    assert "/no/such/model" in folio(*command).error
    assert folio("status").code == 0


def test_another_model_is_refused_until_reembed_was_run(
    data: Path, files: Path, short_jina_v3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "a.md").write_text("Tea with milk. " * 20)
    assert folio("add", "a.md").code == 0
    monkeypatch.setenv("FOLIO_MODEL", str(short_jina_v3))
    for command in (["search", "tea"], ["add", "a.md"]):
        assert "folio reembed" in folio(*command).error
    (problem,) = (f for f in folio("doctor", "--json").json if f["level"] == "problem")
    assert "folio reembed" in problem["text"]
    assert len(folio("list", "--json").json) == 1
    ran = folio("reembed", "--json")
    assert (ran.code, ran.stderr, ran.json["documents"]) == (0, "", 1)
    assert len(folio("search", "tea", "--json").json["results"]) == 1
    assert folio("doctor").code == 0


# doctor


def findings_of(ran: Ran) -> dict[str, list[tuple[str, str]]]:
    """Return (level, text) by topic of the JSON of `doctor`."""
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in ran.json:
        found.setdefault(finding["topic"], []).append((finding["level"], finding["text"]))
    assert ran.code == any(finding["level"] == "problem" for finding in ran.json)
    return found


def test_doctor_of_nothing_says_what_would_be_and_makes_nothing(
    data: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_RUNTIME", "torch")
    monkeypatch.setenv("FOLIO_OCR_SECONDS", "0")
    found = findings_of(folio("doctor", "--json"))
    assert found["scans"] == [("ok", "not read: FOLIO_OCR_SECONDS is 0")]
    assert found["data"] == [("note", f"{data} holds no database yet; the first use makes it")]
    ((level, text),) = found["model"]
    assert level == "ok"
    assert f"in {jina_v3}: reads 8192 tokens, gives 32 dimensions" in text
    assert found["engine"] == [("ok", "torch in float32 on cpu")]
    assert found["documents"][0][1].startswith("0: ")
    assert "folio keys create" in found["keys"][0][1]
    assert not data.exists()


def test_doctor_counts_what_is_there_and_says_why_articles_failed(data: Path, files: Path) -> None:
    (files / "tea.md").write_text("Tea with milk.")
    (files / "void.md").write_text("a\0b")
    folio("add", ".")
    folio("keys", "create")
    found = findings_of(folio("doctor", "--json"))
    assert found["data"] == [("ok", f"{data / 'folio.db'} opens, schema is current")]
    documents = [text for _, text in found["documents"]]
    assert documents[0] == "2: 0 queued, 0 processing, 1 ready, 1 failed; 1 vector"
    assert "folio list --status failed" in documents[1]
    assert documents[2] == "failed for these reasons: 1 nul_character"
    assert found["integrity"] == [("ok", "every stored text and vector matches its checksum")]
    assert found["keys"] == [("ok", "1 not revoked")]
    plain = folio("doctor")
    assert (plain.code, plain.stderr) == (0, "")
    assert "ok      documents  2: 0 queued" in plain.stdout
    # Why an earlier version failed is no reason of what failed now.
    (files / "void.md").write_text(" \n")
    folio("add", ".")
    texts = [text for _, text in findings_of(folio("doctor", "--json"))["documents"]]
    assert texts[2] == "failed for these reasons: 1 empty_document"


def test_doctor_of_a_folder_that_a_server_holds_points_to_it(data: Path) -> None:
    with open_resources(Settings(), holder="folio serve on http://127.0.0.1:8000"):
        found = findings_of(folio("doctor", "--json"))
    ((level, text),) = found["data"]
    assert level == "note"
    assert "folio serve on http://127.0.0.1:8000" in text
    assert "--server" in text


def test_doctor_finds_a_model_that_is_not_there(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLIO_MODEL", "/no/such/model")
    ran = folio("doctor")
    assert ran.code == 1
    assert re.search("^problem +model +.*/no/such/model$", ran.stdout, re.MULTILINE)


def test_doctor_finds_bytes_that_went_bad(data: Path, files: Path) -> None:
    (files / "a.md").write_text("Tea with milk.")
    folio("add", "a.md")
    with closing(sqlite3.connect(data / "folio.db")) as database, database:
        database.execute("UPDATE units SET vector = zeroblob(length(vector))")
        database.execute("UPDATE versions SET text = 'Tea without milk.'")
    ((level, text),) = findings_of(folio("doctor", "--json"))["integrity"]
    assert (level, text.split()[0]) == ("problem", "2")


def test_doctor_finds_a_database_that_is_none(data: Path) -> None:
    data.mkdir()
    (data / "folio.db").write_text("this is text and has never been a database")
    path = data / "folio.db"
    found = findings_of(folio("doctor", "--json"))
    ((level, said),) = found["data"]
    assert level == "problem"
    assert said.startswith(f"{path} is damaged (file is not a database)")


def test_doctor_finds_a_database_that_is_torn(data: Path, files: Path) -> None:
    (files / "a.md").write_text("Tea with milk. " * 2000)
    folio("add", "a.md")
    path = data / "folio.db"
    content = path.read_bytes()
    path.write_bytes(content[: 4096 * 8] + b"\xff" * (len(content) - 4096 * 8))
    found = findings_of(folio("doctor", "--json"))
    assert ("problem", "data") in {(level, topic) for topic in found for level, _ in found[topic]}
    assert "malformed" in found["data"][-1][1]


@pytest.mark.parametrize("inside", ["", "further/in"])
def test_doctor_finds_a_folder_that_cannot_be_made(data: Path, inside: str) -> None:
    data.write_text("no folder")
    found = findings_of(folio("doctor", "--data", data / inside, "--json"))
    assert found["data"] == [("problem", f"{data / inside} cannot be made: {data} is not a folder")]


def test_doctor_looks_for_the_file_of_the_admin_key(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "admin.key"
    monkeypatch.setenv("FOLIO_ADMIN_KEY_FILE", str(file))
    assert findings_of(folio("doctor", "--json"))["keys"] == [
        ("problem", f"FOLIO_ADMIN_KEY_FILE names {file}, which is not a file")
    ]
    file.write_text("x" * 40)
    assert findings_of(folio("doctor", "--json"))["keys"] == [
        ("ok", f"the server takes the admin key in {file}")
    ]
