"""A typed client of Folio's REST interface, for threads and for asyncio."""

from folio_client.client import AsyncFolio, Folio
from folio_client.errors import FolioError
from folio_client.models import (
    Block,
    Collection,
    Context,
    Document,
    Hit,
    Job,
    Passage,
    SearchResult,
    Statistics,
    Upload,
)

__all__ = [
    "AsyncFolio",
    "Block",
    "Collection",
    "Context",
    "Document",
    "Folio",
    "FolioError",
    "Hit",
    "Job",
    "Passage",
    "SearchResult",
    "Statistics",
    "Upload",
]
