"""The REST client of the command line: a server by its URL, or the data folder itself."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import quote

import httpx

from app.config import Settings
from app.domain import Status
from app.errors import FolioError, InvalidRequest

_TIMEOUT = httpx.Timeout(600.0, connect=10.0)
_PAGE = 1000
_PAUSE_SECONDS = 0.2


class RequestFailed(FolioError):
    """A problem document, or no answer at all."""

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail, code=code)
        self.status = status
        self.retry_after_s = retry_after_s
        """How long the server asks to wait before the next try."""


class Client:
    """Calls the REST interface; every failure is a RequestFailed with the server's own words."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        # A password in it is not for messages.
        self._url = str(http.base_url.copy_with(userinfo=b"")).rstrip("/")

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the JSON answer of a call; one that the server calls too soon is made again."""
        while True:
            try:
                return self._call_once(method, path, **request)
            except RequestFailed as error:
                if error.code != "too_many_requests":
                    raise
                sleep(max(error.retry_after_s, _PAUSE_SECONDS))

    def _call_once(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RequestFailed(
                0, "no_answer", f"{self._url} does not answer: {str(error) or type(error).__name__}"
            ) from error
        status = response.status_code
        try:
            answer = dict(response.json())
            if response.is_success:
                return answer
            code, detail = str(answer["code"]), str(answer["detail"])
        except (ValueError, KeyError, TypeError):
            raise RequestFailed(
                status, "no_folio", f"{self._url} answers HTTP {status}, and not as Folio does"
            ) from None
        if status == HTTPStatus.UNAUTHORIZED:
            detail += " (--key, or the variable FOLIO_KEY)"
        raise RequestFailed(status, code, detail, _read_seconds(response))

    def ensure_collection(self, name: str) -> None:
        """Make the collection unless it is there."""
        try:
            self.call("GET", collection_path(name))
        except RequestFailed as error:
            if error.code != "collection_not_found":
                raise
            self.call("POST", "/v1/collections", json={"name": name})

    def list_documents(
        self, collection: str, *, status: Status | None = None, sort: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the documents of a collection, page by page, as the API describes them."""
        documents: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": _PAGE} | ({"status": status.value} if status else {})
        params |= {"sort": sort} if sort else {}
        while True:
            page = self.call("GET", f"{collection_path(collection)}/documents", params=params)
            documents += page["documents"]
            # A cursor goes by ids.
            following = page["next_cursor"]
            if len(page["documents"]) < _PAGE or not (sort or following):
                return documents
            params |= {"offset": len(documents)} if sort else {"cursor": following}


@contextmanager
def connect(
    settings: Settings,
    *,
    server: str | None,
    key: str | None,
    command: str,
    embeds: bool = False,
    works: bool = False,
) -> Iterator[Client]:
    """Reach a server, or open the data folder and serve it to this process alone.

    In an opened folder `embeds` loads the model at once, and `works` ingests what is queued.
    Raises DataFolderHeld when a server holds the folder.
    """
    with ExitStack() as stack:
        if server is not None:
            http = _open_http(server, key)
        else:
            # The service's imports take seconds; talking to a server does not need them.
            from app.main import serve_on_socket
            from app.runtime.resources import open_resources

            resources = stack.enter_context(open_resources(settings, holder=command))
            if embeds:
                # Here rather than in the first request, whose timing would include it.
                resources.generations.live().engine()
            path = stack.enter_context(serve_on_socket(resources, works=works))
            http = open_socket(path)
        yield Client(stack.enter_context(http))


def open_socket(path: Path) -> httpx.Client:
    """Return what talks to app.main.serve_on_socket."""
    return httpx.Client(
        base_url="http://folio", transport=httpx.HTTPTransport(uds=str(path)), timeout=_TIMEOUT
    )


def collection_path(name: str) -> str:
    """Return the path of a collection."""
    if not name or "/" in name:
        raise InvalidRequest(f"no such collection: {name or '(no name)'}")
    return f"/v1/collections/{_quote(name)}"


def document_path(collection: str, document_id: str) -> str:
    """Return the path of a document; its slashes stay."""
    return (
        f"{collection_path(collection)}/documents/{'/'.join(map(_quote, document_id.split('/')))}"
    )


def key_path(key_id: str) -> str:
    """Return the path of a key."""
    return f"/v1/keys/{_quote(key_id)}"


def _quote(segment: str) -> str:
    """Return a name as one segment of a path.

    `.` and `..` are encoded: resolved on the way, the document `../..` would be its collection.
    """
    return quote(segment, safe="") if segment.strip(".") else segment.replace(".", "%2E")


def _read_seconds(response: httpx.Response) -> float:
    """Return the seconds of Retry-After; 0 where there is none, or a date."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _open_http(server: str, key: str | None) -> httpx.Client:
    try:
        url = httpx.URL(server)
        # As a connection would do it, whose UnicodeError says less.
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidRequest(f"--server {server}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidRequest(f"--server {server}: a URL such as http://127.0.0.1:8000 is needed")
    if key and not re.fullmatch("[!-~]+", key):
        # httpx would quote it in its refusal.
        raise InvalidRequest("the key holds characters that no key has")
    return httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=_TIMEOUT,
    )
