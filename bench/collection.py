"""The one collection of a benchmark's data folder, and requests to it."""

from typing import Any

from app.domain import Scope
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, find_collection
from app.services.access.principal import EVERYONE
from app.services.search.pipeline import SearchRequest

COLLECTION = "default"


def collection_of(resources: Resources) -> CollectionRef:
    """Return it; raises NotFound where nothing was ingested."""
    return find_collection(resources.database, EVERYONE, COLLECTION, Scope.ADMIN)


def request_of(resources: Resources, query: str, **options: Any) -> SearchRequest:
    """Return a search of it; `options` are those of a SearchRequest."""
    return SearchRequest(query, [collection_of(resources)], **options)
