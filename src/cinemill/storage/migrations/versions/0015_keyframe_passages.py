"""Passages of pictures: key frames, which have a moment instead of a text."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

COLUMNS = """
ALTER TABLE passage ADD COLUMN frame_ms bigint;
ALTER TABLE passage DROP CONSTRAINT passage_track_check;
ALTER TABLE passage ADD CONSTRAINT passage_track_check
    CHECK (track IN ('speech', 'text', 'picture', 'keyframe'));
ALTER TABLE passage ADD CONSTRAINT passage_frame_check
    CHECK ((track = 'keyframe') = (frame_ms IS NOT NULL) AND frame_ms >= 0);
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
