"""A web server on loopback: pages, a sitemap, redirects, and answers that never end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

PIECES = 50_000
_SITEMAP = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{1}</{0}>'


class Handler(BaseHTTPRequestHandler):
    """Pages, a sitemap, redirects, and answers that never end."""

    def do_GET(self) -> None:
        here = f"http://{self.headers['Host']}"
        pages = {
            "/a": (
                "text/html; charset=iso-8859-1",
                "<h1>Caf\u00e9</h1><p>Steep it.</p>",
                "latin-1",
            ),
            # What it is in stands in the page alone.
            "/greek": (
                "text/html",
                '<meta charset="windows-1253"><h1>\u03a4\u03c3\u03ac\u03b9</h1><p>A cup.</p>',
                "windows-1253",
            ),
            "/b.md": ("text/markdown", "# Milk\n\nWarm it.", "utf-8"),
            "/index.xml": (
                "text/xml",
                _SITEMAP.format("sitemapindex", f"<sitemap><loc>{here}/map.xml</loc></sitemap>"),
                "utf-8",
            ),
            "/map.xml": (
                "text/xml",
                _SITEMAP.format(
                    "urlset",
                    "".join(
                        f"<url><loc>{url}</loc></url>"
                        for url in (f"{here}/a", f"{here}/b.md", "http://other.example/c")
                    ),
                ),
                "utf-8",
            ),
        }
        redirects = {
            "/to-a": "/a",
            "/to-metadata": "http://169.254.169.254/latest",
            "/to-file": "file:///etc/passwd",
            "/for-ever": "/for-ever",
            "/to-nonsense": "http://[bad",
            "/to-wrong-port": "http://127.0.0.1:99999/",
        }
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.end_headers()
        elif self.path in pages:
            kind, text, encoding = pages[self.path]
            self._send(kind, text.encode(encoding))
        elif self.path.startswith("/trickling"):
            self._trickle(self.path)
        elif self.path == "/in-pieces":
            self._send_in_pieces()
        elif self.path == "/large":
            self._send("text/plain", b"x" * 5000)
        else:
            self.send_error(404)

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self, path: str) -> None:
        """Send something every tenth of a second, and never all of it."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if path == "/trickling-body":
            self.wfile.write(b"Content-Type: text/plain\r\nContent-Length: 3000\r\n\r\n")
        with suppress(OSError):
            while not self.server.stopping.wait(0.1):  # type: ignore[attr-defined]
                self.wfile.write(b"X-Tea: hot\r\n")
        self.close_connection = True

    def _send_in_pieces(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.wfile.write(b"a\r\n0123456789\r\n" * PIECES + b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site(ThreadingHTTPServer):
    """The web server; `stopping` ends answers that never end by themselves."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.stopping = Event()


@contextmanager
def serve_site() -> Iterator[str]:
    """Yield the URL of the web server."""
    server = Site(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
