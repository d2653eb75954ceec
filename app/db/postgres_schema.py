"""What the tables have on PostgreSQL beside what the migrations make on every database."""

from sqlalchemy import Connection, text

# Letters in the order of their bytes, as in SQLite: pages of a list are the same on both, and an
# index does not break when the C library of a replica sorts otherwise.
_OTHER_COLLATIONS = """
    SELECT format('ALTER TABLE %I ALTER COLUMN %I TYPE %s COLLATE "C"',
                  c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_collation o ON o.oid = a.attcollation
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
      AND NOT a.attisdropped AND a.attnum > 0 AND o.collname <> 'C'
"""

# Ids of units go past two thousand million in a large base that is embedded again now and then.
_SMALL_NUMBERS = """
    SELECT format('ALTER TABLE %I ALTER COLUMN %I TYPE bigint', c.relname, a.attname)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
      AND NOT a.attisdropped AND a.attnum > 0 AND a.atttypid = 'integer'::regtype
"""
_SMALL_SEQUENCES = """
    SELECT format('ALTER SEQUENCE %I AS bigint', sequencename)
    FROM pg_sequences
    WHERE schemaname = current_schema() AND data_type = 'integer'::regtype
"""

# app.db.queries.changes says what it is for.
_LOG = (
    "ALTER TABLE changes ADD COLUMN IF NOT EXISTS transaction bigint NOT NULL"
    " DEFAULT (pg_current_xact_id()::text::bigint)",
    "CREATE INDEX IF NOT EXISTS ix_changes_transaction ON changes (transaction)",
    # Numbers that are still to come are of the server that a dump was made on. Without any of the
    # rows before, whoever follows reads its index anew.
    "DELETE FROM changes WHERE (SELECT max(transaction) FROM changes)"
    " >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    # The log is never empty: by its first row a follower knows whether it was trimmed.
    "INSERT INTO changes (unit_id, document_id) SELECT 0, 0 WHERE NOT EXISTS (SELECT FROM changes)",
)


def complete_schema(connection: Connection) -> None:
    """Give the columns what they need on PostgreSQL; once it is done this changes nothing."""
    for wanting in (_OTHER_COLLATIONS, _SMALL_NUMBERS, _SMALL_SEQUENCES):
        for statement in connection.execute(text(wanting)).scalars().all():
            connection.exec_driver_sql(statement)
    for statement in _LOG:
        connection.exec_driver_sql(statement)
