"""The first schema: assets and artifacts, jobs, steps and runs."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

SCHEMA = """
CREATE TABLE asset (
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    filename TEXT NOT NULL,
    media JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT asset_owner_sha256_key UNIQUE (owner, sha256)
);
CREATE INDEX asset_created_at_idx ON asset (created_at, id);
CREATE INDEX asset_sha256_idx ON asset (sha256);
CREATE TABLE artifact (
    id TEXT NOT NULL,
    asset_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    variant TEXT DEFAULT '' NOT NULL,
    step_key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    filename TEXT NOT NULL,
    media_type TEXT NOT NULL,
    facts JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT artifact_asset_kind_variant_key UNIQUE (asset_id, kind, variant),
    FOREIGN KEY(asset_id) REFERENCES asset (id) ON DELETE CASCADE
);
CREATE INDEX artifact_sha256_idx ON artifact (sha256);
CREATE INDEX artifact_step_key_idx ON artifact (step_key);
CREATE TABLE job (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    priority SMALLINT NOT NULL,
    asset_id TEXT,
    params JSONB DEFAULT '{}'::jsonb NOT NULL,
    idempotency_key TEXT,
    request_digest TEXT NOT NULL,
    progress DOUBLE PRECISION DEFAULT 0 NOT NULL,
    stage TEXT DEFAULT '' NOT NULL,
    message TEXT DEFAULT '' NOT NULL,
    result JSONB,
    failure JSONB,
    cancel_requested_at TIMESTAMP WITH TIME ZONE,
    cancel_reason TEXT,
    worker TEXT,
    queued_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    announced BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT job_priority_check CHECK (priority BETWEEN 0 AND 10),
    CONSTRAINT job_owner_idempotency_key UNIQUE (owner, idempotency_key),
    FOREIGN KEY(asset_id) REFERENCES asset (id) ON DELETE SET NULL
);
CREATE INDEX job_asset_idx ON job (asset_id, queued_at DESC);
CREATE INDEX job_cancelling_idx ON job (cancel_requested_at)
    WHERE state IN ('pending', 'running') AND cancel_requested_at IS NOT NULL;
CREATE INDEX job_owner_idx ON job (owner, queued_at DESC);
CREATE INDEX job_queued_at_idx ON job (queued_at DESC, id DESC);
CREATE INDEX job_state_idx ON job (state, queued_at DESC);
CREATE INDEX job_unannounced_idx ON job (finished_at)
    WHERE NOT announced AND state <> 'running';
CREATE TABLE step (
    id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    state TEXT NOT NULL,
    params JSONB DEFAULT '{}'::jsonb NOT NULL,
    weight DOUBLE PRECISION DEFAULT 1 NOT NULL,
    deps_remaining INTEGER DEFAULT 0 NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    crashes INTEGER DEFAULT 0 NOT NULL,
    max_failures INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    progress DOUBLE PRECISION DEFAULT 0 NOT NULL,
    result JSONB,
    failure JSONB,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT step_job_name_key UNIQUE (job_id, name),
    FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
CREATE INDEX step_dead_idx ON step (finished_at) WHERE state = 'dead';
CREATE TABLE run (
    id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    attempt INTEGER NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    run_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE,
    publish_count INTEGER DEFAULT 0 NOT NULL,
    token TEXT,
    worker TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    failure JSONB,
    PRIMARY KEY (id),
    FOREIGN KEY(step_id) REFERENCES step (id) ON DELETE CASCADE,
    FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
CREATE INDEX run_job_idx ON run (job_id);
CREATE INDEX run_lease_idx ON run (lease_until) WHERE state = 'running';
CREATE UNIQUE INDEX run_live_step_idx ON run (step_id) WHERE state IN ('queued', 'running');
CREATE INDEX run_published_idx ON run (queue, published_at)
    WHERE state = 'queued' AND published_at IS NOT NULL;
CREATE INDEX run_ready_idx ON run (queue, owner, priority DESC, run_at)
    WHERE state = 'queued' AND published_at IS NULL;
CREATE INDEX run_step_idx ON run (step_id);
CREATE TABLE step_dependency (
    step_id TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    PRIMARY KEY (step_id, depends_on),
    FOREIGN KEY(step_id) REFERENCES step (id) ON DELETE CASCADE,
    FOREIGN KEY(depends_on) REFERENCES step (id) ON DELETE CASCADE
);
CREATE INDEX step_dependency_depends_on_idx ON step_dependency (depends_on);

CREATE VIEW dead AS
SELECT step.id AS step_id, step.job_id, job.kind AS job_kind, step.name AS step_name, job.owner,
       step.attempts, step.failures, step.crashes, step.failure, step.finished_at AS died_at
FROM step JOIN job ON job.id = step.job_id
WHERE step.state = 'dead' AND job.state = 'failed';
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
