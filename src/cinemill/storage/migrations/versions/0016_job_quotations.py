"""Which videos the result of a job quotes: it is removed with any of them."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

QUOTATIONS = """
CREATE TABLE job_quotation (
    job_id text NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    PRIMARY KEY (job_id, asset_id)
);
CREATE INDEX job_quotation_asset_idx ON job_quotation (asset_id);
CREATE FUNCTION remove_results_that_quote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    quoting text;
BEGIN
    -- Jobs are locked before their other rows, in one order, here as everywhere. One at a time,
    -- each by its key: how many there are is not known when this is planned.
    FOR quoting IN SELECT job.id FROM job_quotation JOIN job ON job.id = job_quotation.job_id
        WHERE job_quotation.asset_id = OLD.id ORDER BY job.id FOR UPDATE OF job
    LOOP
        UPDATE step SET result = NULL WHERE job_id = quoting;
        UPDATE job SET result = NULL,
            message = 'The result was removed with a video that it quoted' WHERE id = quoting;
        DELETE FROM job_quotation WHERE job_id = quoting;
    END LOOP;
    RETURN OLD;
END $$;
-- Before the asset's row goes: afterwards nothing would say which jobs quote it.
CREATE TRIGGER asset_delete_removes_results BEFORE DELETE ON asset
    FOR EACH ROW EXECUTE FUNCTION remove_results_that_quote();
"""


def upgrade() -> None:
    op.execute(QUOTATIONS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
