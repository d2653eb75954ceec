"""The pages in a real Chromium: uploads by drag and drop, what fails, search, roll back."""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

from app.domain import Scope
from app.services.access.collections import find_collection
from app.services.access.keys import create_key
from app.services.access.principal import EVERYONE
from app.services.articles.documents import list_documents
from app.services.quality.golden_sets import list_golden
from tests.api.service import Service, poll
from tests.browser.driver import (
    act_on,
    click,
    console_errors,
    drop,
    fill,
    find_violations,
    look_at,
    make_collection,
    needs_chromium,
    read,
    wait_for,
)
from tests.web_site import serve_site

pytestmark = needs_chromium

NARROWED = quote(json.dumps({"type": "eq", "key": "product", "value": "milk"}))
PAGES = (
    "",
    "/quality",
    "/operations",
    "/collections/help",
    "/collections/help/questions",
    "/collections/help/golden",
    "/collections/help/uploads",
    "/collections/help/articles/milk.md",
    "/collections/help/search?q=milk&why=milk.md&by=product",
    f"/collections/help/search?q=milk&filter={NARROWED}",
)


NOTE_PROGRESS = """
const state = document.getElementById("upload-state");
window.said = [];
new MutationObserver(() => window.said.push(state.textContent)).observe(state, {childList: true});
"""
SAID = "return window.said"
# A folder as a browser hands it over, with a file that may not be read.
DROP_LOCKED = """
const file = (name, text) => ({
  isFile: true,
  name,
  file: (take, refuse) => text ? take(new File([text], name))
    : refuse(new DOMException("no permission", "NotReadableError")),
});
const parts = [[file("locked.md"), file("one.md", "# Tea")], []];
const reader = { readEntries: (take) => take(parts.shift()) };
const folder = { isFile: false, name: "folder", createReader: () => reader };
const items = [folder, file("two.md", "# Milk")].map((one) => ({ webkitGetAsEntry: () => one }));
const event = new Event("drop", {bubbles: true, cancelable: true});
event.dataTransfer = { items, files: [] };
document.getElementById("drop").dispatchEvent(event);
"""
# The server refuses what it does not know.
FOLLOW_UNKNOWN = """
window.FormerEventSource = EventSource;
window.EventSource = class extends EventSource {
  constructor() { super("/admin/jobs/none/events"); }
};
"""
# A job whose only article was replaced by a newer upload.
FOLLOW_SUPERSEDED = """
const counts = {queued: 0, processing: 0, ready: 0, failed: 0, superseded: 1, deleted: 0};
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    const done = new MessageEvent("done", {data: JSON.stringify({counts, errors: []})});
    setTimeout(() => this.dispatchEvent(done));
  }
  close() {}
};
"""


def test_admin_goes_from_nothing_to_a_found_article_and_back(
    service: Service, chromium: Any, tmp_path: Path
) -> None:
    """Sign in, make a collection, drop files, search, explain, roll back, erase, sign out."""
    _, key = create_key(service.resources.database, scope=Scope.ADMIN)
    chromium.get(f"{service.url}/admin")
    fill(chromium, key=key)
    click(chromium, "//main//button")
    fill(chromium, name="help", description="For customers")
    click(chromium, "//button[.='Create']")
    wait_for(chromium, "h1", "help")

    files = [["milk.md", "# Milk\n\nSteam the milk."], ["broken.pdf", "%PDF-1.7 and no more"]]
    drop(chromium, files)
    wait_for(chromium, "#upload-state", "2 files: 1 ready, 1 failed, 0 to go")
    assert "broken.pdf" in wait_for(chromium, "#upload-files", "(unreadable_pdf)")

    drop(chromium, [["milk.md", "# Milk\n\nSteam the milk twice."]])
    wait_for(chromium, "#upload-state", "3 files: 2 ready")
    chromium.get(f"{service.url}/admin/collections/help/search")
    fill(chromium, q="steam the milk", why="milk.md")
    click(chromium, "//button[.='Ask']")
    assert "twice" in wait_for(chromium, "article.hit", "Milk")
    wait_for(chromium, "main", "it ranks 1 of 1")

    click(chromium, "//button[.='This is the right article']")
    wait_for(chromium, ".notice", "milk.md is the right article")
    chromium.get(f"{service.url}/admin/collections/help/golden")
    click(chromium, "//summary[contains(., 'steam the milk')]")
    fill(chromium, **{f"query-{first_question(service)}": "how is milk steamed?"})
    click(chromium, "//button[.='Save']")
    wait_for(chromium, ".notice", "Changed.")
    click(chromium, "//summary[.='Import']")
    file = tmp_path / "golden.jsonl"
    file.write_text('{"query": "is there a museum?", "relevant": []}\n')
    act_on(chromium, "id", "file", lambda field: field.send_keys(str(file)))
    filled = "return document.getElementById('lines').value"
    poll(lambda: str(chromium.execute_script(filled)), lambda value: "museum" in value)
    click(chromium, "//button[.='Import']")
    wait_for(chromium, ".notice", "1 added, 0 changed; the set has 2 now.")
    click(chromium, "//button[.='Measure search']")
    evaluation = wait_for_report(chromium)

    chromium.get(f"{service.url}/admin/collections/help")
    click(chromium, "//summary[.='Paste text']")
    fill(chromium, title="Milk", text="Steam the milk twice.")
    click(chromium, "//button[.='Check first']")
    wait_for(chromium, "#near ~ ul", "milk.md")
    assert find_violations(chromium) == []

    chromium.get(f"{service.url}/admin/collections/help/uploads")
    click(chromium, "//button[.='Try all of them again']")
    wait_for(chromium, ".notice", "1 article is read once more")

    chromium.get(f"{service.url}/admin/collections/help/articles/milk.md")
    fill(chromium, url="https://example.com/milk", attributes="product: milk")
    click(chromium, "//button[.='Save']")
    wait_for(chromium, ".notice", "Changed.")
    # Before the roll back, which brings the attributes of that version with it.
    narrow_search(service, chromium)
    chromium.get(f"{service.url}/admin/collections/help/articles/milk.md")
    click(chromium, "//button[.='Roll back to 1']")
    wait_for(chromium, ".notice", "Version 1 is read once more")
    make_backup(service, chromium)
    assert console_errors(chromium) == []

    if "AXE" in os.environ:
        # What the roll back took away: filters have something to show.
        chromium.get(f"{service.url}/admin/collections/help/articles/milk.md")
        fill(chromium, attributes="product: milk")
        click(chromium, "//button[.='Save']")
        wait_for(chromium, ".notice", "Changed.")
        assert look_at(service, chromium, [*PAGES, evaluation]) == []
    assert console_errors(chromium) == []
    click(chromium, "//button[.='Sign out']")
    wait_for(chromium, ".notice", "signed out")
    chromium.get(f"{service.url}/admin/collections/help")
    wait_for(chromium, "h1", "Sign in")
    assert console_errors(chromium) == []


def test_files_are_checked_and_added_or_left_alone(service: Service, chromium: Any) -> None:
    """Nothing is stored by a check, and what a file is called is only text in its result."""
    make_collection(service, chromium, "first")
    hostile = "<img src=x onerror=alert(1)>.md"
    click(chromium, "//label[@class='check']")
    drop(chromium, [["tea.md", "# Tea\n\nSteep the tea for four minutes."], [hostile, "# Milk"]])
    wait_for(chromium, "#upload-state", "2 of 2 files checked")
    assert hostile in wait_for(chromium, "#checked-files", "tea.md")
    assert chromium.find_elements("css selector", "#checked-files img") == []
    assert stored_in(service, "first") == []
    click(chromium, "//button[.='Add' and @id='add-checked']")
    wait_for(chromium, "#upload-state", "2 files: 2 ready, 0 failed, 0 to go")
    assert stored_in(service, "first") == [hostile, "tea.md"]
    click(chromium, "//a[.='Show them in the list']")
    assert hostile in wait_for(chromium, "main table", "tea.md")
    click(chromium, "//label[@class='check']")

    drop(
        chromium, [["again.md", "# Tea\n\nSteep the tea for four minutes."], ["a.pdf", "%PDF-1.7"]]
    )
    wait_for(chromium, "#checked-files", "It says nearly the same as tea.md")
    assert "(unreadable_pdf)" not in wait_for(chromium, "#checked-files", "unreadable_pdf")
    wait_for(chromium, "#upload-state", "2 of 2 files checked")
    assert find_violations(chromium) == []
    click(chromium, "//button[.='Do not add']")
    assert chromium.execute_script("return document.getElementById('checks').hidden")
    assert stored_in(service, "first") == [hostile, "tea.md"]
    assert console_errors(chromium) == []


def test_web_page_is_checked_and_added_and_the_collection_described(
    service: Service, chromium: Any
) -> None:
    make_collection(service, chromium, "web")
    with serve_site() as site:
        click(chromium, "//summary[.='Add a web page']")
        fill(chromium, url=f"{site}/b.md")
        click(chromium, "//details[@open]//button[.='Check first']")
        wait_for(chromium, "#near ~ ul", "None.")
        assert stored_in(service, "web") == []
        click(chromium, "//button[.='Add']")
        wait_for(chromium, ".notice", "Stored.")
        (stored,) = stored_in(service, "web")
        chromium.get(f"{service.url}/admin/collections/web")
        click(chromium, "//summary[.='Add a web page']")
        fill(chromium, url="http://10.0.0.1/")
        click(chromium, "//details[@open]//button[.='Add']")
        wait_for(chromium, "main", "forbidden_address")
    assert stored.endswith("/b.md")
    # A browser notes every answer of an error.
    assert all(" 403 " in error for error in console_errors(chromium))
    chromium.get(f"{service.url}/admin/collections/web")
    click(chromium, "//summary[.='Change the description']")
    fill(chromium, description="Pages of <b>ours</b>")
    click(chromium, "//button[.='Save']")
    wait_for(chromium, ".notice", "Changed.")
    chromium.get(f"{service.url}/admin")
    assert "Pages of <b>ours</b>" in wait_for(chromium, "main table", "web")
    assert console_errors(chromium) == []


def test_dropped_folder_of_many_files_arrives_whole(service: Service, chromium: Any) -> None:
    make_collection(service, chromium, "many")
    count = int(os.environ.get("DROPPED", "60"))
    wait_for(chromium, "#drop", "files")
    chromium.execute_script(NOTE_PROGRESS)
    drop(chromium, [[f"{n}.txt", f"Tea number {n}."] for n in range(count)])
    done = f"{count} files: {count} ready, 0 failed, 0 to go"
    wait_for(chromium, "#upload-state", done, seconds=60 + count / 2)
    assert len(set(chromium.execute_script(SAID))) > count / 20
    assert len(stored_in(service, "many")) == count
    assert console_errors(chromium) == []


def test_files_that_an_archive_leaves_out_are_listed(service: Service, chromium: Any) -> None:
    make_collection(service, chromium, "archives")
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        archive.writestr("a.md", "# Tea")
        archive.writestr("Thumbs.db", "x")
    drop(chromium, [["mine.zip", [*made.getvalue()]]])
    wait_for(chromium, "#upload-state", "1 file: 1 ready, 0 failed, 0 to go")
    wait_for(chromium, "#upload-files", "Left out: mine.zip/Thumbs.db")
    assert stored_in(service, "archives") == ["mine.zip/a.md"]


def test_file_that_cannot_be_read_is_named_and_the_others_arrive(
    service: Service, chromium: Any
) -> None:
    make_collection(service, chromium, "locked")
    wait_for(chromium, "#drop", "files")
    chromium.execute_script(DROP_LOCKED)
    wait_for(chromium, "#upload-state", "3 files: 2 ready, 1 failed, 0 to go")
    said = wait_for(chromium, "#upload-files", "the browser cannot read it (NotReadableError)")
    assert "folder/locked.md: " in said
    assert stored_in(service, "locked") == ["folder/one.md", "two.md"]
    assert console_errors(chromium) == []


def test_progress_that_is_refused_is_told_and_later_files_are_followed(
    service: Service, chromium: Any
) -> None:
    make_collection(service, chromium, "refused")
    wait_for(chromium, "#drop", "files")
    chromium.execute_script(FOLLOW_UNKNOWN)
    drop(chromium, [["one.md", "# Tea"]])
    wait_for(chromium, "#upload-state", "0 ready, 0 failed, 1 to go. Show them in the list")
    assert "does not say any more" in wait_for(chromium, "#upload-files", "stay stored")
    assert stored_in(service, "refused") == ["one.md"]
    chromium.execute_script("window.EventSource = window.FormerEventSource")
    drop(chromium, [["two.md", "# Milk"]])
    wait_for(chromium, "#upload-state", "2 files: 1 ready, 0 failed, 1 to go")
    # A browser notes every answer of an error.
    assert all(" 404 " in error for error in console_errors(chromium))


def test_file_that_a_newer_one_replaced_is_waited_for_no_more(
    service: Service, chromium: Any
) -> None:
    make_collection(service, chromium, "replaced")
    drop(chromium, [["one.md", "# Tea"]])
    wait_for(chromium, "#upload-state", "1 file: 1 ready")
    chromium.execute_script(FOLLOW_SUPERSEDED)
    chromium.execute_script(NOTE_PROGRESS)
    drop(chromium, [["two.md", "# Milk"]])
    # What it said before the second was dropped, it says again.
    first, *_, last = poll(lambda: chromium.execute_script(SAID), lambda said: len(said) > 1)
    assert first == "2 files: 1 ready, 0 failed, 1 to go. "
    assert last == "1 file: 1 ready, 0 failed, 0 to go. Show them in the list"


def test_keyboard_is_shown_where_files_are_chosen(service: Service, chromium: Any) -> None:
    make_collection(service, chromium, "keyboard")
    wait_for(chromium, "#drop", "files")
    outlined = """
      document.getElementById("files").focus();
      return getComputedStyle(document.querySelector("label[for='files']")).outlineStyle;
    """
    assert chromium.execute_script(outlined) == "solid"


def stored_in(service: Service, name: str) -> list[str]:
    """Return the ids of the documents of a collection."""
    collection = find_collection(service.resources.database, EVERYONE, name, Scope.READ)
    documents, _ = list_documents(service.resources.database, collection, limit=10_000)
    return [document.id for document in documents]


def narrow_search(service: Service, driver: Any) -> None:
    """Filter by clicking on a value of an attribute, and take the filter away again."""
    path = f"{service.url}/admin/collections/help/search?q=milk"

    def open_page() -> str:
        driver.get(path)
        return str(driver.page_source)

    poll(open_page, lambda said: "by=product" in said)
    click(driver, "//nav[@aria-label='Attributes to filter by']//a[.='product']")
    click(driver, "//ul[@aria-label='Values of product']//a[contains(., 'milk')]")
    wait_for(driver, ".chip", "product = milk")
    wait_for(driver, "article.hit", "Milk")
    click(driver, "//a[@aria-label='Remove product = milk']")
    poll(lambda: read(driver, "a[aria-label^='Remove']"), lambda said: not said)
    wait_for(driver, "article.hit", "Milk")


def make_backup(service: Service, driver: Any) -> None:
    driver.get(f"{service.url}/admin/operations")
    click(driver, "//button[.='Make a backup']")
    wait_for(driver, ".notice", "being made")

    def look_again() -> str:
        driver.refresh()
        return str(driver.page_source)

    poll(look_again, lambda said: 'class="badge ready"' in said)


def wait_for_report(driver: Any) -> str:
    """Look at an evaluation again until it is done; returns its path."""

    def look_again() -> str:
        driver.refresh()
        return str(driver.page_source)

    wait_for(driver, "h1", "Retrieval in")
    poll(look_again, lambda said: "nDCG@10" in said)
    return str(driver.current_url).partition("/admin")[2]


def first_question(service: Service) -> int:
    collection = find_collection(service.resources.database, EVERYONE, "help", Scope.READ)
    return list_golden(service.resources.database, collection).queries[0].id
