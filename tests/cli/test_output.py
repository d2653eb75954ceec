"""What reaches the terminal, a pipe or a script; and what is said of a server that is none."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.cli import app
from tests.api.service import FOLIO, Collection, Service, folio_environment
from tests.cli.command import Ran, folio, run_folio

Ask = Callable[..., Ran]

COMMANDS = [command.name for command in app.registered_commands] + [
    group.name for group in app.registered_groups
]
# A terminal would obey these: clear the screen, set the title, C1 CSI, back one, delete.
EVIL = "\x1b[2J \x1b]0;owned\x07 \x9b31m \x08\x7f"
HARMLESS = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*")


def colourful() -> dict[str, str]:
    """Return an environment in which a terminal would get colours."""
    environment = folio_environment()
    del environment["NO_COLOR"], environment["COLUMNS"]
    return {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def test_help_names_every_command() -> None:
    ran = run_folio("--help", environment=folio_environment())
    assert ran.code == 0
    assert len(COMMANDS) > 25
    assert [
        name for name in COMMANDS if not re.search(rf"^│ {name} ", ran.stdout, re.MULTILINE)
    ] == []


# Text of others


def test_brackets_of_questions_and_articles_are_shown_as_they_are(
    ask: Ask, collection: Collection
) -> None:
    markup = "[bold]tea[/bold] [/] [link=https://example.com]x[/link] :tea:"
    collection.add({"id": "[red]a", "title": markup, "text": "[i]Hot[/i]"})
    found = ask("search", f"how {markup}?").stdout
    assert f"how {markup}?" in found
    assert f"{markup}  [red]a" in found
    assert "     [i]Hot[/i]\n" in found
    assert markup in ask("list").stdout
    shown = ask("show", "[red]a", "--text").stdout
    assert re.search(rf"title +{re.escape(markup)}", shown)
    assert shown.endswith("\n[i]Hot[/i]\n")
    assert ask("show", "[red]b[/red]").error.startswith("no such document")
    assert ask("remove", "[red]a").stdout == "erased [red]a\n"


def test_control_characters_of_articles_do_not_reach_the_terminal(
    ask: Ask, collection: Collection, service: Service
) -> None:
    line = {"id": "a", "title": f"Tea {EVIL}", "text": f"# Heading {EVIL}\n\nTea\twith {EVIL}."}
    collection.add(line, {"id": "b", "markdown": line["text"], "attributes": {"x": EVIL}})
    service.http.post("/v1/collections", json={"name": "evil", "description": EVIL})
    answers = [
        ask("search", f"tea {EVIL}"),
        ask("list"),
        ask("show", "a", "--text"),
        ask("show", "b", "--text"),
        folio("status", "--server", service.url),
    ]
    service.http.delete("/v1/collections/evil?confirm=evil").raise_for_status()
    for ran in answers:
        assert ran.code == 0
        assert HARMLESS.fullmatch(ran.stdout)
        assert "\N{REPLACEMENT CHARACTER}" in ran.stdout
    shown = ask("show", "a", "--text", "--json")
    assert shown.json["title"] == line["title"]
    assert HARMLESS.fullmatch(shown.stdout)


def test_control_characters_of_arguments_and_files_do_not_reach_the_terminal(
    ask: Ask, files: Path
) -> None:
    (files / f"{EVIL.replace('/', '')}.md").write_text("Tea.")
    (files / f"{EVIL}.dwg").write_text("Tea.")
    answers = [
        ask("add", "."),
        ask("add", f"{EVIL}.dwg", f"{EVIL}.nothing"),
        ask("show", EVIL),
        ask("remove", EVIL),
        folio("list", "--server", f"http://{EVIL}"),
    ]
    for ran in answers:
        assert ran.code == 1
        assert HARMLESS.fullmatch(ran.stdout + ran.stderr)


def test_article_of_several_lines_keeps_them(ask: Ask, collection: Collection) -> None:
    collection.add({"id": "a", "text": "One.\r\nTwo.\n\nThree."})
    assert ask("show", "a", "--text").stdout.endswith("\nOne.\nTwo.\n\nThree.\n")


@pytest.mark.parametrize("command", ["show", "search", "remove"])
def test_argument_that_is_not_utf8_is_an_error(service: Service, command: str) -> None:
    options = ["--server", service.url]
    ran = run_folio(command, b"caf\xe9", *options, environment=folio_environment())
    assert ran.error == r"'\udce9' cannot be written in utf-8"


# Pipes and terminals


def test_output_in_a_pipe_has_no_colours_and_whole_lines(
    collection: Collection, service: Service, files: Path
) -> None:
    words = "Tea " + "with milk " * 30
    collection.add({"id": "i" * 200, "title": words.strip(), "text": words})
    (files / "a.md").write_text("Tea.")
    where = ["--server", service.url, "--collection", collection.name]
    listed = run_folio("list", *where, environment=colourful())
    assert re.search(rf"i{{200}} +ready +1 +\d+ +{words.strip()} ", listed.stdout)
    refused = run_folio("show", "x" * 200, "a" * 200, environment=colourful())
    added = run_folio("add", "a.md", "nope.md", *where, environment=colourful())
    assert (refused.code, added.code) == (2, 1)
    for ran in (
        listed,
        refused,
        added,
        run_folio("search", "tea", *where, environment=colourful()),
        run_folio("remove", "nope", *where, environment=colourful()),
        run_folio("keys", "list", "--server", service.url, environment=colourful()),
    ):
        assert HARMLESS.fullmatch(ran.stdout + ran.stderr), ran


def test_reader_that_goes_away_ends_a_command_quietly(
    collection: Collection, service: Service
) -> None:
    collection.add({"id": "a", "text": "Tea."})
    where = ["--server", service.url, "--collection", collection.name]
    for options in (["list"], ["list", "--json"], ["search", "tea"]):
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.Popen(
            [FOLIO, *options, *where],
            env=folio_environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
        )
        os.close(writer)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (1, b"")


def test_terminal_sees_progress_speed_and_time(
    collection: Collection, service: Service, files: Path
) -> None:
    for number in range(30):
        (files / f"{number}.md").write_text(f"Tea number {number} with milk. " * 20)
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [FOLIO, "add", ".", "--server", service.url, "--collection", collection.name],
        env={**colourful(), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=end,
    )
    os.close(end)
    with os.fdopen(terminal, "rb") as stream:
        seen = b"".join(read_terminal(stream.fileno())).decode()
    summary, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert summary.decode().startswith(f"{collection.name}: 30 ready")
    frames = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert re.search(r"adding .* 30/30 [\d,]+ tokens/s \d:\d\d:\d\d", frames)


def read_terminal(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 4096)
        # Linux's way of saying that the other end was closed.
        except OSError:
            return
        if not part:
            return
        yield part


# JSON


def test_json_is_one_document_of_readable_text(ask: Ask, collection: Collection) -> None:
    collection.add({"id": "\u6f22\u5b57", "title": "Café \u2028 \U0001f375", "text": "Tea."})
    for command in (["list"], ["show", "\u6f22\u5b57"], ["search", "caf\u00e9"]):
        ran = ask(*command, "--json")
        assert (ran.code, ran.stderr, ran.stdout.count("\n")) == (0, "", 1)
        assert "\u6f22\u5b57" in ran.stdout
        assert "Café \u2028 \U0001f375" in json.dumps(ran.json, ensure_ascii=False)


# A server that is none


@contextmanager
def serve_answer(status: int, body: bytes) -> Iterator[str]:
    """Answer every request alike; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815  # the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("command", [["list"], ["search", "tea"], ["status"], ["keys", "create"]])
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (404, b'{"detail":"Not Found"}'), (502, b""), (200, b"[1]"), (200, b"\xff")],
)
def test_server_of_another_kind_is_told_apart(status: int, body: bytes, command: list[str]) -> None:
    with serve_answer(status, body) as url:
        ran = folio(*command, "--server", url)
    assert ran.error == f"{url} answers HTTP {status}, and not as Folio does"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1", "does not answer"),
        ("http://127.0.0.1:99999", ""),
        ("https://127.0.0.1:1", "does not answer"),
        ("http://nowhere.invalid", "does not answer"),
        ("http://[::1", "--server"),
        ("http://a..b", "--server"),
        ("http://", "--server"),
        ("localhost:8000", "such as http://127.0.0.1:8000"),
        ("ftp://127.0.0.1", "such as http://127.0.0.1:8000"),
        ("", "such as http://127.0.0.1:8000"),
    ],
)
def test_server_that_cannot_be_reached_is_named(url: str, reason: str) -> None:
    error = folio("status", "--server", url).error
    assert url in error
    assert reason in error


def test_command_over_a_network_that_breaks_is_an_error_without_json(files: Path) -> None:
    (files / "a.md").write_text("Tea.")
    ran = folio("add", "a.md", "--server", "http://127.0.0.1:1", "--json")
    assert "does not answer" in ran.error
