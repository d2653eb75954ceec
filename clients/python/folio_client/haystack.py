"""A retriever component for Haystack: each document is an article's best passages."""

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.core.serialization import allow_deserialization_module
from haystack.utils import Secret

from folio_client.client import Folio
from folio_client.provenance import describe, join_passages

_COMPARISONS = {
    "==": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "in": "in",
    "not in": "nin",
}
KEY_VARIABLE = "FOLIO_KEY"

# Pipelines load classes of modules that are trusted only; who imports this one wants its component.
allow_deserialization_module(__name__)


@component
class FolioRetriever:
    """Asks Folio for the articles that answer a question.

    It takes a client, or the address of a server; only with an address can a pipeline be written
    down. A key is written down by the name of its variable: one that was given itself is left out,
    and FOLIO_KEY is read in its place.
    """

    def __init__(
        self,
        client: Folio | None = None,
        collection: str = "",
        *,
        url: str | None = None,
        api_key: Secret | None = None,
        top_k: int = 4,
        passages: int = 3,
        filters: dict[str, Any] | None = None,
    ) -> None:
        if client is None and url is None:
            raise ValueError("give a client or the url of a server")
        self._url = url
        self._api_key = api_key or Secret.from_env_var(KEY_VARIABLE, strict=False)
        self._client = client or Folio(url or "", key=self._api_key.resolve_value())
        self._collection = collection
        self._top_k = top_k
        self._passages = passages
        self._filters = filters

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def to_dict(self) -> dict[str, Any]:
        """Return what makes this component again; raises ValueError for one with a client."""
        if self._url is None:
            raise ValueError("a retriever with a client cannot be written down: give it a url")
        key = self._api_key
        written: dict[str, Any] = default_to_dict(
            self,
            url=self._url,
            api_key=key.to_dict() if key.type.value == "env_var" else None,
            collection=self._collection,
            top_k=self._top_k,
            passages=self._passages,
            filters=self._filters,
        )
        return written

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "FolioRetriever":
        """Return the component that `to_dict` wrote down."""
        parameters = dict(data["init_parameters"])
        if isinstance(parameters.get("api_key"), dict):
            parameters["api_key"] = Secret.from_dict(parameters["api_key"])
        made: FolioRetriever = default_from_dict(cls, {**data, "init_parameters": parameters})
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents; `filters` are Haystack's or Folio's own."""
        asked = filters or self._filters
        found = self._client.search(
            self._collection,
            query,
            limit=top_k or self._top_k,
            passages=self._passages,
            filters=translate_filter(asked) if asked else None,
        )
        documents = [
            Document(
                id=hit.document_id,
                content=join_passages(hit),
                meta=describe(hit),
                score=hit.score,
            )
            for hit in found.results
        ]
        return {"documents": documents}


def translate_filter(given: dict[str, Any]) -> dict[str, Any]:
    """Return a filter of Haystack as Folio's; one of Folio's own stays as it is."""
    if "operator" not in given:
        return given
    operator = str(given["operator"])
    if "conditions" in given:
        parts = [translate_filter(part) for part in given["conditions"]]
        if operator == "NOT":
            return {"type": "not", "filter": {"type": "and", "filters": parts}}
        return {"type": operator.lower(), "filters": parts}
    if operator not in _COMPARISONS:
        raise ValueError(f"{operator} is not one of {', '.join(_COMPARISONS)}")
    key = str(given["field"]).removeprefix("meta.")
    return {"type": _COMPARISONS[operator], "key": key, "value": given["value"]}
