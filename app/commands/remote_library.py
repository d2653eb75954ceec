"""The collections of a server, or of an opened folder, for the tools of `folio mcp`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.api.mcp.library import Asked, Found, Passages, Whole
from app.commands.client import Client, collection_path, document_path
from app.domain import add_attributes
from app.errors import NotFound

_LISTED = 200


class RemoteLibrary:
    """What the REST interface answers; `only` narrows it to some collections."""

    def __init__(self, client: Client, only: Sequence[str] = ()) -> None:
        self._client = client
        self._only = tuple(only)

    def list_collections(self) -> list[str]:
        if self._only:
            return list(self._only)
        answer = self._client.call("GET", "/v1/collections")
        return [collection["name"] for collection in answer["collections"]]

    def search(self, asked: Asked, *, limit: int) -> list[Found]:
        answer = self._ask("search", asked, limit=limit, passages=1)
        return [
            Found(
                hit["collection"],
                hit["document_id"],
                hit["title"],
                hit["url"],
                _quote(hit["passages"][0]) if hit["passages"] else "",
                hit["score"],
            )
            for hit in answer["results"]
        ]

    def retrieve(self, asked: Asked, *, max_tokens: int) -> Passages:
        answer = self._ask("context", asked, max_tokens=max_tokens)
        blocks = (
            Found(
                block["collection"],
                block["document_id"],
                block["title"],
                block["url"],
                _quote(block),
                block["score"],
                block["heading"],
            )
            for block in answer["blocks"]
        )
        return Passages(tuple(blocks), answer["tokens"], answer["no_answer"])

    def fetch(self, collection: str, document_id: str) -> Whole:
        self._check(collection)
        path = document_path(collection, document_id)
        document = self._client.call("GET", path, params={"include": "text"})
        metadata = add_attributes(
            {
                "version": document["live_version"],
                "status": document["status"],
                "sha256": document["sha256"],
            },
            document["attributes"],
        )
        return Whole(
            collection,
            document["id"],
            document["title"],
            document["url"],
            document["text"] or "",
            metadata,
        )

    def list_documents(self, collection: str) -> list[tuple[str, str]]:
        self._check(collection)
        path = f"{collection_path(collection)}/documents"
        page = self._client.call("GET", path, params={"limit": _LISTED})
        return [(document["id"], document["title"]) for document in page["documents"]]

    def _ask(self, route: str, asked: Asked, **options: int) -> dict[str, Any]:
        for name in asked.collections:
            self._check(name)
        first, *others = asked.collections
        body = {
            "query": asked.query,
            "also_in": others,
            "filters": asked.filters,
            "messages": [asdict(message) for message in asked.messages],
            **options,
        }
        return self._client.call("POST", f"{collection_path(first)}/{route}", json=body)

    def _check(self, collection: str) -> None:
        if self._only and collection not in self._only:
            raise NotFound(
                f"no such collection: {collection}; available: {', '.join(self._only)}",
                code="collection_not_found",
            )


def _quote(part: dict[str, Any]) -> str:
    """Return what a reader needs of a passage or a block: rows under the head of their table."""
    return str(part["table_head"] + part["text"])
