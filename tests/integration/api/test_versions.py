"""``/api/v1`` and the paths of before it: names, cursors, addresses, and the same rules."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure
from cinemill.storage.database import Database
from cinemill.storage.jobs.dead_messages import insert_dead_message

from .conftest import FILM_HEAD, RunningApi

V1 = "/api/v1"
FORMER_NAMES = {"job_id", "task_id", "state", "failure", "step_id"}


def list_names(value: Any) -> Iterator[str]:
    """Every member's name in a document."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from list_names(one)


def read_pages(api: RunningApi, path: str, member: str, **more: Any) -> list[list[Any]]:
    """The list page by page, to its end."""
    pages: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.http.get(path, params={**more, **cursor}).raise_for_status().json()
        pages.append(page[member])
        if page["next"] is None:
            return pages
        cursor = {"cursor": page["next"]}


@pytest.fixture
def video(api: RunningApi) -> str:
    """A video without captions."""
    return str(api.http.get(f"{V1}/jobs/{api.submit()}").json()["asset_id"])


class TestNames:
    def test_job_has_one_name_for_one_thing(self, api: RunningApi) -> None:
        job_id = api.submit()
        failure = """'{"code": "media_truncated", "message": "Short.", "hint": "",
                       "log_tail": "", "retryable": false}'::jsonb"""
        api.settle(job_id, "failed", failure=failure, finished_at="now()")
        details = api.http.get(f"{V1}/jobs/{job_id}").json()
        status = api.http.get(f"{V1}/jobs/{job_id}/status").json()
        (listed,) = api.http.get(f"{V1}/jobs", params={"id_prefix": job_id}).json()["jobs"]
        for document in (details, status, listed):
            assert not FORMER_NAMES & set(list_names(document))
            assert (document["id"], document["status"]) == (job_id, "failed")
            assert document["error"] == {
                "code": "media_truncated",
                "message": "Short.",
                "hint": "",
                "log_tail": "",
                "retryable": False,
            }
        assert details["celery_task_id"] == job_id
        assert "celery_task_id" not in listed
        assert {step["id"] for step in status["steps"]}

    def test_former_paths_have_former_names_as_well(self, api: RunningApi) -> None:
        job_id = api.submit()
        for path in ("", "/status"):
            former = api.http.get(f"/jobs/{job_id}{path}").json()
            present = api.http.get(f"{V1}/jobs/{job_id}{path}").json()
            assert former["job_id"] == former["task_id"] == former["id"] == job_id
            assert former["state"] == former["status"] == "pending"
            assert former["failure"] is former["error"] is None
            for step in former.get("steps", ()):
                assert step["step_id"] == step["id"]
            assert present.items() <= remove_step_ids(former).items()

    def test_progress_names_its_job(self, api: RunningApi) -> None:
        job_id = api.submit()
        api.publish(job_id, "completed", 100)
        api.settle(job_id, "completed", progress="100", finished_at="now()")
        for prefix, name in ((V1, "job_id"), ("", "task_id")):
            text = api.http.get(f"{prefix}/jobs/{job_id}/events").text
            data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
            events = [json.loads(one) for one in data]
            assert {event[name] for event in events} == {job_id}
            assert {"job_id", "task_id"} & set(events[0]) == {name}

    def test_states_filter_lists_on_both_paths(self, api: RunningApi) -> None:
        job_id = api.submit()
        for path, name in ((f"{V1}/jobs", "status"), ("/jobs", "state")):
            for word, ids in (("pending", [job_id]), ("failed", [])):
                wanted = {name: word, "id_prefix": job_id}
                found = api.http.get(path, params=wanted).json()["jobs"]
                assert [job["id"] for job in found] == ids


def remove_step_ids(document: dict[str, Any]) -> dict[str, Any]:
    if "steps" in document:
        for step in document["steps"]:
            del step["step_id"]
    return document


class TestCreation:
    def test_new_job_has_a_location(self, api: RunningApi) -> None:
        film = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
        uploaded = api.http.post(f"{V1}/upload", files=film)
        asset_id = uploaded.json()["asset_id"]
        body = {"kind": "process_video"}
        by_asset = api.http.post(f"{V1}/assets/{asset_id}/jobs", json=body)
        by_path = api.http.post(f"{V1}/jobs", json={"kind": "get_queue_stats"})
        for created in (uploaded, by_asset, by_path):
            assert created.status_code == 201
            assert created.headers["Location"] == f"{V1}/jobs/{created.json()['id']}"
            assert api.http.get(created.headers["Location"]).json()["status"] == "pending"
        former = api.http.post(f"/assets/{asset_id}/jobs", json=body)
        assert (former.status_code, former.json()["state"]) == (200, "pending")

    def test_addresses_in_documents_have_the_version_of_their_path(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/jobs/{api.submit()}").json()["asset_id"]
        for prefix in (V1, ""):
            asset = api.http.get(f"{prefix}/assets/{asset_id}").json()
            assert asset["source_url"] == f"{prefix}/assets/{asset_id}/files/source"
            assert api.http.get(asset["source_url"]).status_code == 200


class TestPages:
    def test_assets_are_read_by_pages(self, api: RunningApi) -> None:
        for _ in range(3):
            api.submit()
        whole = [one["id"] for page in read_pages(api, f"{V1}/assets", "assets") for one in page]
        pages = read_pages(api, f"{V1}/assets", "assets", limit=max(1, len(whole) // 3))
        assert [one["id"] for page in pages for one in page] == whole
        assert len(pages) >= 3

    def test_jobs_are_read_by_pages_though_one_is_deleted(self, api: RunningApi) -> None:
        ids = [api.submit() for _ in range(4)]
        first = api.http.get(f"{V1}/jobs", params={"limit": 2}).json()
        api.http.delete(f"{V1}/jobs/{ids[2]}")
        second = api.http.get(f"{V1}/jobs", params={"limit": 2, "cursor": first["next"]}).json()
        listed = [job["id"] for page in (first, second) for job in page["jobs"]]
        assert listed == ids[::-1]

    def test_unversioned_jobs_go_on_before_a_job(self, api: RunningApi) -> None:
        ids = [api.submit() for _ in range(4)]
        first = api.http.get("/jobs", params={"limit": 2}).json()
        assert first["next"] == ids[2]
        second = api.http.get("/jobs", params={"limit": 2, "before": first["next"]}).json()
        assert [job["job_id"] for job in second["jobs"]] == ids[1::-1]

    def test_dead_messages_are_read_by_pages(self, api: RunningApi) -> None:
        reason = Failure("message_not_json", "It is not JSON.", "Send JSON.", retryable=False)
        made = [
            DeadMessage.make(queue="default", failure=reason, excerpt=str(number), size_bytes=1)
            for number in range(3)
        ]
        database = Database(api.database_url)
        with database.begin() as connection:
            for message in made:
                insert_dead_message(connection, message)
        database.close()
        pages = read_pages(api, f"{V1}/dead/messages", "messages", limit=1)
        assert all(len(page) <= 1 for page in pages)
        excerpts = [
            one["excerpt"] for page in pages for one in page if one["id"] in {m.id for m in made}
        ]
        assert excerpts == ["2", "1", "0"]
        former = {one["id"]: one for one in api.http.get("/dead").json()["messages"]}
        assert {former[one.id]["failure"]["code"] for one in made} == {"message_not_json"}
        for message in made:
            api.http.delete(f"{V1}/dead/messages/{message.id}")

    def test_dead_steps_are_read_by_pages(self, api: RunningApi) -> None:
        ids = {api.submit() for _ in range(3)}
        database = Database(api.database_url)
        with database.begin() as connection:
            for number, job_id in enumerate(sorted(ids)):
                kill_step(connection, job_id, number)
        database.close()
        pages = read_pages(api, f"{V1}/dead", "dead", limit=1)
        found = [one for page in pages for one in page if one["job_id"] in ids]
        assert [one["job_id"] for one in found] == sorted(ids)
        former = {one["step_id"]: one for one in api.http.get("/dead").json()["dead"]}
        for one in found:
            assert former[one["id"]]["failure"] == one["error"]
        for job_id in ids:
            api.http.delete(f"{V1}/jobs/{job_id}")

    def test_captions_are_read_by_pages(self, api: RunningApi, video: str) -> None:
        address = f"{V1}/assets/{video}/captions"
        cues = [
            {"start_ms": 100 * number, "end_ms": 100 * number + 50, "lines": [str(number)]}
            for number in range(5)
        ]
        for language in ("de", "en"):
            api.http.put(f"{address}/{language}", json={"captions": cues}).raise_for_status()
        languages = read_pages(api, address, "captions", limit=1)
        assert [[one["language"] for one in page] for page in languages] == [["de"], ["en"]]
        pages = read_pages(api, f"{address}/en", "captions", limit=2)
        assert [cue["lines"] for page in pages for cue in page] == [[str(one)] for one in range(5)]
        whole = api.http.get(f"{address}/en").json()
        assert (len(whole["captions"]), whole["next"]) == (5, None)
        # Clients of before know no pages.
        former = f"/assets/{video}/captions"
        listed = api.http.get(former, params={"limit": 1}).json()["captions"]
        assert [one["language"] for one in listed] == ["de", "en"]
        response = api.http.get(f"{former}/en", params={"limit": 2})
        assert (len(response.json()["captions"]), response.headers["etag"]) == (
            5,
            api.http.get(f"{address}/en").headers["etag"],
        )

    def test_cursor_of_captions_belongs_to_their_version(self, api: RunningApi, video: str) -> None:
        address = f"{V1}/assets/{video}/captions/en"
        cues = [
            {"start_ms": 0, "end_ms": 1, "lines": ["a"]},
            {"start_ms": 1, "end_ms": 2, "lines": ["b"]},
        ]
        api.http.put(address, json={"captions": cues}).raise_for_status()
        first = api.http.get(address, params={"limit": 1}).json()
        api.http.put(
            address, json={"captions": cues[1:]}, headers={"If-Match": "*"}
        ).raise_for_status()
        stale = api.http.get(address, params={"limit": 1, "cursor": first["next"]})
        assert (stale.status_code, stale.json()["code"]) == (422, "cursor_invalid")

    def test_log_lines_are_read_by_pages_from_new_to_old(self, api: RunningApi) -> None:
        for _ in range(5):
            api.http.get(f"{V1}/jobs", params={"limit": 1})
        first = api.http.get(f"{V1}/logs", params={"limit": 2}).json()
        second = api.http.get(f"{V1}/logs", params={"limit": 2, "cursor": first["next"]}).json()
        times = [line["timestamp"] for line in (*second["lines"], *first["lines"])]
        assert len(times) == 4
        assert times == sorted(times)
        assert not [line for line in second["lines"] if line in first["lines"]]

    @pytest.mark.parametrize(
        "path", ["jobs", "assets", "dead", "dead/messages", "logs", "assets/{video}/captions"]
    )
    @pytest.mark.parametrize(
        "cursor",
        ["x", "null", base64.urlsafe_b64encode(b'["\\u0000", "a", "1"]').decode(), "a" * 1999],
    )
    def test_cursor_of_no_page_is_refused(
        self,
        api: RunningApi,
        video: str,
        path: str,
        cursor: str,
    ) -> None:
        refused = api.http.get(f"{V1}/{path.format(video=video)}", params={"cursor": cursor})
        assert (refused.status_code, refused.json()["code"]) == (422, "cursor_invalid")


def kill_step(connection: Any, job_id: str, number: int) -> None:
    """Make the first step of a job a dead one, the longer ago the higher the number."""
    failure = '{"code": "crashed", "message": "Gone.", "hint": ""}'
    connection.exec_driver_sql(
        "UPDATE step SET state = 'dead', failure = %s, "
        "finished_at = now() - make_interval(secs => %s) WHERE job_id = %s AND position = 0",
        (failure, number, job_id),
    )
    connection.exec_driver_sql(
        "UPDATE job SET state = 'failed', failure = %s, finished_at = now() WHERE id = %s",
        (failure, job_id),
    )


class TestRules:
    @pytest.mark.parametrize("prefix", [V1, ""])
    def test_token_is_needed_on_both_paths(self, api: RunningApi, prefix: str) -> None:
        for path in ("/jobs", "/assets", "/dead", "/stats", "/logs", "/debug", "/task/x"):
            if (prefix, path) != (V1, "/task/x"):
                assert api.stranger.get(prefix + path).status_code == 401, path
        assert api.stranger.post(f"{prefix}/upload").status_code == 401
        assert api.stranger.get(f"{prefix}/health").status_code == 200

    def test_health_is_the_same_on_both_paths(self, api: RunningApi) -> None:
        api.wait_for_health(database="ok", redis="ok")
        documents = [api.stranger.get(f"{prefix}/health").json() for prefix in (V1, "")]
        assert documents[0].keys() == documents[1].keys()
        # Messages are counted every ten seconds; the rest is the same at any moment.
        same = ("status", "database", "redis", "hardware", "version")
        assert [documents[0][one] for one in same] == [documents[1][one] for one in same]
        assert "capabilities" not in documents[0]

    @pytest.mark.parametrize("prefix", [V1, ""])
    def test_bodies_are_bounded_on_both_paths(self, api: RunningApi, prefix: str) -> None:
        kind = {"Content-Type": "application/json"}
        for path, size in (("/jobs/retry", 1024**2 + 1), ("/jobs", 17 * 1024**2)):
            answer = api.http.post(prefix + path, content=b" " * size, headers=kind)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    @pytest.mark.parametrize("prefix", [V1, ""])
    @pytest.mark.parametrize(("range_", "status"), [("bytes=99999999-", 416), ("bytes=x", 400)])
    def test_wrong_range_is_a_problem(
        self, api: RunningApi, prefix: str, range_: str, status: int
    ) -> None:
        asset_id = api.http.get(f"{V1}/jobs/{api.submit()}").json()["asset_id"]
        address = f"{prefix}/assets/{asset_id}/files/source"
        answer = api.http.get(address, headers={"Range": range_})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert ("Content-Range" in answer.headers) == (status == 416)

    def test_every_refusal_is_declared(self, api: RunningApi) -> None:
        paths = api.http.get("/openapi.json").json()["paths"]
        for method, path, call in (
            ("get", "/jobs", api.http.get(f"{V1}/jobs?limit=0")),
            ("get", "/jobs/{job_id}", api.http.get(f"{V1}/jobs/none")),
            ("get", "/jobs/{job_id}", api.stranger.get(f"{V1}/jobs/none")),
            ("post", "/jobs", api.http.post(f"{V1}/jobs", json={"kind": "none"})),
            ("post", "/upload", api.http.post(f"{V1}/upload", content=b"x")),
            ("post", "/upload", upload(api, kind="none")),
            ("get", "/jobs/{job_id}/timeline", api.http.get(f"{V1}/jobs/{api.submit()}/timeline")),
            ("delete", "/dead/messages/{message_id}", api.http.delete(f"{V1}/dead/messages/x")),
        ):
            assert call.status_code >= 400
            declared = paths[V1 + path][method]["responses"][str(call.status_code)]["content"]
            # A browser without a token gets the page to sign in.
            page = {"text/html"} if call.status_code == 401 else set()
            assert declared.keys() == {call.headers["Content-Type"], *page}


def upload(api: RunningApi, **fields: str) -> httpx.Response:
    return api.http.post(f"{V1}/upload", data=fields, files={"file": ("a.mkv", FILM_HEAD)})


@pytest.mark.parametrize("prefix", [V1, ""])
def test_location_of_a_new_job_is_of_the_path_form_that_was_used(
    api: RunningApi, prefix: str
) -> None:
    body = {"kind": "get_queue_stats", "params": {}}
    answer = api.http.post(f"{prefix}/jobs", json=body).raise_for_status()
    assert answer.headers["location"] == f"{prefix}/jobs/{answer.json()['id']}"
