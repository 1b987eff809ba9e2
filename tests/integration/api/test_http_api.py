"""Signing in, tasks, jobs, assets, and what is answered when parts are away."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import closing
from typing import Any

import httpx
import pytest
import redis
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure
from cinemill.media.ffmpeg.sandbox import is_isolated
from cinemill.storage import clock, hardware
from cinemill.storage.database import Database
from cinemill.storage.jobs.dead_messages import insert_dead_message
from cinemill.storage.metrics.live_workers import LiveWorker, LiveWorkers

from .conftest import FILM_HEAD, RunningApi, StartApi, find_free_port, wait_for


class TestSignIn:
    def test_request_without_token_gets_a_problem_and_a_browser_a_page(
        self, api: RunningApi
    ) -> None:
        answer = api.stranger.get("/api/v1/jobs")
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"
        page = api.stranger.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert "<form" in page.text

    def test_sign_in_link_sets_a_cookie(self, api: RunningApi) -> None:
        with httpx.Client(base_url=api.address, timeout=PATIENCE_SECONDS) as browser:
            html = {"Accept": "text/html"}
            assert browser.get("/reviews", headers=html).status_code == 401
            link = browser.get("/reviews", params={"token": api.token}, headers=html)
            assert link.status_code == 303
            assert link.next_request is not None
            assert link.next_request.url.raw_path == b"/reviews"
            assert browser.get("/reviews").status_code == 200
            browser.cookies.clear()
            # A script that sends a token where it does not belong gets no cookie.
            wrong = browser.get("/api/v1/jobs", params={"token": api.token})
            assert wrong.status_code == 401
            link = browser.get("/", params={"token": api.token})
            assert link.status_code == 303
            assert link.next_request is not None
            assert link.next_request.url.raw_path == b"/"
            assert browser.get("/").status_code == 200
            assert browser.get("/api/v1/jobs").status_code == 200
            own = {"Origin": api.address}
            foreign = {"Origin": "http://evil.example"}
            nothing = {"kind": "no_such_kind"}  # others' tests have failed jobs by hand
            retry = browser.post("/api/v1/jobs/retry", json=nothing, headers=own)
            assert retry.status_code == 200
            assert browser.post("/api/v1/jobs/retry", headers=foreign).status_code == 403

    def test_request_under_another_host_name_is_refused(self, api: RunningApi) -> None:
        answer = api.http.get("/api/v1/jobs", headers={"Host": "evil.example"})
        assert answer.status_code == 403
        assert answer.json()["code"] == "host_not_allowed"

    def test_requests_of_other_sites_are_refused_without_authentication_too(
        self, start_api: StartApi
    ) -> None:
        open_api = start_api(CINEMILL_AUTH="off")
        assert open_api.stranger.get("/api/v1/jobs").status_code == 200
        assert not (open_api.home / "token").exists()
        foreign = {"Origin": "http://evil.example"}
        assert open_api.stranger.post("/api/v1/jobs/retry", headers=foreign).status_code == 403

    def test_every_response_has_security_headers(self, api: RunningApi) -> None:
        for path in ("/", "/api/v1/jobs", "/static/app.css", "/no/such/door"):
            headers = api.http.get(path, headers={"Origin": "http://evil.example"}).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert not [name for name in headers if name.startswith("access-control-")]

    def test_token_is_never_logged(self, api: RunningApi) -> None:
        for path in ("/", "/reviews"):
            html = {"Accept": "text/html"}
            parameters = {"token": api.token}
            httpx.get(api.address + path, params=parameters, headers=html, timeout=PATIENCE_SECONDS)
        logs = [path.read_text() for path in (api.home / "log").iterdir()]
        assert any('"path": "/reviews"' in log for log in logs)
        assert not any(api.token in log for log in logs)


class TestTasks:
    """The upload application's doors, to the letter."""

    def test_task_state_of_a_running_task(self, api: RunningApi) -> None:
        task_id = api.submit()
        api.settle(task_id, "running", progress="41.7", message="'Encoding the preview copy'")
        assert api.http.get(f"/task/{task_id}").json() == {
            "state": "PROGRESS",
            "status": "Encoding the preview copy",
            "progress": 41,
        }
        under_way = api.http.get(f"/task/{task_id}/result")
        assert under_way.status_code == 202
        assert under_way.json()["status"] == "PROGRESS"

    def test_task_result_of_a_completed_task(self, api: RunningApi) -> None:
        task_id = api.submit()
        result = """'{"output_filename": "film-proxy.mp4"}'::jsonb"""
        api.settle(
            task_id, "completed", progress="100", result=result, finished_at="now()",
            message="'Done'",
        )  # fmt: skip
        assert api.http.get(f"/task/{task_id}").json()["state"] == "SUCCESS"
        assert api.http.get(f"/task/{task_id}/result").json() == {
            "status": "SUCCESS",
            "output_filename": "film-proxy.mp4",
            "message": "Done",
        }

    def test_task_and_job_of_a_failure_have_its_error(self, api: RunningApi) -> None:
        task_id = api.submit()
        failure = """'{"code": "media_truncated", "message": "The file is truncated.",
                       "hint": "", "log_tail": "moov atom not found"}'::jsonb"""
        api.settle(task_id, "failed", failure=failure, finished_at="now()")
        task = api.http.get(f"/task/{task_id}").json()
        assert task["state"] == "FAILURE"
        assert task["status"] == "The file is truncated."
        result = api.http.get(f"/task/{task_id}/result").json()
        assert result["status"] == "FAILURE"
        job = api.http.get(f"/api/v1/jobs/{task_id}").json()
        assert job["error"]["log_tail"] == "moov atom not found"

    def test_task_cleanup_deletes_the_task_and_its_video(self, api: RunningApi) -> None:
        task_id = api.submit()
        asset_id = api.http.get(f"/api/v1/jobs/{task_id}").json()["asset_id"]
        answer = api.http.post(f"/task/{task_id}/cleanup")
        assert set(answer.json()) == {"message"}
        assert api.http.get(f"/task/{task_id}").status_code == 404
        assert api.http.get(f"/api/v1/assets/{asset_id}").status_code == 404

    def test_task_cleanup_keeps_a_video_that_another_task_needs(self, api: RunningApi) -> None:
        content = os.urandom(100)
        kept, gone = api.submit(content), api.submit(content)
        api.http.post(f"/api/v1/jobs/{gone}/cancel")
        api.http.post(f"/task/{gone}/cleanup")
        asset_id = api.http.get(f"/api/v1/jobs/{kept}").json()["asset_id"]
        assert api.http.get(f"/api/v1/assets/{asset_id}").status_code == 200

    def test_task_cleanup_keeps_a_video_that_an_unfinished_render_names(
        self, api: RunningApi
    ) -> None:
        task_id = api.submit()
        asset_id = api.http.get(f"/api/v1/jobs/{task_id}").json()["asset_id"]
        timeline = {"clips": [{"asset_id": asset_id, "start": 0, "end": 1}]}
        body = {"kind": "render_video", "params": {"job": timeline}}
        render = api.http.post("/api/v1/jobs", json=body).raise_for_status().json()["id"]
        api.http.post(f"/task/{task_id}/cleanup").raise_for_status()
        assert api.http.get(f"/api/v1/assets/{asset_id}").status_code == 200
        api.http.post(f"/api/v1/jobs/{render}/cancel")
        assert api.http.get(f"/api/v1/jobs/{render}").json()["status"] == "cancelled"


class TestJobs:
    def test_job_list_is_newest_first_by_pages(self, api: RunningApi) -> None:
        ids = [api.submit() for _ in range(5)]
        asset = {"asset_id": api.http.get(f"/api/v1/jobs/{ids[0]}").json()["asset_id"]}
        assert [
            job["id"] for job in api.http.get("/api/v1/jobs", params=asset).json()["jobs"]
        ] == ids[:1]
        first = api.http.get("/api/v1/jobs", params={"limit": 2}).json()
        assert [job["id"] for job in first["jobs"]] == ids[:2:-1]
        second = api.http.get("/api/v1/jobs", params={"limit": 2, "cursor": first["next"]}).json()
        assert [job["id"] for job in second["jobs"]] == ids[2:0:-1]

    def test_job_list_shortens_lists_in_params(self, api: RunningApi) -> None:
        clips = [{"path": f"/films/{at}.mp4", "start": 0, "end": 1} for at in range(3)]
        body = {"kind": "render_video", "params": {"job": {"clips": clips}}}
        job_id = api.http.post("/api/v1/jobs", json=body).json()["id"]
        wanted = {"id_prefix": job_id}
        (whole,) = api.http.get("/api/v1/jobs", params=wanted).json()["jobs"]
        (brief,) = api.http.get("/api/v1/jobs", params={**wanted, "list_items": 1}).json()["jobs"]
        assert whole["params"]["job"]["clips"] == clips
        assert brief == {**whole, "params": {"job": {"clips": clips[:1]}}}

    def test_job_list_by_id_prefix(self, api: RunningApi) -> None:
        kept, _ = api.submit(), api.submit()
        for prefix in (kept, kept[:12]):
            found = api.http.get("/api/v1/jobs", params={"id_prefix": prefix}).json()["jobs"]
            assert [job["id"] for job in found] == [kept]
        assert api.http.get("/api/v1/jobs", params={"id_prefix": "%"}).json()["jobs"] == []

    def test_job_list_of_videos_leaves_out_upkeep(self, api: RunningApi) -> None:
        def submit(kind: str, params: object) -> str:
            body = {"kind": kind, "params": params}
            return str(api.http.post("/api/v1/jobs", json=body).json()["id"])

        upkeep = submit("check_stuck_jobs", {})
        job = {"clips": [{"path": "/films/1.mp4", "start": 0, "end": 1}]}
        videos = [api.submit(), submit("render_video", {"job": job})]
        for job_id, is_listed in ((upkeep, False), *((one, True) for one in videos)):
            wanted = {"id_prefix": job_id, "of_videos": "true"}
            found = api.http.get("/api/v1/jobs", params=wanted).json()["jobs"]
            assert [one["id"] for one in found] == [job_id] * is_listed

    def test_cancel_and_retry(self, api: RunningApi) -> None:
        job_id = api.submit()
        cancelled = api.http.post(
            f"/api/v1/jobs/{job_id}/cancel", json={"reason": "wrong film"}
        ).json()
        assert cancelled["status"] == "cancelled"
        assert cancelled["cancel_reason"] == "wrong film"
        again = api.http.post(f"/api/v1/jobs/{job_id}/cancel", json={"reason": "another"})
        assert (again.status_code, again.json()["cancel_reason"]) == (200, "wrong film")
        assert api.http.get(f"/task/{job_id}").json()["status"] == "Cancelled: wrong film"
        assert api.http.post(f"/api/v1/jobs/{job_id}/retry").json()["status"] == "pending"
        assert api.http.post(f"/api/v1/jobs/{job_id}/retry").status_code == 409

    def test_job_status_has_steps_and_queue_place(self, api: RunningApi) -> None:
        status = api.http.get(f"/api/v1/jobs/{api.submit()}/status").json()
        assert status["status"] == "pending"
        assert status["queue_place"] >= 0
        assert [step["name"] for step in status["steps"]] == ["probe", "prepare"]

    def test_deleting_an_unfinished_job_cancels_it(self, api: RunningApi) -> None:
        job_id = api.submit()
        assert api.http.delete(f"/api/v1/jobs/{job_id}").status_code == 204
        assert api.http.get(f"/api/v1/jobs/{job_id}").status_code == 404

    def test_deleting_a_job_removes_its_events(self, api: RunningApi) -> None:
        """They stayed for up to a day: a soak found that Redis grew with every deleted job."""
        job_id = api.submit()
        keys = [f"task_events:{job_id}", f"task_status:{job_id}"]
        with closing(redis.Redis.from_url(api.redis_url)) as client:
            for key in keys:
                client.set(key, "{}", ex=60)
            api.http.delete(f"/api/v1/jobs/{job_id}")
            assert wait_for(lambda: not client.exists(*keys))

    def test_dead_letters_and_bulk_retry(self, api: RunningApi) -> None:
        assert isinstance(api.http.get("/api/v1/dead").json()["dead"], list)
        assert api.http.post("/api/v1/dead/no-such-step/redrive").status_code == 404
        answer = api.http.post("/api/v1/jobs/retry", json={"kind": "no_such_kind"})
        assert answer.json() == {"retried": 0}

    def test_statistics(self, api: RunningApi) -> None:
        api.submit()
        stats = api.http.get("/api/v1/stats").json()
        assert stats["queue"]["by_status"]["pending"] >= 1
        assert stats["queue"]["by_type"]["process_video"] >= 1
        assert stats["queue"]["total"] >= 1
        assert set(stats) == {
            *("queue", "outcomes", "processing_times", "memory", "stuck", "hardware", "workers"),
            "clock",
        }
        assert stats["hardware"] == []

    def test_statistics_have_the_last_time_that_the_clock_was_set(self, api: RunningApi) -> None:
        with closing(Database(api.database_url)) as database, database.begin() as connection:
            clock.save(connection, seconds=5, wall=1.8e9, calendar=1.8e9, jump_seconds=-7200)
        found = api.http.get("/api/v1/stats").json()["clock"]
        assert (found["jumps"], found["jump_seconds"]) == (1, -7200)
        assert found["jumped_at"].startswith("2027-01-15T08:00:00")

    def test_statistics_have_completion_rates_and_reasons_of_failures(
        self, api: RunningApi
    ) -> None:
        before = self.read_outcome(api)
        for state, code in (("failed", "unreadable_media"), ("completed", ""), ("cancelled", "")):
            failure = f"""'{{"code": "{code}", "message": "no"}}'""" if code else "NULL"
            api.settle(api.submit(), state, finished_at="now()", failure=failure)
        after = self.read_outcome(api)
        for name in ("completed", "failed", "cancelled"):
            assert after[name] == before[name] + 1
        ended = after["completed"] + after["failed"]
        assert after["completion_rate"] == pytest.approx(after["completed"] / ended)
        code = "unreadable_media"
        assert after["failures"][code] == before["failures"].get(code, 0) + 1

    def read_outcome(self, api: RunningApi) -> dict[str, Any]:
        none = {"completed": 0, "failed": 0, "cancelled": 0, "failures": {}}
        outcomes: dict[str, dict[str, Any]] = api.http.get("/api/v1/stats").json()["outcomes"]
        return outcomes.get("process_video", none)

    def test_statistics_have_each_live_worker_and_its_memory(self, api: RunningApi) -> None:
        worker = LiveWorker("celery@one", "one", 2, 1, ("proxy", "render"), memory_bytes=3 << 30)
        earlier_version = {
            "node": "celery@old",
            "host": "old",
            "slots": 1,
            "busy": 0,
            "queues": [],
            "gpus": [],
        }
        with closing(LiveWorkers(api.redis_url)) as reports:
            reports.write(worker)
            with redis.Redis.from_url(api.redis_url) as client:
                client.set("cinemill:worker:celery@old", json.dumps(earlier_version), ex=30)
                client.sadd("cinemill:workers", "celery@old")
            found = self.read_workers(api)
            for name in ("celery@one", "celery@old"):
                reports.withdraw(name)
            assert not self.read_workers(api).keys() & {"celery@one", "celery@old"}
        assert found["celery@one"] == {
            "name": "celery@one",
            "host": "one",
            "queues": ["proxy", "render"],
            "slots": 2,
            "busy": 1,
            "memory_bytes": 3 << 30,
        }
        assert found["celery@old"]["memory_bytes"] is None

    def test_statistics_without_redis_have_no_workers(self, start_api: StartApi) -> None:
        api = start_api(REDIS_URL=f"redis://127.0.0.1:{find_free_port()}/0")
        stats = api.http.get("/api/v1/stats").json()
        assert stats["workers"] is None
        assert stats["queue"]["total"] >= 0

    def read_workers(self, api: RunningApi) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in api.http.get("/api/v1/stats").json()["workers"]}

    def test_create_another_job_of_an_asset(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"]
        body = {"kind": "process_video", "params": {"thumbnail_seconds": 1}, "priority": 8}
        job = api.http.post(f"/api/v1/assets/{asset_id}/jobs", json=body).json()
        assert job["params"] == {"thumbnail_seconds": 1}
        assert job["priority"] == 8
        wrong = api.http.post(f"/api/v1/assets/{asset_id}/jobs", json={"kind": "no_such_kind"})
        assert wrong.status_code == 404
        assert wrong.json()["code"] == "job_kind_unknown"


class TestAssets:
    def test_range_of_a_file(self, api: RunningApi) -> None:
        content = FILM_HEAD + os.urandom(10_000)
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit(content[4:])}").json()["asset_id"]
        address = f"/api/v1/assets/{asset_id}/files/source"
        part = api.http.get(address, headers={"Range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == content[100:200]
        assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
        assert api.http.head(address).headers["content-length"] == str(len(content))
        assert api.http.get(address, headers={"Range": "bytes=99999-"}).status_code == 416
        # RFC 9110: an unknown unit is ignored, and of several ranges one that exists is enough.
        assert api.http.get(address, headers={"Range": "items=0-5"}).content == content
        first = api.http.get(address, headers={"Range": "bytes=0-9,99999999999-"})
        assert (first.status_code, first.content) == (206, content[:10])
        both = api.http.get(address, headers={"Range": "bytes=99999-,88888-"})
        assert both.status_code == 416

    def test_file_is_asked_about_by_its_tag_alone(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"]
        address = f"/api/v1/assets/{asset_id}/files/source"
        whole = api.http.get(address)
        assert "last-modified" not in whole.headers
        for version, status in ((whole.headers["etag"], 206), (whole.headers["date"], 200)):
            headers = {"Range": "bytes=0-1", "If-Range": version}
            assert api.http.get(address, headers=headers).status_code == status

    def test_job_with_a_repeated_idempotency_key_is_created_once(self, api: RunningApi) -> None:
        scene = {"video_path": "/films/a.mp4", "start_time": 0, "end_time": 1}
        output = {"width": 160, "height": 90, "fps": 25}
        params = {"job": {"scenes": [scene], "output_format": output}}
        body = {"kind": "render_video", "params": params, "priority": 7}
        key = {"Idempotency-Key": os.urandom(8).hex()}
        first, again = (
            api.http.post("/api/v1/jobs", json=body, headers=key).json() for _ in range(2)
        )
        assert (first["kind"], first["priority"]) == ("render_video", 7)
        assert again["id"] == first["id"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"kind": "nosuch"}, "job_kind_unknown"),
            ({"kind": "render_video"}, "timeline_invalid"),
            ({"kind": "transcode"}, "source_missing"),
            ({"kind": "render_video", "priority": 11}, "parameters_invalid"),
        ],
    )
    def test_job_request_that_cannot_work_is_refused(
        self, api: RunningApi, body: dict[str, object], code: str
    ) -> None:
        answer = api.http.post("/api/v1/jobs", json=body)
        assert 400 <= answer.status_code < 500
        assert answer.json()["code"] == code

    def test_missing_stream_is_not_found(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"]
        answer = api.http.get(f"/api/v1/assets/{asset_id}/streams/0123456789ab/master.m3u8")
        assert answer.json()["code"] == "artifact_not_found"

    def test_missing_artifact_is_not_found(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"]
        answer = api.http.get(f"/api/v1/assets/{asset_id}/files/proxy")
        assert answer.status_code == 404
        assert answer.json()["code"] == "artifact_not_found"
        listed = [asset["id"] for asset in api.http.get("/api/v1/assets").json()["assets"]]
        assert listed[0] == asset_id


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/no/such/door", 404, "not_found"),
            ("PUT", "/upload", 405, "method_not_allowed"),
            ("GET", "/api/v1/jobs/no-such-job", 404, "job_not_found"),
            ("GET", "/api/v1/jobs/no-such-job/events", 404, "job_not_found"),
            ("GET", "/task/no-such-task", 404, "job_not_found"),
            ("GET", "/api/v1/assets/no-such-asset", 404, "asset_not_found"),
            ("GET", "/api/v1/jobs?limit=0", 422, "parameters_invalid"),
            ("GET", "/api/v1/jobs?status=asleep", 422, "parameters_invalid"),
            ("GET", "/api/v1/assets/x/files/no_such_kind", 422, "parameters_invalid"),
            ("GET", "/static/../api/token.py", 404, "not_found"),
            ("GET", "/static/no-such.css", 404, "not_found"),
        ],
    )
    def test_every_refusal_is_a_problem(
        self, api: RunningApi, method: str, path: str, status: int, code: str
    ) -> None:
        answer = api.http.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code


class TestOperate:
    def test_health_logs_and_debug(self, api: RunningApi) -> None:
        health = api.wait_for_health(database="ok", redis="ok", hardware="none")
        document = health.json()
        # What is said of workers and the relay is in test_health.py.
        for name in ("status", "workers", "relay", "version"):
            assert document.pop(name)
        assert document == {
            "database": "ok",
            "redis": "ok",
            "hardware": "none",
            "messages": "ok",
            **({} if is_isolated("auto") else {"sandbox": "off"}),
        }
        lines = api.http.get("/api/v1/logs", params={"limit": 20, "service": "api"}).json()["lines"]
        assert 0 < len(lines) <= 20
        assert all(line["service"] == "api" for line in lines)
        debug = api.http.get("/api/v1/debug")
        assert debug.json()["libraries"]["celery"]
        password = api.redis_url.partition("://:")[2].partition("@")[0]
        assert not password or password not in debug.text

    def test_dead_message_is_listed_and_deleted(self, api: RunningApi) -> None:
        reason = Failure("message_not_json", "It is not JSON.", "Send JSON.", retryable=False)
        message = DeadMessage.make(
            queue="default", failure=reason, excerpt="nonsense", size_bytes=8
        )
        database = Database(api.database_url)
        with database.begin() as connection:
            insert_dead_message(connection, message)
        database.close()
        assert describe(message) in api.http.get("/api/v1/dead/messages").json()["messages"]
        assert api.http.delete(f"/api/v1/dead/messages/{message.id}").status_code == 204
        assert describe(message) not in api.http.get("/api/v1/dead/messages").json()["messages"]
        again = api.http.delete(f"/api/v1/dead/messages/{message.id}")
        assert (again.status_code, again.json()["code"]) == (404, "dead_message_not_found")

    def test_health_reports_resting_hardware_and_stats_name_it(self, api: RunningApi) -> None:
        database = Database(api.database_url)
        try:
            with database.begin() as connection:
                hardware.announce(connection, "celery@one", {"h264_nvenc": "h264"})
            api.wait_for_health(hardware="ok")
            with database.begin() as connection:
                hardware.suspend(connection, "celery@one", "h264_nvenc", "No capable devices found")
            health = api.wait_for_health(hardware="resting").json()
            (offer,) = api.http.get("/api/v1/stats").json()["hardware"]
        finally:
            with database.begin() as connection:
                hardware.announce(connection, "celery@one", {})
            database.close()
        assert health["database"] == "ok"
        assert (offer["node"], offer["encoder"]) == ("celery@one", "h264_nvenc")
        assert (offer["status"], offer["reason"]) == ("resting", "No capable devices found")

    def test_openapi_document_has_unique_operation_ids(self, api: RunningApi) -> None:
        document = api.http.get("/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        assert "/upload" in document["paths"]
        ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
        assert len(ids) == len(set(ids))
        assert api.http.get("/docs").status_code == 200

    def test_health_names_a_qdrant_that_does_not_respond(self, start_api: StartApi) -> None:
        api = start_api(CINEMILL_QDRANT_URL=f"http://127.0.0.1:{find_free_port()}")
        answer = api.wait_for_health(qdrant="unavailable")
        # Searches work without it.
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")

    def test_requests_without_a_database_are_503_problems(self, start_api: StartApi) -> None:
        nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{find_free_port()}/none"
        api = start_api(DATABASE_URL=nowhere)
        before = api.stored_files()
        for answer in (api.http.get("/api/v1/jobs"), api.upload(FILM_HEAD + bytes(10))):
            assert answer.status_code == 503
            assert answer.json()["code"] == "database_unavailable"
            assert answer.json()["hint"]
        assert api.stored_files() == before
        assert api.wait_for_health(status="down").status_code == 503


def describe(message: DeadMessage) -> dict[str, object]:
    """The message as the API shows it."""
    document = message.to_json()
    document["error"] = document.pop("failure")
    return document


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_server_stop_ends_streams_and_deletes_partial_uploads(
    start_api: StartApi, stop: signal.Signals
) -> None:
    before = signal.signal(stop, signal.SIG_DFL)  # it may be ignored here, as under nohup
    try:
        api = start_api()
    finally:
        signal.signal(stop, before)
    for ignored in (signal.SIGUSR1, signal.SIGUSR2):
        api.process.send_signal(ignored)
    watched = api.submit()
    kept = api.stored_files()
    with socket.create_connection(("127.0.0.1", api.port)) as upload:
        upload.sendall(
            f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api.token}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 999999999\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
            + FILM_HEAD
            + bytes(5_000_000)
        )
        assert wait_for(lambda: len(api.stored_files()) > len(kept))
        with api.http.stream("GET", f"/api/v1/jobs/{watched}/events") as events:
            next(events.iter_lines())
            api.process.send_signal(stop)
            assert api.process.wait(PATIENCE_SECONDS) == 0
    assert api.stored_files() == kept
