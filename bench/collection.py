"""The one collection of a benchmark's data folder, and requests to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from app.config import Settings
from app.domain import Scope
from app.runtime.reanalysis import reanalyse_some
from app.runtime.resources import Resources, open_resources
from app.services.access.collections import CollectionRef, find_collection
from app.services.access.principal import EVERYONE
from app.services.search.pipeline import SearchRequest

COLLECTION = "default"
_RANKING = ("app/index/*.py", "app/services/search/*.py")


@contextmanager
def open_analysed(settings: Settings, **options: Any) -> Iterator[Resources]:
    """Open a folder as open_resources does, and analyse its words by the present rules.

    In a folder of an earlier version they would be found in part; a server does it as it runs.
    """
    with open_resources(settings, **options) as resources:
        while reanalyse_some(resources.database):
            pass
        yield resources


def ranking_rules(*others: object) -> str:
    """Return what tells apart, in the name of a file, what different code found.

    `others` are what else the findings depend on.
    """
    root = Path(__file__).parents[1]
    sources = [path.read_bytes() for pattern in _RANKING for path in sorted(root.glob(pattern))]
    return f"{crc32(repr((sources, others)).encode()):08x}"


def collection_of(resources: Resources) -> CollectionRef:
    """Return it; raises NotFound where nothing was ingested."""
    return find_collection(resources.database, EVERYONE, COLLECTION, Scope.ADMIN)


def request_of(resources: Resources, query: str, **options: Any) -> SearchRequest:
    """Return a search of it; `options` are those of a SearchRequest."""
    return SearchRequest(query, [collection_of(resources)], **options)
