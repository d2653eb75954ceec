"""Use cases: each a function that owns its transaction."""
