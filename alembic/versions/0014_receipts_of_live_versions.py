"""An index that holds the receipts of live versions: sums of a collection pass its texts by.

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # PostgreSQL keeps long texts beside the rows.
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(
            "ix_versions_receipts",
            "versions",
            ["document_id", "receipt"],
            unique=False,
            sqlite_where=sa.text("is_live"),
        )
