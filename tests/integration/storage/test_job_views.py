"""The views ``processing_jobs`` and ``videos``: queries of a job service, as people wrote them."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.integration.storage import rows
from tests.integration.storage.test_assets import MEDIA, make_artifact, register, save

from cinemill.core.job import Job
from cinemill.core.media import ArtifactKind
from cinemill.storage.database import Database
from cinemill.storage.json_columns import json_parameter

COUNT_BY_STATUS = "SELECT status, COUNT(*) FROM processing_jobs GROUP BY status"
STUCK = """
SELECT id, job_type, status, queued_at, started_at FROM processing_jobs
WHERE (status = 'pending' AND queued_at < NOW() - INTERVAL '2 hours')
   OR (status = 'running' AND started_at < NOW() - INTERVAL '2 hours')
ORDER BY queued_at
"""
AVERAGES = """
SELECT job_type, AVG(EXTRACT(EPOCH FROM (completed_at - started_at))) AS avg_seconds
FROM processing_jobs WHERE status = 'completed' GROUP BY job_type
"""
RECORD = """
SELECT video_id, job_type, status, priority, celery_task_id, queued_at, started_at, completed_at,
       error_message, result_data FROM processing_jobs WHERE id = :id
"""
VIDEO = """
SELECT filename, status, proxy_path, width, height, fps, duration, codec FROM videos WHERE id = :id
"""


def select(database: Database, query: str, **values: object) -> list[dict[str, object]]:
    with database.begin() as connection:
        return [dict(row) for row in connection.execute(text(query), values).mappings()]


def age(database: Database, job: Job, column: str) -> None:
    rows.change(
        database,
        f"UPDATE job SET {column} = now() - interval '3 hours' WHERE id = :id",
        id=job.id,
    )


def test_jobs_are_counted_by_status(database: Database) -> None:
    rows.accept(database)
    rows.succeed(database, rows.start(database, rows.accept(database)))
    rows.mark_dead(database, rows.start(database, rows.accept(database)))
    found = select(database, COUNT_BY_STATUS)
    assert {row["status"]: row["count"] for row in found} == {
        "pending": 1,
        "completed": 1,
        "failed": 1,
    }


def test_jobs_that_take_over_two_hours_are_found(database: Database) -> None:
    waiting, running, fresh = (rows.accept(database) for _ in range(3))
    rows.start(database, running)
    age(database, waiting, "queued_at")
    age(database, running, "started_at")
    assert {row["id"] for row in select(database, STUCK)} == {waiting.id, running.id}
    assert fresh.id not in {row["id"] for row in select(database, STUCK)}


def test_average_seconds_by_type(database: Database) -> None:
    for kind, seconds in (("caption", 4), ("caption", 6), ("transcode", 1)):
        job = rows.accept(database, kind=kind)
        rows.succeed(database, rows.start(database, job))
        rows.change(
            database,
            "UPDATE job SET started_at = finished_at - make_interval(secs => :s) WHERE id = :id",
            s=seconds,
            id=job.id,
        )
    found = {row["job_type"]: row["avg_seconds"] for row in select(database, AVERAGES)}
    assert found == {"caption": pytest.approx(5), "transcode": pytest.approx(1)}


def test_record_of_a_completed_job_has_its_result_and_no_error(database: Database) -> None:
    asset = register(database)
    job = rows.accept(database, kind="transcode", asset_id=asset.id, priority=7)
    rows.succeed(database, rows.start(database, job), {"output_path": "/films/a.mp4"})
    (row,) = select(database, RECORD, id=job.id)
    assert (row["video_id"], row["job_type"], row["status"]) == (asset.id, "transcode", "completed")
    assert (row["priority"], row["celery_task_id"]) == (7, job.id)
    assert row["queued_at"] <= row["started_at"] <= row["completed_at"]  # type: ignore[operator]
    assert (row["result_data"], row["error_message"]) == ({"output_path": "/films/a.mp4"}, None)


def test_record_of_a_failed_job_has_its_error(database: Database) -> None:
    job = rows.accept(database)
    rows.mark_dead(database, rows.start(database, job))
    (row,) = select(database, RECORD, id=job.id)
    assert (row["error_message"], row["result_data"]) == (rows.FAILURE.message, None)


def test_video_is_processing_until_its_proxy_is_there(database: Database) -> None:
    asset = register(database)
    rows.accept(database, asset_id=asset.id)
    (before,) = select(database, VIDEO, id=asset.id)
    assert (before["status"], before["proxy_path"], before["width"]) == ("processing", None, None)
    statement = text("UPDATE asset SET media = :media WHERE id = :id")
    with database.begin() as connection:
        connection.execute(
            statement.bindparams(json_parameter("media")),
            {"id": asset.id, "media": MEDIA.to_json()},
        )
    save(database, asset, make_artifact(ArtifactKind.PROXY, "abcdef"))
    (after,) = select(database, VIDEO, id=asset.id)
    assert after == {
        "filename": "film.mp4",
        "status": "ready",
        "proxy_path": "objects/ab/cd/abcdef",
        "width": 320,
        "height": 180,
        "fps": pytest.approx(29.97, abs=0.001),
        "duration": pytest.approx(2.0),
        "codec": "h264",
    }


def test_video_whose_job_failed_says_so(database: Database) -> None:
    asset = register(database)
    rows.mark_dead(database, rows.start(database, rows.accept(database, asset_id=asset.id)))
    (row,) = select(database, VIDEO, id=asset.id)
    assert row["status"] == "failed"


def test_video_nobody_asked_anything_of_is_uploaded(database: Database) -> None:
    (row,) = select(database, VIDEO, id=register(database).id)
    assert row["status"] == "uploaded"


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("INSERT INTO processing_jobs (id, job_type) VALUES ('1', 'transcode')", "POST /jobs"),
        ("UPDATE processing_jobs SET status = 'failed' WHERE status = 'pending'", "cancel_job"),
        ("UPDATE processing_jobs SET status = 'failed' WHERE id = 'none'", "cancel_job"),
        ("DELETE FROM processing_jobs", "cleanup_old_jobs"),
        ("INSERT INTO videos (id, filename) VALUES ('1', 'film.mp4')", "POST /upload"),
        ("UPDATE videos SET status = 'ready'", "submit a job"),
        ("DELETE FROM videos WHERE status = 'failed'", "DELETE /assets/ID"),
    ],
)
def test_view_refuses_to_be_written_and_names_the_call(
    database: Database, statement: str, call: str
) -> None:
    job = rows.accept(database, asset_id=register(database).id)
    before = select(database, "SELECT * FROM processing_jobs")
    with pytest.raises(DBAPIError) as refused, database.begin() as connection:
        connection.execute(text(statement))
    error = refused.value.orig
    assert isinstance(error, psycopg.Error)
    assert "is for reading only" in str(error.diag.message_primary)
    assert call in str(error.diag.message_hint)
    assert select(database, "SELECT * FROM processing_jobs") == before
    assert job.id == before[0]["id"]
