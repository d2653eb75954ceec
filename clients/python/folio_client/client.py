"""The client: one method a call, for threads (`Folio`) and for asyncio (`AsyncFolio`)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self, TypeAlias

import httpx

from folio_client import calls
from folio_client.calls import Call, T, given, pause_before
from folio_client.errors import FolioError
from folio_client.models import (
    Backup,
    Collection,
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

Filter: TypeAlias = Mapping[str, Any]
"""A condition on documents: {"type": "eq", "key": "product", "value": "grinder"}."""

_TIMEOUT_S = 60.0


def _headers(key: str | None) -> dict[str, str]:
    # Of a variable that is set to nothing, too, there is no key.
    return {"Authorization": f"Bearer {key}"} if key else {}


def _unreachable(error: httpx.TransportError) -> FolioError:
    return FolioError(0, "unreachable", f"the server cannot be reached: {type(error).__name__}")


class Folio:
    """Calls a server; `http` is used instead of a client of its own."""

    def __init__(
        self, url: str, *, key: str | None = None, http: httpx.Client | None = None
    ) -> None:
        self._http = http or httpx.Client(base_url=url, headers=_headers(key), timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            try:
                response = self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                raise _unreachable(error) from error
            pause = pause_before(attempt, response)
            if pause is None:
                return call.read(response)
            sleep(pause)
            attempt += 1

    def create_collection(self, name: str, description: str = "") -> Collection:
        """Make a collection."""
        return self._run(calls.create_collection(name, description))

    def list_collections(self) -> list[Collection]:
        """Return the collections that the key covers."""
        return self._run(calls.list_collections()).collections

    def change_collection(self, name: str, *, description: str) -> Collection:
        """Change the description of a collection."""
        return self._run(calls.change_collection(name, description))

    def get_statistics(self, collection: str) -> Statistics:
        """Return what the articles of a collection come to, and what failed."""
        return self._run(calls.get_statistics(collection))

    def search(
        self,
        collection: str,
        query: str,
        *,
        limit: int = 10,
        mode: str = "hybrid",
        passages: int = 1,
        filters: Filter | None = None,
        min_score: float | None = None,
        also_in: Sequence[str] = (),
        **options: Any,
    ) -> SearchResult:
        """Rank the articles of a collection for a question."""
        body = given(
            limit=limit,
            mode=mode,
            passages=passages,
            filters=filters,
            min_score=min_score,
            also_in=list(also_in),
            **options,
        )
        return self._run(calls.search(collection, query, body))

    def get_context(
        self,
        collection: str,
        query: str,
        *,
        max_tokens: int,
        filters: Filter | None = None,
        min_score: float | None = None,
        also_in: Sequence[str] = (),
        **options: Any,
    ) -> Context:
        """Return what answers a question, within a budget of tokens."""
        body = given(
            max_tokens=max_tokens,
            filters=filters,
            min_score=min_score,
            also_in=list(also_in),
            **options,
        )
        return self._run(calls.get_context(collection, query, body))

    def put_document(
        self,
        collection: str,
        document_id: str,
        *,
        text: str | None = None,
        html: str | None = None,
        markdown: str | None = None,
        title: str | None = None,
        url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        wait_s: float = 0,
    ) -> Upload:
        """Store an article; with `wait_s` (at most 30) the answer waits until it is read."""
        body = given(
            text=text, html=html, markdown=markdown, title=title, url=url, attributes=attributes
        )
        return self._run(calls.put_document(collection, document_id, body, wait_s))

    def put_file(
        self,
        collection: str,
        document_id: str,
        data: bytes,
        *,
        media_type: str = "application/octet-stream",
        wait_s: float = 0,
    ) -> Upload:
        """Store a file under an id; the server tells its format by its content."""
        return self._run(calls.put_file(collection, document_id, data, media_type, wait_s))

    def import_page(
        self,
        collection: str,
        url: str,
        *,
        document_id: str | None = None,
        title: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        wait_s: float = 0,
    ) -> Upload:
        """Have the server fetch a page and store it, under its address unless an id is given."""
        body = given(url=url, id=document_id, title=title, attributes=attributes)
        return self._run(calls.import_page(collection, body, wait_s))

    def get_document(
        self, collection: str, document_id: str, *, with_text: bool = False
    ) -> Document:
        """Return a document."""
        return self._run(calls.get_document(collection, document_id, with_text=with_text))

    def list_documents(self, collection: str, *, status: str | None = None) -> Iterator[Document]:
        """Yield the documents of a collection, in the order of their ids."""
        cursor: str | None = None
        while True:
            options = given(status=status, cursor=cursor, limit=1000)
            page = self._run(calls.list_documents(collection, options))
            yield from page.documents
            cursor = page.next_cursor
            if cursor is None:
                return

    def page_documents(
        self,
        collection: str,
        *,
        sort: str = "$id",
        status: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> Documents:
        """Return a page of a collection's documents, sorted by an attribute or a field."""
        options = given(sort=sort, status=status, offset=offset, limit=limit)
        return self._run(calls.list_documents(collection, options))

    def change_document(
        self, collection: str, document_id: str, *, wait_s: float = 0, **changes: Any
    ) -> Upload:
        """Change `title`, `url` or `attributes`: those that are given; None takes a value back."""
        return self._run(calls.change_document(collection, document_id, changes, wait_s))

    def delete_documents(
        self, collection: str, filters: Filter, *, confirm_count: int | None = None
    ) -> ErasedByFilter:
        """Erase the documents that meet a filter; without their number only count them."""
        return self._run(calls.delete_documents(collection, filters, confirm_count))

    def delete_document(self, collection: str, document_id: str) -> Erased:
        """Erase a document."""
        return self._run(calls.delete_document(collection, document_id))

    def get_job(self, job_id: str) -> Job:
        """Return how far the documents of an upload are."""
        return self._run(calls.get_job(job_id))

    def wait_for_job(self, job_id: str, *, timeout_s: float = 600, pause_s: float = 0.5) -> Job:
        """Return a job once all of it is ready or failed; raises TimeoutError."""
        deadline = monotonic() + timeout_s
        while (job := self.get_job(job_id)).is_pending:
            if monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is not done after {timeout_s:g} s")
            sleep(pause_s)
        return job

    def start_backup(self, *, keep_days: int = 30) -> Backup:
        """Begin a backup on the server; ask `get_backup` until it is no longer `making`."""
        return self._run(calls.start_backup(keep_days))

    def list_backups(self) -> list[Backup]:
        """Return the backups on the server, newest first."""
        return self._run(calls.list_backups()).backups

    def get_backup(self, name: str) -> Backup:
        """Return a backup by its name."""
        return self._run(calls.get_backup(name))

    def remove_backup(self, name: str) -> Backup:
        """Erase a backup; returns what it was."""
        return self._run(calls.remove_backup(name))


class AsyncFolio:
    """The same calls as coroutines."""

    def __init__(
        self, url: str, *, key: str | None = None, http: httpx.AsyncClient | None = None
    ) -> None:
        self._http = http or httpx.AsyncClient(
            base_url=url, headers=_headers(key), timeout=_TIMEOUT_S
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            try:
                response = await self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                raise _unreachable(error) from error
            pause = pause_before(attempt, response)
            if pause is None:
                return call.read(response)
            await asyncio.sleep(pause)
            attempt += 1

    async def create_collection(self, name: str, description: str = "") -> Collection:
        """Make a collection."""
        return await self._run(calls.create_collection(name, description))

    async def list_collections(self) -> list[Collection]:
        """Return the collections that the key covers."""
        return (await self._run(calls.list_collections())).collections

    async def change_collection(self, name: str, *, description: str) -> Collection:
        """Change the description of a collection."""
        return await self._run(calls.change_collection(name, description))

    async def get_statistics(self, collection: str) -> Statistics:
        """Return what the articles of a collection come to, and what failed."""
        return await self._run(calls.get_statistics(collection))

    async def search(
        self,
        collection: str,
        query: str,
        *,
        limit: int = 10,
        mode: str = "hybrid",
        passages: int = 1,
        filters: Filter | None = None,
        min_score: float | None = None,
        also_in: Sequence[str] = (),
        **options: Any,
    ) -> SearchResult:
        """Rank the articles of a collection for a question."""
        body = given(
            limit=limit,
            mode=mode,
            passages=passages,
            filters=filters,
            min_score=min_score,
            also_in=list(also_in),
            **options,
        )
        return await self._run(calls.search(collection, query, body))

    async def get_context(
        self,
        collection: str,
        query: str,
        *,
        max_tokens: int,
        filters: Filter | None = None,
        min_score: float | None = None,
        also_in: Sequence[str] = (),
        **options: Any,
    ) -> Context:
        """Return what answers a question, within a budget of tokens."""
        body = given(
            max_tokens=max_tokens,
            filters=filters,
            min_score=min_score,
            also_in=list(also_in),
            **options,
        )
        return await self._run(calls.get_context(collection, query, body))

    async def put_document(
        self,
        collection: str,
        document_id: str,
        *,
        text: str | None = None,
        html: str | None = None,
        markdown: str | None = None,
        title: str | None = None,
        url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        wait_s: float = 0,
    ) -> Upload:
        """Store an article; with `wait_s` (at most 30) the answer waits until it is read."""
        body = given(
            text=text, html=html, markdown=markdown, title=title, url=url, attributes=attributes
        )
        return await self._run(calls.put_document(collection, document_id, body, wait_s))

    async def put_file(
        self,
        collection: str,
        document_id: str,
        data: bytes,
        *,
        media_type: str = "application/octet-stream",
        wait_s: float = 0,
    ) -> Upload:
        """Store a file under an id; the server tells its format by its content."""
        return await self._run(calls.put_file(collection, document_id, data, media_type, wait_s))

    async def import_page(
        self,
        collection: str,
        url: str,
        *,
        document_id: str | None = None,
        title: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        wait_s: float = 0,
    ) -> Upload:
        """Have the server fetch a page and store it, under its address unless an id is given."""
        body = given(url=url, id=document_id, title=title, attributes=attributes)
        return await self._run(calls.import_page(collection, body, wait_s))

    async def get_document(
        self, collection: str, document_id: str, *, with_text: bool = False
    ) -> Document:
        """Return a document."""
        return await self._run(calls.get_document(collection, document_id, with_text=with_text))

    async def list_documents(
        self, collection: str, *, status: str | None = None
    ) -> AsyncIterator[Document]:
        """Yield the documents of a collection, in the order of their ids."""
        cursor: str | None = None
        while True:
            options = given(status=status, cursor=cursor, limit=1000)
            page = await self._run(calls.list_documents(collection, options))
            for document in page.documents:
                yield document
            cursor = page.next_cursor
            if cursor is None:
                return

    async def page_documents(
        self,
        collection: str,
        *,
        sort: str = "$id",
        status: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> Documents:
        """Return a page of a collection's documents, sorted by an attribute or a field."""
        options = given(sort=sort, status=status, offset=offset, limit=limit)
        return await self._run(calls.list_documents(collection, options))

    async def change_document(
        self, collection: str, document_id: str, *, wait_s: float = 0, **changes: Any
    ) -> Upload:
        """Change `title`, `url` or `attributes`: those that are given; None takes a value back."""
        return await self._run(calls.change_document(collection, document_id, changes, wait_s))

    async def delete_documents(
        self, collection: str, filters: Filter, *, confirm_count: int | None = None
    ) -> ErasedByFilter:
        """Erase the documents that meet a filter; without their number only count them."""
        return await self._run(calls.delete_documents(collection, filters, confirm_count))

    async def delete_document(self, collection: str, document_id: str) -> Erased:
        """Erase a document."""
        return await self._run(calls.delete_document(collection, document_id))

    async def get_job(self, job_id: str) -> Job:
        """Return how far the documents of an upload are."""
        return await self._run(calls.get_job(job_id))

    async def wait_for_job(
        self, job_id: str, *, timeout_s: float = 600, pause_s: float = 0.5
    ) -> Job:
        """Return a job once all of it is ready or failed; raises TimeoutError."""
        deadline = monotonic() + timeout_s
        while (job := await self.get_job(job_id)).is_pending:
            if monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is not done after {timeout_s:g} s")
            await asyncio.sleep(pause_s)
        return job

    async def start_backup(self, *, keep_days: int = 30) -> Backup:
        """Begin a backup on the server; ask `get_backup` until it is no longer `making`."""
        return await self._run(calls.start_backup(keep_days))

    async def list_backups(self) -> list[Backup]:
        """Return the backups on the server, newest first."""
        return (await self._run(calls.list_backups())).backups

    async def get_backup(self, name: str) -> Backup:
        """Return a backup by its name."""
        return await self._run(calls.get_backup(name))

    async def remove_backup(self, name: str) -> Backup:
        """Erase a backup; returns what it was."""
        return await self._run(calls.remove_backup(name))
