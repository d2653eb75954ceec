"""Claims with leases and back-off, the stage of a version, checksums of metadata and passages.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Each is nullable: SQLite adds such a column without rebuilding the table.
    op.add_column("versions", sa.Column("stage", sa.String(length=8), nullable=True))
    op.add_column("versions", sa.Column("claim_token", sa.String(length=32), nullable=True))
    op.add_column("versions", sa.Column("leased_until", sa.DateTime(), nullable=True))
    op.add_column("versions", sa.Column("next_attempt_at", sa.DateTime(), nullable=True))
    op.add_column("versions", sa.Column("metadata_crc32", sa.BigInteger(), nullable=True))
    op.add_column("units", sa.Column("passages_crc32", sa.BigInteger(), nullable=True))
