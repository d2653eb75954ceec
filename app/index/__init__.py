"""The vector index: derived from the database, never its own truth."""
