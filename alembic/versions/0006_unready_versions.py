"""An index of the versions that are not ready, so that counting documents reads few of them.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNREADY = "status IN ('queued', 'processing', 'failed')"


def upgrade() -> None:
    op.create_index(
        "ix_versions_unready",
        "versions",
        ["status", "document_id", "number"],
        unique=False,
        sqlite_where=sa.text(_UNREADY),
        postgresql_where=sa.text(_UNREADY),
    )
