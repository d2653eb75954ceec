"""Cursors of PostgreSQL that end with their connection; apart, since psycopg is an extra."""

from typing import Any

import psycopg


class EndingCursor(psycopg.ServerCursor[Any]):
    """A cursor of the server whose `close` closes it.

    psycopg's own stays open where the connection is lost while it is being closed.
    """

    def close(self) -> None:
        """Close the cursor, of a connection that is lost as well."""
        try:
            super().close()
        except psycopg.OperationalError:
            psycopg.Cursor.close(self)


def use_ending_cursors(connection: "psycopg.Connection[Any]", _record: object) -> None:
    """Have a new connection make such cursors."""
    connection.server_cursor_factory = EndingCursor
