"""Generations that share the vectors of another one and ask with an adapter of their own.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # alembic would rebuild the table for the sake of the reference; SQLite adds a column with one.
    op.execute(
        "ALTER TABLE generations ADD COLUMN vectors_of INTEGER "
        "CONSTRAINT fk_generations_vectors_of REFERENCES generations (id)"
    )
    op.add_column("generations", sa.Column("tuning", sa.JSON(), nullable=True))
    op.create_table(
        "adapters",
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("data_crc32", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["generations.id"],
            name=op.f("fk_adapters_generation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("generation_id", name=op.f("pk_adapters")),
    )
