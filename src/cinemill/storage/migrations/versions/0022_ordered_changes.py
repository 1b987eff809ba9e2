"""Changes of passages are noted in the order of their ids, as those of vectors are.

A video that is put into another collection changes all of its passages, in the order in which they
are stored. Each was noted on its own, so that the transaction and one that stored vectors of the
same passages, in the order of the ids, could each wait for a change that the other had noted.
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"

# By statement and not by row: only so does the function know all rows, and their order.
TRIGGER = """
CREATE OR REPLACE FUNCTION note_passage_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vector_change (model_id, passage_id)
    SELECT DISTINCT projection.model_id, changed.id
    FROM new_passage AS changed JOIN old_passage AS former USING (id)
    CROSS JOIN vector_projection AS projection
    WHERE (former.owner <> changed.owner OR former.collection <> changed.collection)
      AND projection.model_id IS NOT NULL AND projection.state <> 'retired'
    ORDER BY changed.id, projection.model_id
    ON CONFLICT (model_id, passage_id) DO UPDATE SET version = DEFAULT;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER passage_change AFTER UPDATE ON passage
    REFERENCING OLD TABLE AS old_passage NEW TABLE AS new_passage
    FOR EACH STATEMENT EXECUTE FUNCTION note_passage_change();
"""


def upgrade() -> None:
    op.execute(TRIGGER)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
