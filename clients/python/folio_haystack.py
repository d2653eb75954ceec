"""The component under the name that Haystack's integrations have."""

from folio_client.haystack import FolioRetriever

__all__ = ["FolioRetriever"]
