"""The result of a job goes with the first video that it quotes; the job stays."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import register

from cinemill.core.job import Job, JobState
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.jobs import job_changes, job_queries
from cinemill.storage.media import assets

RESULT = {"hits": [{"text": "the password is swordfish"}]}


def quote(database: Database, *asset_ids: str) -> Job:
    """Return a job that has ended, and whose result quotes these videos."""
    job = rows.accept(database)
    rows.succeed(database, rows.start(database, job), RESULT)
    with database.begin() as connection:
        job_changes.record_quotations(connection, job.id, asset_ids)
    return job


def delete(database: Database, asset_id: str) -> bool:
    with database.begin() as connection:
        return assets.delete_asset(connection, asset_id)


def have_results(database: Database, jobs: Iterable[Job]) -> list[bool]:
    found = []
    for job in jobs:
        with database.begin() as connection:
            (step,) = job_queries.list_steps(connection, job.id)
        stored = rows.get_job(database, job)
        assert stored.state is JobState.COMPLETED
        assert (stored.result is None) == (step.result is None)
        found.append(stored.result is not None)
    return found


def test_results_go_with_a_video_that_they_quote(database: Database) -> None:
    for name in ("film", "other"):
        register(database, name)
    jobs = [quote(database, *ids) for ids in (["film"], ["other"], ["film", "other"], [])]
    assert have_results(database, jobs) == [True] * 4
    assert delete(database, "film")
    assert have_results(database, jobs) == [False, True, False, True]
    assert "removed with a video" in rows.get_job(database, jobs[0]).message
    assert rows.get_job(database, jobs[1]).message == "Done"
    assert delete(database, "other")
    assert have_results(database, jobs) == [False, False, False, True]


def test_job_that_quotes_a_video_is_deleted_alone(database: Database) -> None:
    register(database, "film")
    job = quote(database, "film", "film")
    with database.begin() as connection:
        assert job_changes.delete_job(connection, job.id)
    assert delete(database, "film")


def test_video_deleted_meanwhile_cannot_be_quoted(database: Database) -> None:
    register(database, "film")
    with pytest.raises(NotFound) as refused:
        quote(database, "film", "gone")
    assert refused.value.code == "asset_not_found"


def test_video_and_job_deleted_at_once_do_not_wait_for_each_other(database: Database) -> None:
    register(database, "film")
    for _ in range(20):
        register(database, "film")
        jobs = [quote(database, "film") for _ in range(5)]

        def delete_jobs(doomed: list[Job] = jobs) -> None:
            for job in doomed:
                with database.begin() as connection:
                    job_changes.delete_job(connection, job.id)

        with ThreadPoolExecutor(2) as pool:
            ended = pool.submit(delete_jobs)
            assert pool.submit(delete, database, "film").result()
            ended.result()
