"""What somebody does with the pages in a real Chromium, and how a page is looked at.

With AXE naming axe-core's axe.min.js every page is held to WCAG 2.1 AA as well (`make browser`);
with SHOTS naming a folder a picture of each is left there.
"""

import os
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from app.domain import Scope
from app.services.access.keys import create_key
from tests.api.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None or find_spec("selenium") is None,
    reason="Debian's chromium and chromium-driver, or PyPI's selenium, are missing",
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

MAX_BYTES = 100_000
WEIGHT = """
const parts = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind));
return parts.reduce((sum, part) => sum + part.decodedBodySize, 0);
"""
# What runs out of the window, where no block around it scrolls.
RUNS_OUT = """
const scrolls = (element) => element.closest(".scroll, pre, textarea, select, iframe, svg, .skip");
return [...document.querySelectorAll("main *, header *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width > 1 && box.right > document.documentElement.clientWidth + 1 && !scrolls(element);
}).map((element) => element.outerHTML.slice(0, 200)).slice(0, 3);
"""
SAID = "return document.querySelector(arguments[0])?.innerText ?? ''"
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"

# What a browser does when somebody drops files: the names of some, and their texts or bytes.
DROP = """
const data = new DataTransfer();
for (const [name, content] of arguments[0]) {
  const part = Array.isArray(content) ? new Uint8Array(content) : content;
  data.items.add(new File([part], name));
}
const event = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
document.getElementById("drop").dispatchEvent(event);
"""


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Start a browser; its console is read by `console_errors`."""
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service as Driver

    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Driver(DRIVER))
    driver.set_script_timeout(WAIT_S)
    try:
        yield driver
    finally:
        driver.quit()


def read(driver: Any, selector: str) -> str:
    """Return what an element says, nothing where it is not there.

    In one step: an element found and read in two can leave with its page between them.
    """
    return str(driver.execute_script(SAID, selector))


def wait_for(driver: Any, selector: str, text: str, *, seconds: float = WAIT_S) -> str:
    """Return what an element says once `text` is in it, on this page or the one that follows."""
    from selenium.webdriver.support.ui import WebDriverWait

    def look(_: Any) -> str | None:
        said = read(driver, selector)
        return said if text in said else None

    return str(WebDriverWait(driver, seconds).until(look, f"{selector} never says {text}"))


def act_on(driver: Any, by: str, place: str, act: Callable[[Any], object]) -> None:
    """Do something with an element as soon as it is there; anew where it left before that."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    def find_and_act(_: Any) -> bool:
        act(driver.find_element(by, place))
        return True

    waiting = WebDriverWait(driver, WAIT_S, ignored_exceptions=[StaleElementReferenceException])
    waiting.until(find_and_act, f"{place} never comes, or never stays")


def click(driver: Any, xpath: str) -> None:
    act_on(driver, "xpath", xpath, lambda element: element.click())


def drop(driver: Any, files: Sequence[Sequence[str | list[int]]]) -> None:
    """Drop files, by name and content, on the page that a click before may still be leading to."""
    wait_for(driver, "#drop", "files")
    driver.execute_script(DROP, files)


def fill(driver: Any, **values: str) -> None:
    def write(value: str, field: Any) -> None:
        field.clear()
        field.send_keys(value)

    for name, value in values.items():
        act_on(driver, "id", name, partial(write, value))


def console_errors(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


def take_picture(driver: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (folder / f"{re.sub('[^a-z0-9]+', '-', name).strip('-')}.png").write_bytes(
        b64decode(shot["data"])
    )


def find_violations(driver: Any) -> list[str]:
    """Return what of a page is against WCAG 2.1 AA, where axe-core is there."""
    if "AXE" not in os.environ:
        return []
    run = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(arguments[0])"
    driver.execute_script(Path(os.environ["AXE"]).read_text(encoding="utf-8"))
    found = driver.execute_async_script(run)["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


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


Fault: TypeAlias = tuple[str, int, str, str]
"""Scheme, width, path, and what is wrong there."""


def look_at(
    service: Service, driver: Any, paths: Sequence[str], *, max_bytes: int = MAX_BYTES
) -> list[Fault]:
    """Open pages light and dark, wide and narrow; returns what is wrong with any of them.

    Looked at are their weight, what runs out of them, and WCAG 2.1 AA by axe.
    """
    lines: list[str] = []
    faults: list[Fault] = []
    for scheme, width in product(("light", "dark"), (1280, 390)):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for number, path in enumerate(paths):
            driver.get(f"{service.url}/admin{path}")
            weight, paint = driver.execute_script(WEIGHT), driver.execute_script(PAINT)
            # What is folded away is read as well once somebody opens it.
            driver.execute_script(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            found = [*find_violations(driver)]
            if weight > max_bytes:
                found.append(f"{weight} bytes")
            if driver.execute_script("return document.body.scrollWidth") > width:
                found.append("the page scrolls sideways")
            found += [f"runs out: {html}" for html in driver.execute_script(RUNS_OUT)]
            faults += [(scheme, width, path[:80], fault) for fault in found]
            lines.append(f"{path or '/'} {scheme} {width}: {weight} bytes, {paint:.0f} ms\n")
            if "SHOTS" in os.environ:
                name = f"{number:02}-{(path or '/')[-40:]}"
                take_picture(driver, Path(os.environ["SHOTS"]), f"{name}-{scheme}-{width}")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    if "SHOTS" in os.environ:
        with (Path(os.environ["SHOTS"]) / "pages.txt").open("a") as file:
            file.writelines(lines)
    return faults
