"""Use cases around keys: who may do what."""
