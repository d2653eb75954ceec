"""Generations that are built beside the live one; evaluations.

Revision: 0006, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "generations",
        sa.Column("state", sa.String(length=16), nullable=False, server_default="ready"),
    )
    op.add_column("generations", sa.Column("source", sa.JSON(), nullable=True))
    op.add_column("generations", sa.Column("replaced", sa.String(length=64), nullable=True))
    op.add_column("generations", sa.Column("gate", sa.JSON(), nullable=True))
    op.add_column("generations", sa.Column("message", sa.String(), nullable=True))
    op.create_table(
        "evaluations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_evaluations_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    op.create_index(op.f("ix_evaluations_collection_id"), "evaluations", ["collection_id"])
