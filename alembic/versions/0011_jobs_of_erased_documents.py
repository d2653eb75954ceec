"""A job outlives its documents: it counts those that were deleted, or replaced and pruned.

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("job_items") as batch:
        batch.add_column(
            sa.Column("is_superseded", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch.alter_column("version_id", existing_type=sa.Integer(), nullable=True)
        batch.drop_constraint(op.f("fk_job_items_version_id"), type_="foreignkey")
        batch.create_foreign_key(
            op.f("fk_job_items_version_id"),
            "versions",
            ["version_id"],
            ["id"],
            ondelete="SET NULL",
        )
