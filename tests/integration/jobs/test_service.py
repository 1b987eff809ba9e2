"""The job service, as every door calls it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.jobs.engine import CATALOG
from tests.integration.storage import rows

from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, InputRejected, NotFound
from cinemill.jobs.catalog import RetryPolicy
from cinemill.jobs.service import JobService
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.new_jobs import Timing
from cinemill.storage.media import assets, deletions
from cinemill.storage.media.assets import AssetRecord


@pytest.fixture
def film(database: Database) -> AssetRecord:
    with database.begin() as connection:
        return assets.register_asset(
            connection, owner="local", sha256="0", size_bytes=1, filename="film.mp4"
        )[0]


def start(database: Database, job: Job) -> Any:
    return rows.start(database, job)


def complete(database: Database, job: Job) -> None:
    rows.succeed(database, rows.start(database, job), {"output_filename": "proxy.mp4"})


def mark_dead(database: Database, job: Job) -> None:
    rows.mark_dead(database, rows.start(database, job))


def refuse(service: JobService, kind: str = "work", **options: Any) -> str:
    with pytest.raises(InputRejected) as refused:
        service.create_job(kind, **options)
    assert service.get_queue_stats()["total"] == 0
    return refused.value.code


def test_accepted_job_is_pending_and_known_to_celery_by_its_id(service: JobService) -> None:
    job = service.create_job("work", owner="ann", params={"path": "film.mp4"})
    assert (job.state, job.owner, job.params) == (JobState.PENDING, "ann", {"path": "film.mp4"})
    assert job.celery_task_id == job.id
    assert service.get_job(job.id) == job


def test_job_takes_its_queues_priority_unless_it_names_one(service: JobService) -> None:
    assert service.create_job("work").priority == 5
    assert service.create_job("urgent_work").priority == 10
    assert service.create_job("urgent_work", priority=0).priority == 0


@pytest.mark.parametrize("priority", [-1, 11, 5.5, "9", True])
def test_priority_that_is_none_is_refused(service: JobService, priority: Any) -> None:
    assert refuse(service, priority=priority) == "priority_invalid"


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), b"bytes", "nul\x00", "half \udcff", {1, 2}]
)
def test_parameters_that_are_no_plain_json_are_refused(service: JobService, value: Any) -> None:
    assert refuse(service, params={"path": value}) == "params_not_json"
    assert refuse(service, params={"path": [{"deep": value}]}) == "params_not_json"


def test_text_that_only_looks_like_an_escape_is_text(service: JobService) -> None:
    job = service.create_job("work", params={"path": "\\u0000.mp4", "note": "naïve 🎬\n"})
    assert service.get_job(job.id).params == {"path": "\\u0000.mp4", "note": "naïve 🎬\n"}


def test_unknown_kind_is_refused(service: JobService) -> None:
    assert refuse(service, "process_vidoe") == "job_kind_unknown"


def test_no_more_is_made_of_a_video_that_is_being_deleted(
    service: JobService, database: Database, film: AssetRecord
) -> None:
    known = service.create_job("work", asset_id=film.id, job_id="known")
    with database.begin() as connection:
        deletions.mark(connection, film.id, undo_seconds=10)
    assert service.create_job("work", asset_id=film.id, job_id="known").id == known.id

    def add() -> Job:
        with database.begin() as connection:
            return service.add_job(connection, "work", film.id)

    for create in (
        lambda: service.create_job("work", asset_id=film.id),
        lambda: service.create_jobs("work", [film.id]),
        lambda: service.queue_proxy_generation(film.id),
        add,
    ):
        with pytest.raises(Conflict) as refused:
            create()
        assert refused.value.code == "asset_being_deleted"
    with database.begin() as connection:
        deletions.unmark(connection, film.id)
    assert add().asset_id == film.id


def test_whoever_claims_a_step_is_told_the_time_limit_of_the_call(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work", timing=Timing(time_limit_seconds=5))
    assert start(database, job).time_limit_seconds == 5
    assert start(database, service.create_job("work")).time_limit_seconds is None


def test_unknown_asset_is_refused(service: JobService) -> None:
    assert refuse(service, "process_video", asset_id="no such asset") == "asset_not_found"


def test_same_request_under_one_key_is_one_job(service: JobService) -> None:
    first = service.create_job("work", params={"a": 1, "b": 2}, idempotency_key="k")
    again = service.create_job("work", params={"b": 2, "a": 1}, idempotency_key="k")
    assert again.id == first.id
    with pytest.raises(Conflict) as refused:
        service.create_job("work", params={"a": 3}, idempotency_key="k")
    assert refused.value.code == "idempotency_conflict"


def test_what_is_written_along_appears_with_the_job_or_not_at_all(
    service: JobService, database: Database
) -> None:
    def write(connection: Connection) -> None:
        assets.register_asset(
            connection, owner="ann", sha256="1", size_bytes=1, filename="f.mp4", asset_id="a-1"
        )

    assert service.create_job("work", asset_id="a-1", in_transaction=write).asset_id == "a-1"

    def write_and_break(connection: Connection) -> None:
        assets.register_asset(connection, owner="bob", sha256="1", size_bytes=1, filename="f.mp4")
        raise RuntimeError("broke")

    with pytest.raises(RuntimeError):
        service.create_job("work", in_transaction=write_and_break)
    assert assets.find_asset(database, owner="bob", sha256="1") is None
    assert service.get_queue_stats()["total"] == 1


def test_queue_proxy_generation_makes_the_proxy_of_a_stored_film(
    service: JobService, film: AssetRecord
) -> None:
    job = service.queue_proxy_generation(film.id, 8)
    assert (job.kind, job.asset_id, job.priority) == ("process_video", film.id, 8)
    assert [step["name"] for step in service.get_job_status(job.id)["steps"]] == [
        "probe",
        "prepare",
    ]
    with pytest.raises(NotFound) as refused:
        service.queue_proxy_generation("no such video")
    assert refused.value.code == "asset_not_found"


def test_jobs_of_a_video_are_listed_newest_first(service: JobService, film: AssetRecord) -> None:
    jobs = [service.queue_proxy_generation(film.id) for _ in range(3)]
    service.create_job("work")
    assert [job.id for job in service.get_jobs_for_video(film.id)] == [job.id for job in jobs][::-1]


def test_waiting_jobs_status_says_its_place_in_the_queue(service: JobService) -> None:
    service.create_job("work")
    status = service.get_job_status(service.create_job("work").id)
    assert (status["status"], status["queue_place"]) == ("pending", 1)
    assert (status["duration_seconds"], status["seconds_left"]) == (None, None)
    assert status["steps"][0]["status"] == "queued"


def test_running_jobs_status_says_its_worker_and_the_time_left(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work")
    start(database, job)
    rows.change(
        database,
        "UPDATE job SET started_at = now() - interval '10 s',"
        " expected_end = now() + interval '30 s' WHERE id = :id",
        id=job.id,
    )
    status = service.get_job_status(job.id)
    assert (status["status"], status["worker"], status["queue_place"]) == (
        "running",
        "host:1",
        None,
    )
    assert status["duration_seconds"] == pytest.approx(10, abs=3)
    assert status["seconds_left"] == pytest.approx(30, abs=9)


def test_completed_jobs_status_has_its_result_and_times(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work")
    complete(database, job)
    status = service.get_job_status(job.id)
    assert (status["status"], status["progress"]) == ("completed", 100.0)
    assert status["result"] == {"output_filename": "proxy.mp4"}
    assert status["finished_at"] > status["started_at"] >= status["queued_at"]
    assert status["duration_seconds"] >= 0
    assert status["seconds_left"] is None


def test_failed_jobs_status_says_why_in_words_with_the_last_lines(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work")
    mark_dead(database, job)
    status = service.get_job_status(job.id)
    assert status["status"] == "failed"
    assert status["error"] == {
        "code": "command_failed",
        "message": "ffmpeg ended with 1.",
        "hint": "Retry the job.",
        "log_tail": "last line",
        "retryable": True,
    }
    assert status["steps"][0]["error"] == status["error"]


def test_pending_jobs_are_filtered_by_kind_owner_and_age(
    service: JobService, database: Database
) -> None:
    old = service.create_job("work", owner="ann")
    young = service.create_job("work", owner="bob")
    other = service.create_job("urgent_work", owner="bob")
    start(database, service.create_job("work"))
    rows.change(
        database, "UPDATE job SET queued_at = now() - interval '1 hour' WHERE id = :id", id=old.id
    )

    def pending(**filters: Any) -> set[str]:
        return {job.id for job in service.get_pending_jobs(**filters)}

    assert pending() == {old.id, young.id, other.id}
    assert pending(kind="work") == {old.id, young.id}
    assert pending(owner="bob") == {young.id, other.id}
    assert pending(older_than_seconds=600) == {old.id}


def test_old_pending_jobs_are_found_behind_many_young_ones(
    service: JobService, database: Database
) -> None:
    old = service.create_job("work")
    rows.change(
        database, "UPDATE job SET queued_at = now() - interval '1 hour' WHERE id = :id", id=old.id
    )
    for _ in range(5):
        service.create_job("work")
    found = service.get_pending_jobs(older_than_seconds=600, limit=3)
    assert [job.id for job in found] == [old.id]


def test_job_is_cancelled_with_a_reason(service: JobService) -> None:
    job = service.cancel_job(service.create_job("work").id, "wrong film")
    assert (job.state, job.cancel_reason) == (JobState.CANCELLED, "wrong film")
    assert service.cancel_job(service.create_job("work").id).cancel_reason is not None
    assert service.cancel_job(job.id, "another").cancel_reason == "wrong film"
    with pytest.raises(NotFound):
        service.cancel_job("no such job")


def test_failed_jobs_are_retried_alone_and_in_bulk(service: JobService, database: Database) -> None:
    jobs = [service.create_job("work") for _ in range(3)]
    for job in jobs:
        mark_dead(database, job)
    assert service.retry_job(jobs[0].id).state is JobState.PENDING
    assert service.retry_failed(code="media_damaged") == 0
    assert service.retry_failed(kind="work", code="command_failed") == 2
    assert service.retry_failed() == 0


def test_dead_letters_are_listed_and_redriven(service: JobService, database: Database) -> None:
    job = service.create_job("work", owner="ann")
    mark_dead(database, job)
    (dead,) = service.list_dead()
    assert (dead.job_id, dead.owner, dead.failure.code) == (job.id, "ann", "command_failed")
    assert service.redrive(dead.step_id).state is JobState.PENDING
    assert service.list_dead() == []
    with pytest.raises(NotFound):
        service.redrive(dead.step_id)


def test_only_ended_jobs_are_deleted(service: JobService, database: Database) -> None:
    job = service.create_job("work")
    with pytest.raises(Conflict) as refused:
        service.delete_job(job.id)
    assert refused.value.code == "job_not_ended"
    complete(database, job)
    service.delete_job(job.id)
    with pytest.raises(NotFound):
        service.get_job(job.id)


def test_old_jobs_are_deleted_by_age(service: JobService, database: Database) -> None:
    job = service.create_job("work")
    complete(database, job)
    assert service.delete_old_jobs(days=1) == 0
    assert service.delete_old_jobs(days=0) == 1


def test_tries_come_from_the_kind_of_work_or_else_from_the_settings(
    service: JobService, database: Database
) -> None:
    generous = JobService(
        database, catalog=CATALOG, limits=RetryPolicy(max_retries=7, max_crashes=2)
    )
    ordinary, fragile = generous.create_job("work"), generous.create_job("fragile_work")
    query = "SELECT max_failures, max_crashes FROM step WHERE job_id = :id"
    with database.begin() as connection:
        tries = [
            tuple(connection.execute(text(query), {"id": job.id}).one())
            for job in (ordinary, fragile)
        ]
    assert tries == [(8, 2), (2, 2)]


def test_statistics_count_and_time_what_was_done(service: JobService, database: Database) -> None:
    complete(database, service.create_job("work"))
    service.create_job("urgent_work")
    stats = service.get_queue_stats()
    assert stats["by_status"] == {"completed": 1, "pending": 1}
    assert stats["by_type"] == {"work": 1, "urgent_work": 1}
    assert stats["by_queue"] == {"runtime": 1}
    assert stats["total"] == 2
    times = service.get_processing_times()["work"]
    assert times["count"] == 1
    assert set(times) == {"count", "average_seconds", "p50_seconds", "p90_seconds", "p99_seconds"}


def test_job_pending_for_more_than_two_hours_is_stuck(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work")
    assert service.get_stuck_jobs() == []
    rows.change(database, "UPDATE job SET queued_at = now() - interval '121 minutes'")
    assert [stuck.id for stuck in service.get_stuck_jobs()] == [job.id]
    assert service.get_stuck_jobs(hours=3) == []
