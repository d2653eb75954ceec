"""The pages in a real Chromium: uploads by drag and drop, what fails, search, roll back, sign out.

With AXE naming axe-core's axe.min.js every page is held to WCAG 2.1 AA as well (`make browser`).
"""

import os
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.domain import Scope
from app.services.access.collections import find_collection
from app.services.access.keys import create_key
from app.services.access.principal import EVERYONE
from app.services.articles.documents import list_documents
from app.services.quality.golden_sets import list_golden
from tests.api.service import Service, open_service, poll
from tests.web_site import serve_site

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Debian's chromium and chromium-driver are missing"
)

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)
WAIT_S = 60
PAGES = (
    "",
    "/quality",
    "/operations",
    "/collections/help",
    "/collections/help/questions",
    "/collections/help/golden",
    "/collections/help/uploads",
)

MAX_BYTES = 100_000
WEIGHT = """
const parts = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind));
return parts.reduce((sum, part) => sum + part.decodedBodySize, 0);
"""
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"

# What a browser does when somebody drops files: the names and texts of two of them.
DROP = """
const data = new DataTransfer();
for (const [name, text] of arguments[0]) data.items.add(new File([text], name));
const event = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
document.getElementById("drop").dispatchEvent(event);
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(
        data=tmp_path_factory.mktemp("browser"),
        model=str(jina_v3),
        query_log_days=1,
        fetch_networks="127.0.0.1",
    )
    with open_service(settings, requires_keys=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that fails the test when a page wrote an error to its console."""
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service as Driver

    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver(DRIVER))
    driver.implicitly_wait(10)
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: Any, selector: str, text: str) -> str:
    """Return what an element says once `text` is in it, on this page or the one that follows."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def read(_: Any) -> str | None:
        said = driver.find_element(By.CSS_SELECTOR, selector).text
        return said if text in said else None

    wait = WebDriverWait(driver, WAIT_S, ignored_exceptions=[StaleElementReferenceException])
    return str(wait.until(read, f"{selector} never says {text}"))


def click(driver: Any, xpath: str) -> None:
    from selenium.webdriver.common.by import By

    driver.find_element(By.XPATH, xpath).click()


def drop(driver: Any, files: list[list[str]]) -> None:
    """Drop files, by name and text, on the page that a click before may still be leading to."""
    wait_for(driver, "#drop", "files")
    driver.execute_script(DROP, files)


def fill(driver: Any, **values: str) -> None:
    from selenium.webdriver.common.by import By

    for name, value in values.items():
        field = driver.find_element(By.ID, name)
        field.clear()
        field.send_keys(value)


def console_errors(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


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
    chromium.find_element("id", "file").send_keys(str(file))
    poll(lambda: read_value(chromium, "lines"), lambda value: "museum" in value)
    click(chromium, "//button[.='Import']")
    wait_for(chromium, ".notice", "1 added, 0 changed; the set has 2 now.")
    click(chromium, "//button[.='Measure search']")
    evaluation = wait_for_report(chromium)

    chromium.get(f"{service.url}/admin/collections/help")
    click(chromium, "//summary[.='Paste text']")
    fill(chromium, title="Milk", text="Steam the milk twice.")
    click(chromium, "//button[.='Check first']")
    wait_for(chromium, "#near ~ ul", "milk.md")
    if "AXE" in os.environ:
        hold_to_wcag(chromium, "preflight")

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

    look_at_pages(service, chromium, evaluation)
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
    if "AXE" in os.environ:
        hold_to_wcag(chromium, "checked files")
    click(chromium, "//button[.='Do not add']")
    assert not chromium.find_element("id", "checks").is_displayed()
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
    drop(chromium, [[f"{n}.txt", f"Tea number {n}."] for n in range(count)])
    wait_for(chromium, "#upload-state", f"{count} files: {count} ready, 0 failed, 0 to go")
    assert console_errors(chromium) == []


def make_collection(service: Service, driver: Any, name: str) -> None:
    """Sign in with a new key and make a collection, whose page is then shown."""
    _, key = create_key(service.resources.database, scope=Scope.ADMIN)
    driver.delete_all_cookies()
    driver.get(f"{service.url}/admin/sign-in")
    fill(driver, key=key)
    click(driver, "//main//button")
    fill(driver, name=name)
    click(driver, "//button[.='Create']")
    wait_for(driver, "h1", name)


def stored_in(service: Service, name: str) -> list[str]:
    """Return the ids of the documents of a collection."""
    collection = find_collection(service.resources.database, EVERYONE, name, Scope.READ)
    documents, _ = list_documents(service.resources.database, collection)
    return [document.id for document in documents]


def narrow_search(service: Service, driver: Any) -> None:
    """Filter by clicking on a value of an attribute, and take the filter away again."""
    path = f"{service.url}/admin/collections/help/search?q=milk"

    def read() -> str:
        driver.get(path)
        return str(driver.page_source)

    poll(read, lambda said: "by=product" in said)
    click(driver, "//nav[@aria-label='Attributes to filter by']//a[.='product']")
    click(driver, "//ul[@aria-label='Values of product']//a[contains(., 'milk')]")
    wait_for(driver, ".chip", "product = milk")
    wait_for(driver, "article.hit", "Milk")
    click(driver, "//a[@aria-label='Remove product = milk']")
    wait_for(driver, "article.hit", "Milk")


def make_backup(service: Service, driver: Any) -> None:
    driver.get(f"{service.url}/admin/operations")
    click(driver, "//button[.='Make a backup']")
    wait_for(driver, ".notice", "being made")

    def read() -> str:
        driver.refresh()
        return str(driver.page_source)

    poll(read, lambda said: 'class="badge ready"' in said)


def wait_for_report(driver: Any) -> str:
    """Look at an evaluation again until it is done; returns its path."""

    def read() -> str:
        driver.refresh()
        return str(driver.page_source)

    poll(read, lambda said: "nDCG@10" in said)
    return str(driver.current_url).partition("/admin")[2]


def look_at_pages(service: Service, driver: Any, evaluation: str) -> None:
    """Open every page light and dark, wide and narrow: its weight, its width, WCAG 2.1 AA by axe.

    With SHOTS naming a folder a picture of each is left there, and how long its first paint took.
    """
    paths = [
        *PAGES,
        evaluation,
        "/collections/help/articles/milk.md",
        "/collections/help/search?q=milk&why=milk.md&by=product",
    ]
    if "AXE" not in os.environ:
        return
    lines = []
    for scheme, width in product(("light", "dark"), (1280, 390)):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for path in paths:
            driver.get(f"{service.url}/admin{path}")
            place = (scheme, width, path)
            weight, paint = driver.execute_script(WEIGHT), driver.execute_script(PAINT)
            assert weight < MAX_BYTES, place
            # What is folded away is read as well once somebody opens it.
            driver.execute_script(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            assert driver.execute_script("return document.body.scrollWidth") <= width, place
            hold_to_wcag(driver, place)
            lines.append(f"{path or '/'} {scheme} {width}: {weight} bytes, {paint:.0f} ms")
            if "SHOTS" in os.environ:
                take_picture(driver, Path(os.environ["SHOTS"]), f"{path or '/'}-{scheme}-{width}")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    if "SHOTS" in os.environ:
        (Path(os.environ["SHOTS"]) / "pages.txt").write_text("\n".join(lines) + "\n")


def take_picture(driver: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (folder / f"{re.sub('[^a-z0-9]+', '-', name).strip('-')}.png").write_bytes(
        b64decode(shot["data"])
    )


def hold_to_wcag(driver: Any, place: object) -> None:
    run = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(arguments[0])"
    driver.execute_script(Path(os.environ["AXE"]).read_text(encoding="utf-8"))
    found = driver.execute_async_script(run)["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == [], place


def first_question(service: Service) -> int:
    collection = find_collection(service.resources.database, EVERYONE, "help", Scope.READ)
    return list_golden(service.resources.database, collection).queries[0].id


def read_value(driver: Any, name: str) -> str:
    return str(driver.find_element("id", name).get_property("value"))
