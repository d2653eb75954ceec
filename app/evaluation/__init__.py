"""Measuring retrieval: golden sets, measures, statistics, reports."""
