"""The questions that scores are corrected by, apart from what searches read of a generation.

Revision: 0017, after 0016.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("generations", sa.Column("labels", sa.JSON(), nullable=True))
    generations = sa.table(
        "generations",
        sa.column("id", sa.Integer()),
        sa.column("calibration", sa.JSON(none_as_null=True)),
        sa.column("labels", sa.JSON(none_as_null=True)),
    )
    bind = op.get_bind()
    stored = bind.execute(sa.select(generations.c.id, generations.c.calibration)).all()
    for generation_id, calibration in stored:
        labels = (calibration or {}).pop("labels", None)
        if labels is not None:
            bind.execute(
                sa.update(generations)
                .where(generations.c.id == generation_id)
                .values(calibration=calibration or None, labels=labels)
            )
