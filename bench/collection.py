"""The one collection of a benchmark's data folder."""

from app.domain import Scope
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, find_collection
from app.services.access.principal import EVERYONE

COLLECTION = "default"


def collection_of(resources: Resources) -> CollectionRef:
    """Return it; raises NotFound where nothing was ingested."""
    return find_collection(resources.database, EVERYONE, COLLECTION, Scope.ADMIN)
