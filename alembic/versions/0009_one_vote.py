"""One vote a key and question: feedback names the key that gave it.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback", sa.Column("key_id", sa.String(length=64), nullable=True))
    # Votes without a key are all kept: nulls are distinct to a unique index.
    op.create_index(
        op.f("ix_feedback_query_id_key_id"), "feedback", ["query_id", "key_id"], unique=True
    )
    op.drop_index(op.f("ix_feedback_query_id"), table_name="feedback")
