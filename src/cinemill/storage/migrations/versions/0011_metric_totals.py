"""Totals of what has ended, for metrics: they only grow, whatever is deleted.

Rows are the record, so that counting costs a worker nothing. ``metric_total`` holds what ended up
to ``metric_watermark``; what ended later is counted from its rows. A row that is deleted before it
was counted is added to the totals by a trigger: otherwise a counter would fall, which Prometheus
takes for a restart.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
CREATE TABLE metric_total (
    metric text NOT NULL,
    labels text[] NOT NULL,
    bucket smallint NOT NULL,
    count bigint NOT NULL,
    -- Exact: a sum of floating-point numbers depends on their order, and could fall.
    sum numeric NOT NULL,
    PRIMARY KEY (metric, labels, bucket)
);
CREATE TABLE metric_watermark (
    id smallint PRIMARY KEY,
    counted_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT metric_watermark_id_check CHECK (id = 1)
);
INSERT INTO metric_watermark (id) VALUES (1);
"""

OBSERVATIONS = """
-- The bounds are those of cinemill.storage.metrics.totals; stored counts depend on them.
CREATE FUNCTION metric_bucket(value numeric) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT width_bucket(value, ARRAY[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
                                     300, 600, 1800, 3600]::numeric[])::smallint
$$;
CREATE VIEW metric_observation AS
SELECT 'run' AS source, id AS source_id, ended_at AS at, 'attempt' AS metric,
       ARRAY[kind, state] AS labels,
       greatest(0, extract(epoch FROM ended_at - started_at))::numeric AS value
FROM run WHERE ended_at IS NOT NULL AND started_at IS NOT NULL
UNION ALL
SELECT 'run', id, ended_at, 'wait', ARRAY[queue],
       greatest(0, extract(epoch FROM started_at - run_at))::numeric
FROM run WHERE ended_at IS NOT NULL AND started_at IS NOT NULL
UNION ALL
SELECT 'analysis', analysis_id, measured_at, 'analysis',
       ARRAY[CASE WHEN cache_hit THEN 'hit' WHEN frame_count > 0 THEN 'miss' ELSE 'unused' END],
       round(processing_seconds::numeric, 6)
FROM analysis_metrics
UNION ALL
SELECT 'analysis', analysis_id, measured_at, 'frames', ARRAY[]::text[], frame_count::numeric
FROM analysis_metrics WHERE NOT cache_hit AND frame_count > 0
UNION ALL
SELECT 'analysis', analysis_id, measured_at, 'stage', ARRAY[stage.key],
       round((stage.value #>> '{}')::numeric, 6)
FROM analysis_metrics CROSS JOIN LATERAL jsonb_each(stage_seconds) AS stage
WHERE jsonb_typeof(stage.value) = 'number';
"""

TRIGGERS = """
CREATE FUNCTION keep_metric_totals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text;
    key text;
    ended timestamptz;
    counted timestamptz;
BEGIN
    IF TG_TABLE_NAME = 'run' THEN
        kind := 'run'; key := OLD.id; ended := OLD.ended_at;
    ELSE
        kind := 'analysis'; key := OLD.analysis_id; ended := OLD.measured_at;
    END IF;
    SELECT counted_until INTO counted FROM metric_watermark;
    IF ended <= counted THEN
        RETURN OLD;
    END IF;
    -- Locked, so that nobody counts this row at the same moment, and so that two deletions, which
    -- add to the same totals in different orders, cannot wait for each other.
    SELECT counted_until INTO counted FROM metric_watermark FOR NO KEY UPDATE;
    INSERT INTO metric_total AS total (metric, labels, bucket, count, sum)
    SELECT metric, labels, metric_bucket(value), count(*), sum(value) FROM metric_observation
    WHERE source = kind AND source_id = key AND at > counted
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (metric, labels, bucket)
    DO UPDATE SET count = total.count + excluded.count, sum = total.sum + excluded.sum;
    RETURN OLD;
END $$;
CREATE TRIGGER run_keeps_metric_totals BEFORE DELETE ON run
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION keep_metric_totals();
CREATE TRIGGER analysis_metrics_keep_metric_totals BEFORE DELETE ON analysis_metrics
    FOR EACH ROW EXECUTE FUNCTION keep_metric_totals();
"""


def upgrade() -> None:
    for statements in (TABLES, OBSERVATIONS, TRIGGERS):
        op.execute(statements)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
