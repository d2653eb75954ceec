"""Files that are dropped on a page: what becomes of each, whatever the others are."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from app.config import Settings
from tests.admin.browser import Browser, open_browser, text_of
from tests.api.service import Collection, Service, open_service, poll

HOME = "/admin/collections/help"
UNKNOWN = bytes(range(256)) * 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("dropped"), model=str(jina_v3))
    with open_service(settings) as opened:
        opened.new_collection("help")
        yield opened


@pytest.fixture
def collection(service: Service) -> Collection:
    return Collection(service.http, "help")


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with open_browser(service.url) as opened:
        yield opened


def drop(
    browser: Browser, files: Sequence[tuple[str, bytes]], path: str = "upload"
) -> httpx.Response:
    return browser.http.post(
        f"{HOME}/{path}",
        files=[("files", file) for file in files],
        headers={"X-CSRF-Token": browser.csrf},
    )


def make_archive(**members: str) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return made.getvalue()


def test_each_refused_file_is_named_with_its_code_and_the_others_are_stored(
    browser: Browser, collection: Collection
) -> None:
    files = [
        ("tea.md", b"# Tea\n\nSteep it."),
        ("tune.xyz", UNKNOWN),
        ("empty.txt", b""),
        ("tea.md", b"# Another tea"),
        ("../up.md", b"Up."),
        ("in.zip", make_archive(a_zip="x")),
        ("two.zip", make_archive(b_md="# B", c_md="# C")),
        ("milk.md", b"# Milk\n\nSteam it."),
    ]
    answer = drop(browser, files)
    assert answer.status_code == 202
    told: dict[str, Any] = answer.json()
    assert [one["id"] for one in told["accepted"]["documents"]] == [
        "tea.md",
        "two.zip/b.md",
        "two.zip/c.md",
        "milk.md",
    ]
    assert {one["id"]: one["code"] for one in told["refused"] if one["id"] != "tea.md"} == {
        "tune.xyz": "unsupported_media_type",
        "empty.txt": "empty_document",
        "../up.md": "invalid_id",
        "in.zip": "nested_archive",
    }
    assert [one["code"] for one in told["refused"] if one["id"] == "tea.md"] == ["duplicate_id"]
    assert all(one["message"] for one in told["refused"])
    stored = poll(lambda: collection.get("milk.md"), lambda found: found["status"] == "ready")
    assert stored["title"] == "Milk"


def test_files_that_an_archive_leaves_out_are_named(browser: Browser) -> None:
    answer = drop(browser, [("mine.zip", make_archive(a_md="# A", Thumbs_db="x"))])
    assert answer.status_code == 202
    assert answer.json()["left_out"] == ["mine.zip/Thumbs.db"]


def test_drop_of_which_nothing_can_be_stored_makes_no_job(browser: Browser) -> None:
    answer = drop(browser, [("tune.xyz", UNKNOWN)])
    assert answer.status_code == 200
    assert answer.json()["accepted"] is None
    assert [one["code"] for one in answer.json()["refused"]] == ["unsupported_media_type"]


def test_check_says_of_a_refused_file_that_it_would_fail(browser: Browser) -> None:
    answer = drop(browser, [("tune.xyz", UNKNOWN), ("cake.md", b"# Cake")], "files/preflight")
    assert answer.status_code == 200
    said = text_of(answer)
    assert "tune.xyz It would fail:" in said
    assert "unsupported_media_type" in said
    assert "cake.md" in said


def test_rest_refuses_the_whole_upload_by_its_status(collection: Collection) -> None:
    """A program that sends files reads a status; what is stored is all or nothing."""
    path = "/v1/collections/help/documents"
    files = [("files", ("new.md", b"# New")), ("files", ("tune.xyz", UNKNOWN))]
    assert collection.http.post(path, files=files).status_code == 415
    assert collection.http.get(f"{path}/new.md").status_code == 404
