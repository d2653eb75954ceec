"""What the tools of the Model Context Protocol need: in this process, or of a server elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from app.errors import NotFound
from app.services.search.conversation import Message


@dataclass(frozen=True, slots=True)
class Found:
    """An article that answers, with its best passages."""

    collection: str
    document_id: str
    title: str
    url: str | None
    text: str
    score: float
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Passages:
    """What answers a question within a budget of tokens."""

    blocks: tuple[Found, ...]
    tokens: int
    no_answer: float | None


@dataclass(frozen=True, slots=True)
class Whole:
    """An article with its text."""

    collection: str
    document_id: str
    title: str
    url: str | None
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to collections, with the turns of the conversation before it."""

    query: str
    collections: list[str]
    filters: dict[str, Any] | None = None
    messages: Sequence[Message] = ()


class Library(Protocol):
    """The collections that whoever asks may read. Calls block; failures are FolioErrors."""

    def list_collections(self) -> list[str]:
        """Return the names of the collections."""
        ...

    def search(self, asked: Asked, *, limit: int) -> list[Found]:
        """Return articles, best first."""
        ...

    def retrieve(self, asked: Asked, *, max_tokens: int) -> Passages:
        """Return what answers a question, within `max_tokens`."""
        ...

    def fetch(self, collection: str, document_id: str) -> Whole:
        """Return an article."""
        ...

    def list_documents(self, collection: str) -> list[tuple[str, str]]:
        """Return (id, title) of the first articles of a collection."""
        ...


FindLibrary = Callable[[Any], Library]
"""Returns whose collections a request may read, from the request of its context."""


def make_id(collection: str, document_id: str) -> str:
    """Return the id of an article among those of all collections."""
    return f"{collection}/{document_id}"


def split_id(id: str) -> tuple[str, str]:
    """Return collection and document of an id; raises NotFound for what is not one."""
    collection, slash, document_id = id.partition("/")
    if not slash:
        raise NotFound(
            f"no such article: {id[:256]}; an id is COLLECTION/DOCUMENT, as search returns it",
            code="document_not_found",
        )
    return collection, document_id


def make_uri(collection: str, document_id: str) -> str:
    """Return the resource of an article, which stands for its address where it has none."""
    return f"folio://{collection}/{quote(document_id, safe='')}"
