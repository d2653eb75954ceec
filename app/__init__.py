"""Folio: whole-article retrieval for chatbots and agents."""
