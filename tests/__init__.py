"""Tests: real SQLite, real FAISS, real models; tiny ones where the real ones are too slow."""
