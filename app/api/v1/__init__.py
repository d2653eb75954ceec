"""Folio's own REST interface: a router with its schemas a topic."""
