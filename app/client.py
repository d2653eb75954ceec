"""The REST client of the command line: a server by its URL, or the data folder itself."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from app.config import Settings
from app.errors import FolioError

_TIMEOUT = httpx.Timeout(600.0, connect=10.0)


class RequestFailed(FolioError):
    """A problem document, or no answer at all."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail, code=code)
        self.status = status


class Client:
    """Calls the REST interface; every failure is a RequestFailed with the server's own words."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the JSON answer of a call."""
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise RequestFailed(
                0, "no_answer", f"{self._http.base_url} does not answer: {error}"
            ) from error
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        try:
            problem = response.json()
            raise RequestFailed(response.status_code, problem["code"], problem["detail"])
        except (ValueError, KeyError, TypeError):
            raise RequestFailed(
                response.status_code, "no_problem_document", f"HTTP {response.status_code}"
            ) from None

    def ensure_collection(self, name: str) -> None:
        """Make the collection unless it is there."""
        try:
            self.call("GET", collection_path(name))
        except RequestFailed as error:
            if error.code != "collection_not_found":
                raise
            self.call("POST", "/v1/collections", json={"name": name})


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
            http = httpx.Client(
                base_url=server,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=_TIMEOUT,
            )
        else:
            # The service's imports take seconds; talking to a server does not need them.
            from app.main import serve_on_socket
            from app.resources import open_resources

            resources = stack.enter_context(open_resources(settings, holder=command))
            if embeds:
                # Here rather than in the first request, whose timing would include it.
                _ = resources.engine
            path = stack.enter_context(serve_on_socket(resources, works=works))
            http = httpx.Client(
                base_url="http://folio",
                transport=httpx.HTTPTransport(uds=str(path)),
                timeout=_TIMEOUT,
            )
        yield Client(stack.enter_context(http))


def collection_path(name: str) -> str:
    """Return the path of a collection."""
    return f"/v1/collections/{quote(name, safe='')}"


def document_path(collection: str, document_id: str) -> str:
    """Return the path of a document; its slashes stay."""
    return f"{collection_path(collection)}/documents/{quote(document_id)}"
