"""Alembic's entry point: runs migrations on the connection that app.db.migrations hands over."""

from alembic import context
from sqlalchemy import Connection, create_engine

from app.db.models import Table


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        # The caller holds the transaction: SQLite rolls schema changes back like any other.
        transactional_ddl=True,
        render_as_batch=True,
    )
    context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    # `alembic revision --autogenerate` from a checkout: -x url=sqlite:///path/to/folio.db
    url = context.get_x_argument(as_dictionary=True)["url"]
    with create_engine(url).begin() as connection:
        run(connection)
