"""PostgreSQL beside SQLite: the same answers, and what only several processes can show."""
