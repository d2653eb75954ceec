"""Contracts of other software, spoken so that its clients only need another base URL."""
