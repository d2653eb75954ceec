"""A browser without a screen: it keeps cookies and sends the token of the page that it saw last."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape

import httpx


@dataclass(slots=True)
class Browser:
    """Visits pages and sends their forms."""

    http: httpx.Client
    csrf: str = field(default="", init=False)

    def visit(self, path: str) -> httpx.Response:
        """Return a page, after its redirects."""
        answer = self.http.get(path, follow_redirects=True)
        token = re.search(r'<meta name="csrf" content="([^"]+)">', answer.text)
        self.csrf = token[1] if token else self.csrf
        return answer

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with the token; returns the page that it leads to."""
        return self.http.post(path, data={"csrf": self.csrf, **fields}, follow_redirects=True)

    def sign_in(self, key: str) -> httpx.Response:
        self.visit("/admin/sign-in")
        answer = self.send("/admin/sign-in", key=key)
        self.visit("/admin")
        return answer


@contextmanager
def open_browser(url: str) -> Iterator[Browser]:
    """Open the pages of a service that asks for no key."""
    with httpx.Client(base_url=url, timeout=60) as http:
        browser = Browser(http)
        browser.visit("/admin")
        yield browser


def text_of(answer: httpx.Response) -> str:
    """Return what a page says, roughly: without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())
