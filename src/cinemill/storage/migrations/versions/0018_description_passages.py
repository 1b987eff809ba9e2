"""Passages of descriptions: what a model says that happens, embedded like all other texts."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

TRACK = """
ALTER TABLE passage DROP CONSTRAINT passage_track_check;
ALTER TABLE passage ADD CONSTRAINT passage_track_check
    CHECK (track IN ('speech', 'text', 'picture', 'keyframe', 'description'));
UPDATE embedding_model SET tracks = array_append(tracks, 'description')
WHERE 'speech' = ANY(tracks) AND NOT 'description' = ANY(tracks);
"""


def upgrade() -> None:
    op.execute(TRACK)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
