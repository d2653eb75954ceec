"""The calls of the interface as values: what is sent, and what the answer becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from folio_client.errors import FolioError
from folio_client.models import (
    Answer,
    Backup,
    Backups,
    Collection,
    Collections,
    Context,
    Document,
    Documents,
    Erased,
    ErasedByFilter,
    Job,
    SearchResult,
    Statistics,
    Upload,
)

T = TypeVar("T", bound=Answer)

TRIES = 4
MAX_PAUSE_S = 60.0
_BUSY = {429, 503}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and the type of its answer."""

    method: str
    path: str
    answer: type[T]
    json: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] | None = None

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return what is sent."""
        return client.build_request(
            self.method,
            self.path,
            json=self.json,
            params=self.params,
            content=self.content,
            headers=self.headers,
        )

    def read(self, response: httpx.Response) -> T:
        """Return the answer; raises FolioError."""
        if not response.is_success:
            raise FolioError.of(response)
        try:
            return self.answer.model_validate_json(response.content)
        except ValidationError as error:
            detail = "the answer is not Folio's"
            raise FolioError(response.status_code, "unexpected_answer", detail) from error


def pause_before(attempt: int, response: httpx.Response) -> float | None:
    """Return the seconds to wait before the call is sent again; None if it is not."""
    if response.status_code not in _BUSY or attempt >= TRIES:
        return None
    asked = response.headers.get("Retry-After", "")
    if not asked.isdecimal():
        return None
    return min(float(asked), MAX_PAUSE_S)


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given: those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _collection(name: str) -> str:
    return f"/v1/collections/{_quote(name)}"


def _document(collection: str, document_id: str) -> str:
    return f"{_collection(collection)}/documents/{'/'.join(map(_quote, document_id.split('/')))}"


def _quote(segment: str) -> str:
    """Return a name as one segment of a path.

    `.` and `..` are encoded: resolved on the way, the document `..` would be its collection.
    """
    return quote(segment, safe="") if segment.strip(".") else segment.replace(".", "%2E")


def create_collection(name: str, description: str) -> Call[Collection]:
    body = {"name": name, "description": description}
    return Call("POST", "/v1/collections", Collection, json=body)


def list_collections() -> Call[Collections]:
    return Call("GET", "/v1/collections", Collections)


def change_collection(name: str, description: str) -> Call[Collection]:
    return Call("PATCH", _collection(name), Collection, json={"description": description})


def get_statistics(name: str) -> Call[Statistics]:
    return Call("GET", f"{_collection(name)}/statistics", Statistics)


def search(collection: str, query: str, options: Mapping[str, Any]) -> Call[SearchResult]:
    body = {"query": query, **options}
    return Call("POST", f"{_collection(collection)}/search", SearchResult, json=body)


def get_context(collection: str, query: str, options: Mapping[str, Any]) -> Call[Context]:
    body = {"query": query, **options}
    return Call("POST", f"{_collection(collection)}/context", Context, json=body)


def put_document(
    collection: str, document_id: str, body: Mapping[str, Any], wait_s: float
) -> Call[Upload]:
    params = {"wait": wait_s} if wait_s else None
    return Call("PUT", _document(collection, document_id), Upload, json=body, params=params)


def put_file(
    collection: str, document_id: str, data: bytes, media_type: str, wait_s: float
) -> Call[Upload]:
    return Call(
        "PUT",
        _document(collection, document_id),
        Upload,
        content=data,
        params={"wait": wait_s} if wait_s else None,
        headers={"Content-Type": media_type},
    )


def import_page(collection: str, body: Mapping[str, Any], wait_s: float) -> Call[Upload]:
    params = {"wait": wait_s} if wait_s else None
    return Call("POST", f"{_collection(collection)}/imports", Upload, json=body, params=params)


def get_document(collection: str, document_id: str, *, with_text: bool) -> Call[Document]:
    params = {"include": "text"} if with_text else None
    return Call("GET", _document(collection, document_id), Document, params=params)


def list_documents(collection: str, options: Mapping[str, Any]) -> Call[Documents]:
    return Call("GET", f"{_collection(collection)}/documents", Documents, params=options)


def change_document(
    collection: str, document_id: str, changes: Mapping[str, Any], wait_s: float
) -> Call[Upload]:
    params = {"wait": wait_s} if wait_s else None
    return Call("PATCH", _document(collection, document_id), Upload, json=changes, params=params)


def delete_documents(
    collection: str, filters: Mapping[str, Any], confirm_count: int | None
) -> Call[ErasedByFilter]:
    return Call(
        "POST",
        f"{_collection(collection)}/delete-documents",
        ErasedByFilter,
        json={"filters": filters},
        params=None if confirm_count is None else {"confirm_count": confirm_count},
    )


def delete_document(collection: str, document_id: str) -> Call[Erased]:
    return Call("DELETE", _document(collection, document_id), Erased)


def get_job(job_id: str) -> Call[Job]:
    return Call("GET", f"/v1/jobs/{_quote(job_id)}", Job)


def start_backup(keep_days: int) -> Call[Backup]:
    return Call("POST", "/v1/backups", Backup, json={"keep_days": keep_days})


def list_backups() -> Call[Backups]:
    return Call("GET", "/v1/backups", Backups)


def get_backup(name: str) -> Call[Backup]:
    return Call("GET", f"/v1/backups/{_quote(name)}", Backup)


def remove_backup(name: str) -> Call[Backup]:
    return Call("DELETE", f"/v1/backups/{_quote(name)}", Backup)
