"""Benchmarks on labelled sets: ingestion, ranking beside peers, and answer times."""
