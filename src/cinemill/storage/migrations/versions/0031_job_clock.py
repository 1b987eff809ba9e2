"""One clock for each job: the work that its progress stands for, and when it is expected to end.

What a step takes is measured by its worker: the database's clock may be set.
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute("ALTER TABLE job ADD COLUMN work_done double precision DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE job ADD COLUMN expected_end timestamptz")
    op.execute("ALTER TABLE step ADD COLUMN seconds double precision DEFAULT 0 NOT NULL")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
