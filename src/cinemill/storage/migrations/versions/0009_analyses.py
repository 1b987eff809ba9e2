"""Analyses: what was asked, what was found, each frame's score, regions, metrics, reviews.

An analysis has its job's id, and the database itself keeps its state equal to the job's: a job ends
on many paths (a worker, the sweeper, a person), and none of them can forget the analysis.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

ANALYSES = """
CREATE TABLE analyses (
    id text PRIMARY KEY,
    asset_id text REFERENCES asset (id) ON DELETE CASCADE,
    owner text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    is_fast boolean NOT NULL DEFAULT false,
    step_key text NOT NULL DEFAULT '',
    verdict text,
    reviewed_verdict text,
    needs_review boolean NOT NULL DEFAULT false,
    error_code text,
    error_message text,
    error_hint text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    -- PostgreSQL knows times that Python cannot read, such as infinity.
    CONSTRAINT analyses_times_check CHECK (created_at BETWEEN '0002-01-01Z' AND '9999-01-01Z'
        AND expires_at BETWEEN '0002-01-01Z' AND '9999-01-01Z'),
    CONSTRAINT analyses_state_check
        CHECK (state IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT analyses_verdict_check CHECK (verdict IN
        ('likely_manipulated', 'no_manipulation_found', 'inconclusive', 'no_face', 'no_model',
         'failed')),
    CONSTRAINT analyses_reviewed_verdict_check CHECK (reviewed_verdict IN
        ('likely_manipulated', 'no_manipulation_found', 'inconclusive', 'no_face', 'no_model',
         'failed'))
);
CREATE INDEX analyses_created_at_idx ON analyses (created_at DESC, id DESC);
CREATE INDEX analyses_asset_idx ON analyses (asset_id, created_at DESC, id DESC);
CREATE INDEX analyses_owner_idx ON analyses (owner, created_at DESC, id DESC);
CREATE INDEX analyses_state_idx ON analyses (state, created_at DESC, id DESC);
CREATE INDEX analyses_verdict_idx ON analyses (verdict, created_at DESC, id DESC);
CREATE INDEX analyses_step_key_idx ON analyses (step_key, created_at DESC)
    WHERE state = 'completed';
CREATE INDEX analyses_review_queue_idx ON analyses (created_at, id) WHERE needs_review;
CREATE INDEX analyses_expires_at_idx ON analyses (expires_at) WHERE expires_at IS NOT NULL;
"""

FINDINGS = """
CREATE TABLE analysis_results (
    analysis_id text PRIMARY KEY REFERENCES analyses (id) ON DELETE CASCADE,
    verdict text NOT NULL,
    score double precision,
    reasons jsonb NOT NULL DEFAULT '[]'::jsonb,
    face_count integer NOT NULL DEFAULT 0,
    versions jsonb NOT NULL DEFAULT '{}'::jsonb,
    report jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT analysis_results_score_check CHECK (score BETWEEN 0 AND 1)
);
CREATE TABLE frame_scores (
    analysis_id text NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    time_ms bigint NOT NULL,
    position integer NOT NULL,
    pts bigint NOT NULL,
    face_number integer NOT NULL DEFAULT 0,
    score double precision,
    exclusion text NOT NULL DEFAULT '',
    box_left double precision,
    box_top double precision,
    box_width double precision,
    box_height double precision,
    member_scores jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (analysis_id, time_ms, position),
    CONSTRAINT frame_scores_score_check CHECK (score BETWEEN 0 AND 1),
    -- A frame without a usable face is excluded with its reason and has no score, not 0.5.
    CONSTRAINT frame_scores_exclusion_check CHECK ((score IS NULL) = (exclusion <> ''))
);
CREATE TABLE suspicious_regions (
    analysis_id text NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    number integer NOT NULL,
    face_number integer NOT NULL DEFAULT 0,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    score double precision NOT NULL,
    box_left double precision NOT NULL,
    box_top double precision NOT NULL,
    box_width double precision NOT NULL,
    box_height double precision NOT NULL,
    evidence jsonb,
    PRIMARY KEY (analysis_id, number),
    CONSTRAINT suspicious_regions_score_check CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT suspicious_regions_times_check CHECK (start_ms >= 0 AND end_ms > start_ms)
);
CREATE TABLE analysis_metrics (
    analysis_id text PRIMARY KEY REFERENCES analyses (id) ON DELETE CASCADE,
    processing_seconds double precision NOT NULL,
    stage_seconds jsonb NOT NULL DEFAULT '{}'::jsonb,
    confidence double precision,
    frame_count integer NOT NULL,
    cache_hit boolean NOT NULL,
    device text NOT NULL DEFAULT '',
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT analysis_metrics_confidence_check CHECK (confidence BETWEEN 0 AND 1)
);
CREATE INDEX analysis_metrics_measured_at_idx ON analysis_metrics (measured_at);
"""

REVIEWS = """
CREATE TABLE analysis_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    analysis_id text NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    action text NOT NULL,
    reviewer text NOT NULL,
    reason text NOT NULL,
    model_verdict text NOT NULL,
    model_score double precision,
    verdict text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT analysis_reviews_action_check CHECK (action IN ('flag', 'accept', 'override')),
    CONSTRAINT analysis_reviews_verdict_check CHECK ((verdict IS NULL) = (action = 'flag'))
);
CREATE INDEX analysis_reviews_analysis_idx ON analysis_reviews (analysis_id, id);
CREATE FUNCTION reject_review_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'analysis_reviews is an audit trail; its rows cannot be changed'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER analysis_reviews_no_update BEFORE UPDATE ON analysis_reviews
    FOR EACH ROW EXECUTE FUNCTION reject_review_change();
-- Depth 0 is a DELETE of its own; the cascade from an asset runs inside another trigger.
CREATE TRIGGER analysis_reviews_no_delete BEFORE DELETE ON analysis_reviews
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION reject_review_change();
"""

STATES = """
CREATE FUNCTION copy_job_to_analysis() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE analyses
    SET state = NEW.state, started_at = NEW.started_at, finished_at = NEW.finished_at,
        asset_id = coalesce(NEW.asset_id, asset_id),
        error_code = NEW.failure ->> 'code', error_message = NEW.failure ->> 'message',
        error_hint = NEW.failure ->> 'hint',
        verdict = CASE WHEN NEW.state = 'failed' THEN 'failed'
                       WHEN OLD.state = 'failed' THEN NULL ELSE verdict END
    WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER job_state_to_analysis AFTER UPDATE OF state, asset_id ON job
    FOR EACH ROW WHEN (OLD.state <> NEW.state
        OR NEW.asset_id IS NOT NULL AND NEW.asset_id IS DISTINCT FROM OLD.asset_id)
    EXECUTE FUNCTION copy_job_to_analysis();
CREATE FUNCTION delete_analysis_without_asset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM analyses WHERE id = OLD.id AND asset_id IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER job_deletes_analysis AFTER DELETE ON job
    FOR EACH ROW EXECUTE FUNCTION delete_analysis_without_asset();
"""


def upgrade() -> None:
    for statements in (ANALYSES, FINDINGS, REVIEWS, STATES):
        op.execute(statements)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
