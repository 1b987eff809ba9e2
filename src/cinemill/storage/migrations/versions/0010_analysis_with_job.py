"""An analysis is there as soon as its job is, whatever happens to the job.

A job that is rejected where it is created, or whose first step fails, is a failed analysis too.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

CREATE = """
CREATE FUNCTION create_analysis_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO analyses (id, asset_id, owner, kind, state, is_fast, started_at, finished_at,
                          verdict, error_code, error_message, error_hint)
    VALUES (NEW.id, NEW.asset_id, NEW.owner, NEW.kind, NEW.state,
            coalesce(NEW.params ->> 'fast' = 'true', false), NEW.started_at, NEW.finished_at,
            CASE NEW.state WHEN 'failed' THEN 'failed' END, NEW.failure ->> 'code',
            NEW.failure ->> 'message', NEW.failure ->> 'hint')
    ON CONFLICT (id) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER job_creates_analysis AFTER INSERT ON job
    FOR EACH ROW WHEN (NEW.kind = 'detect_video') EXECUTE FUNCTION create_analysis_of_job();
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
