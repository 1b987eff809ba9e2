"""Deleting a video: at once, with an undo, and while something runs for it or needs it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text
from tests.integration.api.conftest import FILM_HEAD, Cinemill, RunningApi, StartApi
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.capabilities.ingest.deletion import carry_out, carry_out_due
from cinemill.catalog import CATALOG
from cinemill.client import Client, ClientError
from cinemill.core.job import DEFAULT_OWNER, Job, JobState
from cinemill.errors import Conflict
from cinemill.jobs.adoption.submission import CallSubmitter
from cinemill.jobs.service import JobService
from cinemill.storage.adoption.results import result_key
from cinemill.storage.database import Database
from cinemill.storage.jobs import runs
from cinemill.storage.jobs.waiting.followers import Follower, StoredCall, insert_follower
from cinemill.storage.media import deletions

RESULTS_NUMBER = 6


@pytest.fixture
def database(api: RunningApi) -> Iterator[Database]:
    """Open the server's database, whose engine's clock only the test advances."""
    opened = Database(api.database_url)
    yield opened
    rows.change(opened, "DELETE FROM engine_clock")
    opened.close()


def upload(api: RunningApi, name: str = "film.mkv") -> dict[str, Any]:
    """Return the queued job of a new video."""
    answer = api.upload(FILM_HEAD + os.urandom(64), name=name)
    job: dict[str, Any] = api.http.get(f"/api/v1/jobs/{answer.json()['task_id']}").json()
    return job


def pass_time(database: Database, seconds: float) -> None:
    """Advance the engine's clock, as a relay would, and carry out what is due."""
    rows.change(
        database,
        """
        INSERT INTO engine_clock (id, seconds, seen_at, calendar)
        VALUES (1, :seconds, clock_timestamp(), clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET seconds = engine_clock.seconds + :seconds
        """,
        seconds=seconds,
    )
    carry_out_due(database, JobService(database, catalog=CATALOG))


def statuses(api: RunningApi, job: dict[str, Any]) -> tuple[int, int]:
    """Return what the server responds about the video and about the job."""
    video = api.http.get(f"/api/v1/assets/{job['asset_id']}")
    return video.status_code, api.http.get(f"/api/v1/jobs/{job['id']}").status_code


def listed(api: RunningApi, **query: Any) -> list[str]:
    answer = api.http.get("/api/v1/assets", params={"limit": 500, **query}).raise_for_status()
    return [asset["id"] for asset in answer.json()["assets"]]


def test_video_is_deleted_with_its_jobs_and_only_once(api: RunningApi) -> None:
    job, other = upload(api), upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    answer = api.http.delete(asset)
    assert (answer.status_code, answer.content) == (204, b"")
    assert statuses(api, job) == (404, 404)
    assert statuses(api, other) == (200, 200)
    again = api.http.delete(asset)
    assert (again.status_code, again.json()["code"]) == (404, "asset_not_found")


def test_deletion_can_be_undone_for_as_long_as_was_promised(
    api: RunningApi, database: Database
) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    answer = api.http.delete(asset, params={"undo_seconds": 10})
    assert answer.status_code == 202
    assert answer.json()["deleted_in_seconds"] == 10
    pass_time(database, 9.9)
    # It is in no list, but for that of what can be undone; what is about it can still be read.
    assert statuses(api, job) == (200, 200)
    assert job["asset_id"] not in listed(api)
    assert job["asset_id"] in listed(api, being_deleted=True)
    restored = api.http.post(f"{asset}/restore")
    assert (restored.status_code, restored.json()["deleted_in_seconds"]) == (200, None)
    pass_time(database, 1000)
    assert statuses(api, job) == (200, 200)
    assert job["asset_id"] in listed(api)
    assert job["asset_id"] not in listed(api, being_deleted=True)


def test_nobody_has_to_ask_again_when_the_time_is_over(api: RunningApi, database: Database) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    api.http.delete(asset, params={"undo_seconds": 10}).raise_for_status()
    pass_time(database, 20)
    assert statuses(api, job) == (404, 404)
    late = api.http.post(f"{asset}/restore")
    assert (late.status_code, late.json()["code"]) == (404, "asset_not_found")


def test_work_goes_on_until_the_undo_is_over_and_is_cancelled_then(
    api: RunningApi, database: Database
) -> None:
    job = upload(api)
    stored = JobService(database, catalog=CATALOG).get_job(job["id"])
    run = rows.start(database, stored, "probe")
    asset = f"/api/v1/assets/{job['asset_id']}"
    api.http.delete(asset, params={"undo_seconds": 10}).raise_for_status()
    assert api.http.get(f"/api/v1/jobs/{job['id']}").json()["status"] == "running"
    pass_time(database, 20)
    # Its process has not ended: nothing is taken away from under it.
    cancelling = api.http.get(f"/api/v1/jobs/{job['id']}").json()
    assert cancelling["cancel_reason"] == "Its video was deleted"
    assert statuses(api, job) == (200, 200)
    assert api.http.get(asset).json()["deleted_in_seconds"] == 0
    late = api.http.post(f"{asset}/restore")
    assert (late.status_code, late.json()["code"]) == (409, "deletion_begun")
    with database.begin() as connection:
        runs.confirm_cancel(connection, run)
    pass_time(database, 1)
    assert statuses(api, job) == (404, 404)


def test_shorter_time_counts_and_a_longer_one_does_not(api: RunningApi, database: Database) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    api.http.delete(asset, params={"undo_seconds": 5}).raise_for_status()
    longer = api.http.delete(asset, params={"undo_seconds": 3600}).json()
    assert longer["deleted_in_seconds"] == 5
    assert api.http.delete(asset).status_code == 204
    assert statuses(api, job) == (404, 404)


@pytest.mark.parametrize("seconds", ["-1", "3601", "nan", "inf", "soon"])
def test_impossible_undo_is_refused(api: RunningApi, seconds: str) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    answer = api.http.delete(asset, params={"undo_seconds": seconds})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameters_invalid")
    assert statuses(api, job) == (200, 200)


def test_video_that_an_unfinished_render_needs_is_kept(api: RunningApi) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    timeline = {"clips": [{"asset_id": job["asset_id"], "start": 0, "end": 1}]}
    body = {"kind": "render_video", "params": {"job": timeline}}
    render = api.http.post("/api/v1/jobs", json=body).raise_for_status().json()["id"]
    refused = api.http.delete(asset)
    assert (refused.status_code, refused.json()["code"]) == (409, "asset_in_use")
    assert render in refused.json()["detail"]
    assert api.http.get(asset).json()["deleted_in_seconds"] is None
    api.http.post(f"/api/v1/jobs/{render}/cancel").raise_for_status()
    assert api.http.delete(asset).status_code == 204


def test_render_that_comes_in_the_meantime_delays_the_deletion(
    api: RunningApi, database: Database
) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"
    api.http.delete(asset, params={"undo_seconds": 10}).raise_for_status()
    timeline = {"clips": [{"asset_id": job["asset_id"], "start": 0, "end": 1}]}
    body = {"kind": "render_video", "params": {"job": timeline}}
    render = api.http.post("/api/v1/jobs", json=body).raise_for_status().json()["id"]
    pass_time(database, 20)
    assert statuses(api, job) == (200, 200)
    api.http.post(f"/api/v1/jobs/{render}/cancel").raise_for_status()
    pass_time(database, 1)
    assert statuses(api, job) == (404, 404)


def test_no_more_is_made_of_a_video_that_is_being_deleted(api: RunningApi) -> None:
    asset = f"/api/v1/assets/{upload(api)['asset_id']}"
    api.http.delete(asset, params={"undo_seconds": 10}).raise_for_status()
    for path, body in (
        ("jobs", {"kind": "process_video", "params": {}}),
        ("ingestions", {}),
        ("analyses", {}),
    ):
        refused = api.http.post(f"{asset}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "asset_being_deleted")


def test_no_more_is_made_of_it_by_lists_of_videos_and_by_tasks(
    api: RunningApi, database: Database
) -> None:
    leaving, kept = upload(api)["asset_id"], upload(api)["asset_id"]
    address = f"/api/v1/assets/{leaving}"
    api.http.delete(address, params={"undo_seconds": 10}).raise_for_status()
    refused = api.http.post("/api/v1/analyses", json={"asset_ids": [kept, leaving]})
    assert (refused.status_code, refused.json()["code"]) == (422, "parameters_invalid")
    assert "asset_ids.1" in refused.json()["detail"]
    calls = CallSubmitter(JobService(database, catalog=CATALOG), database, CATALOG)
    call = partial(
        calls.submit, CATALOG.jobs["transcode"], [leaving], {}, job_id=None, priority=5, options={}
    )
    with pytest.raises(Conflict) as conflict:
        call()
    assert conflict.value.code == "asset_being_deleted"
    api.http.post(f"{address}/restore").raise_for_status()
    assert call().asset_id == leaving


def test_same_video_sent_again_stays(api: RunningApi, database: Database) -> None:
    content = FILM_HEAD + os.urandom(64)
    first = api.upload(content).json()["task_id"]
    job = api.http.get(f"/api/v1/jobs/{first}").json()
    api.http.delete(f"/api/v1/assets/{job['asset_id']}", params={"undo_seconds": 10})
    api.upload(content).raise_for_status()
    pass_time(database, 20)
    assert statuses(api, job) == (200, 200)


class SentAgain(JobService):
    """Between finding a video's jobs and cancelling them, somebody sends it again."""

    def __init__(self, database: Database, send: Callable[[], str]) -> None:
        super().__init__(database, catalog=CATALOG)
        self.send = send
        self.sent = ""

    def list_jobs(self, **query: Any) -> list[Job]:
        self.sent = self.sent or self.send()
        return super().list_jobs(**query)

    def cancel_job(self, job_id: str, reason: str = "") -> Job:
        self.sent = self.sent or self.send()
        return super().cancel_job(job_id, reason)


def test_job_of_a_video_that_is_sent_again_just_then_goes_on(
    api: RunningApi, database: Database
) -> None:
    content = FILM_HEAD + os.urandom(64)
    first = api.upload(content).json()["task_id"]
    job = api.http.get(f"/api/v1/jobs/{first}").json()
    with database.begin() as connection:
        deletions.mark(connection, job["asset_id"], undo_seconds=0)
    jobs = SentAgain(database, lambda: str(api.upload(content).json()["task_id"]))
    assert not carry_out(database, jobs, job["asset_id"])
    assert jobs.get_job(jobs.sent).state is JobState.PENDING
    assert api.http.get(f"/api/v1/assets/{job['asset_id']}").status_code == 200


def test_video_that_a_call_names_which_waits_for_another_job_is_kept(
    api: RunningApi, database: Database
) -> None:
    job, other = upload(api), upload(api)
    call: StoredCall = {"args": [], "kwargs": {"asset": job["asset_id"]}, "on": "success"}
    follower = Follower(str(uuid4()), "transcode", DEFAULT_OWNER, None, call, [other["id"]])
    own = replace(follower, id=str(uuid4()), after=[job["id"]])
    with database.begin() as connection:
        insert_follower(connection, own)
        assert deletions.find_user(connection, job["asset_id"]) is None
        insert_follower(connection, follower)
        assert deletions.find_user(connection, job["asset_id"]) == follower.id


def test_jobs_of_a_video_that_is_being_deleted_are_not_listed_among_videos(api: RunningApi) -> None:
    job = upload(api)
    asset = f"/api/v1/assets/{job['asset_id']}"

    def is_listed(**query: Any) -> bool:
        found = api.http.get("/api/v1/jobs", params={"limit": 50, **query}).json()["jobs"]
        return job["id"] in {one["id"] for one in found}

    api.http.delete(asset, params={"undo_seconds": 10}).raise_for_status()
    # Whoever looks after the installation sees every job.
    assert (is_listed(of_videos=True), is_listed()) == (False, True)
    api.http.post(f"{asset}/restore").raise_for_status()
    assert (is_listed(of_videos=True), is_listed()) == (True, True)


class TestClient:
    def test_client_deletes_and_restores(self, api: RunningApi, client: Client) -> None:
        asset_id = upload(api)["asset_id"]
        left = client.delete_asset(asset_id, undo_seconds=10)
        assert left is not None
        assert left["deleted_in_seconds"] == 10
        assert client.restore_asset(asset_id)["deleted_in_seconds"] is None
        assert client.delete_asset(asset_id) is None
        with pytest.raises(ClientError) as missing:
            client.asset(asset_id)
        assert missing.value.status == 404


class TestCommand:
    def test_rm_takes_ids_of_videos_and_of_jobs_and_names(
        self, api: RunningApi, cinemill: Cinemill
    ) -> None:
        jobs = [upload(api, f"to be removed {os.urandom(4).hex()}.mkv") for _ in range(5)]
        assets = [api.http.get(f"/api/v1/assets/{job['asset_id']}").json() for job in jobs]
        named = [
            jobs[0]["id"],
            jobs[1]["id"][:8],
            assets[2]["id"],
            assets[3]["id"][:8],
            assets[4]["filename"],
        ]
        result = cinemill("rm", "--yes", *named)
        assert result.exit_code == 0, result.output
        for job, asset in zip(jobs, assets, strict=True):
            assert f"{asset['filename']} is deleted." in result.stderr
            assert statuses(api, job) == (404, 404)

    def test_rm_of_one_video_by_two_names_deletes_it_once(
        self, api: RunningApi, cinemill: Cinemill
    ) -> None:
        job = upload(api)
        result = cinemill("rm", "--yes", "--json", job["id"], job["asset_id"])
        assert result.exit_code == 0, result.output
        (deleted,) = json.loads(result.stdout)
        assert (deleted["id"], deleted["deleted"]) == (job["asset_id"], True)

    def test_rm_of_something_unknown_stops_no_other(
        self, api: RunningApi, cinemill: Cinemill
    ) -> None:
        job = upload(api)
        result = cinemill("rm", "--yes", "no such film.mkv", job["asset_id"])
        assert result.exit_code == 2
        assert "no such film.mkv" in result.stderr
        assert statuses(api, job) == (404, 404)

    def test_rm_refuses_a_name_that_several_videos_have(
        self, api: RunningApi, cinemill: Cinemill
    ) -> None:
        name = f"twice {os.urandom(4).hex()}.mkv"
        jobs = [upload(api, name) for _ in range(2)]
        result = cinemill("rm", name)
        assert result.exit_code == 2
        assert all(job["asset_id"] in result.stderr for job in jobs)
        assert [statuses(api, job) for job in jobs] == [(200, 200)] * 2


def test_index_finds_what_is_due(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            text("EXPLAIN SELECT id FROM asset WHERE deletion_ends <= engine_seconds()")
        ).scalars()
        assert any("asset_deletion_idx" in line for line in plan)


def test_result_of_a_deleted_job_leaves_the_server_of_results(
    start_api: StartApi, redis_url: str
) -> None:
    results_url = urlsplit(redis_url)._replace(path=f"/{RESULTS_NUMBER}").geturl()
    api = start_api(CELERY_RESULT_BACKEND=results_url)
    job_id, kept = api.submit(), str(uuid4())
    with redis.Redis.from_url(results_url) as results:
        for one in (job_id, kept):
            results.set(result_key(one), "{}", ex=60)
        api.http.delete(f"/api/v1/jobs/{job_id}").raise_for_status()
        wait_until(lambda: not results.exists(result_key(job_id)))
        assert results.delete(result_key(kept))
