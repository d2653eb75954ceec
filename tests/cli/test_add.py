"""`folio add`: what is found, what is sent, and what is said of it."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from zipfile import ZipFile

import pytest

from app.commands import upload as uploading
from app.commands.client import Client
from app.config import Settings
from app.errors import ModelUnavailable
from tests.api.service import Collection, Service, open_service, poll
from tests.cli.command import Ran, folio
from tests.cli.conftest import MAX_BODY_BYTES, make_unreadable

Ask = Callable[..., Ran]


def write(path: Path, text: str = "Tea.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_lines(path: Path, *lines: object) -> Path:
    """Write a JSONL file; a string is a line as it stands."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return write(path, "\n".join(texts) + "\n")


def ids_of(collection: Collection) -> set[str]:
    return {document["id"] for document in collection.page(limit=1000)["documents"]}


def failures_of(ran: Ran) -> dict[str, str]:
    """Return the code by the id of each failure in the JSON of an `add`."""
    return {failure["id"]: failure["code"] for failure in ran.json["failures"]}


# What is found


def test_files_folders_globs_and_lines_become_articles(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "one.md", "# One")
    write(files / "manual" / "start.html", "<p>Start here.</p>")
    write(files / "manual" / "deep" / "end.TXT", "The end.")
    write(files / "more" / "a.txt")
    write(files / "more" / "b.txt", "Coffee.")
    write(files / "more" / "c.md", "Left out.")
    write_lines(files / "lines.jsonl", {"id": "line/1", "title": "A line", "text": "Milk."})
    ran = ask("add", "one.md", "manual", files / "more" / "*.txt", "lines.jsonl")
    assert (ran.code, ids_of(collection)) == (
        0,
        {"one.md", "start.html", "deep/end.TXT", "a.txt", "b.txt", "line/1"},
    )
    assert ran.stdout.startswith(f"{collection.name}: 6 ready (")
    assert "tokens/s" in ran.stdout
    assert collection.get("line/1")["title"] == "A line"
    assert collection.get("deep/end.TXT", include="text")["text"] == "The end."


def test_glob_with_two_stars_goes_through_folders(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a" / "one.md")
    write(files / "a" / "b" / "two.md")
    assert ask("add", "a/**/*.md").code == 0
    assert ids_of(collection) == {"one.md", "two.md"}


def test_brackets_in_the_name_of_a_file_are_no_glob(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a[1].md")
    write(files / "a1.md", "Another.")
    assert ask("add", "a[1].md").code == 0
    assert ids_of(collection) == {"a[1].md"}


def test_hidden_and_other_files_of_a_folder_are_left_out_and_said(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "a.md")
    for name in (".hidden.md", ".git/a.md", "b.dwg", "c/d.PNG", "Makefile"):
        write(files / "in" / name)
    ran = ask("add", "in")
    assert (ran.code, ids_of(collection)) == (0, {"a.md"})
    assert "skipped 3 files of other formats: .dwg, .png, without a suffix" in ran.stdout
    assert sorted(ask("add", "in", "--json").json["skipped"]) == ["Makefile", "b.dwg", "c/d.PNG"]


def test_files_that_an_archive_leaves_out_are_said(
    files: Path, ask: Ask, collection: Collection
) -> None:
    with ZipFile(files / "in.zip", "w") as archive:
        archive.writestr("a.md", "Tea.")
        archive.writestr("Thumbs.db", "x")
    ran = ask("add", "in.zip", "--json")
    assert (ran.code, ids_of(collection)) == (0, {"in.zip/a.md"})
    assert ran.json["skipped"] == ["in.zip/Thumbs.db"]


def test_fields_of_a_line_that_no_article_has_become_attributes(
    files: Path, ask: Ask, collection: Collection
) -> None:
    line = {
        "_id": "a",
        "markdown": "# Tea",
        "url": "https://example.com/a",
        "product": "kettle",
        "year": 2025,
        "tags": [],
        "attributes": {"product": "cup"},
    }
    assert ask("add", write_lines(files / "in.JSONL", line)).code == 0
    stored = collection.get("a")
    assert stored["attributes"] == {"product": "cup", "year": 2025}
    assert (stored["title"], stored["url"]) == ("Tea", "https://example.com/a")


def test_misspelt_field_of_a_line_is_named(files: Path, ask: Ask, collection: Collection) -> None:
    lines = [{"id": "a", "text": "Tea.", "titel": "Tea"}, {"id": "b", "text": "Tea.", "year": 1}]
    ran = ask("add", write_lines(files / "in.jsonl", *lines))
    assert ran.code == 0
    assert "warning: titel was taken as an attribute; perhaps title was meant" in ran.stderr
    assert "year" not in ran.stderr
    assert collection.get("a")["attributes"] == {"titel": "Tea"}


def test_article_without_a_title_has_the_name_of_its_file(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "plain.v2.txt", "Tea with milk.")
    write(files / "in" / "headed.md", "# Tea\n\nHot.")
    assert (
        ask("add", "in", write_lines(files / "in.jsonl", {"id": "x/y", "text": "Tea."})).code == 0
    )
    titles = {i: collection.get(i)["title"] for i in ("plain.v2.txt", "headed.md", "x/y")}
    assert titles == {"plain.v2.txt": "plain.v2", "headed.md": "Tea", "x/y": ""}


def test_file_that_is_named_twice_is_added_once(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "a.md")
    write_lines(files / "in.jsonl", {"id": "b", "text": "B."}, {"id": "c", "text": "C."})
    ran = ask("add", "in", "in/a.md", "in/*.md", "./in", "in.jsonl", "./in.jsonl", "--json")
    assert (ran.code, ran.json["ready"], ran.json["failed"]) == (0, 3, 0)


@pytest.mark.parametrize("names", [("x/a.md", "y/a.md"), ("x/\u00e9.md", "y/e\u0301.md")])
def test_second_file_of_one_id_fails_and_does_not_replace_the_first(
    files: Path, ask: Ask, collection: Collection, names: tuple[str, str]
) -> None:
    for name in names:
        write(files / name, f"From {name}.")
    ran = ask("add", "x", "y")
    assert ran.code == 1
    assert f"{collection.name}: 1 ready, 1 failed" in ran.stdout
    assert f"duplicate_id  {names[0]} has the same id, {Path(names[1]).name}" in ran.stderr
    (stored,) = ids_of(collection)
    assert collection.get(stored, include="text")["text"] == f"From {names[0]}."
    assert collection.get(stored)["version"] == 1


def test_second_line_of_one_id_fails_with_its_number(
    files: Path, ask: Ask, collection: Collection
) -> None:
    lines = [{"id": "a", "text": "One."}, {"id": "b", "text": "B."}, {"id": "a", "text": "Two."}]
    ran = ask("add", write_lines(files / "in.jsonl", *lines), "--json")
    assert failures_of(ran) == {"in.jsonl:3": "duplicate_id"}
    assert collection.get("a", include="text")["text"] == "One."


def test_lines_that_changed_since_they_were_found_fail_alone(
    files: Path, service: Service, collection: Collection
) -> None:
    lines = [{"id": name, "text": f"{name} is tea."} for name in "abc"]
    path = write_lines(files / "in.jsonl", *lines)
    outcome = uploading.Outcome()
    entries = uploading.find_entries([str(path)], outcome)
    write_lines(path, {"id": "a", "text": "a is tea."}, {"id": "x", "text": "x is tea."}, "nothing")
    uploading.upload(Client(service.http), collection.name, entries, outcome, lambda _: None)
    assert ids_of(collection) == {"a"}
    assert [(failure["id"], failure["code"]) for failure in outcome.failures] == [
        ("b", "line_changed"),
        ("c", "line_changed"),
    ]


def test_lines_of_a_pipe_are_added(files: Path, ask: Ask, collection: Collection) -> None:
    pipe = files / "in.jsonl"
    os.mkfifo(pipe)
    writer = Thread(target=write_lines, args=(pipe, {"id": "a", "text": "Tea."}), daemon=True)
    writer.start()
    assert ask("add", "in.jsonl").code == 0
    writer.join()
    assert ids_of(collection) == {"a"}


# What cannot be read


def test_each_name_that_leads_to_no_article_fails_and_the_others_are_added(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "good.md")
    write(files / "report.dwg")
    write(files / "noend", "Tea.")
    write(files / "empty.jsonl", "\n\n")
    (files / "empty").mkdir()
    write(files / "pictures" / "a.png")
    (files / "gone.md").symlink_to(files / "nowhere.md")
    (files / "broken.md").symlink_to("/proc/self/mem")
    named = {
        "nothing.md": "not_found",
        "*.pdf": "not_found",
        "a" * 300: "not_found",
        "report.dwg": "unsupported_media_type",
        "noend": "unsupported_media_type",
        "empty.jsonl": "no_article",
        "empty": "no_article",
        "pictures": "no_article",
        "gone.md": "unreadable_file",
        "broken.md": "unreadable_file",
    }
    ran = ask("add", *named, "good.md", "--json")
    assert (ran.code, failures_of(ran)) == (1, named)
    assert (ran.json["ready"], ran.json["failed"]) == (1, len(named))
    assert ids_of(collection) == {"good.md"}


def test_file_and_folder_in_a_folder_that_cannot_be_read_fail_and_the_others_are_added(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "a.md")
    write(files / "in" / "z.md", "Coffee.")
    (files / "in" / "gone.md").symlink_to(files / "nowhere.md")
    make_unreadable(files / "in")
    ran = ask("add", files / "in", "--json")
    named = {name.rpartition("/")[2][0]: code for name, code in failures_of(ran).items()}
    assert (ran.code, named) == (1, {"d": "unreadable_file", "f": "unreadable_file"})
    assert ids_of(collection) == {"a.md", "z.md"}


def test_dangling_link_does_not_stop_a_glob(files: Path, ask: Ask, collection: Collection) -> None:
    (files / "a.md").symlink_to(files / "nowhere.md")
    write(files / "b.md")
    ran = ask("add", "*.md", "--json")
    assert failures_of(ran) == {"a.md": "unreadable_file"}
    assert ids_of(collection) == {"b.md"}


def test_file_name_that_is_not_utf8_fails_alone(
    files: Path, ask: Ask, collection: Collection
) -> None:
    name = os.fsdecode(b"caf\xe9.md")
    write(files / "in" / name)
    write(files / "in" / "tea.md")
    ran = ask("add", "in", "--json")
    assert ran.code == 1
    assert failures_of(ran) == {f"in/{name}": "invalid_id"}
    assert ids_of(collection) == {"tea.md"}
    shown = ask("add", "in")
    assert "in/caf\N{REPLACEMENT CHARACTER}.md" in shown.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "a", "text": ', "column"),
        ("tea", "column"),
        ('["a"]', "not a JSON object"),
        ('{"text": "Tea."}', "no id"),
        ('{"id": 5, "text": "Tea."}', "no id"),
        ('{"id": "a", "text": "Tea.", "attributes": 5, "x": 1}', "attributes"),
        ('{"id": "a", "text": "Tea.", "x": NaN}', "not JSON compliant"),
        ('{"id": "a", "text": "Tea.", "x": 1e999}', "not JSON compliant"),
        (r'{"id": "a", "text": "\ud800"}', "surrogates"),
        ("[" * 100_000, ""),
    ],
)
def test_broken_line_fails_with_its_number_and_reason(
    files: Path, ask: Ask, collection: Collection, line: str, reason: str
) -> None:
    good = {"id": "good", "text": "Tea."}
    ran = ask("add", write_lines(files / "in.jsonl", "", line, good), "--json")
    assert ran.code == 1
    assert failures_of(ran) == {"in.jsonl:2": "invalid_line"}
    (failure,) = ran.json["failures"]
    assert reason in failure["message"]
    assert ids_of(collection) == {"good"}


def test_line_that_is_not_utf8_fails_alone(files: Path, ask: Ask, collection: Collection) -> None:
    lines = b'{"id": "a", "text": "caf\xe9"}\n{"id": "b", "text": "caf\xc3\xa9"}\n'
    (files / "in.jsonl").write_bytes(lines)
    assert failures_of(ask("add", "in.jsonl", "--json")) == {"in.jsonl:1": "invalid_line"}
    assert collection.get("b", include="text")["text"] == "café"


def test_article_that_the_service_refuses_does_not_take_its_batch_along(
    files: Path, ask: Ask, collection: Collection
) -> None:
    lines = [
        {"id": "a", "text": "Tea."},
        {"id": "b", "text": "Tea.", "html": "<p>Tea.</p>"},
        {"id": "c", "text": "Tea.", "title": ["x"]},
        {"id": "d" * 300, "text": "Tea."},
        {"id": "e", "text": "Tea.", "attributes": {"x": {"y": 1}}},
        {"id": "f", "text": "Coffee."},
    ]
    ran = ask("add", write_lines(files / "in.jsonl", *lines), "--json")
    assert set(failures_of(ran)) == {"b", "c", "d" * 300, "e"}
    assert set(failures_of(ran).values()) == {"invalid_request"}
    assert ids_of(collection) == {"a", "f"}


def test_batch_and_file_over_the_limit_of_the_service(
    files: Path, ask: Ask, collection: Collection
) -> None:
    for name in "abc":
        write(files / "in" / f"{name}.txt", f"{name} " * (MAX_BODY_BYTES // 5))
    write(files / "in" / "large.txt", "tea " * MAX_BODY_BYTES)
    ran = ask("add", "in", "--json")
    assert failures_of(ran) == {"large.txt": "too_large"}
    assert ids_of(collection) == {"a.txt", "b.txt", "c.txt"}


def test_failed_files_end_in_a_table_with_their_reasons(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "empty.md", "")
    write(files / "in" / "nul.txt", "a\0b")
    write(files / "in" / "good.md")
    ran = ask("add", "in", "missing.md")
    assert ran.code == 1
    assert f"{collection.name}: 1 ready, 3 failed" in ran.stdout
    lines = ran.stderr.splitlines()
    head = next(index for index, line in enumerate(lines) if line.split()[0] == "failed")
    rows = [re.split(" {2,}", line.strip()) for line in lines[head:]]
    assert rows[0] == ["failed", "code", "why"]
    assert rows[1] == ["missing.md", "not_found", "no such file or folder"]
    assert {row[0]: row[1] for row in rows[2:]} == {
        "empty.md": "empty_document",
        "nul.txt": "nul_character",
    }
    assert all(len(row) == 3 for row in rows)


def test_nothing_is_asked_of_anybody_when_there_is_no_article(files: Path) -> None:
    ran = folio("add", "missing.md", "--server", "http://127.0.0.1:1")
    assert ran.code == 1
    assert ran.stdout.startswith("default: 1 failed")


# What becomes of it


def test_same_articles_again_are_unchanged_or_updated(
    files: Path, ask: Ask, collection: Collection
) -> None:
    lines = [{"id": "a", "text": "Tea.", "year": 1}, {"id": "b", "text": "Milk.", "year": 1}]
    write_lines(files / "in.jsonl", *lines)
    assert ask("add", "in.jsonl", "--json").json["ready"] == 2
    write_lines(files / "in.jsonl", lines[0], lines[1] | {"year": 2}, {"id": "c", "text": "Hot."})
    again = ask("add", "in.jsonl", "--json").json
    assert [again[name] for name in ("ready", "unchanged", "updated", "failed")] == [1, 1, 1, 0]
    assert collection.get("b")["attributes"] == {"year": 2}
    assert collection.get("b")["version"] == 1


def test_changed_file_becomes_a_new_version_that_answers(
    files: Path, ask: Ask, collection: Collection
) -> None:
    ask("add", write(files / "a.md", "Tea."))
    assert ask("add", write(files / "a.md", "Coffee.")).code == 0
    stored = collection.get("a.md", include="text")
    assert (stored["text"], stored["live_version"]) == ("Coffee.", 2)


def test_json_counts_what_was_done(files: Path, ask: Ask) -> None:
    write(files / "in" / "a.md", "Tea with milk.")
    ran = ask("add", "in", "missing.md", "--json")
    summary = ran.json
    assert (ran.code, ran.stderr) == (1, "")
    assert list(summary) == [
        "ready",
        "unchanged",
        "updated",
        "failed",
        "skipped",
        "misspelt",
        "failures",
        "tokens",
        "seconds",
        "tokens_per_second",
    ]
    assert (summary["ready"], summary["failed"], summary["skipped"]) == (1, 1, [])
    assert summary["tokens"] > 3
    assert summary["tokens_per_second"] > 0


def test_more_articles_than_a_batch_are_all_followed(
    files: Path, ask: Ask, collection: Collection
) -> None:
    lines = [{"id": f"{number:03}", "text": f"Tea number {number}."} for number in range(70)]
    summary = ask("add", write_lines(files / "in.jsonl", *lines), "--json").json
    assert (summary["ready"], summary["failed"]) == (70, 0)
    assert len(ids_of(collection)) == 70


def test_collection_is_made_when_it_is_not_there(files: Path, service: Service) -> None:
    write(files / "a.md")
    assert folio("add", "a.md", "--server", service.url, "--collection", "made").code == 0
    assert folio("add", "a.md", "--server", service.url).code == 0
    for name in ("made", "default"):
        assert ids_of(Collection(service.http, name)) == {"a.md"}


def test_name_that_no_collection_can_have_is_refused(files: Path, service: Service) -> None:
    write(files / "a.md")
    ran = folio("add", "a.md", "--server", service.url, "--collection", "No Such")
    assert "body.name" in ran.error


def test_service_that_cannot_read_ends_the_waiting_with_its_reason(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "_PATIENCE_SECONDS", 0.0)
    settings = Settings(data=tmp_path / "data", model=str(tmp_path / "no-model"))
    with open_service(settings, loads=False) as service:
        with pytest.raises(ModelUnavailable):
            service.resources.generations.live().engine()
        ran = folio("add", write(files / "a.md"), "--server", service.url)
        assert ran.code == 1
        (error,) = (line for line in ran.stderr.splitlines() if line.startswith("error: "))
        assert "no-model" in error
        assert "stays queued" in error
        collection = Collection(service.http, "default")
        poll(lambda: collection.get("a.md")["status"], lambda status: status == "queued")
