"""The parsing process: its limits, what it knows, and that it is replaced."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.config import Settings
from app.domain import Article, Heading
from app.errors import ParserUnavailable, UnreadableDocument
from ingest.parsers import parse_document
from ingest.sandbox import Sandbox
from tests.api.service import poll

_MEMORY_BYTES = 256 * 2**20


@pytest.fixture
def narrow_sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own, with the least memory that can be set."""
    with closing(Sandbox(Settings(parse_memory_bytes=_MEMORY_BYTES))) as opened:
        yield opened


def find_children() -> set[int]:
    """Return the ids of the parsing processes that this process started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in read_of_the_living(task / "children").split():
            command = read_of_the_living(Path("/proc", pid.decode(), "cmdline")).split(b"\0")
            if b"ingest.sandbox" in command:
                found.add(int(pid))
    return found


def read_of_the_living(path: Path) -> bytes:
    """Return what a file under /proc holds, or nothing where its thread or process has ended."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def start_child(sandbox: Sandbox) -> int:
    """Parse something, so that there is a child, and return its id."""
    before = find_children()
    assert sandbox.parse("text/plain", b"Hot tea").text == "Hot tea"
    (pid,) = find_children() - before
    return pid


def refuse(sandbox: Sandbox, media_type: str, data: bytes) -> UnreadableDocument:
    with pytest.raises(UnreadableDocument) as caught:
        sandbox.parse(media_type, data)
    return caught.value


def test_article_comes_out_as_the_parser_made_it(sandbox: Sandbox) -> None:
    source = (
        "---\nurl: https://example.org\ntags: [a, 漢]\nsize: 2.5\n---\n# Grüße 🙂\n\nText\n\n## B"
    )
    article = sandbox.parse("text/markdown", source.encode())
    assert article == parse_document("text/markdown", source.encode())
    assert article.headings == (Heading(0, 1, "Grüße 🙂"), Heading(17, 2, "B"))


def test_article_without_attributes_has_none_of_them(sandbox: Sandbox) -> None:
    assert sandbox.parse("text/plain", b"Hot tea") == Article("Hot tea", attributes={})


def test_parser_s_own_refusal_has_its_code_and_keeps_the_child(narrow_sandbox: Sandbox) -> None:
    pid = start_child(narrow_sandbox)
    error = refuse(narrow_sandbox, "application/pdf", b"no PDF")
    assert error.code == "unreadable_pdf"
    assert str(error).startswith("the PDF is damaged")
    assert pid in find_children()


def test_document_larger_than_the_memory_is_refused_and_the_next_one_is_read(
    narrow_sandbox: Sandbox,
) -> None:
    pid = start_child(narrow_sandbox)
    error = refuse(narrow_sandbox, "text/plain", b"tea " * (_MEMORY_BYTES // 8))
    assert error.code == "parser_crashed"
    assert "256 MiB" in str(error)
    assert pid not in find_children()
    assert narrow_sandbox.parse("text/plain", b"Milk").text == "Milk"


def test_document_whose_parsing_takes_too_much_memory_is_refused(narrow_sandbox: Sandbox) -> None:
    error = refuse(narrow_sandbox, "text/markdown", b"x\n" * 1_000_000)
    assert error.code == "parser_crashed"
    assert narrow_sandbox.parse("text/markdown", b"# Milk").title == "Milk"


def test_document_over_the_time_limit_is_refused_and_the_next_one_is_read() -> None:
    with closing(Sandbox(Settings(parse_seconds=3))) as limited:
        pid = start_child(limited)
        # A child that stands still is as slow as a document can be.
        os.kill(pid, signal.SIGSTOP)
        error = refuse(limited, "text/plain", b"tea")
        assert error.code == "parser_timeout"
        assert str(error) == "parsing took longer than 3 s"
        assert pid not in find_children()
        assert limited.parse("text/plain", b"Milk").text == "Milk"


def test_child_that_dies_while_it_parses_fails_the_document_only(narrow_sandbox: Sandbox) -> None:
    pid = start_child(narrow_sandbox)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        parsing = threads.submit(narrow_sandbox.parse, "text/plain", b"tea")
        # Killed before it was its turn, the child would only be replaced.
        poll(lambda: narrow_sandbox._parsed, lambda parsed: parsed == 2)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(UnreadableDocument) as caught:
            parsing.result()
    assert caught.value.code == "parser_crashed"
    assert narrow_sandbox.parse("text/plain", b"Milk").text == "Milk"


def test_child_that_died_between_two_documents_fails_neither(narrow_sandbox: Sandbox) -> None:
    pid = start_child(narrow_sandbox)
    os.kill(pid, signal.SIGKILL)
    # Until it has ended; it stays for its parent to ask how.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert narrow_sandbox.parse("text/plain", b"Milk").text == "Milk"


def test_child_that_the_system_does_not_start_is_no_fault_of_the_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with closing(Sandbox(Settings())) as sandbox, pytest.raises(ParserUnavailable) as caught:
        sandbox.parse("text/plain", b"Hot tea")
    assert "does not start" in str(caught.value)


def test_child_sees_no_setting_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, narrow_sandbox: Sandbox
) -> None:
    monkeypatch.setenv("FOLIO_ADMIN_KEY_FILE", "/run/secrets/key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-parsers")
    pid = start_child(narrow_sandbox)
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert {variable.partition(b"=")[0] for variable in variables if variable} == {b"PYTHONPATH"}


def test_child_has_no_other_file_of_the_service_open(
    tmp_path: Path, narrow_sandbox: Sandbox
) -> None:
    with (tmp_path / "folio.db").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        pid = start_child(narrow_sandbox)
        opened = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert not any(target.is_relative_to(tmp_path) for target in opened)


def test_child_runs_under_its_limits(narrow_sandbox: Sandbox) -> None:
    limits = Path(f"/proc/{start_child(narrow_sandbox)}/limits").read_text()
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert rows["Max address space"] == [str(_MEMORY_BYTES)] * 2
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max core file size"] == ["0", "0"]


def test_close_ends_the_child_and_a_later_document_starts_another(narrow_sandbox: Sandbox) -> None:
    pid = start_child(narrow_sandbox)
    narrow_sandbox.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert start_child(narrow_sandbox) != pid
    narrow_sandbox.close()
    narrow_sandbox.close()


def test_documents_of_many_threads_do_not_mix(sandbox: Sandbox) -> None:
    texts = [f"Text {number} " * (number + 1) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        articles = list(threads.map(lambda t: sandbox.parse("text/plain", t.encode()), texts))
    assert [article.text for article in articles] == texts
