"""The database: the truth, vectors included."""
