"""Every listed query finds its rows by an index, with ten thousand runs queued and a long past.

The statements are those that the functions really send; see ``plans.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.integration.storage.plans import OneConnection, assert_by_index

from cinemill.core.job import JobState
from cinemill.core.media import ArtifactKind
from cinemill.storage import clock, hardware, turns
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims, dispatch, job_changes, job_queries, recovery, statistics
from cinemill.storage.jobs.waiting import deadlines, followers
from cinemill.storage.media import assets, findings

QUEUED = 10_000
ENDED = 30_000

_FILL = f"""
INSERT INTO asset (id, owner, sha256, size_bytes, filename)
SELECT 'asset-' || n, 'owner-' || n % 50, 'sha-' || n, 1, 'film.mp4'
FROM generate_series(1, 5000) AS n;
INSERT INTO artifact (id, asset_id, kind, step_key, sha256, size_bytes, filename, media_type)
SELECT 'artifact-' || n, 'asset-' || n, 'proxy', 'key-' || n, 'sha-p' || n, 1, 'p.mp4', 'video/mp4'
FROM generate_series(1, 5000) AS n;
INSERT INTO transcript (id, asset_id, step_key, model, model_revision, language, task)
SELECT 'transcript-' || n, 'asset-' || n, 'key-' || n, 'base', '', 'en', 'transcribe'
FROM generate_series(1, 5000) AS n;
INSERT INTO utterance (transcript_id, position, start_ms, end_ms, text)
SELECT 'transcript-' || n, position, 0, 1, 'word'
FROM generate_series(1, 5000) AS n, generate_series(1, 4) AS position;
INSERT INTO job (id, kind, owner, priority, asset_id, request_digest, state, queued_at,
                 started_at, finished_at, failure, announced)
SELECT 'old-' || n, 'process_video', 'owner-' || n % 50, 5, 'asset-' || 1 + n % 5000, '',
       CASE n % 100 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' ELSE 'completed' END,
       now() - n * interval '1 minute', now() - n * interval '1 minute',
       now() - n * interval '1 minute',
       CASE n % 100 WHEN 0 THEN
            '{{"code": "x", "message": "", "hint": "", "log_tail": ""}}'::jsonb END, true
FROM generate_series(1, {ENDED}) AS n;
INSERT INTO job (id, kind, owner, priority, request_digest)
SELECT 'new-' || n, 'process_video', 'owner-' || n % 5, n % 11, ''
FROM generate_series(1, {QUEUED}) AS n;
INSERT INTO step (id, job_id, position, name, kind, queue, state, max_failures, max_crashes,
                  finished_at, failure)
SELECT 'step-' || id, id, 0, 'work', 'work', 'default',
       CASE state WHEN 'pending' THEN 'queued' WHEN 'failed' THEN 'dead' ELSE 'succeeded' END,
       3, 3, finished_at, failure FROM job;
INSERT INTO step_dependency (step_id, depends_on)
SELECT id, 'step-old-' || 1 + abs(hashtext(id)) % 30000 FROM step;
INSERT INTO run (id, step_id, job_id, owner, kind, queue, priority, state, attempt, published_at,
                 lease_until, token, ended_at, peak_memory_bytes)
SELECT 'run-' || id, 'step-' || id, id, owner, 'work', 'default', priority,
       CASE state WHEN 'pending' THEN 'queued' WHEN 'failed' THEN 'failed' ELSE 'succeeded' END,
       1, CASE WHEN state <> 'pending' OR id LIKE 'new-___' THEN now() END,
       NULL, CASE WHEN state <> 'pending' THEN 'token-' || id END, finished_at,
       CASE WHEN state = 'completed' THEN 1 END FROM job;
INSERT INTO job (id, kind, owner, priority, request_digest, due_at, expires_at)
SELECT 'wait-' || n, 'process_video', 'owner-' || n % 5, 5, '', now() + n * interval '1 minute',
       now() + n * interval '1 hour'
FROM generate_series(1, 5000) AS n;
INSERT INTO job_wait (job_id, call)
SELECT id, '{{}}' FROM job WHERE id LIKE 'wait-%' OR state = 'cancelled';
INSERT INTO job_dependency (job_id, depends_on, position)
SELECT job_id, 'new-' || 1 + abs(hashtext(job_id)) % 9000 + place, place
FROM job_wait, generate_series(1, 3) AS place;
UPDATE run SET state = 'running', lease_until = now() + interval '1 minute', token = 'live'
WHERE id IN (SELECT 'run-new-' || n FROM generate_series(1, 16) AS n)
"""


@pytest.fixture(scope="module")
def filled(migrated: Database) -> Iterator[Database]:
    with migrated.begin() as connection:
        connection.execute(text("TRUNCATE asset, job CASCADE"))
        for statement in _FILL.split(";\n"):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.execute(text("ANALYZE"))
    yield migrated
    with migrated.begin() as connection:
        connection.execute(text("TRUNCATE asset, job CASCADE"))


RELAY: dict[str, Callable[[Connection], object]] = {
    "what there is to plan": lambda c: turns.lock_planner(c, 1),
    "runs whose time has come": lambda c: clock.release_delayed(c, 1e9),
    "the next delay": clock.next_delay_ends,
    "the engine's clock": clock.look,
    "queues with work": lambda c: turns.list_levels(c, ["default", "proxy", "runtime"]),
    "first runs of owners": lambda c: turns.list_ready(
        c, turns.Search("default", 5, after="owner-3", owners=16, per_owner=16)
    ),
    "first runs of owners but for a kind": lambda c: turns.list_ready(
        c,
        turns.Search(
            "default", 5, after="owner-3", owners=16, per_owner=16, without_kinds=["analyze"]
        ),
    ),
    "lock of the chosen": lambda c: turns.lock_ready(c, ["run-new-5000", "run-new-5001"]),
    "jobs of the chosen": lambda c: dispatch.list_unannounced_of(c, ["run-new-5000"]),
    "what owners hold": lambda c: turns.list_loads(c, "default"),
    "stamp": lambda c: dispatch.stamp_published(c, ["run-new-5000", "run-new-5001"]),
    "take back": lambda c: dispatch.take_back(c, ["run-new-101"]),
    "postpone": lambda c: dispatch.postpone(c, "run-new-5000", delay_seconds=5),
    "lost messages": lambda c: dispatch.list_unclaimed(c, older_than_seconds=0),
    "leases": dispatch.list_leases,
    "hardware requests": hardware.route,
    "crashes of a step": lambda c: dispatch.count_crashes(c, "run-new-5"),
    "cancelled and silent": dispatch.list_cancelling,
    "changed and untold": lambda c: dispatch.list_unannounced(c, limit=25),
    "is the token live": lambda c: claims.is_live_token(c, "live"),
    "what follows a job": lambda c: followers.list_ready_after(c, ["new-77", "old-7"], limit=100),
    "who waits for a deleted job": lambda c: followers.note_deletion(c, ["new-77"]),
    "a job that waits": lambda c: followers.lock_ready(c, "wait-77"),
    "what a job waits for": lambda c: followers.list_dependencies(c, "wait-77"),
    "what was ended with a job": lambda c: followers.list_ended_after(c, "new-77"),
    "children of a result": lambda c: followers.list_children(c, ["new-77", "old-7"]),
    "jobs that are due": deadlines.free_due,
    "jobs that expired": deadlines.list_expired,
}


@pytest.mark.parametrize("name", RELAY)
def test_relay_queries_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, RELAY[name])


LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "state": {"states": [JobState.FAILED]},
    "states": {"states": [JobState.PENDING, JobState.RUNNING]},
    "owner": {"owner": "owner-3"},
    "asset": {"asset_id": "asset-77"},
    "kind": {"kind": "process_video"},
    "page": {"before": "old-500"},
    "page of a state": {"before": "old-500", "states": [JobState.COMPLETED]},
    "page of an owner": {"before": "old-500", "owner": "owner-3"},
}


@pytest.mark.parametrize("name", LISTS)
def test_job_lists_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, lambda c: job_queries.list_jobs(c, **LISTS[name]))


def test_queue_place_query_uses_indexes(filled: Database) -> None:
    assert_by_index(filled, lambda c: statistics.place_in_queue(c, "new-5000"))


STATISTICS: dict[str, Callable[[Connection], object]] = {
    "machines": statistics.count_machines,
    "memory": statistics.measure_memory,
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_queries_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, STATISTICS[name])


OTHERS: dict[str, Callable[[Connection], object]] = {
    "keys of transcripts": lambda c: findings.list_transcript_keys(c, "asset-1"),
    "job": lambda c: job_queries.get_job(c, "new-1"),
    "steps": lambda c: job_queries.list_steps(c, "new-1"),
    "dead letters": job_queries.list_dead,
    "stuck": lambda c: statistics.list_stuck(c, hours=2),
    "claim": lambda c: claims.claim(c, "run-new-5000", token="t", worker="w", lease_seconds=60),
    "cancel": lambda c: recovery.request_cancel(c, "new-5000", "changed my mind"),
    "retry": lambda c: recovery.retry(c, "old-100"),
    "delete": lambda c: job_changes.delete_job(c, "old-100"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_job_queries_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, OTHERS[name])


def ask_for_asset(connection: Connection) -> None:
    assets.register_asset(
        connection, owner="owner-1", sha256="sha-1", size_bytes=1, filename="film.mp4"
    )


def test_asset_lookup_by_owner_and_content_uses_indexes(filled: Database) -> None:
    assert_by_index(filled, ask_for_asset)


ASSETS: dict[str, Callable[[Database], object]] = {
    "asset": lambda d: assets.get_asset(d, "asset-1"),
    "asset by content": lambda d: assets.find_asset(d, owner="owner-1", sha256="sha-1"),
    "newest assets": lambda d: assets.list_assets(d),
    "artifacts": lambda d: assets.list_artifacts(d, "asset-1"),
    "artifact": lambda d: assets.get_artifact(d, "asset-1", ArtifactKind.PROXY),
    "work done before": lambda d: assets.find_step_artifacts(d, "key-1"),
    "transcript": lambda d: findings.get_transcript(d, "transcript-1"),
    "speech transcribed before": lambda d: findings.find_transcript(d, "key-1"),
    "last transcript": lambda d: findings.find_latest_transcript(d, "asset-1"),
}


@pytest.mark.parametrize("name", ASSETS)
def test_asset_queries_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, lambda c: ASSETS[name](OneConnection(c)))
