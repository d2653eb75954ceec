"""`folio sync`: a collection mirrors a folder, which `folio` reads and never writes."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from time import process_time

from ingest.folders import Folder, FolderFile, StoredFile, make_plan
from tests.api.service import Collection
from tests.cli.command import Ran
from tests.cli.conftest import make_unreadable

Ask = Callable[..., Ran]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def ids_of(collection: Collection) -> set[str]:
    return {document["id"] for document in collection.page(limit=1000)["documents"]}


def test_collection_follows_adds_changes_renames_and_deletions(
    files: Path, ask: Ask, collection: Collection
) -> None:
    for name in ("a.md", "deep/b.md", "c.md", "d.md"):
        write(files / name, f"All about {name}.")
    first = ask("sync", ".", "--json").json
    assert sorted(first["added"]) == ["a.md", "c.md", "d.md", "deep/b.md"]
    assert ids_of(collection) == {"a.md", "deep/b.md", "c.md", "d.md"}

    write(files / "a.md", "Something else.")
    (files / "c.md").rename(files / "deep" / "c.md")
    (files / "d.md").unlink()
    write(files / "e.md", "New.")
    second = ask("sync", ".", "--json").json
    assert second["added"] == ["e.md"]
    assert second["changed"] == ["a.md"]
    assert second["renamed"] == [{"from": "c.md", "to": "deep/c.md"}]
    assert second["deleted"] == ["d.md"]
    assert second["unchanged"] == 1
    assert ids_of(collection) == {"a.md", "deep/b.md", "deep/c.md", "e.md"}
    assert collection.get("a.md", include="text")["text"] == "Something else."

    third = ask("sync", ".", "--json").json
    assert (third["unchanged"], third["added"], third["deleted"]) == (4, [], [])


def test_dry_run_says_the_same_and_changes_nothing(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a.md", "Tea.")
    collection.add({"id": "gone.md", "text": "Coffee."})
    ran = ask("sync", ".", "--dry-run")
    assert ran.code == 0
    assert ran.stdout.splitlines()[:2] == ["added  a.md", "deleted  gone.md"]
    assert ids_of(collection) == {"gone.md"}


def test_file_whose_name_is_not_utf8_is_named_and_left_out(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a.md", "Tea.")
    (files / os.fsdecode(b"caf\xe9.md")).write_text("Coffee.")
    report = ask("sync", ".", "--json").json
    assert report["added"] == ["a.md"]
    assert report["skipped"] == ["caf\\xe9.md (its name is not UTF-8)"]
    assert ids_of(collection) == {"a.md"}


def test_file_and_folder_that_cannot_be_read_are_named_and_left_out(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a.md", "Tea.")
    make_unreadable(files)
    report = ask("sync", files, "--json").json
    assert report["added"] == ["a.md"]
    assert [name.rpartition("/")[2][0] for name in report["skipped"]] == ["d", "f"]
    assert all(name.endswith(" (it cannot be read)") for name in report["skipped"])
    assert ids_of(collection) == {"a.md"}


def test_article_that_cannot_be_read_now_is_not_erased() -> None:
    folder = Folder(unread={"a.md", "deep/locked"})
    kept = ["a.md", "deep/locked/b.md", "deep/locked/on/c.md"]
    gone = ["b.md", "deep/b.md", "deep/locked.md"]
    stored = {name: StoredFile("digest", failed=False) for name in [*kept, *gone]}
    assert make_plan(folder, stored).deleted == tuple(gone)


def test_copies_that_are_renamed_keep_their_order() -> None:
    count = 20_000
    files = [FolderFile(f"new/{n}.md", Path("new"), 1, str(n // 2)) for n in range(count)]
    stored = {f"old/{n}.md": StoredFile(str(n // 2), failed=False) for n in reversed(range(count))}
    before = process_time()
    plan = make_plan(Folder({file.id: file for file in files}), stored)
    # Each file was compared with all that are gone.
    assert process_time() - before < 5
    renamed = [(former, file.id) for former, file in plan.renamed[:2]]
    assert renamed == [("old/1.md", "new/0.md"), ("old/0.md", "new/1.md")]
    assert (len(plan.renamed), plan.added, plan.deleted) == (count, (), ())


def test_what_git_ignores_is_left_out(files: Path, ask: Ask, collection: Collection) -> None:
    write(files / ".gitignore", "*.txt\nbuild/\n/top.md\n")
    write(files / "deep" / ".gitignore", "!kept.txt\nown.md\n")
    for name in ("a.txt", "build/b.md", "top.md", "deep/own.md", "deep/lost.txt"):
        write(files / name, "Ignored.")
    for name in ("own.md", "deep/top.md", "deep/kept.txt"):
        write(files / name, f"Kept {name}.")
    assert ask("sync", ".").code == 0
    assert ids_of(collection) == {"own.md", "deep/top.md", "deep/kept.txt"}


def test_links_bundles_and_other_formats_are_skipped_by_name(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "in" / "a.md", "Tea.")
    write(files / "outside.md", "Secret.")
    (files / "in" / "link.md").symlink_to(files / "outside.md")
    write(files / "in" / "many.json", '[{"id": "x", "text": "X."}]')
    write(files / "in" / "many.jsonl", '{"id": "x", "text": "X."}')
    write(files / "in" / "x.dwg", "drawing")
    skipped = ask("sync", "in", "--json").json["skipped"]
    assert sorted(skipped) == ["link.md", "many.json", "many.jsonl", "x.dwg"]
    assert ids_of(collection) == {"a.md"}


def test_folder_that_lost_most_of_its_files_erases_nothing_unless_forced(
    files: Path, ask: Ask, collection: Collection
) -> None:
    for number in range(11):
        write(files / f"{number}.md", f"Number {number}.")
    assert ask("sync", ".").code == 0
    for number in range(6):
        (files / f"{number}.md").unlink()
    assert "6 of the 11 articles are not in the folder" in ask("sync", ".").error
    assert len(ids_of(collection)) == 11
    assert ask("sync", ".", "--force").code == 0
    assert len(ids_of(collection)) == 5


def test_renamed_article_that_fails_keeps_its_former_id(
    files: Path, ask: Ask, collection: Collection
) -> None:
    write(files / "a.md", "%PDF-1.7 no real one")
    collection.add({"id": "other.md", "text": "Tea."})
    ask("sync", ".")
    assert ids_of(collection) == {"a.md"}
    (files / "a.md").rename(files / "a.pdf")
    ran = ask("sync", ".", "--json")
    assert ran.code == 1
    assert ran.json["failures"][0]["id"] == "a.pdf"
    assert "a.md" in ids_of(collection)


def test_file_that_failed_is_uploaded_again_only_once_it_has_changed(
    files: Path, ask: Ask, collection: Collection
) -> None:
    (files / "void.md").write_text("a\0b")
    assert ask("sync", ".").code == 1
    again = ask("sync", ".")
    assert again.code == 0
    assert re.search("^failed before, unchanged +void.md$", again.stdout, re.MULTILINE)
    assert collection.get("void.md")["version"] == 1
    (files / "void.md").write_text("Tea.")
    assert ask("sync", ".", "--json").json["changed"] == ["void.md"]
    assert collection.get("void.md")["status"] == "ready"
