"""Collections that nobody finds any more while what they held is erased.

Revision: 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collections", sa.Column("erased_at", sa.DateTime(), nullable=True))
    op.add_column(
        "collections",
        sa.Column("keeps_files", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
