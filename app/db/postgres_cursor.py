"""Cursors of PostgreSQL that end with their connection; apart, since psycopg is an extra."""

from typing import Any, Self

import psycopg


class EndingCursor(psycopg.ServerCursor[Any]):
    """A cursor of the server that is closed where its connection is lost.

    psycopg's own stays open where that happens while it is being closed, and SQLAlchemy closes none
    where it happens while a statement is executed.
    """

    def execute(self, *args: Any, **named: Any) -> Self:
        """Open the cursor; of a connection that is lost it is closed."""
        try:
            return super().execute(*args, **named)
        except psycopg.OperationalError:
            self.close()
            raise

    def close(self) -> None:
        """Close the cursor, of a connection that is lost as well."""
        try:
            super().close()
        except psycopg.OperationalError:
            psycopg.Cursor.close(self)

    def __del__(self, *given: Any) -> None:
        """Close the cursor where its connection was lost while rows were read."""
        if self.connection.closed:
            psycopg.Cursor.close(self)
        super().__del__(*given)


def use_ending_cursors(connection: "psycopg.Connection[Any]", _record: object) -> None:
    """Have a new connection make such cursors."""
    connection.server_cursor_factory = EndingCursor
