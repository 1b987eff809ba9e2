"""The views for other systems' queries refuse to be written, and name the call to use instead.

PostgreSQL lets ``UPDATE``, ``DELETE`` and ``INSERT`` through a view of a single table, which
``processing_jobs`` is: a script of another system that ends or deletes jobs in SQL would change the
engine's rows without its knowledge.
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"

# The trigger for each statement refuses one that matches no row, too; PostgreSQL calls it only
# where there is also one for each row.
REFUSE = """
CREATE FUNCTION refuse_view_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The view % is for reading only.', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = TG_ARGV[0];
END $$;
"""
HINTS = {
    ("processing_jobs", "INSERT"): "Submit a job: call its task, or POST /jobs.",
    ("processing_jobs", "UPDATE"): "To stop a job, call cancel_job of the job service, POST"
    " /jobs/ID/cancel or cinemill cancel ID; to run it again, POST /jobs/ID/retry or cinemill"
    " retry ID.",
    ("processing_jobs", "DELETE"): "Call the task cleanup_old_jobs with a number of days, or"
    " DELETE /jobs/ID.",
    ("videos", "INSERT"): "Upload the video: POST /upload, or cinemill submit FILE.",
    ("videos", "UPDATE"): "Its columns follow the video and its jobs: submit a job to change them.",
    ("videos", "DELETE"): "DELETE /assets/ID, or cinemill rm ID.",
}


def upgrade() -> None:
    op.execute(REFUSE)
    for (view, verb), hint in HINTS.items():
        for when, each in (("BEFORE", "STATEMENT"), ("INSTEAD OF", "ROW")):
            op.execute(
                f"CREATE TRIGGER {view}_{verb.lower()}_{each.lower()} {when} {verb} ON {view}"
                f" FOR EACH {each} EXECUTE FUNCTION refuse_view_write('{hint}')"
            )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
