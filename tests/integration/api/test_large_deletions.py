"""Deletions of videos with many jobs, with jobs that others submitted, and by two processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.integration.api.conftest import FILM_HEAD, RunningApi
from tests.integration.storage import rows

from cinemill.capabilities.ingest import deletion
from cinemill.catalog import CATALOG
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database
from cinemill.storage.media.deletions import lock_due

MANY = deletion.JOBS_AT_ONCE + 20


@pytest.fixture
def database(api: RunningApi) -> Iterator[Database]:
    opened = Database(api.database_url)
    yield opened
    opened.close()


def upload(api: RunningApi) -> str:
    """Return the id of a new video with one queued job."""
    task = api.upload(FILM_HEAD + os.urandom(64)).json()["task_id"]
    return str(api.http.get(f"/api/v1/jobs/{task}").json()["asset_id"])


def status(api: RunningApi, asset_id: str) -> int:
    return api.http.get(f"/api/v1/assets/{asset_id}").status_code


def make_jobs(database: Database, asset_id: str, number: int) -> None:
    for _ in range(number):
        rows.accept(database, owner="local", asset_id=asset_id)


def count_jobs(database: Database, asset_id: str) -> int:
    service = JobService(database, catalog=CATALOG)
    return len(service.list_jobs(asset_id=asset_id, limit=2 * MANY))


def carry_out_until_gone(database_url: str, asset_id: str) -> int:
    """Do what a beat does until the video is gone, and return how many rounds it took."""
    database = Database(database_url)
    service = JobService(database, catalog=CATALOG)
    try:
        for number in range(1, 200):
            deletion.carry_out_due(database, service)
            with database.begin() as connection:
                if lock_due(connection, asset_id) is None:
                    return number
    finally:
        database.close()
    pytest.fail("the video is still there")


def mark(database: Database, asset_id: str) -> None:
    deletion.request_deletion(database, asset_id, undo_seconds=0)


def test_video_with_more_jobs_than_one_portion_is_deleted(
    api: RunningApi, database: Database
) -> None:
    asset_id = upload(api)
    make_jobs(database, asset_id, MANY)
    mark(database, asset_id)
    service = JobService(database, catalog=CATALOG)
    assert not deletion.carry_out(database, service, asset_id)
    assert count_jobs(database, asset_id) == MANY + 1 - deletion.JOBS_AT_ONCE
    assert carry_out_until_gone(api.database_url, asset_id) == 1
    assert (status(api, asset_id), count_jobs(database, asset_id)) == (404, 0)


def test_two_beats_carry_out_the_same_deletions(api: RunningApi, database: Database) -> None:
    videos = [upload(api) for _ in range(6)]
    for asset_id in videos:
        make_jobs(database, asset_id, 30)
        mark(database, asset_id)
    with ThreadPoolExecutor(3) as beats:
        work = [
            beats.submit(carry_out_until_gone, api.database_url, asset_id)
            for asset_id in (videos[0], videos[-1], videos[3])
        ]
        # A person who is impatient asks for the same again.
        asked = [api.http.delete(f"/api/v1/assets/{one}").status_code for one in videos]
        assert all(one.result() for one in work)
    assert set(asked) <= {202, 204, 404}
    for asset_id in videos:
        carry_out_until_gone(api.database_url, asset_id)
    assert [status(api, one) for one in videos] == [404] * len(videos)
    assert [count_jobs(database, one) for one in videos] == [0] * len(videos)


def submit_batch(api: RunningApi, videos: list[str]) -> str:
    body = {"kind": "batch_process_videos", "params": {"assets": videos}}
    return str(api.http.post("/api/v1/jobs", json=body).raise_for_status().json()["id"])


def test_video_of_an_unfinished_batch_is_kept(api: RunningApi) -> None:
    videos = [upload(api), upload(api)]
    parent = submit_batch(api, videos)
    refused = api.http.delete(f"/api/v1/assets/{videos[0]}")
    assert (refused.status_code, refused.json()["code"]) == (409, "asset_in_use")
    assert parent in refused.json()["detail"]
    api.http.post(f"/api/v1/jobs/{parent}/cancel").raise_for_status()
    assert api.http.delete(f"/api/v1/assets/{videos[0]}").status_code == 204
    # The other video of the batch is none of its business.
    assert [status(api, one) for one in videos] == [404, 200]
    assert api.http.get(f"/api/v1/jobs/{parent}").status_code == 200


@pytest.mark.parametrize("state", ["failed", "completed"])
def test_video_of_a_batch_that_has_ended_goes_with_its_own_jobs_only(
    api: RunningApi, database: Database, state: str
) -> None:
    videos = [upload(api), upload(api)]
    parent = submit_batch(api, videos)
    children = [
        rows.accept(database, owner="local", asset_id=one, parent_id=parent).id for one in videos
    ]
    rows.change(database, "UPDATE run SET state = 'cancelled' WHERE job_id = :id", id=parent)
    rows.change(
        database,
        "UPDATE job SET state = :state, finished_at = now() WHERE id = :id",
        id=parent,
        state=state,
    )
    assert api.http.delete(f"/api/v1/assets/{videos[0]}").status_code == 204
    assert [status(api, one) for one in videos] == [404, 200]
    found = [api.http.get(f"/api/v1/jobs/{one}").status_code for one in (parent, *children)]
    assert found == [200, 404, 200]


def test_children_of_a_videos_own_job_end_with_it(api: RunningApi, database: Database) -> None:
    asset_id = upload(api)
    own = rows.accept(database, owner="local", asset_id=asset_id)
    params: dict[str, Any] = {"path": f"/videos/{asset_id}"}
    below = rows.accept(database, owner="local", parent_id=own.id, params=params)
    also = rows.accept(database, owner="local", asset_id=asset_id, parent_id=own.id)
    assert api.http.delete(f"/api/v1/assets/{asset_id}").status_code == 204
    assert status(api, asset_id) == 404
    states = [api.http.get(f"/api/v1/jobs/{one.id}").status_code for one in (own, also)]
    assert states == [404, 404]
    left = api.http.get(f"/api/v1/jobs/{below.id}").json()
    assert left["status"] == "cancelled"
