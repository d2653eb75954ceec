"""Use cases that measure and improve retrieval: evaluation, generations, tuning, feedback."""
