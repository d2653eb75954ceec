"""An index of logged questions by their age: those past their time are looked for each second.

Revision: 0015, after 0014.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_query_log_asked_at"), "query_log", ["asked_at"], unique=False)
