"""Use cases of running a server: doctor, embeddings for callers, the scheduled sync."""
