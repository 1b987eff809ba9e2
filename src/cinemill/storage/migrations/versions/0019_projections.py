"""Collections of a vector store, and what changed since they were filled.

Changes are noted by triggers, in the transaction that makes them, so that none can be forgotten. A
model's vectors have theirs only once a collection of it is begun: others pay nothing.
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"

TABLES = """
CREATE TABLE vector_projection (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Without a model: the collection is to be dropped.
    model_id integer REFERENCES embedding_model (id) ON DELETE SET NULL,
    collection text NOT NULL,
    state text NOT NULL DEFAULT 'filling',
    filled_to uuid,
    job_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT vector_projection_state_check CHECK (state IN ('filling', 'ready', 'retired'))
);
CREATE UNIQUE INDEX vector_projection_state_idx ON vector_projection (model_id, state)
    WHERE state <> 'retired';
CREATE TABLE vector_change (
    model_id integer NOT NULL REFERENCES embedding_model (id) ON DELETE CASCADE,
    passage_id uuid NOT NULL,
    version bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (model_id, passage_id)
);
"""

TRIGGERS = """
CREATE FUNCTION note_vector_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed record;
BEGIN
    IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
    INSERT INTO vector_change (model_id, passage_id)
    VALUES (changed.model_id, changed.passage_id)
    ON CONFLICT (model_id, passage_id) DO UPDATE SET version = DEFAULT;
    RETURN NULL;
END $$;
CREATE FUNCTION note_passage_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vector_change (model_id, passage_id)
    SELECT DISTINCT model_id, NEW.id FROM vector_projection
    WHERE model_id IS NOT NULL AND state <> 'retired'
    ON CONFLICT (model_id, passage_id) DO UPDATE SET version = DEFAULT;
    RETURN NULL;
END $$;
CREATE TRIGGER passage_change AFTER UPDATE OF owner, collection ON passage FOR EACH ROW
    WHEN (OLD.owner <> NEW.owner OR OLD.collection <> NEW.collection)
    EXECUTE FUNCTION note_passage_change();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TRIGGERS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
