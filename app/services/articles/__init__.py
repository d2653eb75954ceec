"""Use cases around stored articles: collections, documents, versions."""
