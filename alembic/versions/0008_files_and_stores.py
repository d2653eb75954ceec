"""Files that belong to no collection yet, and what OpenAI's clients keep of a collection.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("original_sha256", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["original_sha256"], ["originals.sha256"], name=op.f("fk_files_original_sha256")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index(op.f("ix_files_original_sha256"), "files", ["original_sha256"], unique=False)
    op.create_table(
        "stores",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("expires_days", sa.Integer(), nullable=True),
        sa.Column("last_active_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_stores_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_stores")),
    )
    # alembic would rebuild the table for the sake of the reference; SQLite adds a column with one.
    op.execute(
        "ALTER TABLE documents ADD COLUMN file_id VARCHAR(32) "
        "CONSTRAINT fk_documents_file_id REFERENCES files (id)"
    )
    op.create_index(op.f("ix_documents_file_id"), "documents", ["file_id"], unique=False)
