"""An index of jobs by their age: those past their time are looked for each minute.

Revision: 0016, after 0015.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_jobs_created_at"), "jobs", ["created_at"], unique=False)
